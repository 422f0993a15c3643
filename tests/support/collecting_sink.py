"""A sink that keeps what it was told, and may leave: the fake of `gateway.proxy.sink`."""

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from gateway.errors import GatewayError


@dataclass(eq=False)
class CollectingSink:
    """What a client would have received."""

    status: int | None = None
    headers: dict[bytes, bytes] = field(default_factory=dict)
    pieces: list[bytes] = field(default_factory=list)
    finished: bool = False
    aborted: bool = False
    gone: bool = False
    cut_by: GatewayError | None = None
    task: asyncio.Task[None] | None = None
    """The one that answers, where it is to be cut."""
    leaves_after: int | None = None
    """After so many pieces the client hangs up."""
    kept_awake_s: float | None = None
    on_piece: Callable[[bytes], None] = lambda piece: None

    @property
    def body(self) -> bytes:
        return b"".join(self.pieces)

    def hang_up(self) -> None:
        """As the HTTP sink does it: the task that answers is cancelled."""
        self.gone = True
        task = asyncio.current_task()
        assert task is not None
        task.cancel()

    def cut(self, error: GatewayError) -> bool:
        assert self.task is not None
        self.cut_by = error
        self.task.cancel()
        return True

    async def start(self, status: int, headers: Sequence[tuple[bytes, bytes]]) -> None:
        assert self.status is None, "started twice"
        self.status, self.headers = status, dict(headers)

    async def write(self, piece: bytes) -> None:
        self._take(piece)
        if self.leaves_after is not None and len(self.pieces) >= self.leaves_after:
            self.hang_up()
            await asyncio.sleep(0)

    def keep_awake(self, every_s: float) -> None:
        assert self.pieces, "awake before its first event"
        assert self.kept_awake_s is None, "awake already"
        self.kept_awake_s = every_s

    async def finish(self, piece: bytes) -> None:
        self._take(piece)
        self.finished = True

    def abort(self) -> None:
        self.aborted = True

    def _take(self, piece: bytes) -> None:
        assert self.status is not None, "a body before its status"
        self.on_piece(piece)
        self.pieces.append(piece)
