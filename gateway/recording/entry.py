"""One record being written: its answer's bytes are noted as they are relayed, until its end."""

import hashlib
from asyncio import Future
from collections.abc import Callable
from typing import Protocol

import msgspec

from common.frames import FrameKind
from common.record import End, encode

CHECKPOINT_BYTES = 64 * 1024
MAX_ANSWER_BYTES = 64 * 1024 * 1024
"""Of a longer answer this much is kept, with the length and digest of the whole."""


class Keeper(Protocol):
    """What an entry needs of its spool."""

    def watch(self, entry: "Entry") -> None:
        """Have its `checkpoint` called in a quarter of a second."""
        ...

    def has_room(self, size_bytes: int) -> bool:
        """Whether a checkpoint may be written."""
        ...

    def write(self, entry: "Entry", kind: FrameKind, payload: bytes) -> Future[None]:
        """The frame goes out at the end of this loop turn; the future resolves once it has
        committed. If it cannot be written, `failed` is called first."""
        ...

    def broke_off(self, entry: "Entry") -> None:
        """Its end could not be written: have it end as interrupted when that is possible again."""
        ...


class Entry:
    """A record that has begun; whoever began it ends it once, or it will be found interrupted."""

    __slots__ = (
        "_digest",
        "_keeper",
        "_kept_bytes",
        "_noted",
        "_noted_bytes",
        "_size_bytes",
        "_unwritten",
        "ended",
        "id",
        "pieces",
        "progress",
        "watched",
    )

    def __init__(self, keeper: Keeper, record_id: bytes) -> None:
        self.id = record_id
        self.pieces = b""
        """Where its frames are; see `segments.PIECE`."""
        self.ended = False
        self.watched = False
        self.progress: Callable[[], End] | None = None
        """Asked before the first checkpoint, for what recovery would not know: see `keep`."""
        self._keeper = keeper
        self._noted: list[bytes] = []
        self._noted_bytes = 0
        self._unwritten = b""
        self._size_bytes = self._kept_bytes = 0
        self._digest: hashlib._Hash | None = None

    def note(self, piece: bytes) -> None:
        """Bytes of the answer, as relayed."""
        if self.ended:
            raise RuntimeError("noted after the end")
        self._noted.append(piece)
        self._noted_bytes += len(piece)
        if self._noted_bytes >= CHECKPOINT_BYTES:
            self.checkpoint()
        elif not self.watched:
            self.watched = True
            self._keeper.watch(self)

    def note_last(self, piece: bytes) -> None:
        """The rest of the answer: its end follows at once, so no checkpoint has to be planned."""
        self._noted.append(piece)
        self._noted_bytes += len(piece)

    def end(self, end: End) -> Future[None]:
        """Commit the record with the rest of its answer.

        The future fails with SpoolFailed: the client must not get the answer whole then. Not
        awaiting it is allowed; the frame is written all the same.
        """
        if self.ended:
            raise RuntimeError("ended twice")
        if self._noted_bytes > MAX_ANSWER_BYTES:
            self._start_digest()
        self.ended, self.progress = True, None
        rest = self._take()
        if self._size_bytes > MAX_ANSWER_BYTES and self._digest is not None:
            end = msgspec.structs.replace(
                end,
                response=rest,
                response_size_bytes=self._size_bytes,
                response_sha256=self._digest.digest(),
            )
        elif rest:
            end = msgspec.structs.replace(end, response=rest)
        return self._keeper.write(self, FrameKind.END, encode(end))

    def keep(self, progress: End) -> None:
        """Write how far the call has come, should nobody live to end it."""
        payload = encode(progress)
        if not self.ended and self._keeper.has_room(len(payload)):
            self._keeper.write(self, FrameKind.PROGRESS, payload)

    def checkpoint(self) -> None:
        """Write what was noted, so that it outlives this process."""
        if self.ended or not self._noted_bytes or not self._keeper.has_room(self._noted_bytes):
            return
        if self.progress is not None:
            self.keep(self.progress())
            self.progress = None
        self._start_digest()
        if payload := self._take():
            self._keeper.write(self, FrameKind.CHECKPOINT, payload)

    def failed(self, kind: FrameKind, payload: bytes) -> None:
        """This frame could not be written."""
        if kind == FrameKind.CHECKPOINT:
            self._unwritten += payload
        elif kind == FrameKind.END:
            self._keeper.broke_off(self)

    def _start_digest(self) -> None:
        """Only an answer in several pieces can outgrow what is kept: others cost no digest."""
        if self._digest is None:
            self._digest = hashlib.sha256()

    def _take(self) -> bytes:
        """What is to be kept of what was noted."""
        noted = self._noted[0] if len(self._noted) == 1 else b"".join(self._noted)
        self._noted.clear()
        self._noted_bytes = 0
        self._size_bytes += len(noted)
        if self._digest is not None:
            self._digest.update(noted)
        kept = noted[: MAX_ANSWER_BYTES - self._kept_bytes]
        self._kept_bytes += len(kept)
        if self._unwritten:
            kept, self._unwritten = self._unwritten + kept, b""
        return kept
