"""Events of Feishu and Lark: decrypted, verified, and turned into what the bot understands.

Sources: open.feishu.cn, "Send notifications to developer's server", "Encrypt Key", "Receive
message", "Card callback communication". What is not documented: how old a signature may be.
"""

import base64
import binascii
import hmac
import re
from collections.abc import Callable, Collection
from dataclasses import dataclass
from datetime import datetime
from hashlib import sha256
from math import inf
from typing import Any

import msgspec
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes

from common.foreign_json import UNREADABLE, json_object
from gateway.bots.message import Click, Delivery, Inbound, Message, Person, Received
from gateway.errors import MalformedEvent, StaleEvent, UnverifiedEvent

NAME = "feishu"
WINDOW_S = 600.0
"""How old a signature may be, either way: long enough for the re-push after five minutes."""
_BLOCK = 16
_GO = "%Y-%m-%d %H:%M:%S %z"


@dataclass(frozen=True, slots=True)
class Secrets:
    """What an event is verified with. At least one of them is not empty."""

    verification_token: str
    encrypt_key: str


class _Ids(msgspec.Struct):
    union_id: str | None = None
    open_id: str | None = None


class _Sender(msgspec.Struct):
    sender_id: _Ids | None = None
    sender_type: str = ""
    tenant_key: str | None = None


class _Mention(msgspec.Struct):
    key: str = ""
    id: _Ids | None = None
    mentioned_type: str | None = None


class _Message(msgspec.Struct):
    message_id: str
    chat_type: str = ""
    message_type: str = ""
    content: str = ""
    mentions: list[_Mention] | None = None


class _MessageEvent(msgspec.Struct):
    sender: _Sender
    message: _Message


class _Action(msgspec.Struct):
    value: Any = None


class _Operator(msgspec.Struct):
    union_id: str | None = None
    open_id: str | None = None
    tenant_key: str | None = None


class _ClickEvent(msgspec.Struct):
    operator: _Operator
    action: _Action


class _Header(msgspec.Struct):
    event_id: str = ""
    event_type: str = ""
    token: str = ""
    app_id: str = ""
    tenant_key: str | None = None


class _Envelope(msgspec.Struct):
    """Of both versions, and of the URL check; what is missing is empty."""

    schema: str = ""
    type: str = ""
    token: str = ""
    challenge: str = ""
    encrypt: str = ""
    header: _Header = msgspec.field(default_factory=_Header)
    event: msgspec.Raw = msgspec.Raw(b"{}")


class Events:
    """Reads events of one app."""

    def __init__(
        self, app_id: str, tenant_keys: Collection[str], reply: Callable[[Message], bytes]
    ) -> None:
        """`tenant_keys`: whose people are heard; none: everybody's. `reply`: see `Click`."""
        self._app_id, self._tenant_keys, self._reply = app_id, tenant_keys, reply

    def receive(self, delivery: Delivery, secrets: Secrets, now: float) -> Received:
        """A delivery to the endpoint.

        The URL check carries no signature and must be answered all the same, so that whether one
        is due is known only after decryption. Raises UnverifiedEvent and StaleEvent (401),
        MalformedEvent (400).
        """
        envelope = _decoded(delivery.body, _Envelope)
        encrypted = bool(envelope.encrypt)
        if encrypted:
            envelope = _deciphered(envelope.encrypt, secrets.encrypt_key)
        if envelope.type == "url_verification":
            if secrets.verification_token or not encrypted:
                _check_token(envelope.token, secrets)
            return Received(reply=msgspec.json.encode({"challenge": envelope.challenge}))
        if secrets.encrypt_key:
            _check_signature(delivery, secrets.encrypt_key, now)
        if secrets.verification_token:
            _check_token(envelope.header.token or envelope.token, secrets)
        return self._understood(envelope)

    def understand(self, payload: bytes) -> Received:
        """What came over a connection that is authentic. Raises MalformedEvent."""
        return self._understood(_decoded(payload, _Envelope))

    def _understood(self, envelope: _Envelope) -> Received:
        header = envelope.header
        if envelope.schema != "2.0":
            return Received(ignored="envelope_version")
        if header.app_id != self._app_id:
            return Received(ignored="other_app")
        if header.event_type == "im.message.receive_v1":
            return self._message(header, _decoded(envelope.event, _MessageEvent))
        if header.event_type == "card.action.trigger":
            return self._click(header, _decoded(envelope.event, _ClickEvent))
        return Received(ignored="event_type")

    def _message(self, header: _Header, event: _MessageEvent) -> Received:
        sender, message = event.sender, event.message
        if sender.sender_type != "user":
            return Received(ignored="not_a_person")
        ids = sender.sender_id or _Ids()
        person = self._person(header, sender.tenant_key, ids.union_id or ids.open_id)
        if isinstance(person, Received):
            return person
        mentions = message.mentions or []
        spoken_to = [
            [mention.id.open_id or "", mention.mentioned_type or ""]
            for mention in mentions
            if mention.id is not None
        ]
        inbound = Inbound(
            person,
            _text(message, mentions),
            private=message.chat_type == "p2p",
            context={
                "message_id": message.message_id,
                "mentions": msgspec.json.encode(spoken_to).decode(),
            },
        )
        # the page on this event says message_id, the general one event_id
        return Received(
            keys=(f"message {message.message_id}", f"event {header.event_id}"), inbound=inbound
        )

    def _click(self, header: _Header, event: _ClickEvent) -> Received:
        operator, value = event.operator, event.action.value
        person = self._person(header, operator.tenant_key, operator.union_id or operator.open_id)
        if isinstance(person, Received):
            return person
        match value:
            case {"op": str(op), "id": int(id), "language": "zh" | "en" as language}:
                return Received(click=Click(person, op, id, language, self._reply))
        return Received(ignored="unknown_button")

    def _person(
        self, header: _Header, tenant_key: str | None, subject: str | None
    ) -> Person | Received:
        tenant_key = tenant_key or header.tenant_key or ""
        if self._tenant_keys and not {tenant_key, header.tenant_key or tenant_key} <= set(
            self._tenant_keys
        ):
            return Received(ignored="foreign_tenant")
        if not subject:
            return Received(ignored="nobody")
        return Person(NAME, tenant_key, subject)


