"""consumer.linkable: the same with or without what was parsed before; long histories in bounds."""

import json
import tracemalloc
from typing import Any

import pytest

from consumer.linkable import StoredRecord, linkable
from consumer.prepare import Preparer
from consumer.tokens.encodings import Encodings
from consumer.usage import Meter
from tests.support.record_samples import end, record
from tests.support.talking import Talk, as_linkable, assistant, user

STREAM = b"".join(
    b"data: "
    + json.dumps({"id": "c", "choices": [{"index": 0, "delta": delta}]}).encode()
    + b"\n\n"
    for delta in ({"role": "assistant"}, {"content": "Hel"}, {"content": "lo \ud83d"}, {})
)
HALF = rb'{"model":"m","messages":[{"role":"user","content":"half \ud83d"}]}'


@pytest.fixture(scope="module")
def preparer() -> Preparer:
    return Preparer(Meter(Encodings()))


@pytest.mark.parametrize(
    "more",
    [
        {},
        {"last": end(response=STREAM, response_type="text/event-stream")},
        {"request": HALF, "last": end(response=b"", status="client_gone")},
        {"conversation_hint": "tab", "request": b'{"messages":[{"role":"user","content":NaN}]}'},
        {"kind": "response", "request": b'{"input":"Hello!"}', "last": end(response=b'{"id":"r"}')},
    ],
)
def test_parsed_before_or_read_again_is_the_same(preparer: Preparer, more: dict[str, Any]) -> None:
    prepared = preparer.prepare(record(**more))
    fields = (getattr(prepared.row, name) for name in StoredRecord.__dataclass_fields__)
    stored = StoredRecord(*fields)
    assert prepared.parsed is not None
    assert linkable(stored, prepared.parsed) == linkable(stored)


def test_long_history_takes_no_more_than_a_few_times_its_size() -> None:
    talk, said = Talk(), []
    for turn in range(5_000):
        said += [user(f"Question {turn}? " * 10), assistant(f"Answer {turn}. " * 20)]
    talk.chat([*said, user("And?")])
    [row] = talk.rows
    tracemalloc.start()
    found = as_linkable(row)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert len(found.exchange.nodes) == 10_001
    assert peak < 8 * row["request_size_bytes"]
