"""The ledger's clients: they talk on bare sockets, and note every byte that they are given."""

import asyncio
import json
from collections.abc import Callable
from itertools import count
from random import Random
from time import monotonic
from typing import Any

from tests.support.ledger.notes import MANNERS, Call, Seen

LONGEST_S = 60.0
"""That a client stays, whatever the gateway does."""
_AGAIN_S = 0.1
_PATH = "/v1/chat/completions"


class Clients:
    """Everybody who calls; `seen` grows as they do."""

    def __init__(self, port: int, random: Random) -> None:
        self._port, self._random = port, random
        self._numbers = count(1)
        self._stopping = False
        self.seen: list[Seen] = []

    def stop(self) -> None:
        """No new calls; those under way go on to their end."""
        self._stopping = True

    async def live(self, token: str) -> None:
        """One client's conversations, until told to stop."""
        random = Random(self._random.random())
        while not self._stopping:
            talk: list[dict[str, Any]] = []
            follows = None
            for _ in range(random.randint(1, 5)):
                call = self._call(random, talk, follows)
                seen = Seen(call)
                self.seen.append(seen)
                await make(seen, token, self._port)
                if not seen.good:
                    await asyncio.sleep(_AGAIN_S)
                    break
                talk = [*call.messages, {"role": "assistant", "content": said(seen)}]
                follows = call.number
            await asyncio.sleep(random.uniform(0, 0.05))

    def _call(self, random: Random, talk: list[dict[str, Any]], follows: int | None) -> Call:
        number = next(self._numbers)
        streamed = random.random() < 0.6
        text = f"Question {number}"
        if random.random() < 0.004:
            text += random.randbytes(1_500_000).hex()  # its record travels in parts
        return Call(
            number,
            random.choice(MANNERS),
            streamed,
            [*talk, {"role": "user", "content": text}],
            follows,
            streamed and random.random() < 0.3,
            random.choice([0.05, 0.5, 2]) if random.random() < 0.08 else None,
        )


async def make(seen: Seen, token: str, port: int) -> None:
    """Make its call, and note what comes of it."""
    try:
        async with asyncio.timeout(seen.call.patience_s or LONGEST_S):
            await _ask(seen, token, port)
    except (OSError, EOFError, ValueError):
        pass  # cut, refused, or left: what there was is noted
    seen.ended_at = monotonic()


async def _ask(seen: Seen, token: str, port: int) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", port, limit=2**20)
    try:
        request = seen.call.request
        head = (
            f"POST {_PATH} HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {token}\r\n"
            f"connection: close\r\ncontent-type: application/json\r\n"
            f"content-length: {len(request)}\r\n\r\n"
        )
        writer.write(head.encode() + request)
        await writer.drain()
        await _read(seen, reader)
    finally:
        writer.transport.abort()


async def _read(seen: Seen, reader: asyncio.StreamReader) -> None:
    lines = (await reader.readuntil(b"\r\n\r\n")).split(b"\r\n")
    headers = {
        name.lower(): value.strip() for name, _, value in (n.partition(b":") for n in lines[1:])
    }
    seen.id, seen.status = headers[b"x-request-id"].decode(), int(lines[0].split()[1])
    seen.recorded = b"x-gateway-attempts" in headers
    noted = _noting(seen)
    if (length := headers.get(b"content-length")) is not None:
        left = int(length)
        while left:
            left -= noted(await reader.read(min(left, 65_536)))
    else:
        while size := int(await reader.readuntil(b"\r\n"), 16):
            while size:
                size -= noted(await reader.read(size))
            await reader.readexactly(2)
        await reader.readexactly(2)
    seen.whole = True


def _noting(seen: Seen) -> Callable[[bytes], int]:
    def note(piece: bytes) -> int:
        if not piece:
            raise EOFError
        seen.body += piece
        seen.arrivals.append((monotonic(), len(seen.body)))
        return len(piece)

    return note


def said(seen: Seen) -> str:
    """The text of a good answer, as an SDK puts it together."""
    if not seen.call.streamed:
        text: str = json.loads(seen.body)["choices"][0]["message"]["content"]
        return text
    events = (line[6:] for line in seen.body.split(b"\n") if line.startswith(b"data: {"))
    choices = [choice for event in events for choice in json.loads(event)["choices"]]
    return "".join(choice["delta"].get("content", "") for choice in choices)
