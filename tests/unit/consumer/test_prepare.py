"""consumer.prepare and consumer.messages: what is understood becomes a row, the rest is told."""

import json
import zlib
from typing import Any
from uuid import UUID

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from common.frames import FrameKind, encode_frame
from common.message import pack
from common.record import Attempt, encode
from common.tables import records
from consumer.decode import BadRecord, NewerRecord, decode
from consumer.messages import prepare, units_of
from consumer.prepare import Preparer, Row
from consumer.tokens.encodings import Encodings
from consumer.usage import Meter
from tests.support.record_samples import STARTED_US, answer, begin, end, frames, new_id, record


@pytest.fixture(scope="module")
def preparer() -> Preparer:
    return Preparer(Meter(Encodings()))


def test_row_has_every_column_of_the_table() -> None:
    assert set(Row._fields) == set(records.c.keys())


def test_record_becomes_its_row(preparer: Preparer) -> None:
    record_id = new_id()
    attempt = Attempt(upstream="openai", credential="key-0", seconds=0.5, status=200)
    last = end(attempts=(attempt,), upstream="openai", first_byte_at_us=STARTED_US + 1)
    row = preparer.prepare(record(record_id, last=last, token_id=3)).row
    assert row.id == UUID(bytes=record_id)
    assert (row.model, row.model_used, row.upstream) == ("gpt-4o", "gpt-4o-x", "openai")
    assert (row.prompt_tokens, row.completion_tokens, row.usage_source) == (10, 2, "reported")
    assert json.loads(row.attempts) == [
        {"upstream": "openai", "credential": "key-0", "seconds": 0.5, "status": 200}
    ]
    assert row.first_byte_at is not None
    assert (row.first_byte_at - row.started_at).total_seconds() == 1e-6


def test_answer_is_its_checkpoints_and_its_tail(preparer: Preparer) -> None:
    record_id, whole = new_id(), answer()
    sent = frames(record_id, begin(record_id), end(response=whole[20:]), (whole[:5], whole[5:20]))
    prepared = preparer.prepare(sent)
    assert prepared.row.response == whole and prepared.row.response_size_bytes == len(whole)
    assert prepared.row.prompt_tokens == 10


def test_bodies_are_compressed_where_that_pays(preparer: Preparer) -> None:
    large = preparer.prepare(record(last=end(response=answer("a" * 1000)))).row
    assert large.codec == 1 and large.response is not None and large.request is not None
    assert zlib.decompress(large.response) == answer("a" * 1000)
    assert json.loads(zlib.decompress(large.request))["model"] == "gpt-4o"
    small = preparer.prepare(record(request=b"{}", last=end(response=b"{}"))).row
    assert (small.codec, small.request, small.response) == (0, b"{}", b"{}")


def test_bodies_that_are_not_there_are_null(preparer: Preparer) -> None:
    last = end(response=b"", response_size_bytes=9, request_size_bytes=7, request_sha256=bytes(32))
    row = preparer.prepare(record(kind="files", request=b"", last=last)).row
    assert (row.request, row.response) == (None, None)
    assert (row.request_size_bytes, row.response_size_bytes) == (7, 9)


def test_text_is_what_every_database_can_hold(preparer: Preparer) -> None:
    row = preparer.prepare(
        record(model="m\0" + "x" * 300, path="/\0", client_address="\0", conversation_hint="h\0")
    ).row
    assert row.model == "m\N{REPLACEMENT CHARACTER}" + "x" * 254
    assert "\0" not in f"{row.path}{row.client_address}{row.conversation_hint}"


def test_lone_surrogates_of_the_answer_are_replaced(preparer: Preparer) -> None:
    body = rb'{"model": "m\ud800", "choices": [{"message": {"content": "\udc00"}}]}'
    row = preparer.prepare(record(last=end(response=body))).row
    assert row.model_used == "m\N{REPLACEMENT CHARACTER}"
    assert row.response == body


@pytest.mark.parametrize("started_at_us", [10**18, -(10**18), 2**63 - 1])
def test_time_that_is_none_is_the_records_fault(preparer: Preparer, started_at_us: int) -> None:
    with pytest.raises(BadRecord, match="no time"):
        preparer.prepare(record(started_at_us=started_at_us))


