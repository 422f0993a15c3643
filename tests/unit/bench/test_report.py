"""Tables and verdicts."""

import pytest

from bench.budget import BUDGET, Limit
from bench.figures import Book
from bench.report import ROWS, budget, comparison, is_bounded, markdown

SIDES = ("upstream", "gateway", "nginx")


@pytest.fixture
def book() -> Book:
    book = Book()
    for side, calls in (("upstream", 30_000), ("gateway", 4_000.4), ("nginx", 25_000)):
        book.note(side, "calls_64", calls)
    for side, milliseconds in (("upstream", 0.1), ("gateway", 0.55)):
        book.note(side, "latency_p50", milliseconds)
    return book


def line(book: Book, title: str) -> list[str]:
    _, lines = comparison(book, SIDES)
    return next(cells[1:] for cells in lines if cells[0] == title)


def test_a_figure_near_the_generators_ceiling_is_marked(book: Book) -> None:
    assert line(book, "calls/s, 64 connections") == ["30,000", "4,000", "25,000 *"]


@pytest.mark.parametrize(
    ("value", "ceiling", "bounded"), [(80, 100, True), (79, 100, False), (5, None, False)]
)
def test_bounded_is_within_a_fifth(value: float, ceiling: float | None, bounded: bool) -> None:
    assert is_bounded(value, ceiling) is bounded


def test_ratios_tell_how_much_more_the_gateway_reaches(book: Book) -> None:
    assert line(book, "… gateway ÷ this") == ["0.13", "–", "0.16"]


def test_added_is_over_the_bare_upstream(book: Book) -> None:
    assert line(book, "… added, p50") == ["–", "0.45", "–"]


def test_failures_stand_beside_the_figure(book: Book) -> None:
    book.remark("nginx", "calls_64", "3 failed")
    assert line(book, "calls/s, 64 connections")[2] == "25,000 * (3 failed)"


def test_rows_without_a_figure_are_left_out(book: Book) -> None:
    _, lines = comparison(book, SIDES)
    assert 0 < len(lines) < len(ROWS)


@pytest.mark.parametrize(
    ("limit", "value", "verdict"),
    [
        (Limit("", lambda book: None, 2, " ×", at_least=True), 2.0, "met"),
        (Limit("", lambda book: None, 2, " ×", at_least=True), 1.5, "missed by 25 %"),
        (Limit("", lambda book: None, 5, " ms"), 5.0, "met"),
        (Limit("", lambda book: None, 5, " ms"), 6.0, "missed by 20 %"),
        (Limit("", lambda book: None, 0, ""), 1.0, "missed"),
        (Limit("", lambda book: None, 5, " ms"), None, "not measured"),
    ],
)
def test_a_verdict_says_by_how_much(limit: Limit, value: float | None, verdict: str) -> None:
    assert limit.verdict(value) == verdict


def test_the_budget_names_every_limit(book: Book) -> None:
    _, lines = budget(book)
    assert len(lines) == len(BUDGET)
    told = {cells[0]: cells[1:] for cells in lines}
    assert told["… times nginx's"] == ["≥ 0.2 ×", "0.16 ×", "missed by 20 %"]
    assert told["added latency at 1 connection, p50"] == ["≤ 0.6 ms", "0.45 ms", "met"]
    assert told["memory of an idle worker"] == ["≤ 50 MB", "–", "not measured"]


def test_limits_speak_of_figures_that_the_table_shows() -> None:
    assert {limit.figure for limit in BUDGET} <= {row.figure for row in ROWS}


def test_a_table_in_markdown() -> None:
    table = (["", "a"], [["calls", "1"]])
    assert markdown(table) == "|  | a |\n| --- | ---: |\n| calls | 1 |\n"
