"""A TCP proxy in front of a real service, with the faults that a network can have.

`async with FaultProxy(host, port, random) as proxy:` and then, at any moment, `cut`, `refuse`,
`freeze`, `delay`, `lose_answers`, `half_open`; `heal` ends whatever goes on. It runs on the loop of
whoever enters it. For tests of one fault at a time, `relay` is enough.
"""

import asyncio
from contextlib import suppress
from random import Random
from types import TracebackType
from typing import Self

from anyio import create_task_group

_PIECE_BYTES = 65_536


class _Pair:
    """One connection through the proxy, both ends of it."""

    def __init__(self, client: asyncio.StreamWriter, service: asyncio.StreamWriter) -> None:
        self.client, self.service = client, service
        self.deaf = False
        """What the service says is lost: nothing more may get through on this connection."""
        self.held = False
        """The service's end is gone and the client is not told."""

    def abort(self) -> None:
        self.client.transport.abort()
        self.service.transport.abort()


class FaultProxy:
    """Listens on `port` from entering the `with` block to leaving it."""

    def __init__(self, host: str, port: int, random: Random) -> None:
        self._target, self._random = (host, port), random
        self._pairs: set[_Pair] = set()
        self._tasks: set[asyncio.Task[None]] = set()
        self._open = asyncio.Event()
        self._open.set()
        self._refusing = False
        self._delay_s = 0.0
        self.port = 0

    # --- faults

    def cut(self) -> None:
        """Every connection, now; new ones are possible at once."""
        for pair in [*self._pairs]:
            pair.abort()

    def refuse(self) -> None:
        """Every connection, and all that are tried."""
        self._refusing = True
        self.cut()

    def freeze(self) -> None:
        """Nothing gets through, nothing is closed; it all arrives later."""
        self._open.clear()

    def delay(self, longest_s: float) -> None:
        """Each piece comes later, by anything up to this."""
        self._delay_s = longest_s

    def lose_answers(self) -> None:
        """What the service says on the connections of this moment never arrives."""
        for pair in self._pairs:
            pair.deaf = True

    def half_open(self) -> None:
        """The service loses its connections, and the clients are not told."""
        for pair in self._pairs:
            pair.held = True
            pair.service.transport.abort()

    def heal(self) -> None:
        """No fault goes on; connections with a gap in them are cut."""
        self._refusing, self._delay_s = False, 0.0
        self._open.set()
        for pair in [*self._pairs]:
            if pair.deaf or pair.held:
                pair.abort()

    # --- the proxy itself

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None
    ) -> None:
        self._server.close()
        self.heal()
        self.cut()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if (task := asyncio.current_task()) is not None:
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)
        await self._open.wait()
        try:
            if self._refusing:
                raise ConnectionRefusedError
            answers, service = await asyncio.open_connection(*self._target)
        except OSError:
            writer.transport.abort()
            return
        pair = _Pair(writer, service)
        self._pairs.add(pair)
        with suppress(asyncio.CancelledError):  # which streams of this loop cannot take
            async with create_task_group() as group:
                group.start_soon(self._pump, pair, reader, service)
                group.start_soon(self._pump, pair, answers, writer)
        self._pairs.discard(pair)
        pair.abort()

    async def _pump(
        self, pair: _Pair, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        with suppress(OSError):
            while data := await reader.read(_PIECE_BYTES):
                await self._open.wait()
                if self._delay_s:
                    await asyncio.sleep(self._random.uniform(0, self._delay_s))
                if pair.held or (pair.deaf and writer is pair.client):
                    continue
                if writer.transport.is_closing():
                    break
                writer.write(data)
                await writer.drain()
        if not (pair.held and writer is pair.client):
            writer.close()
