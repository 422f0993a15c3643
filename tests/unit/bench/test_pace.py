"""When streams begin, and when their chunks are due."""

import pytest

from bench.pace import arrivals, due_s, length_s


def test_streams_arrive_over_the_whole_time() -> None:
    starts = arrivals(300, 1.0, 50)
    assert starts[0] == 0
    assert 0.97 < max(starts) < 1.02
    halves = sum(start < 0.5 for start in starts)
    assert 145 <= halves <= 155


def test_streams_fill_the_interval_between_two_chunks_evenly() -> None:
    """In every tenth of the 20 ms about a tenth of the chunks is due: no bursts."""
    phases = [start % 0.02 / 0.02 for start in arrivals(300, 0.6, 50)]
    tenths = [sum(n / 10 <= phase < (n + 1) / 10 for phase in phases) for n in range(10)]
    assert sum(tenths) == 300
    assert min(tenths) >= 20
    assert max(tenths) <= 40


def test_chunks_are_due_by_the_plan() -> None:
    assert [due_s(100.0, 50, n) for n in (0, 1, 50)] == pytest.approx([100.0, 100.02, 101.0])


def test_a_stream_lasts_from_its_first_chunk_to_its_last() -> None:
    assert length_s(50, 101) == 2
    assert length_s(50, 1) == 0
