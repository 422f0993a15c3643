"""Short ways for a test to call an upstream through a transport, and to read what comes."""

from collections.abc import AsyncIterator
from typing import Any

from gateway.upstream.credential import Timeouts, Upstream
from gateway.upstream.wire import Transport, WireAnswer, WireRequest
from tests.support.scripted_server import ScriptedServer


def upstream(server: ScriptedServer | str, proxy: str | None = None, **timeouts: Any) -> Upstream:
    url = server if isinstance(server, str) else server.url
    limits = Timeouts(**{**dict.fromkeys(("connect_s", "first_byte_s", "idle_s"), 30), **timeouts})
    return Upstream("test", url, proxy=proxy, timeouts=limits)


def post(
    body: bytes | AsyncIterator[bytes] = b"{}",
    *headers: tuple[bytes, bytes],
    target: bytes = b"/chat/completions",
    method: bytes = b"POST",
) -> WireRequest:
    return WireRequest(method, target, headers, body)


async def whole(answer: WireAnswer) -> bytes:
    """The body, to the end. Never reads once the answer says that it is complete."""
    body = []
    while not answer.complete and (piece := await answer.read()):
        body.append(piece)
    assert answer.complete
    answer.close()
    return b"".join(body)


async def call(transport: Transport, to: Upstream, request: WireRequest) -> tuple[int, bytes]:
    answer = await transport.send(to, request)
    return answer.status, await whole(answer)


async def pieces(*parts: bytes) -> AsyncIterator[bytes]:
    for part in parts:
        yield part
