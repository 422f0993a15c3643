"""What travels through the broker and the local wire: a batch of records, or part of a large one.

    version u8 | kind u8 | …
    batch:  count u32 | packed        unpacked: for each record, length u32 | frames
    part:   record id 16 | number u32 | count u32 | slice        slices joined: packed frames
    packed: codec u8 | size u64 | data        `size`: of the data once decompressed

Big-endian. Pure: how messages are sent is elsewhere, and so is what the frames in them mean.
"""

import struct
import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

VERSION = 1
MAX_RAW_BYTES = 256 * 1024 * 1024
"""No message or record says more than this; one that decompresses to more is not believed."""

_BATCH, _PART = 1, 2
_RAW, _ZLIB = 0, 1
_HEAD = struct.Struct(">BB")
_COUNT = struct.Struct(">I")
_PACKED = struct.Struct(">BQ")
_LENGTH = struct.Struct(">I")
_PART_HEAD = struct.Struct(">16sII")
_BATCH_OVERHEAD = _HEAD.size + _COUNT.size + _PACKED.size
_PART_OVERHEAD = _HEAD.size + _PART_HEAD.size
_WORTH_COMPRESSING = 1024
_FASTEST = 1


class BadMessage(ValueError):
    """These bytes are not a message, or not one of this version."""


@dataclass(frozen=True, slots=True)
class Batch:
    """Whole records."""

    records: list[bytes]
    """The frames of each."""


@dataclass(frozen=True, slots=True)
class Part:
    """A slice of one record that is too large for a message."""

    record_id: bytes
    number: int
    """From 0."""
    count: int
    body: bytes


def pack(
    records: Sequence[tuple[bytes, bytes]], max_bytes: int, *, compress: bool = True
) -> list[bytes]:
    """Messages of at most `max_bytes` each that hold these (record id, frames).

    Whole records travel together as far as they fit; one that does not fit alone becomes parts.
    """
    room = max_bytes - _BATCH_OVERHEAD
    messages: list[bytes] = []
    for group in _groups(records, room):
        record_id, frames = group[0]
        if len(frames) + _LENGTH.size > room:
            messages.extend(_parts(record_id, _packed(frames, compress), max_bytes))
        else:
            raw = b"".join([_LENGTH.pack(len(frames)) + frames for _, frames in group])
            head = _HEAD.pack(VERSION, _BATCH) + _COUNT.pack(len(group))
            messages.append(head + _packed(raw, compress))
    return messages


def unpack(body: bytes) -> Batch | Part:
    """Raises BadMessage, and nothing else."""
    version, kind = _read(_HEAD, body, 0)
    if version != VERSION:
        raise BadMessage(f"message version {version}, but this program reads {VERSION}")
    if kind == _BATCH:
        (count,) = _read(_COUNT, body, _HEAD.size)
        data = _unpacked(body, _HEAD.size + _COUNT.size)
        return Batch(_split(data, count))
    if kind == _PART:
        record_id, number, count = _read(_PART_HEAD, body, _HEAD.size)
        if number >= count or len(body) == _PART_OVERHEAD:
            raise BadMessage("a part that cannot be")
        return Part(record_id, number, count, body[_PART_OVERHEAD:])
    raise BadMessage(f"message kind {kind}")


def join_parts(parts: Sequence[bytes]) -> bytes:
    """The record's frames, from the bodies of its parts in order. Raises BadMessage."""
    return _unpacked(b"".join(parts), 0)


def _groups(
    records: Sequence[tuple[bytes, bytes]], room: int
) -> Iterator[list[tuple[bytes, bytes]]]:
    """Neighbours that fit together uncompressed; one that does not is alone."""
    group: list[tuple[bytes, bytes]] = []
    size = 0
    for record in records:
        grown = size + _LENGTH.size + len(record[1])
        if group and grown > room:
            yield group
            group, grown = [], grown - size
        group.append(record)
        size = grown
    if group:
        yield group


def _parts(record_id: bytes, packed: bytes, max_bytes: int) -> Iterator[bytes]:
    step = max_bytes - _PART_OVERHEAD
    if step < 1:
        raise ValueError(f"messages of {max_bytes} bytes have no room for a part")
    count = -(-len(packed) // step)
    for number in range(count):
        head = _HEAD.pack(VERSION, _PART) + _PART_HEAD.pack(record_id, number, count)
        yield head + packed[number * step : (number + 1) * step]


def _packed(raw: bytes, compress: bool) -> bytes:
    if compress and len(raw) >= _WORTH_COMPRESSING:
        data = zlib.compress(raw, _FASTEST)
        if len(data) < len(raw):
            return _PACKED.pack(_ZLIB, len(raw)) + data
    return _PACKED.pack(_RAW, len(raw)) + raw


def _unpacked(body: bytes, offset: int) -> bytes:
    codec, size = _read(_PACKED, body, offset)
    data = body[offset + _PACKED.size :]
    if size > MAX_RAW_BYTES:
        raise BadMessage(f"{size} bytes are more than any message holds")
    if codec == _ZLIB:
        data = _inflated(data, size)
    elif codec != _RAW:
        raise BadMessage(f"codec {codec}")
    if len(data) != size:
        raise BadMessage("not as long as it says")
    return data


def _inflated(data: bytes, size: int) -> bytes:
    """At most one byte more than announced is ever produced."""
    inflater = zlib.decompressobj()
    try:
        raw = inflater.decompress(data, size + 1)
    except zlib.error as error:
        raise BadMessage(str(error)) from None
    if not inflater.eof or inflater.unused_data:
        raise BadMessage("compressed data goes on or ends early")
    return raw


def _split(data: bytes, count: int) -> list[bytes]:
    records: list[bytes] = []
    offset = 0
    while offset < len(data):
        (length,) = _read(_LENGTH, data, offset)
        start, offset = offset + _LENGTH.size, offset + _LENGTH.size + length
        if offset > len(data):
            raise BadMessage("a record ends early")
        records.append(data[start:offset])
    if len(records) != count:
        raise BadMessage(f"{len(records)} records instead of {count}")
    return records


def _read(layout: struct.Struct, data: bytes, offset: int) -> tuple[Any, ...]:
    try:
        return layout.unpack_from(data, offset)
    except struct.error:
        raise BadMessage("too short") from None
