"""The ledger's upstream: every answer holds a nonce and counts its words, and is written down.

What it is to do stands in the `user` field of a request, as `notes.Call` writes it.
"""

import asyncio
import json
import re
from collections.abc import Iterator
from itertools import count
from types import TracebackType
from typing import Any, Self

from tests.support.ledger.notes import WISH, Wish
from tests.support.raw_upstream import answer, chunked
from tests.support.scripted_server import Peer

WORD = re.compile(rb"n(\d+)-(\d+):(\d+) ")
"""One word of an answer: the call, the answer's own number, the place of the word."""
_ERROR = b'{"error":{"message":"No.","type":"server_error","param":null,"code":"c"}}'
_LIST = b'{"object":"list","data":[]}'


class NonceUpstream:
    """Listens on `port` from entering the `with` block to leaving it."""

    def __init__(self) -> None:
        self.asked: list[int] = []
        """The number of the call, whenever one arrives."""
        self.answered: dict[int, int] = {}
        """The call of each answer's number."""
        self._numbers = count(1)
        self._tasks: set[asyncio.Task[None]] = set()

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0, limit=2**24)
        self.port: int = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None
    ) -> None:
        self._server.close()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if (task := asyncio.current_task()) is not None:
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)
        peer = Peer(0, reader, writer)
        try:
            while not peer.transport.is_closing():
                await self._answer(peer, (await peer.request()).body)
        except (EOFError, ConnectionError, asyncio.CancelledError):
            pass  # the gateway has closed, or was killed; or we are being left
        finally:
            peer.transport.abort()

    async def _answer(self, peer: Peer, body: bytes) -> None:
        if not body:
            await peer.send(answer(_LIST))
            return
        request = json.loads(body)
        wish = Wish(*WISH.fullmatch(request["user"]).groups())  # type: ignore[union-attr]
        self.asked.append(int(wish.call))
        number = next(self._numbers)
        self.answered[number] = int(wish.call)
        if wish.manner == "error":
            await peer.send(answer(_ERROR, status="500 Oh"))
        elif request.get("stream"):
            await _stream(peer, wish, f"n{wish.call}-{number}", request)
        else:
            await _whole(peer, wish, f"n{wish.call}-{number}")


async def _whole(peer: Peer, wish: Wish, nonce: str) -> None:
    text = "".join(f"{nonce}:{place} " for place in range(_words(wish)))
    message = {"role": "assistant", "content": text}
    whole = {"id": f"c-{nonce}", "model": "m-1", "choices": [{"index": 0, "message": message}]}
    body = json.dumps({**whole, "usage": _usage(wish)}).encode()
    if wish.manner == "slow":
        await asyncio.sleep(1)
    if wish.manner == "cut":
        await peer.send(answer(body[: len(body) // 2], length=len(body)))
        peer.reset()
        return
    await peer.send(answer(body))


async def _stream(peer: Peer, wish: Wish, nonce: str, request: dict[str, Any]) -> None:
    await peer.send(chunked(end=False))
    options = request.get("stream_options") or {}
    for place, event in enumerate(_events(wish, nonce, bool(options.get("include_usage")))):
        if wish.manner == "cut" and place == 3:
            peer.reset()
            return
        if wish.manner == "slow" and place:
            await asyncio.sleep(0.15)
        await peer.send(b"%x\r\n%b\r\n" % (len(event), event))
    await peer.send(b"0\r\n\r\n")


def _events(wish: Wish, nonce: str, with_usage: bool) -> Iterator[bytes]:
    words = _words(wish)
    step = 400 if wish.manner == "large" else 1
    for start in range(0, words, step):
        text = "".join(f"{nonce}:{place} " for place in range(start, min(words, start + step)))
        yield _event(nonce, [{"index": 0, "delta": {"role": "assistant", "content": text}}])
    yield _event(nonce, [{"index": 0, "delta": {}, "finish_reason": "stop"}])
    if with_usage:
        yield _event(nonce, [], usage=_usage(wish))
    yield b"data: [DONE]\n\n"


def _event(nonce: str, choices: list[dict[str, Any]], **more: Any) -> bytes:
    chunk = {"id": f"c-{nonce}", "object": "chat.completion.chunk", "model": "m-1"}
    return b"data: %b\n\n" % json.dumps({**chunk, "choices": choices, **more}).encode()


def _words(wish: Wish) -> int:
    return {"large": 30_000, "slow": 30}.get(wish.manner, 20)


def _usage(wish: Wish) -> dict[str, Any]:
    """Of every call another one, so that a roll-up cannot be right by chance."""
    prompt, completion = 1 + int(wish.call) % 97, _words(wish)
    return {
        "prompt_tokens": prompt,
        "completion_tokens": completion,
        "total_tokens": prompt + completion,
    }
