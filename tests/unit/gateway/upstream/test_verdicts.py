"""Joining what workers found: in whatever order, however often, the result is the same."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.upstream.credential import Credential, Upstream
from gateway.upstream.health import FOREVER, MODELS_KEPT, Rest
from gateway.upstream.retry import Blame
from gateway.upstream.verdicts import Verdicts, decode, encode, joined, lasting, shared_name

outs = st.builds(
    Rest,
    st.sampled_from([Blame.REJECTED, Blame.EXHAUSTED, Blame.FAILED]),
    st.none(),
    st.integers(1, 9).map(float),
    st.sampled_from([5.0, 8.0, 12.0, FOREVER]),
    st.integers(1, 3),
)
coolings = st.builds(
    Rest,
    st.just(Blame.COOLING),
    st.sampled_from([None, "gpt", "o1"]),
    st.integers(1, 9).map(float),
    st.integers(3, 12).map(float),
    st.integers(1, 3),
)
everything = st.builds(
    lambda cleared, rests: joined(Verdicts(cleared), Verdicts(0.0, tuple(rests))),
    st.integers(0, 9).map(float),
    st.lists(st.one_of(outs, coolings), max_size=6),
)


@given(everything, everything, everything)
def test_joining_knows_no_order_and_no_repetition(a: Verdicts, b: Verdicts, c: Verdicts) -> None:
    assert joined(a, b) == joined(b, a)
    assert joined(joined(a, b), c) == joined(a, joined(b, c))
    assert joined(a, a) == a
    assert joined(a, Verdicts()) == a


@given(everything, everything)
def test_the_longest_rest_that_was_not_cleared_wins(a: Verdicts, b: Verdicts) -> None:
    both = joined(a, b)
    assert both.cleared == max(a.cleared, b.cleared)
    told = [rest for rest in (*a.rests, *b.rests) if rest.reason is not Blame.COOLING]
    found = [rest for rest in told if rest.since > both.cleared]
    assert (both.out is None) == (not found)
    if both.out is not None:
        assert both.out.until == max(rest.until for rest in found)


@given(everything, st.integers(0, 12).map(float))
def test_what_is_over_is_left_out_and_nothing_else(verdicts: Verdicts, now: float) -> None:
    kept = lasting(verdicts, now)
    assert kept.cleared == verdicts.cleared
    assert set(kept.rests) == {rest for rest in verdicts.rests if rest.until > now}


@given(everything, everything, st.integers(0, 12).map(float))
def test_leaving_out_what_is_over_may_come_before_or_after(
    a: Verdicts, b: Verdicts, now: float
) -> None:
    assert lasting(joined(a, b), now) == lasting(joined(lasting(a, now), b), now)


@given(everything)
def test_what_is_written_is_read_back(verdicts: Verdicts) -> None:
    assert decode(encode(verdicts)) == verdicts


@given(st.one_of(st.none(), st.binary(), st.recursive(
    st.none() | st.text(max_size=9) | st.floats(),
    lambda inner: st.lists(inner, max_size=5)
    | st.dictionaries(st.sampled_from(["cleared", "rests", "x"]), inner),
).map(lambda value: repr(value).replace("'", '"').encode())))  # fmt: skip
def test_whatever_is_stored_is_understood_or_ignored(raw: bytes | None) -> None:
    assert len(decode(raw).rests) <= 2 * MODELS_KEPT


@pytest.mark.parametrize(
    "row",
    [
        ["none", None, 1, 2, 1],
        ["withdrawn", None, 1, 2, 1],
        ["failed", None, 1e400, 2, 1],
        ["failed", None, 1, 2, 0],
        ["cooling", "m" * 300, 1, 2, 1],
    ],
)
def test_a_rest_that_cannot_be_is_left_out(row: list[object]) -> None:
    assert decode(str({"rests": [row]}).replace("'", '"').replace("None", "null").encode()) == (
        Verdicts()
    )


def test_many_models_take_bounded_room() -> None:
    many = Verdicts()
    for n in range(1000):
        many = joined(many, Verdicts(0.0, (Rest(Blame.COOLING, f"m{n}", 1.0, 10.0 + n, 1),)))
    many = joined(many, Verdicts(0.0, (Rest(Blame.FAILED, None, 1.0, 5.0, 1),)))
    assert len(many.rests) == MODELS_KEPT + 1 and many.out is not None
    assert len(encode(many)) < 10_000


def test_a_key_has_a_name_of_its_own_that_does_not_tell_it() -> None:
    key = Credential(Upstream("openai", "https://x/v1"), "a", "openai", "sk-canary-1")
    assert shared_name(key).startswith("openai/a#")
    assert shared_name(key) != shared_name(replace(key, key="sk-canary-2"))
    assert "canary" not in shared_name(key) and len(shared_name(key)) == len("openai/a#") + 8
