"""The last half minute, counted per second: equal to a list of everything that happened."""

from hypothesis import given
from hypothesis import strategies as st

from gateway.upstream.window import WINDOW_S, Window


@given(
    st.lists(st.tuples(st.one_of(st.floats(0, 3), st.floats(0, 100)), st.booleans()), max_size=60)
)
def test_counts_are_those_of_the_last_thirty_seconds(events: list[tuple[float, bool]]) -> None:
    window, now, happened = Window(), 1000.0, []
    for pause, good in events:
        now += pause
        (window.good if good else window.bad)(now)
        happened.append((int(now), good))
        recent = [well for at, well in happened if at > int(now) - WINDOW_S]
        assert window.counts(now) == (recent.count(True), recent.count(False))


def test_nothing_is_left_after_clearing() -> None:
    window = Window()
    window.bad(5)
    window.clear()
    assert window.counts(5) == (0, 0)