def _decoded(data: bytes | msgspec.Raw, type: type[Any]) -> Any:
    try:
        return msgspec.json.decode(data, type=type)
    except UNREADABLE:
        raise MalformedEvent from None


def _deciphered(encrypt: str, encrypt_key: str) -> _Envelope:
    """Everything that can be wrong is one error, and the same as a wrong signature: whoever were
    told whether the padding was right could read what is not theirs, byte by byte."""
    try:
        envelope: _Envelope = _decoded(_decrypted(encrypt, encrypt_key), _Envelope)
    except MalformedEvent:
        raise UnverifiedEvent("what was encrypted is no event") from None
    return envelope


def _decrypted(encrypt: str, encrypt_key: str) -> bytes:
    """AES-256-CBC; the key is the SHA-256 of the Encrypt Key, the first block the vector.

    Raises UnverifiedEvent.
    """
    if not encrypt_key:
        raise UnverifiedEvent("encrypted, but there is no FEISHU_ENCRYPT_KEY")
    try:
        data = base64.b64decode(encrypt, validate=True)
    except (binascii.Error, ValueError):
        raise UnverifiedEvent("ciphertext is no base64") from None
    if len(data) < 2 * _BLOCK or len(data) % _BLOCK:
        raise UnverifiedEvent("ciphertext is cut off")
    key = sha256(encrypt_key.encode()).digest()
    decryptor = Cipher(algorithms.AES(key), modes.CBC(data[:_BLOCK])).decryptor()
    padded = decryptor.update(data[_BLOCK:]) + decryptor.finalize()
    size = padded[-1]
    if not 1 <= size <= _BLOCK or padded[-size:] != bytes([size]) * size:
        raise UnverifiedEvent("ciphertext of another key")
    return padded[:-size]


def _check_token(token: str, secrets: Secrets) -> None:
    ours = secrets.verification_token
    if not ours or not hmac.compare_digest(token.encode(), ours.encode()):
        raise UnverifiedEvent("wrong verification token")


def _check_signature(delivery: Delivery, encrypt_key: str, now: float) -> None:
    """A plain SHA-256 over timestamp, nonce, Encrypt Key and body, as they came."""
    headers = delivery.headers
    timestamp = headers.get("x-lark-request-timestamp", "")
    signed = timestamp + headers.get("x-lark-request-nonce", "") + encrypt_key
    ours = sha256(signed.encode("utf-8", "surrogateescape") + delivery.body).hexdigest()
    theirs = headers.get("x-lark-signature", "")
    if not hmac.compare_digest(ours.encode(), theirs.encode("utf-8", "surrogateescape")):
        raise UnverifiedEvent("wrong signature" if theirs else "not signed")
    if abs(now - seconds(timestamp)) > WINDOW_S:
        raise StaleEvent("signed too long ago, or in the future")


def seconds(timestamp: str) -> float:
    """Seconds since the epoch: Unix time in any unit, or a time as Go prints it, which card
    callbacks have been seen with. Infinite where it is neither."""
    if timestamp.isdecimal() and len(timestamp) <= 20:
        number = float(timestamp)
        while number > 1e11:
            number /= 1000
        return number
    found = re.match(r"(\d{4}-\d\d-\d\d \d\d:\d\d:\d\d)(?:\.\d+)? ([+-]\d{4})\b", timestamp)
    try:
        return datetime.strptime(" ".join(found.groups()), _GO).timestamp() if found else inf
    except ValueError:
        return inf


def _text(message: _Message, mentions: list[_Mention]) -> str:
    """Without the placeholders of mentions; empty where it is no text."""
    if message.message_type != "text":
        return ""
    text = (json_object(message.content) or {}).get("text")
    if not isinstance(text, str):
        return ""
    for placeholder in sorted({m.key for m in mentions if m.key}, key=len, reverse=True):
        text = text.replace(placeholder, " ")
    return text.replace("@_all", " ")
