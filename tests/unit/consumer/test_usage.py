"""consumer.usage: what was reported is believed, 0 included; else it is counted and says so."""

import json
from typing import Any

import pytest

from common.record import SCHEMA_VERSION, Begin, End
from consumer.tokens.encodings import Encodings
from consumer.usage import Meter, Usage, reported

CHAT: dict[str, Any] = {"model": "gpt-4o", "messages": [{"role": "user", "content": "Hello!"}]}
ANSWER = {"model": "gpt-4o", "choices": [{"message": {"role": "assistant", "content": "Hello!"}}]}


@pytest.fixture(scope="module")
def meter() -> Meter:
    return Meter(Encodings())


def begin(kind: str = "chat", **more: Any) -> Begin:
    fields = {"method": "POST", "path": "/x", "model": "gpt-4o", "user_id": 1, "started_at_us": 1}
    return Begin(id=bytes(16), version=SCHEMA_VERSION, kind=kind, **fields | more)


def end(**more: Any) -> End:
    return End(**{"status": "complete", "http_status": 200, "finished_at_us": 1} | more)


@pytest.mark.parametrize(
    ("usage", "expected"),
    [
        ({"prompt_tokens": 3, "completion_tokens": 4}, (3, 4, None, None)),
        ({"prompt_tokens": 0, "completion_tokens": 0, "total_tokens": 9}, (0, 0, None, None)),
        (
            {
                "prompt_tokens": 3,
                "completion_tokens": 4,
                "prompt_tokens_details": {"cached_tokens": 0},
                "completion_tokens_details": {"reasoning_tokens": 2},
            },
            (3, 4, 0, 2),
        ),
        (
            {
                "input_tokens": 5.0,
                "output_tokens": 6,
                "input_tokens_details": {"cached_tokens": 1},
                "output_tokens_details": {"reasoning_tokens": None},
            },
            (5, 6, 1, None),
        ),
        ({"prompt_tokens": 3, "total_tokens": 3}, (3, 0, None, None)),
        (
            {"prompt_tokens": 3, "completion_tokens": 1, "prompt_cache_hit_tokens": 2},
            (3, 1, 2, None),
        ),
    ],
)
def test_every_endpoints_report_is_read(usage: Any, expected: tuple[int | None, ...]) -> None:
    assert reported(usage, "chat") == Usage(*expected, "reported")  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "usage",
    [
        None,
        [],
        "",
        {},
        {"prompt_tokens": 1},
        {"type": "duration", "seconds": 3},
        {"prompt_tokens": -1, "completion_tokens": 1},
        {"prompt_tokens": 1e300, "completion_tokens": 1},
        {"prompt_tokens": True, "completion_tokens": 1},
        {"prompt_tokens": 10**30, "total_tokens": 1},
    ],
)
def test_nonsense_is_no_report(usage: Any) -> None:
    assert reported(usage, "chat") is None


def test_embedding_reports_no_completion() -> None:
    assert reported({"prompt_tokens": 8}, "embedding") == Usage(8, 0, None, None, "reported")


def test_usage_hidden_from_the_client_comes_first(meter: Meter) -> None:
    hidden = json.dumps({"prompt_tokens": 1, "completion_tokens": 2}).encode()
    answer = ANSWER | {"usage": {"prompt_tokens": 8, "completion_tokens": 8}}
    found = meter.usage_of(begin(), end(usage=hidden), CHAT, answer)
    assert found == Usage(1, 2, None, None, "reported")


def test_without_a_report_tokens_are_counted(meter: Meter) -> None:
    found = meter.usage_of(begin(), end(), CHAT, ANSWER)
    assert found == Usage(3 + 1 + 2 + 3, 2, None, None, "counted")


@pytest.mark.parametrize("status", ["interrupted", "client_gone"])
def test_cut_answers_are_counted_from_what_was_relayed(meter: Meter, status: str) -> None:
    found = meter.usage_of(begin(), end(status=status), CHAT, None)
    assert found == Usage(9, 0, None, None, "counted")


def test_reasoning_that_shows_is_counted_and_estimated(meter: Meter) -> None:
    message = {"content": "Hello!", "reasoning_content": "Hello!"}
    found = meter.usage_of(begin(), end(), CHAT, {"choices": [{"message": message}]})
    assert found == Usage(9, 4, None, 2, "estimated")


@pytest.mark.parametrize(
    ("call", "outcome"),
    [
        (begin(), end(http_status=None, status="client_gone")),
        (begin(), end(http_status=500, status="upstream_error")),
        (begin(kind="files"), end()),
        (begin(kind="images"), end()),
    ],
)
def test_where_nothing_was_answered_nothing_is_counted(
    meter: Meter, call: Begin, outcome: End
) -> None:
    assert meter.usage_of(call, outcome, CHAT, None) is None


def test_report_of_an_earlier_call_is_not_this_ones(meter: Meter) -> None:
    answer = {"usage": {"prompt_tokens": 1, "completion_tokens": 1}}
    assert meter.usage_of(begin(method="GET", kind="threads"), end(), None, answer) is None


def test_model_of_the_answer_decides_where_it_is_known(meter: Meter) -> None:
    aliased = meter.usage_of(begin(model="fast"), end(), CHAT, ANSWER)
    unknown = meter.usage_of(begin(model="fast"), end(), CHAT, ANSWER | {"model": "faster"})
    assert aliased is not None and aliased.source == "counted"
    assert unknown is not None and unknown.source == "estimated"


def test_request_nested_too_deep_is_estimated(meter: Meter) -> None:
    nested: Any = "x"
    for _ in range(5_000):
        nested = [nested]
    found = meter.usage_of(
        begin(kind="embedding", request=b"[" * 400), end(), {"input": nested}, None
    )
    assert found == Usage(100, 0, None, None, "estimated")
