"""One HTTP worker: uvicorn on the shared socket, and how it ends when it is asked to.

First `/readyz` says so while calls are still taken, then no more are, then those under way have
their time, then they are cut: each is cancelled, says so to its client and ends its record. What a
connection does is in `gateway.supervision.protocol`.
"""

import asyncio
import signal
import socket
import sys
from collections.abc import Callable
from dataclasses import dataclass
from time import monotonic
from types import FrameType

import structlog
import uvicorn
import uvloop
from starlette.types import ASGIApp
from uvicorn.lifespan.on import LifespanOn

from gateway.status.readiness import Readiness
from gateway.supervision.memory import Returned, trim
from gateway.supervision.protocol import Connection, Patience, State

log = structlog.get_logger()

CUT_S = 5.0
"""For calls that are cut to commit their records and tell their clients."""
_LOOK_S = 0.05
_TICKS_PER_LOOK = 10
"""uvicorn ticks ten times a second."""


@dataclass(frozen=True, slots=True)
class Times:
    """How long a worker waits, and for what."""

    patience: Patience
    """With its clients."""
    announce_s: float
    """At its end, while `/readyz` says 503 and new connections are taken all the same."""
    drain_s: float
    """After that, for the calls under way."""


class Server(uvicorn.Server):
    """uvicorn, which tells when it serves, and ends in an order of our own."""

    def __init__(
        self,
        config: uvicorn.Config,
        readiness: Readiness,
        times: Times,
        on_up: Callable[[], None],
        on_hangup: Callable[[], None],
    ) -> None:
        super().__init__(config)
        self.server_state: State = State(times.patience)
        self._readiness, self._times = readiness, times
        self._on_up, self._on_hangup = on_up, on_hangup
        self._takes_calls_until = 0.0
        self._memory = Returned(trim())

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        if self.started:
            asyncio.get_running_loop().add_signal_handler(signal.SIGHUP, self._on_hangup)
            self._on_up()

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """What a second signal does is decided by the parent."""
        if self.should_exit:
            return
        self._readiness.drain()
        self.server_state.draining = True
        self._takes_calls_until = monotonic() + self._times.announce_s
        self.should_exit = True

    @property
    def failed(self) -> bool:
        """What runs beside the calls has failed: nobody publishes records here any more."""
        return isinstance(self.lifespan, LifespanOn) and self.lifespan.error_occurred

    async def on_tick(self, counter: int) -> bool:
        if self.failed and not self.should_exit:
            log.error("worker_failed")
            self.handle_exit(signal.SIGTERM, None)
        if counter % _TICKS_PER_LOOK == 0:
            now = asyncio.get_running_loop().time()
            for connection in [*self.server_state.connections]:
                if isinstance(connection, Connection):  # all are; uvicorn's type says otherwise
                    connection.look(now)
            state = self.server_state
            await self._memory.look(state.total_requests, len(state.tasks))
        return await super().on_tick(counter) and monotonic() >= self._takes_calls_until

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """In the place of uvicorn's, which says nothing to those whom it cuts."""
        for server in self.servers:
            server.close()
        for sock in sockets or ():
            sock.close()
        tasks = self.server_state.tasks
        if not await self._all_ended(self._times.drain_s):
            log.warning("calls_cut", calls=len(tasks))
            self._cut()
            if not await self._all_ended(CUT_S):
                for connection in [*self.server_state.connections]:
                    connection.transport.abort()
                self._cut()
                await self._all_ended(_LOOK_S)
        await self.lifespan.shutdown()

    def _cut(self) -> None:
        for task in [*self.server_state.tasks]:
            task.cancel()

    async def _all_ended(self, within_s: float) -> bool:
        """Whether every call has, and every byte of its answer is on its way."""
        state, until = self.server_state, monotonic() + within_s
        while True:
            for connection in [*state.connections]:
                connection.shutdown()  # closes idle ones: those that were just accepted, too
            await asyncio.sleep(_LOOK_S)
            if not (state.connections or state.tasks):
                return True
            if monotonic() >= until:
                return False


def serve_http(
    app: ASGIApp,
    sock: socket.socket,
    readiness: Readiness,
    times: Times,
    on_up: Callable[[], None],
    on_hangup: Callable[[], None],
) -> None:
    """Until SIGTERM, then until the last answer is out or the time is up.

    Raises SystemExit(3) if the app's start-up fails; uvicorn has logged why.
    """
    config = uvicorn.Config(
        app,
        http=Connection,
        ws="none",
        lifespan="on",
        interface="asgi3",
        log_config=None,
        log_level="error",  # it warns of each odd request: anybody could fill a disk with that
        access_log=False,
        proxy_headers=False,
        server_header=False,
        timeout_keep_alive=75,
    )
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        server = Server(config, readiness, times, on_up, on_hangup)
        runner.run(server.serve(sockets=[sock]))
        if server.failed:
            sys.exit(1)  # the parent starts another
