"""Feishu's and Lark's side of the bot: its Open API, as strict and as odd as the real one.

What it sends to the gateway is in `fake_feishu_events`, its long connection in
`fake_feishu_socket`,
its side of signing in in `fake_feishu_login`. People are called alike in all of them: `alice` is
`ou_alice` and `on_alice` at `736DEMO`.
"""

import asyncio
import json
import re
import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.routing import BaseRoute, Route

from tests.support.serving import serving

TENANT = "736DEMO"
BOT_OPEN_ID = "ou_gateway_bot"
MOST_TEXT_BYTES, MOST_CARD_BYTES = 150_000, 30_000
PER_CHAT_A_SECOND, PER_APP_A_SECOND = 5, 50
SAME_UUID_S = 3600
TOKEN_LASTS_S, TOKEN_RENEWED_S = 7200, 1800
_STEPS = ("token", "message", "reply", "bot", "user", "endpoint")


@dataclass(frozen=True)
class Sent:
    """A message of the bot's, as people have it before them."""

    message_id: str
    chat_id: str
    to: str
    """The person it is for, if she alone sees it; else empty."""
    msg_type: str
    content: dict[str, Any]
    replies_to: str = ""

    @property
    def text(self) -> str:
        """All that is written in it, whatever it is."""
        return json.dumps(self.content, ensure_ascii=False)

    @property
    def key(self) -> str | None:
        found = re.search(r"ogw_[0-9A-Za-z]{49}", self.text)
        return found[0] if found else None

    @property
    def buttons(self) -> list[dict[str, Any]]:
        """Values of its buttons."""
        elements = self.content.get("body", {}).get("elements", [])
        return [e["behaviors"][0]["value"] for e in elements if e.get("tag") == "button"]


@dataclass
class Fault:
    """How a step misbehaves, so many times."""

    step: str
    answer: Response | None = None
    """Instead of the right one; None: the right one, but late."""
    slow_s: float = 0
    times: int = 1
    done_first: bool = False
    """Carried out all the same, before the fault."""


