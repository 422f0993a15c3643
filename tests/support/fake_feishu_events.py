"""What Feishu delivers to the gateway: built, encrypted, signed, pushed, and pushed again."""

import base64
import json
import os
import secrets
import time
from collections.abc import Iterator
from dataclasses import dataclass
from hashlib import sha256
from itertools import count
from typing import Any

import httpx2
from cryptography.hazmat.primitives import padding
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes

from tests.support.fake_feishu import BOT_OPEN_ID, TENANT, FakeFeishu

DEADLINE_S = 3.0
REPUSHED_AFTER_S = (15, 300, 3600, 21600)
GROUP = "oc_group"

Event = dict[str, Any]
_NUMBERS = count(1)


@dataclass
class Pushing:
    """Feishu, pushing to one gateway's address."""

    fake: FakeFeishu
    url: str
    """Of the gateway."""

    @property
    def address(self) -> str:
        return f"{self.url}/bots/feishu/events"

    def push(self, event: Event, **how: Any) -> httpx2.Response:
        """`how`: see `delivered`."""
        headers, body = delivered(self.fake, event, **how)
        return httpx2.post(self.address, content=body, headers=headers, timeout=30)

    def say(self, text: str, person: str = "alice", **more: Any) -> httpx2.Response:
        """Somebody writes to the bot."""
        return self.push(message(self.fake, text, person, **more))

    def insist(self, event: Event) -> Iterator[int]:
        """Pushed until it is accepted, at most as often as Feishu does; times are not waited for,
        as its clock and the gateway's are two. Each status."""
        for _ in (0, *REPUSHED_AFTER_S):
            status = self.push(event).status_code
            yield status
            if status == 200:
                return

    def verify_url(self, challenge: str = "c-1", **how: Any) -> httpx2.Response:
        """As the developer console does when an address is saved: never signed, within 1 s."""
        token = how.pop("token", self.fake.verification_token)
        check = {"challenge": challenge, "token": token, "type": "url_verification"}
        return self.push(check, sign=False, **how)


def message(
    fake: FakeFeishu,
    text: str,
    person: str = "alice",
    *,
    group: bool = False,
    mention: bool = True,
    kind: str = "text",
    sender: str = "user",
    tenant: str = TENANT,
    message_id: str | None = None,
    event_id: str | None = None,
) -> Event:
    """`im.message.receive_v1`. A bot hears only what mentions it, unless it has more scopes."""
    message_id = message_id or f"om_{next(_NUMBERS)}_{secrets.token_hex(4)}"
    chat_id = GROUP if group else f"oc_p2p_{person}"
    fake.chats[message_id] = chat_id, "" if group else person
    said = f"@_user_1 {text}" if group and mention else text
    at_bot = {
        "key": "@_user_1",
        "id": {"union_id": "on_gateway_bot", "user_id": "", "open_id": BOT_OPEN_ID},
        "mentioned_type": "bot",
        "name": "Gateway",
        "tenant_key": tenant,
    }
    ids = {"union_id": f"on_{person}", "user_id": None, "open_id": f"ou_{person}"}
    return _envelope(
        fake,
        "im.message.receive_v1",
        {
            "sender": {"sender_id": ids, "sender_type": sender, "tenant_key": tenant},
            "message": {
                "message_id": message_id,
                "create_time": f"{time.time() * 1000:.0f}",
                "chat_id": chat_id,
                "chat_type": "group" if group else "p2p",
                "message_type": kind,
                "content": json.dumps({"text": said} if kind == "text" else {"file_key": "f"}),
                **({"mentions": [at_bot]} if group and mention else {}),
            },
        },
        tenant,
        event_id,
    )


def click(fake: FakeFeishu, value: Any, person: str = "alice", tenant: str = TENANT) -> Event:
    """`card.action.trigger`."""
    operator = {"union_id": f"on_{person}", "open_id": f"ou_{person}", "tenant_key": tenant}
    action = {"tag": "button", "value": value}
    event = {"operator": operator, "action": action, "token": "c-fake", "context": {}}
    return _envelope(fake, "card.action.trigger", event, tenant, None)


def legacy(fake: FakeFeishu) -> Event:
    """Envelope v1.0."""
    inner = {"type": "message", "app_id": fake.app_id, "tenant_key": TENANT, "text": "获取key"}
    token = fake.verification_token
    return {"uuid": "u", "token": token, "type": "event_callback", "ts": "1.0", "event": inner}


def _envelope(fake: FakeFeishu, kind: str, event: Any, tenant: str, event_id: str | None) -> Event:
    header = {
        "event_id": event_id or secrets.token_hex(16),
        "event_type": kind,
        "create_time": f"{time.time() * 1000:.0f}",
        "token": fake.verification_token,
        "app_id": fake.app_id,
        "tenant_key": tenant,
    }
    return {"schema": "2.0", "header": header, "event": event}


def delivered(
    fake: FakeFeishu,
    event: Event,
    *,
    encrypt: bool = True,
    sign: bool = True,
    key: str | None = None,
    at: float | str | None = None,
    cut: int = 0,
    signature: str | None = None,
) -> tuple[dict[str, str], bytes]:
    """Headers and body, as Feishu sends them; or with another key, time, signature, or the
    ciphertext cut short by so many bytes."""
    key = fake.encrypt_key if key is None else key
    body = json.dumps(event, ensure_ascii=False).encode()
    if encrypt:
        ciphertext = encrypted(body, key)
        cut_off = base64.b64encode(ciphertext[: len(ciphertext) - cut]).decode()
        body = json.dumps({"encrypt": cut_off}).encode()
    headers = {"content-type": "application/json;charset=utf-8"}
    if sign:
        timestamp = at if isinstance(at, str) else str(int(time.time() if at is None else at))
        nonce = secrets.token_hex(8)
        signed = (timestamp + nonce + key).encode() + body
        headers["X-Lark-Request-Timestamp"] = timestamp
        headers["X-Lark-Request-Nonce"] = nonce
        headers["X-Lark-Signature"] = signature or sha256(signed).hexdigest()
    return headers, body


def encrypted(plaintext: bytes, key: str) -> bytes:
    """The vector, and AES-256-CBC with it."""
    vector, padder = os.urandom(16), padding.PKCS7(128).padder()
    padded = padder.update(plaintext) + padder.finalize()
    cipher = Cipher(algorithms.AES(sha256(key.encode()).digest()), modes.CBC(vector)).encryptor()
    return vector + cipher.update(padded) + cipher.finalize()
