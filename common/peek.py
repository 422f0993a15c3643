"""What the beginning of a record says, read from frames that may be cut or damaged. Pure.

Whole records are decoded by `common.record`. This is for what cannot be: what lies in quarantine,
and parts of records whose other parts are not there. Nothing here raises.

https://github.com/msgpack/msgpack/blob/master/spec.md
"""

import zlib
from collections.abc import Mapping

from common.frames import OVERHEAD_BYTES, FrameKind

Value = int | str | bytes | bool | None

_KIND_AT = 8
_PACKED_HEAD = 9
"""Of a part's body: codec, and size once decompressed (`common.message`)."""
_ENOUGH = 64 * 1024
"""Of a large record: everything but the request itself stands before that."""
_CONSTANTS: Mapping[int, Value] = {0xC0: None, 0xC2: False, 0xC3: True}
_NUMBERS = {0xCC: 1, 0xCD: 2, 0xCE: 4, 0xCF: 8, 0xD0: 1, 0xD1: 2, 0xD2: 4, 0xD3: 8}
_BYTES = {0xC4: 1, 0xC5: 2, 0xC6: 4}
_TEXTS = {0xD9: 1, 0xDA: 2, 0xDB: 4}


class _Cut(Exception):
    """What is here ends too early, or is nothing that a beginning holds."""


def beginning(frames: bytes) -> Mapping[str, Value]:
    """Fields of the record's `Begin`, as many as can be read; the request is the last of them."""
    if len(frames) <= OVERHEAD_BYTES or frames[_KIND_AT] != FrameKind.BEGIN:
        return {}
    reader = _Reader(frames, OVERHEAD_BYTES)
    found: dict[str, Value] = {}
    try:
        for _ in range(reader.members()):
            name = reader.value()
            found[str(name)] = reader.value()
    except _Cut:
        pass
    return found


def beginning_of_part(body: bytes) -> Mapping[str, Value]:
    """The same of a record's first part."""
    if not body[:1]:
        return {}
    if body[0] == 0:
        return beginning(body[_PACKED_HEAD:])
    try:
        return beginning(zlib.decompressobj().decompress(body[_PACKED_HEAD:], _ENOUGH))
    except zlib.error:
        return {}


class _Reader:
    """Reads MessagePack, as far as it goes."""

    def __init__(self, data: bytes, at: int) -> None:
        self._data, self._at = data, at

    def members(self) -> int:
        """Of the map that stands here. Raises _Cut."""
        tag = self._byte()
        if tag & 0xF0 == 0x80:
            return tag & 0x0F
        if tag == 0xDE:
            return self._number(2)
        raise _Cut

    def value(self) -> Value:
        """Raises _Cut."""
        tag = self._byte()
        if tag < 0x80 or tag >= 0xE0:
            return tag if tag < 0x80 else tag - 256
        if tag in _CONSTANTS:
            return _CONSTANTS[tag]
        if tag in _NUMBERS:
            return self._number(_NUMBERS[tag], signed=tag >= 0xD0)
        if tag in _BYTES:
            return self._take(self._number(_BYTES[tag]))
        if tag in _TEXTS:
            return self._text(self._number(_TEXTS[tag]))
        if tag & 0xE0 == 0xA0:
            return self._text(tag & 0x1F)
        raise _Cut

    def _text(self, length: int) -> str:
        return self._take(length).decode("utf-8", "replace")

    def _number(self, length: int, *, signed: bool = False) -> int:
        return int.from_bytes(self._take(length), "big", signed=signed)

    def _byte(self) -> int:
        return self._take(1)[0]

    def _take(self, length: int) -> bytes:
        end = self._at + length
        if end > len(self._data):
            raise _Cut
        taken, self._at = self._data[self._at : end], end
        return taken
