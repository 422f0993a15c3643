"""From the frames of one record to its parts. What the answer means is `consumer.prepare`'s."""

from typing import NamedTuple

import msgspec

from common.frames import Frame, FrameKind, read_frames
from common.record import SCHEMA_VERSION, Begin, End, decode_begin, decode_end

_BETWEEN = frozenset({FrameKind.CHECKPOINT, FrameKind.PROGRESS})
"""What may stand between a record's beginning and its end; the end knows more than any progress."""


class BadRecord(ValueError):
    """These frames are no record. The message says why, without any of what they hold."""

    def __init__(self, record_id: bytes, reason: str) -> None:
        super().__init__(reason)
        self.record_id = record_id


class NewerRecord(Exception):
    """A gateway newer than this consumer wrote this record; nobody may lose it."""

    def __init__(self, version: int) -> None:
        super().__init__(
            f"A record of schema version {version} has arrived, but this consumer knows version"
            f" {SCHEMA_VERSION} and older: upgrade the consumers, always before the gateways. The"
            " record stays in the queue until then."
        )


class Decoded(NamedTuple):
    begin: Begin
    end: End
    response: bytes
    """The whole answer, as far as it was kept."""


class _Version(msgspec.Struct):
    version: int


_version_decoder = msgspec.msgpack.Decoder(_Version)


def decode(frames: bytes) -> Decoded:
    """Raises BadRecord, NewerRecord."""
    read = list(read_frames(frames))
    record_id = read[0].record_id if read else bytes(16)
    try:
        return _decode(frames, read)
    except (msgspec.DecodeError, msgspec.ValidationError, ValueError) as error:
        raise BadRecord(record_id, str(error)) from None


def _decode(frames: bytes, read: list[Frame]) -> Decoded:
    if sum(frame.size_bytes for frame in read) != len(frames):
        raise ValueError("its frames are damaged or cut")
    if not read or read[0].kind != FrameKind.BEGIN:
        raise ValueError("it does not start with its beginning")
    version = _version_decoder.decode(read[0].payload).version
    if version > SCHEMA_VERSION:
        raise NewerRecord(version)
    kinds = [frame.kind for frame in read[1:]]
    if kinds[-1:] != [FrameKind.END] or not _BETWEEN.issuperset(kinds[:-1]):
        raise ValueError("it is not a beginning, checkpoints and one end")
    begin, end = decode_begin(read[0].payload), decode_end(read[-1].payload)
    if {begin.id} != {frame.record_id for frame in read}:
        raise ValueError("its frames belong to several records")
    pieces = [frame.payload for frame in read[1:-1] if frame.kind == FrameKind.CHECKPOINT]
    return Decoded(begin, end, b"".join([*pieces, end.response]))
