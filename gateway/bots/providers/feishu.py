"""Feishu (China), Lark (international) and private deployments: the bot.

How events are believed and read is in `feishu_events`, calls in `feishu_api`, looks in
`feishu_cards`, the long connection in `feishu_socket`.
"""

from collections.abc import Mapping
from hashlib import sha256
from importlib import import_module
from typing import Any

import httpx2
import msgspec

from gateway.bots.bot import Bot, Listen, ProviderRefused
from gateway.bots.calling import Caller
from gateway.bots.commands import Language
from gateway.bots.message import Delivery, Inbound, Message, Person, Received
from gateway.bots.providers import feishu_cards
from gateway.bots.providers.feishu_api import CardRefused, OpenAPI
from gateway.bots.providers.feishu_events import NAME, Events, Secrets
from gateway.settings import GatewaySettings


def make(settings: GatewaySettings, client: httpx2.AsyncClient) -> Bot:
    app_id, app_secret = settings.app_id or "", _secret(settings.app_secret)
    caller, url = Caller(client, NAME), settings.feishu_open_url
    events = Events(app_id, settings.feishu_tenant_keys, feishu_cards.reply)
    listen = None
    if settings.feishu_mode == "websocket":
        module = import_module("gateway.bots.providers.feishu_socket")
        listen = module.LongConnection(caller, url, app_id, app_secret, events).listen
    api = OpenAPI(caller, url, app_id, app_secret)
    language: Language = "en" if "larksuite" in url else "zh"
    return Feishu(events, _secrets(settings), api, listen, language)


class Feishu:
    """The bot of one app."""

    name = NAME

    def __init__(
        self,
        events: Events,
        secrets: Secrets,
        api: OpenAPI,
        listen: Listen | None,
        language: Language,
    ) -> None:
        self._events, self._secrets, self._api = events, secrets, api
        self.listen, self.language = listen, language
        self._own_id: str | None = None

    def receive(self, delivery: Delivery, now: float) -> Received:
        return self._events.receive(delivery, self._secrets, now)

    async def concerns(self, inbound: Inbound) -> bool:
        """In a group, only what mentions the bot: with some scopes it hears everything."""
        if inbound.private:
            return True
        mentions = msgspec.json.decode(inbound.context["mentions"], type=list[tuple[str, str]])
        if not mentions:
            return False
        own = await self._open_id()
        return any(open_id == own if own else kind == "bot" for open_id, kind in mentions)

    async def name_of(self, person: Person) -> str | None:
        """Needs the scope contact:user.base:readonly; without it, it is refused."""
        kind = _id_type(person)
        path, params = f"/contact/v3/users/{person.subject}", {"user_id_type": kind}
        body = await self._api.call("user", "GET", path, params=params, tries=2)
        name = _inside(body, "data", "user").get("name")
        return name if isinstance(name, str) and name else None

    async def answer(self, inbound: Inbound, message: Message, once: str) -> None:
        path = f"/im/v1/messages/{inbound.context['message_id']}/reply"
        await self._send("reply", path, {}, message, once)

    async def tell(self, person: Person, message: Message, once: str) -> None:
        kind = {"receive_id_type": _id_type(person)}
        to = {"receive_id": person.subject}
        await self._send("message", "/im/v1/messages", to, message, once, kind)

    async def check(self) -> str:
        body = await self._api.call("bot info", "GET", "/bot/v3/info", tries=1)
        return f"accepted, as {_inside(body, 'bot').get('app_name') or 'a bot without a name'}"

    async def _send(
        self,
        what: str,
        path: str,
        to: Mapping[str, str],
        message: Message,
        once: str,
        params: Mapping[str, str] | None = None,
    ) -> None:
        """As a card, else as text. What has the same `uuid` is sent once within an hour."""
        for written, mark in ((feishu_cards.content, "c"), (feishu_cards.text, "t")):
            msg_type, content = written(message)
            uuid = mark + sha256(once.encode()).hexdigest()[:40]
            json = {**to, "msg_type": msg_type, "content": content, "uuid": uuid}
            try:
                await self._api.call(what, "POST", path, json=json, params=params)
            except CardRefused:
                if msg_type == "text":
                    raise
            else:
                return

    async def _open_id(self) -> str | None:
        """The bot's own; None: Feishu does not tell."""
        if self._own_id is None:
            try:
                body = await self._api.call("bot info", "GET", "/bot/v3/info")
            except ProviderRefused:
                return None
            found = _inside(body, "bot").get("open_id")
            self._own_id = found if isinstance(found, str) else None
        return self._own_id


def _id_type(person: Person) -> str:
    """By which of her ids she is known: the union id, unless Feishu gave none."""
    return "open_id" if person.subject.startswith("ou_") else "union_id"


def _inside(body: Mapping[str, Any], *names: str) -> Mapping[str, Any]:
    for name in names:
        found = body.get(name)
        body = found if isinstance(found, dict) else {}
    return body


def _secrets(settings: GatewaySettings) -> Secrets:
    return Secrets(
        _secret(settings.feishu_verification_token), _secret(settings.feishu_encrypt_key)
    )


def _secret(value: Any) -> str:
    return value.get_secret_value() if value else ""
