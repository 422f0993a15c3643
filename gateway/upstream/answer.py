"""An answer on our own transport, as its reader sees it: it waits, hands out, and can be closed.

How its bytes arrive is in `connection`, what they mean in `framing`.
"""

import asyncio
from typing import Protocol

from gateway.upstream.framing import Framing
from gateway.upstream.wire import Headers, Lost, WireError


class Carrier(Protocol):
    """The connection that an answer arrives on."""

    def resume(self) -> None:
        """What had arrived has been handed out."""
        ...

    def fail(self, failure: WireError) -> None:
        """Ends the exchange, and closes the socket at once."""
        ...


class OwnAnswer:
    """An answer, from before its first byte on. Implements WireAnswer once its head is there."""

    __slots__ = ("_connection", "_failure", "_framing", "_waiter")

    def __init__(self, connection: Carrier, framing: Framing) -> None:
        self._connection: Carrier | None = connection
        self._framing = framing
        self._failure: WireError | None = None
        self._waiter: asyncio.Future[None] | None = None

    @property
    def status(self) -> int:
        return self._framing.status

    @property
    def headers(self) -> Headers:
        return self._framing.headers

    @property
    def complete(self) -> bool:
        return self._framing.complete and not self._framing.pieces

    async def head(self) -> None:
        """Waits until status and headers are there. Raises Lost, TimedOut or BadAnswer."""
        if not self._framing.headed and self._failure is None:
            await self._wait()
        if self._failure is not None:
            raise self._failure

    async def read(self) -> bytes:
        framing = self._framing
        while not framing.pieces:
            if framing.complete:
                return b""
            if self._failure is not None:
                raise self._failure
            await self._wait()
        data = framing.take()
        if self._connection is not None:
            self._connection.resume()
        return data

    def close(self) -> None:
        """An answer that has arrived whole has given its connection back already."""
        if self._connection is not None:
            self._connection.fail(Lost("closed by the gateway"))

    async def _wait(self) -> None:
        """For something new. Cancelled: the socket is closed at once."""
        self._waiter = asyncio.get_running_loop().create_future()
        try:
            await self._waiter
        except asyncio.CancelledError:
            self.close()
            raise
        finally:
            self._waiter = None

    # What the connection tells.

    def arrived(self) -> None:
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)

    def ended(self, failure: WireError | None) -> None:
        self._connection, self._failure = None, failure
        self._framing.release()
        self.arrived()
