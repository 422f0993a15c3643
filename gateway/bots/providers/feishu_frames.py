"""Frames of Feishu's long connection: protobuf (proto2, package `pbbp2`), encoded by hand.

Pure. The message has nine fields and has not changed in years; a library with generated code would
be larger than this file. Field numbers are those of the vendor's SDK (lark-oapi, ws/pb):
`Frame{1 SeqID, 2 LogID, 3 service, 4 method, 5 headers, 6 payload_encoding, 7 payload_type,
8 payload, 9 LogIDNew}`, `Header{1 key, 2 value}`.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

CONTROL, DATA = 0, 1
"""Values of `method`."""
_VARINT, _FIXED64, _BYTES, _FIXED32 = 0, 1, 2, 5
_MOST_VARINT_BYTES = 10


class BrokenFrame(Exception):
    """These bytes are no frame."""


@dataclass(frozen=True, slots=True)
class Frame:
    """One WebSocket message, either way."""

    method: int
    service: int
    headers: Mapping[str, str] = field(default_factory=dict)
    payload: bytes = b""
    payload_encoding: str = ""
    payload_type: str = ""
    seq_id: int = 0
    log_id: int = 0
    log_id_new: str = ""


def encode(frame: Frame) -> bytes:
    pieces = [
        _varint_field(1, frame.seq_id),
        _varint_field(2, frame.log_id),
        _varint_field(3, frame.service),
        _varint_field(4, frame.method),
    ]
    for key, value in frame.headers.items():
        header = _bytes_field(1, key.encode()) + _bytes_field(2, value.encode())
        pieces.append(_bytes_field(5, header))
    rest = {
        6: frame.payload_encoding.encode(),
        7: frame.payload_type.encode(),
        8: frame.payload,
        9: frame.log_id_new.encode(),
    }
    pieces += [_bytes_field(number, value) for number, value in rest.items() if value]
    return b"".join(pieces)


def decode(data: bytes) -> Frame:
    """Fields that are unknown are passed over. Raises BrokenFrame."""
    numbers: dict[int, int] = {}
    texts: dict[int, bytes] = {}
    headers: dict[str, str] = {}
    for number, value in _fields(data):
        if isinstance(value, int):
            numbers[number] = value
        elif number == 5:
            pair = {n: v for n, v in _fields(value) if isinstance(v, bytes)}
            headers[_text(pair.get(1, b""))] = _text(pair.get(2, b""))
        else:
            texts[number] = value
    return Frame(
        method=numbers.get(4, CONTROL),
        service=numbers.get(3, 0),
        headers=headers,
        payload=texts.get(8, b""),
        payload_encoding=_text(texts.get(6, b"")),
        payload_type=_text(texts.get(7, b"")),
        seq_id=numbers.get(1, 0),
        log_id=numbers.get(2, 0),
        log_id_new=_text(texts.get(9, b"")),
    )


def _fields(data: bytes) -> Iterator[tuple[int, int | bytes]]:
    at = 0
    while at < len(data):
        tag, at = _varint(data, at)
        kind = tag & 7
        if kind == _VARINT:
            number, at = _varint(data, at)
            yield tag >> 3, number
            continue
        size = {_FIXED64: 8, _FIXED32: 4}.get(kind)
        if kind == _BYTES:
            size, at = _varint(data, at)
        if size is None or at + size > len(data):
            raise BrokenFrame("a field of an unknown kind, or one that is cut off")
        yield tag >> 3, data[at : at + size]
        at += size


def _varint(data: bytes, at: int) -> tuple[int, int]:
    """The number, and where it ends."""
    number = 0
    for index in range(_MOST_VARINT_BYTES):
        if at + index >= len(data):
            break
        byte = data[at + index]
        number |= (byte & 0x7F) << (7 * index)
        if byte < 0x80:
            return number, at + index + 1
    raise BrokenFrame("a number that does not end")


def _varint_field(number: int, value: int) -> bytes:
    return _tag(number, _VARINT) + _written(value & 0xFFFFFFFFFFFFFFFF)


def _bytes_field(number: int, value: bytes) -> bytes:
    return _tag(number, _BYTES) + _written(len(value)) + value


def _tag(number: int, kind: int) -> bytes:
    return _written(number << 3 | kind)


def _written(number: int) -> bytes:
    out = bytearray()
    while number > 0x7F:
        out.append(number & 0x7F | 0x80)
        number >>= 7
    out.append(number)
    return bytes(out)


def _text(value: bytes) -> str:
    try:
        return value.decode()
    except UnicodeDecodeError:
        raise BrokenFrame("text that is not UTF-8") from None
