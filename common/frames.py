"""Frames: the one byte format of the spool, of a broker message and of the local wire.

    length u32 | crc32 u32 | kind u8 | record id 16 | payload      (little-endian)

`length` counts the payload; the CRC covers kind, id and payload. A reader stops at the first frame
that is short or whose CRC is wrong: all before it is good.
"""

import struct
import zlib
from collections.abc import Iterator
from enum import IntEnum
from typing import NamedTuple

_HEAD = struct.Struct("<II")
_KEY = struct.Struct("<B16s")
OVERHEAD_BYTES = _HEAD.size + _KEY.size
MAX_PAYLOAD_BYTES = 256 * 1024 * 1024
"""A longer length is not believed: it is a damaged header."""


class FrameKind(IntEnum):
    BEGIN = 1
    CHECKPOINT = 2
    END = 3
    PROGRESS = 4
    """An `End` that says how far it has come; the last one counts, while there is no end."""
    SEGMENT = 16
    """Inside a spool only: the first frame of each segment."""
    MOVED = 17
    """Inside a spool only: a record's frames so far, in place of those before it."""


class Frame(NamedTuple):
    kind: int
    record_id: bytes
    payload: bytes
    offset: int
    """Where the frame starts in what was read."""
    size_bytes: int
    """With its header."""


def encode_frame(kind: FrameKind, record_id: bytes, payload: bytes) -> bytes:
    key = _KEY.pack(kind, record_id)
    return _HEAD.pack(len(payload), zlib.crc32(payload, zlib.crc32(key))) + key + payload


def read_frames(data: bytes | memoryview, offset: int = 0) -> Iterator[Frame]:
    """Every good frame from `offset` on; ends silently at the first that is not."""
    view = memoryview(data)
    while offset + OVERHEAD_BYTES <= len(view):
        length, checksum = _HEAD.unpack_from(view, offset)
        end = offset + OVERHEAD_BYTES + length
        if length > MAX_PAYLOAD_BYTES or end > len(view):
            return
        body = view[offset + _HEAD.size : end]
        if zlib.crc32(body) != checksum:
            return
        kind, record_id = _KEY.unpack_from(body)
        yield Frame(kind, record_id, bytes(body[_KEY.size :]), offset, end - offset)
        offset = end
