"""What a dead worker left: which records its segments hold, and where they are damaged.

Every frame before a damage is believed, and in that file none after it. A record that was open
there may lack a checkpoint: it ends there, as interrupted, whatever later files say.
"""

from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

import msgspec

from common.frames import OVERHEAD_BYTES, Frame, FrameKind, encode_frame, read_frames
from common.record import End, Status, decode_begin, decode_end, encode
from gateway.recording.journal import HEADER
from gateway.recording.segments import PIECE, SUFFIX, Segment


@dataclass(slots=True)
class Found:
    """One record, as far as it goes."""

    pieces: bytes
    ended: bool = False
    cut: bool = False
    """Something of it may be missing: what follows is not added."""


@dataclass(slots=True)
class Damage:
    """Where one segment stops being frames."""

    path: Path
    offset: int
    size_bytes: int
    """What follows there; 0: something is missing between this segment and the next."""


@dataclass(slots=True)
class Left:
    """All of one directory."""

    segments: list[Segment] = field(default_factory=list)
    records: dict[bytes, Found] = field(default_factory=dict)
    damages: list[Damage] = field(default_factory=list)
    died_at_us: int = 0
    """When the last byte was written, about: microseconds since the epoch."""


def recover(directory: Path) -> Left:
    """Reads every segment. Raises OSError."""
    left = Left()
    before: _Read | None = None
    for path in sorted(directory.glob(f"*{SUFFIX}")):
        this = _Read(path)
        left.died_at_us = max(left.died_at_us, path.stat().st_mtime_ns // 1000)
        if before is not None and not this.follows(before):
            _cut(left.records)
            left.damages.append(before.damage())
        for frame in this.frames:
            _apply(left.records, this.number, frame)
        left.segments.append(Segment(directory, this.number, this.size_bytes))
        before = this
    if before is not None and before.good_bytes < before.size_bytes:
        left.damages.append(before.damage())
    return left


class _Read:
    """One segment's frames."""

    def __init__(self, path: Path) -> None:
        data = path.read_bytes()
        frames = list(read_frames(data))
        self.path, self.number, self.size_bytes = path, int(path.stem), len(data)
        self.good_bytes = frames[-1].offset + frames[-1].size_bytes if frames else 0
        self._before_bytes: int | None = None
        if frames and frames[0].kind == FrameKind.SEGMENT:
            (self._before_bytes,) = HEADER.unpack(frames.pop(0).payload)
        self.frames = frames

    def follows(self, before: "_Read") -> bool:
        """Whether nothing is missing between the two."""
        return self.number == before.number + 1 and self._before_bytes == before.good_bytes

    def damage(self) -> Damage:
        return Damage(self.path, self.good_bytes, self.size_bytes - self.good_bytes)


def _cut(records: dict[bytes, Found]) -> None:
    for found in records.values():
        found.cut = found.cut or not found.ended


def _apply(records: dict[bytes, Found], number: int, frame: Frame) -> None:
    place = PIECE.pack(number, frame.offset, frame.size_bytes)
    if frame.kind == FrameKind.BEGIN:
        records[frame.record_id] = Found(place)
    elif frame.kind == FrameKind.MOVED:
        *_, last = read_frames(frame.payload)
        inner = PIECE.pack(number, frame.offset + OVERHEAD_BYTES, len(frame.payload))
        records[frame.record_id] = Found(inner, ended=last.kind == FrameKind.END)
    else:
        found = records.get(frame.record_id)
        if found is None or found.ended or found.cut:
            return  # its begin is gone: it was confirmed, or was never whole
        found.pieces += place
        found.ended = frame.kind == FrameKind.END


def interrupted(frames: bytes, finished_at_us: int) -> bytes:
    """The end frame of a record that has none: always the same one for the same record."""
    begin, *rest = read_frames(frames)
    end = msgspec.structs.replace(
        _progress([frame for frame in rest if frame.kind == FrameKind.PROGRESS]),
        status=Status.INTERRUPTED.value,
        finished_at_us=finished_at_us,
    )
    answered = any(frame.kind == FrameKind.CHECKPOINT for frame in rest)
    if answered and not end.response_type and _was_streamed(begin.payload):
        end = msgspec.structs.replace(end, response_type="text/event-stream")
    return encode_frame(FrameKind.END, begin.record_id, encode(end))


def _progress(told: list[Frame]) -> End:
    """How far it had come, by what was last said of it."""
    if told:
        with suppress(msgspec.DecodeError, msgspec.ValidationError):
            return decode_end(told[-1].payload)
    return End(status=Status.INTERRUPTED.value, finished_at_us=0)


def _was_streamed(payload: bytes) -> bool:
    try:
        return decode_begin(payload).streamed
    except (msgspec.DecodeError, msgspec.ValidationError):
        return False
