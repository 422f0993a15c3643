"""The arithmetic of measured values."""

import pytest

from bench.figures import Book, percentile


@pytest.mark.parametrize(
    ("share", "value"), [(0.0, 1), (0.01, 1), (0.5, 50), (0.501, 51), (0.99, 99), (1.0, 100)]
)
def test_percentile_is_the_nearest_rank(share: float, value: int) -> None:
    assert percentile(range(100, 0, -1), share) == value


def test_percentile_of_one_value_is_that_value() -> None:
    assert percentile([7.0], 0.99) == 7.0


def test_percentile_of_nothing_is_refused() -> None:
    with pytest.raises(ValueError, match="no values"):
        percentile([], 0.5)


def test_median_is_over_the_rounds() -> None:
    book = Book()
    for value in (10, 1000, 20):
        book.note("ours", "calls", value)
    assert book.median("ours", "calls") == 20
    assert book.values("ours", "calls") == [10, 1000, 20]


def test_what_was_not_measured_has_no_figure() -> None:
    book = Book()
    book.note("ours", "calls", 10)
    assert book.median("theirs", "calls") is None
    assert book.ratio("calls", "ours", "theirs") is None
    assert book.added("calls", "ours", "theirs") is None


def test_a_ratio_to_nothing_is_none() -> None:
    book = Book()
    book.note("ours", "calls", 10)
    book.note("theirs", "calls", 0)
    assert book.ratio("calls", "ours", "theirs") is None


def test_ratio_and_difference() -> None:
    book = Book()
    book.note("ours", "ms", 6)
    book.note("bare", "ms", 4)
    assert book.ratio("ms", "ours", "bare") == 1.5
    assert book.added("ms", "ours", "bare") == 2
