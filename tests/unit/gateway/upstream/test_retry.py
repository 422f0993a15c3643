"""Verdicts on answers and failures, in a table; no loop, no clock, no mock."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.upstream.retry import (
    Blame,
    back_off_s,
    judge_answer,
    judge_failure,
    rest_asked,
)
from gateway.upstream.wire import BadAnswer, Lost, NotSent, TimedOut, WireError


def body(code: str | None = None, kind: str | None = None) -> bytes:
    return json.dumps({"error": {"message": "no", "type": kind, "code": code}}).encode()


@pytest.mark.parametrize(
    ("status", "answer", "blame", "try_next"),
    [
        (200, b"", Blame.NONE, False),
        (400, body("context_length_exceeded"), Blame.NONE, False),
        (404, body("model_not_found"), Blame.NONE, False),
        (409, b"", Blame.NONE, False),
        (413, b"", Blame.NONE, False),
        (422, b"", Blame.NONE, False),
        (501, b"", Blame.NONE, False),
        (403, body("unsupported_country_region_territory"), Blame.NONE, False),
        (401, body("invalid_api_key"), Blame.REJECTED, True),
        (401, b"<html>", Blame.REJECTED, True),
        (401, body("missing_scope"), Blame.NONE, True),
        (403, body("account_deactivated"), Blame.REJECTED, True),
        (402, b"", Blame.EXHAUSTED, True),
        (429, body(kind="insufficient_quota"), Blame.EXHAUSTED, True),
        (429, body("credit_balance_exhausted"), Blame.EXHAUSTED, True),
        (429, body("rate_limit_exceeded"), Blame.COOLING, True),
        (429, b"[" * 5000, Blame.COOLING, True),
        (408, b"", Blame.FAILED, True),
        (500, b"", Blame.FAILED, True),
        (503, b"[1, 2]", Blame.FAILED, True),
        (529, b"", Blame.FAILED, True),
    ],
)
def test_an_answer_is_blamed_on_whom_it_concerns(
    status: int, answer: bytes, blame: Blame, try_next: bool
) -> None:
    verdict = judge_answer(status, [], answer, now=0)
    assert (verdict.blame, verdict.try_next) == (blame, try_next)


@pytest.mark.parametrize(
    ("error", "creates", "lost_before", "try_next"),
    [
        (NotSent(), False, False, True),
        (NotSent(), True, True, True),
        (TimedOut("connect"), True, True, True),
        (Lost(), False, False, True),
        (Lost(), False, True, False),
        (Lost(), True, False, False),
        (TimedOut("first_byte"), False, False, True),
        (TimedOut("first_byte"), False, True, False),
        (BadAnswer(), True, False, False),
    ],
)
def test_what_may_have_been_billed_is_tried_once_more_at_most(
    error: WireError, creates: bool, lost_before: bool, try_next: bool
) -> None:
    verdict = judge_failure(error, creates=creates, lost_before=lost_before)
    assert verdict.blame is Blame.FAILED
    assert verdict.try_next is try_next


NOW = 1_700_000_000.0


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({}, None),
        ({"retry-after": "7"}, 7),
        ({"retry-after": "0.5"}, 0.5),
        ({"retry-after-ms": "250", "retry-after": "7"}, 0.25),
        ({"retry-after": "Tue, 14 Nov 2023 22:13:30 GMT"}, 10),
        ({"retry-after": "Tue, 14 Nov 2003 22:13:30 GMT"}, 0),
        ({"retry-after": "soon"}, None),
        ({"retry-after": "-3"}, None),
        ({"retry-after": "inf"}, None),
        ({"x-ratelimit-reset-requests": "1s"}, 1),
        ({"x-ratelimit-reset-tokens": "6m0s"}, 360),
        ({"x-ratelimit-reset-tokens": "120ms"}, 0.12),
        ({"x-ratelimit-reset-tokens": "1h2m3.5s"}, 3723.5),
        ({"x-ratelimit-reset-requests": "1s", "x-ratelimit-reset-tokens": "2s"}, 2),
        ({"x-ratelimit-reset-requests": "9s", "x-ratelimit-remaining-requests": "4"}, None),
        ({"x-ratelimit-reset-requests": "whenever"}, None),
        ({"x-ratelimit-reset-requests": "12"}, 12),
        ({"x-ratelimit-reset-requests": "1d2h"}, 93600),
        ({"x-ratelimit-reset-requests": "1700000030000"}, 30),
        ({"retry-after": " 7 "}, 7),
        ({"retry-after": "1700000030"}, 30),
        ({"retry-after": "Tuesday, 14-Nov-23 22:13:30 GMT"}, 10),
        ({"retry-after": "Tue Nov 14 22:13:30 2023"}, 10),
        ({"retry-after": "nan"}, None),
        ({"retry-after-ms": "soon", "retry-after": "7"}, 7),
    ],
)
def test_rest_is_read_in_every_spelling(headers: dict[str, str], seconds: float | None) -> None:
    raw = [(name.encode(), value.encode()) for name, value in headers.items()]
    asked = rest_asked(raw, NOW)
    assert asked is None if seconds is None else asked == pytest.approx(seconds)


@given(
    st.dictionaries(
        st.sampled_from([b"retry-after-ms", b"retry-after", b"x-ratelimit-reset-tokens"]),
        st.one_of(
            st.binary(max_size=40),
            st.text("0123456789.dhms :,-+eGMTuNovn", max_size=30).map(str.encode),
            st.datetimes().map(lambda at: at.strftime("%a, %d %b %Y %H:%M:%S GMT").encode()),
        ),
    )
)
def test_whatever_a_provider_writes_is_seconds_or_nothing(headers: dict[bytes, bytes]) -> None:
    asked = rest_asked(list(headers.items()), NOW)
    assert asked is None or 0 <= asked < float("inf")


def test_back_off_grows_and_is_bounded() -> None:
    def longest(retry: int) -> float:
        return max(back_off_s(retry, 1) for _ in range(300))

    assert 0 <= back_off_s(0, 0) == 0
    assert longest(0) <= 1 < longest(4) <= 16
    assert longest(50) <= 30


def test_an_error_of_another_shape_names_no_code() -> None:
    for odd in ({"error": "text"}, {"error": {"code": 5}}, [], "x", None):
        value: Any = odd
        assert judge_answer(400, [], json.dumps(value).encode(), 0).blame is Blame.NONE
