"""Feishu's long connection: events without a public address.

The gateway asks for an address, connects to it, and gets frames (`feishu_frames`); the connection
itself is what makes an event authentic. One process at a time keeps it, under a lease: Feishu gives
each event to one connection. The protocol is documented by the vendor's SDK alone (lark-oapi,
ws/client.py).
"""

import base64
import time
from collections.abc import Mapping
from dataclasses import dataclass, replace
from random import uniform
from typing import Any
from urllib.parse import parse_qs, urlsplit

import anyio
import msgspec
import structlog
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import InvalidStatus as _Refused
from websockets.exceptions import WebSocketException

from common.foreign_json import json_object
from gateway.bots.bot import Deliver, ProviderFailed, ProviderRefused
from gateway.bots.calling import Again, Answer, Caller
from gateway.bots.providers.feishu_events import NAME, Events
from gateway.bots.providers.feishu_frames import CONTROL, DATA, BrokenFrame, Frame, decode, encode
from gateway.errors import GatewayError

OPEN_S = 10.0
LONGEST_PAUSE_S = 120.0
MOST_FRAME_BYTES = 1024**2
MOST_FRAGMENTS, MOST_UNFINISHED = 64, 100
AT_ONCE = 16
"""Events handled side by side; Feishu wants an answer to each within 3 s."""
_AGAIN_CODES = {1, 1000040343, 1000040350}

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class _Place:
    """Where to connect, and how to keep the connection."""

    url: str
    service: int
    ping_s: float


class LongConnection:
    """One app's connection. `listen` keeps it."""

    def __init__(
        self, caller: Caller, url: str, app_id: str, app_secret: str, events: Events
    ) -> None:
        self._caller, self._url, self._events = caller, url, events
        self._credentials = {"AppID": app_id, "AppSecret": app_secret}
        self._fragments: dict[str, dict[int, bytes]] = {}
        self._why_lost = ""

    async def listen(self, deliver: Deliver) -> None:
        """Until cancelled. Between tries it pauses, ever longer, never all gateways at once."""
        failures = 0
        while True:
            started = time.monotonic()
            try:
                await self._converse(await self._place(), deliver)
                reason = "closed by Feishu"
            except (ProviderFailed, ProviderRefused) as error:
                reason = str(error)
            except (WebSocketException, OSError, BrokenFrame) as error:
                reason = _reason(error)
            failures = 1 if time.monotonic() - started > LONGEST_PAUSE_S else failures + 1
            if reason != self._why_lost:
                self._why_lost = reason
                log.warning("bot_connection_lost", provider=NAME, reason=reason)
            longest_s = min(2.0**failures, LONGEST_PAUSE_S)
            await anyio.sleep(uniform(longest_s / 4, longest_s))  # noqa: S311 - jitter, no secret

    async def _place(self) -> _Place:
        """Raises ProviderFailed, ProviderRefused."""
        answer = await self._caller.call(
            "long connection",
            "POST",
            f"{self._url}/callback/ws/endpoint",
            _judged,
            headers=_locale,
            json=self._credentials,
            tries=1,
        )
        found = answer.body.get("data")
        data: Mapping[str, Any] = found if isinstance(found, dict) else {}
        url = data.get("URL")
        if not isinstance(url, str) or urlsplit(url).scheme not in ("ws", "wss"):
            raise ProviderFailed("the answer names no address to connect to")
        service = parse_qs(urlsplit(url).query).get("service_id", ["0"])[0]
        config = data.get("ClientConfig")
        return _Place(url, int(service) if service.isdecimal() else 0, _ping_s(config) or 120.0)

    async def _converse(self, place: _Place, deliver: Deliver) -> None:
        """Until the connection ends. Raises WebSocketException, OSError, BrokenFrame."""
        async with connect(
            place.url,
            open_timeout=OPEN_S,
            close_timeout=1,
            ping_interval=None,  # Feishu's own frames do that
            max_size=MOST_FRAME_BYTES,
            proxy=None,
        ) as socket:
            self._why_lost = ""
            self._fragments.clear()
            log.info("bot_connected", provider=NAME)
            await self._read(socket, place, deliver)

    async def _read(self, socket: ClientConnection, place: _Place, deliver: Deliver) -> None:
        pace, limiter = _Pace(place.ping_s), anyio.CapacityLimiter(AT_ONCE)
        broken: WebSocketException | BrokenFrame | None = None
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(_ping, socket, place, pace)
            try:
                async for data in socket:
                    if not isinstance(data, bytes):
                        continue
                    pace.heard_at = time.monotonic()
                    frame = decode(data)
                    if frame.method == CONTROL:
                        pace.learn(frame)
                    else:
                        tasks.start_soon(self._handle, socket, frame, deliver, limiter)
            except (WebSocketException, BrokenFrame) as error:
                broken = error  # a task group would wrap it
            tasks.cancel_scope.cancel()
        if broken is not None:
            raise broken

    async def _handle(
        self,
        socket: ClientConnection,
        frame: Frame,
        deliver: Deliver,
        limiter: anyio.CapacityLimiter,
    ) -> None:
        payload = self._whole(frame)
        if frame.method != DATA or payload is None:
            return
        started = time.monotonic()
        async with limiter:
            answer = await self._answer(payload, deliver)
        took = f"{(time.monotonic() - started) * 1000:.0f}"
        back = replace(frame, headers={**frame.headers, "biz_rt": took}, payload=answer)
        try:
            await socket.send(encode(back))
        except WebSocketException:
            return  # it comes again, and is known

    async def _answer(self, payload: bytes, deliver: Deliver) -> bytes:
        try:
            reply = await deliver(self._events.understand(payload))
        except GatewayError as refused:
            log.warning(
                "bot_event_refused", provider=NAME, code=refused.code, reason=refused.message
            )
            return b'{"code":500}'
        data = base64.b64encode(reply).decode()
        return msgspec.json.encode({"code": 200, "headers": {}, "data": data})

    def _whole(self, frame: Frame) -> bytes | None:
        """None: parts of it are still missing. What never becomes whole is pushed out."""
        parts, number = _number(frame, "sum", 1), _number(frame, "seq", 0)
        if parts <= 1:
            return frame.payload
        id = frame.headers.get("message_id", "")
        if parts > MOST_FRAGMENTS or not 0 <= number < parts:
            return None
        found = self._fragments.setdefault(id, {})
        found[number] = frame.payload
        if len(found) == parts:
            del self._fragments[id]
            return b"".join(found[n] for n in range(parts))
        if len(self._fragments) > MOST_UNFINISHED:
            del self._fragments[next(iter(self._fragments))]
        return None


