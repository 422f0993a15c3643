"""Messages hold what was packed; whatever else arrives is a BadMessage and nothing worse."""

import zlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from common.message import BadMessage, Batch, Part, join_parts, pack, unpack

IDS = st.binary(min_size=16, max_size=16)
RECORDS = st.lists(st.tuples(IDS, st.binary(max_size=300)), max_size=20)


def unpacked(messages: list[bytes]) -> list[bytes]:
    """Every record of these messages, those in parts put together."""
    records: list[bytes] = []
    parts: list[bytes] = []
    for message in map(unpack, messages):
        if isinstance(message, Batch):
            records += message.records
            continue
        assert message.number == len(parts)
        parts.append(message.body)
        if len(parts) == message.count:
            records.append(join_parts(parts))
            parts = []
    return records


@given(RECORDS, st.integers(min_value=60, max_value=2000), st.booleans())
def test_messages_hold_the_records_in_order(
    records: list[tuple[bytes, bytes]], max_bytes: int, compress: bool
) -> None:
    messages = pack(records, max_bytes, compress=compress)
    assert all(len(message) <= max_bytes for message in messages)
    assert unpacked(messages) == [frames for _, frames in records]


def test_small_records_share_a_compressed_message() -> None:
    records = [(bytes([n]) * 16, b"same words again " * 20) for n in range(100)]
    [message] = pack(records, 1024 * 1024)
    assert len(message) < 2000
    assert unpack(message) == Batch([frames for _, frames in records])


def test_a_large_record_travels_in_parts_that_name_it() -> None:
    frames = bytes(range(256)) * 40
    messages = [unpack(m) for m in pack([(b"i" * 16, frames)], 1000, compress=False)]
    assert len(messages) > 10
    assert all(isinstance(m, Part) and m.record_id == b"i" * 16 for m in messages)
    assert join_parts([m.body for m in messages if isinstance(m, Part)]) == frames


def test_a_part_is_never_larger_than_a_message_may_be() -> None:
    with pytest.raises(ValueError, match="no room"):
        pack([(b"i" * 16, b"x" * 100)], 20)


@given(st.binary(max_size=200))
def test_any_bytes_are_a_message_or_a_bad_one(body: bytes) -> None:
    for candidate in (body, b"\x01\x01" + body, b"\x01\x02" + body):
        try:
            unpack(candidate)
        except BadMessage:
            continue


@given(st.lists(st.tuples(IDS, st.binary(max_size=3000)), min_size=1, max_size=3), st.data())
def test_a_damaged_message_is_bad_or_still_a_message(
    records: list[tuple[bytes, bytes]], data: st.DataObject
) -> None:
    [message] = pack(records, 100_000)
    where = data.draw(st.integers(0, len(message) - 1))
    flipped = bytearray(message)
    flipped[where] ^= 1 << data.draw(st.integers(0, 7))
    for damaged in (bytes(flipped), message[:where]):
        try:
            unpack(damaged)
        except BadMessage:
            continue


@given(st.lists(st.binary(max_size=100), max_size=4))
def test_any_parts_are_joined_or_bad(parts: list[bytes]) -> None:
    try:
        join_parts(parts)
    except BadMessage:
        pass


def test_a_bomb_is_a_bad_message() -> None:
    bomb = zlib.compress(bytes(64 * 1024 * 1024))
    honest = b"\x01\x01" + (1).to_bytes(4) + b"\x01" + (2**40).to_bytes(8) + bomb
    lying = b"\x01\x01" + (1).to_bytes(4) + b"\x01" + (100).to_bytes(8) + bomb
    for message in (honest, lying):
        with pytest.raises(BadMessage):
            unpack(message)


def test_another_version_is_named() -> None:
    with pytest.raises(BadMessage, match="version 2"):
        unpack(b"\x02" + pack([(b"i" * 16, b"x")], 1000)[0][1:])


def test_more_compressed_data_than_announced_is_bad() -> None:
    data = zlib.compress(b"x" * 2000)
    message = b"\x01\x01" + (1).to_bytes(4) + b"\x01" + (2000).to_bytes(8) + data + b"more"
    with pytest.raises(BadMessage, match="goes on"):
        unpack(message)