def test_record_of_a_newer_version_is_nobodys_fault(preparer: Preparer) -> None:
    with pytest.raises(NewerRecord, match="upgrade the consumers"):
        preparer.prepare(record(version=99))


def test_newer_record_is_known_though_its_fields_are_not() -> None:
    strange = msgspec.msgpack.encode({"version": 99, "id": "another kind"})
    with pytest.raises(NewerRecord):
        decode(encode_frame(FrameKind.BEGIN, new_id(), strange))


def parts_of(record_id: bytes) -> tuple[bytes, bytes]:
    first = encode_frame(FrameKind.BEGIN, record_id, encode(begin(record_id)))
    return first, encode_frame(FrameKind.END, record_id, encode(end()))


def test_progress_is_passed_over_where_there_is_an_end() -> None:
    record_id = new_id()
    first, last = parts_of(record_id)
    progress = encode_frame(FrameKind.PROGRESS, record_id, encode(end(status="interrupted")))
    piece = encode_frame(FrameKind.CHECKPOINT, record_id, b"{")
    assert decode(first + progress + piece + progress + last) == decode(first + piece + last)


@pytest.mark.parametrize("wrong", ["nothing", "cut", "flipped", "no end", "two ends", "mixed"])
def test_frames_that_are_no_record_are_told(wrong: str) -> None:
    record_id = new_id()
    first, last = parts_of(record_id)
    flipped = bytearray(first + last)
    flipped[40] ^= 1
    bad = {
        "nothing": b"",
        "cut": first + last[:-1],
        "flipped": bytes(flipped),
        "no end": first,
        "two ends": first + last + last,
        "mixed": first + parts_of(new_id())[1],
    }
    with pytest.raises(BadRecord):
        decode(bad[wrong])


@given(data=st.binary(max_size=200), at=st.integers(0, 10_000), flip=st.integers(1, 255))
def test_damage_anywhere_is_told_and_never_stored(data: bytes, at: int, flip: int) -> None:
    whole = bytearray(record())
    whole[at % len(whole)] ^= flip
    for damaged in (bytes(whole), bytes(whole[: at % len(whole)]), data):
        with pytest.raises(BadRecord):
            decode(damaged)


def test_one_bad_record_leaves_its_mates_in_the_message(preparer: Preparer) -> None:
    ids = [new_id() for _ in range(3)]
    sent = [record(ids[0]), record(ids[1])[:-3], record(ids[2])]
    (body,) = pack(list(zip(ids, sent, strict=True)), 10**6)
    prepared = prepare(preparer, units_of(body))
    assert [each.row.id.bytes for each in prepared.records] == [ids[0], ids[2]]
    assert [(bad.record_id, bad.raw) for bad in prepared.rejected] == [(ids[1], sent[1])]


@pytest.mark.parametrize("cut", [0, 1, 10, -1])
def test_message_that_cannot_be_read_is_kept_raw(preparer: Preparer, cut: int) -> None:
    (body,) = pack([(new_id(), record(last=end(response=b"a" * 10_000)))], 10**6)
    prepared = prepare(preparer, units_of(body[:cut]))
    assert [bad.raw for bad in prepared.rejected] == [body[:cut]]


class Mistaken(Preparer):
    def prepare(self, frames: bytes) -> Any:
        raise TypeError("a mistake in our code")


def test_our_own_mistake_costs_one_record_its_place(preparer: Preparer) -> None:
    record_id = new_id()
    prepared = prepare(Mistaken(Meter(Encodings())), [record(record_id)])
    assert [bad.record_id for bad in prepared.rejected] == [record_id]


@pytest.mark.parametrize(
    ("kind", "event"),
    [("audio", "transcript.text.done"), ("audio", "speech.audio.done"),
     ("images", "image_generation.completed"), ("images", "image_edit.completed")],
)  # fmt: skip
def test_usage_of_streamed_media_is_found(preparer: Preparer, kind: str, event: str) -> None:
    usage = {"input_tokens": 14, "output_tokens": 45, "total_tokens": 59}
    body = b"data: " + json.dumps({"type": event, "usage": usage}).encode() + b"\n\n"
    last = end(response=body, response_type="text/event-stream")
    row = preparer.prepare(record(kind=kind, last=last)).row
    assert (row.prompt_tokens, row.completion_tokens, row.usage_source) == (14, 45, "reported")
