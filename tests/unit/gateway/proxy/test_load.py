"""Calls in flight and bytes held: bounded, and given back to the last one, however calls end."""

from contextlib import ExitStack, suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st
from structlog.testing import capture_logs

from gateway.errors import Overloaded
from gateway.proxy.load import Load

STEPS = st.lists(
    st.tuples(
        st.sampled_from(["admit", "hold", "note", "foresee", "leave", "fail"]),
        st.integers(0, 7),
        st.integers(0, 60),
    ),
    max_size=60,
)


def test_calls_beyond_the_bound_are_refused_until_one_ends() -> None:
    load = Load(2, 100)
    with load.admit():
        with load.admit(), pytest.raises(Overloaded) as refused:
            load.admit()
        assert refused.value.retry_after_s is not None
        with load.admit():
            assert load.in_flight == 2
    assert load.in_flight == 0


def test_bytes_beyond_the_bound_are_refused_and_not_held() -> None:
    load = Load(2, 100)
    with load.admit() as one, load.admit() as other:
        one.hold(60)
        for refusing in (other.hold, other.foresee):
            with pytest.raises(Overloaded):
                refusing(41)
        other.foresee(40)
        other.note(50)  # an answer is never given up for it
        assert load.held_bytes == 110
    assert load.held_bytes == 0


def test_overload_is_said_once_until_it_is_over() -> None:
    load = Load(10, 100)
    with capture_logs() as logged, ExitStack() as calls:
        for _ in range(10):
            calls.enter_context(load.admit())
        for _ in range(5):
            with pytest.raises(Overloaded):
                load.admit()
        assert [line["event"] for line in logged] == ["overload_begun"]
        calls.close()
        assert [line["event"] for line in logged] == ["overload_begun", "overload_over"]


@given(STEPS)
def test_whatever_happens_nothing_is_left(steps: list[tuple[str, int, int]]) -> None:
    load = Load(4, 100)
    under_way: list[tuple[ExitStack, object, list[int]]] = []
    for what, which, size in steps:
        with suppress(Overloaded):
            if what == "admit":
                stack = ExitStack()
                under_way.append((stack, stack.enter_context(load.admit()), []))
            elif under_way:
                stack, share, held = under_way[which % len(under_way)]
                if what in ("hold", "note", "foresee"):
                    getattr(share, what)(size)
                    held.append(size if what != "foresee" else 0)
                else:
                    under_way.remove((stack, share, held))
                    if what == "fail":
                        stack.__exit__(ValueError, ValueError(), None)
                    stack.close()
        assert load.in_flight == len(under_way) <= 4
        assert load.held_bytes == sum(sum(held) for _, _, held in under_way)
    for stack, _, _ in under_way:
        stack.close()
    assert (load.in_flight, load.held_bytes) == (0, 0)
