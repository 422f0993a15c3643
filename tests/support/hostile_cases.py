"""Everything that an upstream may do wrong, and what must follow from each: one table."""

import asyncio
import gzip
import json
from dataclasses import dataclass
from functools import partial

from tests.support.raw_upstream import answer, chunked
from tests.support.scripted_server import Peer, Script
from tests.support.watching import MIB

GOOD = json.dumps(
    {"id": "c", "choices": [{"index": 0, "message": {"content": "Yes."}}], "odd": [1e2, "\u2028"]}
).encode()
CHUNK = b'data: {"id":"c","choices":[{"index":0,"delta":{"content":"Yes"}}]}\n\n'
FINISH = b'data: {"id":"c","choices":[{"index":0,"delta":{},"finish_reason":"stop"}]}\n\n'
ERROR = b'{"error":{"message":"Overloaded.","type":"server_error","param":null,"code":"busy"}}'
LARGE = 100 * MIB
PACKED = gzip.compress(GOOD)


def sends(*parts: bytes, then: str = "keep") -> Script:
    """Each part by itself; then the connection is kept, closed, reset, or hangs."""

    async def script(peer: Peer) -> None:
        await peer.send(*parts)
        match then:
            case "close":
                peer.end()
            case "reset":
                await asyncio.sleep(0.05)  # so that what was sent is not overtaken
                peer.reset()
            case "hang":
                await peer.gone()

    return script


async def _large(peer: Peer) -> None:
    await peer.send(answer(b"", "content-type: text/plain", length=LARGE))
    for _ in range(LARGE // MIB):
        peer.writer.write(bytes(MIB))
        await peer.writer.drain()


@dataclass(frozen=True)
class Case:
    """What an upstream does, and all that must follow."""

    script: Script | None
    """None: nobody listens."""
    told: int
    """HTTP status; the record says the same."""
    code: str | None = None
    """Of the error: in the body, or in the last event."""
    status: str = "upstream_error"
    tried: tuple[str, ...] = ("200",)
    blamed: bool = False
    whole: bool = True
    """Whether the client sees an answer that is framed as a whole one."""
    body: bytes | None = None
    streamed: bool = False
    tls: bool = False
    keys: str = "abc"
    """Labels. Fewer where each call takes long."""


_cut = partial(Case, told=200, status="interrupted", blamed=True)
_gone = partial(Case, told=502, code="upstream_unavailable", blamed=True)
_good = partial(Case, told=200, status="complete")
TWICE = ("lost", "lost")  # it may have been billed: once more and no further
CASES = {
    "refuses": _gone(None, tried=("refused",) * 3),
    "bad-certificate": _gone(sends(answer(GOOD)), tried=("refused",) * 3, tls=True),
    "resets-before-head": _gone(sends(then="reset"), tried=TWICE),
    "closes-before-head": _gone(sends(then="close"), tried=TWICE),
    "resets-after-head": _gone(sends(answer(b"", length=9), then="reset"), tried=TWICE),
    "resets-within-head": _gone(sends(b"HTTP/1.1 200 OK\r\ncont", then="reset"), tried=TWICE),
    "resets-in-body": _cut(
        sends(answer(GOOD[:20], length=99), then="reset"), tried=("lost",), whole=False
    ),
    "byte-by-byte": _good(sends(*(bytes([b]) for b in answer(GOOD))), body=GOOD),
    "never": Case(
        sends(then="hang"),
        504,
        "upstream_timeout",
        tried=("timeout", "timeout"),
        blamed=True,
        keys="a",
    ),
    "stops-in-body": _cut(
        sends(answer(GOOD[:20], length=99), then="hang"),
        tried=("timeout",),
        whole=False,
        keys="a",
    ),
    "short-length": _gone(sends(answer(GOOD, length=9)), tried=("malformed",) * 2),
    "long-length": _cut(
        sends(answer(GOOD, length=len(GOOD) + 9), then="close"), tried=("lost",), whole=False
    ),
    "error-in-200": _good(sends(answer(ERROR)), body=ERROR),
    "html-error": Case(
        sends(answer(b"<html>Bad</html>", "content-type: text/html", status="502 Bad Gateway")),
        502,
        tried=("502",) * 3,
        blamed=True,
    ),
    "header-of-1-mb": _gone(
        sends(answer(GOOD, "x-odd: " + "x" * MIB), then="close"), tried=("malformed",) * 2
    ),
    "not-http": _gone(sends(b"SSH-2.0-OpenSSH\r\n", then="close"), tried=("malformed",) * 2),
    "gzip": _good(sends(answer(PACKED, "content-encoding: gzip")), body=GOOD),
    "large": _good(_large, body=bytes(LARGE)),
    "cut-in-event": _cut(
        sends(chunked(CHUNK, CHUNK[:30], end=False), then="close"),
        code="upstream_error",
        tried=("lost",),
        streamed=True,
    ),
    "ends-in-event": _cut(
        sends(chunked(CHUNK, CHUNK[:30])), code="upstream_error", tried=("lost",), streamed=True
    ),
    "no-done": _cut(
        sends(chunked(CHUNK, CHUNK)), code="upstream_error", tried=("lost",), streamed=True
    ),
    "no-done-but-finished": _good(
        sends(chunked(CHUNK, FINISH)), body=CHUNK + FINISH, streamed=True
    ),
    "stream-stops": _cut(
        sends(chunked(CHUNK, end=False), then="hang"),
        code="upstream_timeout",
        tried=("timeout",),
        streamed=True,
        keys="a",
    ),
    "empty-stream": _gone(sends(chunked()), tried=TWICE, streamed=True),
    "error-in-stream": Case(
        sends(chunked(b"data: " + ERROR + b"\n\n")),
        200,
        status="interrupted",
        body=b"data: " + ERROR + b"\n\n",
    ),
}
