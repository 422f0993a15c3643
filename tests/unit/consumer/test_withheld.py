"""Records whose bodies must not be stored: counted, and nothing of what was said stays anywhere."""

import json
from typing import Any

import pytest
from uuid_utils import uuid7

from common.frames import FrameKind, encode_frame
from common.message import pack, unpack
from common.record import encode
from consumer.messages import prepare
from consumer.prepare import Preparer
from consumer.tokens.encodings import Encodings
from consumer.usage import Meter
from consumer.withheld import keepable, keepable_parts
from tests.support.record_samples import answer, begin, end, frames, new_id, record

SECRET = "the plan for Thursday"


@pytest.fixture(scope="module")
def preparer() -> Preparer:
    return Preparer(Meter(Encodings()))


def asked(**more: Any) -> dict[str, Any]:
    request = {"model": "gpt-4o", "messages": [{"role": "user", "content": SECRET}]}
    return {"no_store": True, "request": json.dumps(request).encode(), **more}


def test_usage_is_what_it_would_be_and_the_bodies_are_gone(preparer: Preparer) -> None:
    reported = end(response=answer(SECRET))
    silent = end(response=answer(SECRET).replace(b'"usage"', b'"spent"'))
    for last in (reported, silent):
        kept = preparer.prepare(record(last=last, **asked(no_store=False)))
        bare = preparer.prepare(record(last=last, **asked()))
        names = [name for name in kept.row._fields if name.endswith(("_tokens", "_bytes", "model"))]
        for name in (*names, "usage_source", "model_used", "status"):
            assert getattr(bare.row, name) == getattr(kept.row, name), name
        assert kept.linkable and not bare.linkable and bare.parsed is None
        assert bare.row.request is bare.row.response is None
        assert SECRET not in repr(bare)


def test_digests_of_files_are_gone_too(preparer: Preparer) -> None:
    last = end(request_size_bytes=9, request_sha256=b"d" * 32, response_size_bytes=8,
               response_sha256=b"e" * 32, response=b"")  # fmt: skip
    row = preparer.prepare(record(last=last, kind="files", request=b"", no_store=True)).row
    assert (row.request_sha256, row.response_sha256) == (None, None)
    assert (row.request_size_bytes, row.response_size_bytes) == (9, 8)


def test_what_goes_into_quarantine_can_be_stored_later_with_its_usage(preparer: Preparer) -> None:
    first = preparer.prepare(record(last=end(response=answer(SECRET)), **asked()))
    again = preparer.prepare(first.frames)
    assert again.row == first.row._replace(model_used=None), "which only the answer told"


def test_of_one_that_cannot_be_understood_nothing_is_kept(preparer: Preparer) -> None:
    damaged = record(**asked())[:-3]
    [bad] = prepare(preparer, [damaged]).rejected
    assert bad.raw == b"" and bad.reason
    [other] = prepare(preparer, [record(**asked(no_store=False))[:-3]]).rejected
    assert other.raw


def test_nor_of_one_whose_parts_cannot_be_joined() -> None:
    record_id = uuid7().bytes
    body = frames(record_id, begin(record_id, **asked(request=bytes(range(256)) * 50)), end())
    bodies = [unpack(message).body for message in pack([(record_id, body)], 400)]  # type: ignore[union-attr]
    assert keepable_parts(bodies) == b""
    assert keepable_parts([b"?", b"!"]) == b"?!" and keepable_parts([]) == b""
    start = encode_frame(FrameKind.BEGIN, record_id, encode(begin(new_id(), no_store=True)))
    assert keepable(start) == b""