@dataclass
class FakeFeishu:
    """One app with a bot, at one tenant. Tests change it while it serves."""

    app_id: str = "cli_fake"
    app_secret: str = "feishu-secret"
    verification_token: str = "feishu-verification"
    encrypt_key: str = "feishu-encrypt-key"
    url: str = ""
    socket_url: str = ""
    """Where its long connection is, if it has one."""
    clock: Callable[[], float] = time.time
    outbox: list[Sent] = field(default_factory=list)
    asked: list[str] = field(default_factory=list)
    faults: list[Fault] = field(default_factory=list)
    names_shown: bool = True
    """Whether the app has the scope to see people's names."""
    unreachable: set[str] = field(default_factory=set)
    """People whom the bot cannot write to by itself."""
    recalled: set[str] = field(default_factory=set)
    chats: dict[str, tuple[str, str]] = field(default_factory=dict)
    """By the id of a message that was written to the bot: its chat, and whose private one it is."""
    _uuids: dict[str, tuple[float, Sent]] = field(default_factory=dict)
    _sent_at: dict[str, list[float]] = field(default_factory=lambda: defaultdict(list))
    _token: tuple[str, float] = ("", 0)
    _old_token: str = ""

    def to(self, person: str) -> list[Sent]:
        """What that person alone has got."""
        return [sent for sent in self.outbox if sent.to == person]

    def in_chat(self, chat_id: str) -> list[Sent]:
        return [sent for sent in self.outbox if sent.chat_id == chat_id]

    def fail(self, step: str, status: int = 500, times: int = 1, **body: Any) -> None:
        assert step in _STEPS
        answer = JSONResponse(body, status) if body else PlainTextResponse("oops", status)
        self.faults.append(Fault(step, answer, times=times))

    def routes(self) -> list[BaseRoute]:
        api = "/open-apis"
        return [
            Route(f"{api}/auth/v3/tenant_access_token/internal", self._issue, methods=["POST"]),
            Route(f"{api}/im/v1/messages", self._message, methods=["POST"]),
            Route(f"{api}/im/v1/messages/{{id}}/reply", self._reply, methods=["POST"]),
            Route(f"{api}/bot/v3/info", self._bot),
            Route(f"{api}/contact/v3/users/{{id}}", self._user),
            Route("/callback/ws/endpoint", self._endpoint, methods=["POST"]),
        ]

    async def _issue(self, request: Request) -> Response:
        """The same token while more than half an hour is left of it."""
        if (fault := await self._fault("token")) is not None:
            return fault
        body = await request.json()
        if (body.get("app_id"), body.get("app_secret")) != (self.app_id, self.app_secret):
            return JSONResponse({"code": 10014, "msg": "app secret invalid"})
        token, ends = self._token
        if ends - self.clock() < TOKEN_RENEWED_S:
            self._old_token = token
            token, ends = f"t-{len(self.asked)}-fake", self.clock() + TOKEN_LASTS_S
            self._token = token, ends
        left_s = int(ends - self.clock())
        return JSONResponse(
            {"code": 0, "msg": "ok", "tenant_access_token": token, "expire": left_s}
        )

    def forget_token(self) -> None:
        """It is not accepted any more."""
        self._token, self._old_token = ("", 0), ""

    async def _message(self, request: Request) -> Response:
        body = await request.json()
        kind = request.query_params.get("receive_id_type")
        if kind not in ("open_id", "union_id"):
            return _error(230001, "invalid receive_id_type")
        person = str(body.get("receive_id", "")).removeprefix("ou_").removeprefix("on_")
        if person in self.unreachable:
            return await self._done("message", request, _error(230013, "no availability"))
        return await self._say("message", request, body, f"oc_p2p_{person}", person)

    async def _reply(self, request: Request) -> Response:
        body, id = await request.json(), request.path_params["id"]
        if id not in self.chats or id in self.recalled:
            return await self._done("reply", request, _error(230011, "message was recalled"))
        chat_id, person = self.chats[id]
        return await self._say("reply", request, body, chat_id, person, id)

    async def _say(
        self, step: str, request: Request, body: Any, chat_id: str, person: str, to: str = ""
    ) -> Response:
        """Said, unless something is wrong with it; once within an hour for one uuid."""
        slow = next((f for f in self.faults if f.step == step and f.done_first), None)
        if slow is None and (fault := await self._fault(step)) is not None:
            return fault
        if (refusal := self._unauthorized(request) or _wrong(body)) is not None:
            return refusal
        if (refusal := self._too_fast(chat_id)) is not None:
            return refusal
        said_at, sent = self._uuids.get(body.get("uuid", ""), (0.0, None))
        if sent is None or self.clock() - said_at > SAME_UUID_S:
            number, content = len(self.outbox) + 1, json.loads(body["content"])
            sent = Sent(f"om_bot{number}", chat_id, person, body["msg_type"], content, to)
            self.outbox.append(sent)
            self._uuids[body.get("uuid", "")] = self.clock(), sent
        if slow is not None and (fault := await self._fault(step)) is not None:
            return fault
        return JSONResponse({"code": 0, "msg": "success", "data": {"message_id": sent.message_id}})

    async def _bot(self, request: Request) -> Response:
        info = {"open_id": BOT_OPEN_ID, "app_name": "Gateway", "activate_status": 2}
        answer = self._unauthorized(request) or JSONResponse({"code": 0, "msg": "ok", "bot": info})
        return await self._done("bot", request, answer)

    async def _user(self, request: Request) -> Response:
        """Names need a scope of their own."""
        if (refusal := self._unauthorized(request)) is not None:
            return refusal
        if not self.names_shown:
            return await self._done("user", request, _error(99991672, "Access denied: scope"))
        name = request.path_params["id"].removeprefix("on_").removeprefix("ou_").title()
        data = {"user": {"name": name, "union_id": request.path_params["id"]}}
        return await self._done("user", request, JSONResponse({"code": 0, "data": data}))

    async def _endpoint(self, request: Request) -> Response:
        if (fault := await self._fault("endpoint")) is not None:
            return fault
        body = await request.json()
        if (body.get("AppID"), body.get("AppSecret")) != (self.app_id, self.app_secret):
            return JSONResponse({"code": 514, "msg": "auth failed"})
        config = {"ReconnectCount": -1, "ReconnectInterval": 120, "PingInterval": 1}
        return JSONResponse(
            {"code": 0, "msg": "", "data": {"URL": self.socket_url, "ClientConfig": config}}
        )

    async def _done(self, step: str, _request: Request, answer: Response) -> Response:
        return await self._fault(step) or answer

    async def _fault(self, step: str) -> Response | None:
        self.asked.append(step)
        for fault in self.faults:
            if fault.step == step:
                fault.times -= 1
                if fault.times == 0:
                    self.faults.remove(fault)
                await asyncio.sleep(fault.slow_s)
                return fault.answer
        return None

    def _unauthorized(self, request: Request) -> Response | None:
        scheme, _, token = request.headers.get("authorization", "").partition(" ")
        if scheme != "Bearer" or not token:
            return _error(99991661, "Missing access token for authorization")
        current, ends = self._token
        if token not in (current, self._old_token) or self.clock() > ends:
            return _error(99991663, "Invalid access token for authorization")
        return None

    def _too_fast(self, chat_id: str) -> Response | None:
        now = self.clock()
        for place, most in ((chat_id, PER_CHAT_A_SECOND), ("", PER_APP_A_SECOND)):
            recent = [at for at in self._sent_at[place] if now - at < 1]
            self._sent_at[place] = [*recent, now]
            if len(recent) >= most and place:
                return _error(230020, "This operation triggers the frequency limit.")
            if len(recent) >= most:
                answer = {"code": 99991400, "msg": "request trigger frequency limit"}
                return JSONResponse(answer, 429, {"x-ogw-ratelimit-reset": "1"})
        return None


def _wrong(body: Any) -> Response | None:
    """What Feishu would not take of a message."""
    content = body.get("content")
    if not isinstance(content, str) or body.get("msg_type") not in ("text", "interactive"):
        return _error(230001, "invalid request param: content is not a string in json format")
    if len(body.get("uuid", "")) > 50:
        return _error(230001, "uuid is too long")
    most = MOST_TEXT_BYTES if body["msg_type"] == "text" else MOST_CARD_BYTES
    return _error(230025, "message too long") if len(content.encode()) > most else None


def _error(code: int, message: str) -> Response:
    return JSONResponse({"code": code, "msg": message}, 400, {"x-tt-logid": "fake"})


async def _unknown(_request: Request, _error: Exception) -> Response:
    return PlainTextResponse("404 page not found", 404)


def app_of(routes: list[BaseRoute]) -> Starlette:
    """What is at no address is said as Feishu says it: in plain text."""
    return Starlette(routes=routes, exception_handlers={404: _unknown, 405: _unknown})


@contextmanager
def fake_feishu() -> Iterator[FakeFeishu]:
    """Serving on a port of its own."""
    fake = FakeFeishu()
    with serving(app_of(fake.routes())) as fake.url:
        yield fake