class _Pace:
    """How often to ping, which a pong may change, and when Feishu was last heard."""

    def __init__(self, every_s: float) -> None:
        self.every_s, self.heard_at = every_s, time.monotonic()

    def learn(self, frame: Frame) -> None:
        if frame.headers.get("type") == "pong" and frame.payload:
            self.every_s = _ping_s(json_object(frame.payload)) or self.every_s


async def _ping(socket: ClientConnection, place: _Place, pace: _Pace) -> None:
    """Until Feishu has been silent for so long that the connection is dead; then it is closed."""
    ping = encode(Frame(CONTROL, place.service, {"type": "ping"}))
    while time.monotonic() - pace.heard_at < 2.5 * pace.every_s:
        try:
            await socket.send(ping)
        except WebSocketException:
            return
        await anyio.sleep(pace.every_s)
    await socket.close(1001, "nothing was heard")


def _reason(error: Exception) -> str:
    """Of a refused handshake, what Feishu says of it in a header."""
    said = error.response.headers.get("handshake-msg", "") if isinstance(error, _Refused) else ""
    return f"{type(error).__name__} {said[:200]}".strip()


async def _locale() -> Mapping[str, str]:
    return {"locale": "zh"}


def _judged(answer: Answer) -> Again | None:
    code = answer.body.get("code")
    if code == 0:
        return None
    reason = f"status {answer.status}, code {code}: {str(answer.body.get('msg', ''))[:200]}"
    if code in _AGAIN_CODES or answer.status >= 500 or answer.status == 429:
        return Again(reason)
    raise ProviderRefused(reason)


def _ping_s(config: Any) -> float | None:
    found = config.get("PingInterval") if isinstance(config, dict) else None
    return float(found) if isinstance(found, int | float) and 0 < found <= 3600 else None


def _number(frame: Frame, name: str, otherwise: int) -> int:
    value = frame.headers.get(name, "")
    return int(value) if value.isdecimal() and len(value) < 6 else otherwise
