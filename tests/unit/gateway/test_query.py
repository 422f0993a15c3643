"""Query parameters: what is understood, and that whatever is not is refused by name."""

from datetime import UTC, date, datetime
from typing import Any
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.auth.principal import Principal
from gateway.errors import Forbidden, InvalidRequest
from gateway.query import Query, as_id, in_order
from gateway.whose import Whose, whose

ID = UUID("01a1fb67-1be8-7000-8000-000000000001")
NOON = datetime(2026, 11, 21, 12, tzinfo=UTC)


def of(value: str) -> Query:
    return Query([("x", value)], ("x", "y"))


def blamed(error: pytest.ExceptionInfo[InvalidRequest]) -> str | None:
    assert error.value.status == 400
    return error.value.param


@pytest.mark.parametrize(
    "text",
    [
        "2026-11-21T12:00:00Z",
        "2026-11-21T12:00:00",
        "2026-11-21T13:00:00+01:00",
        "2026-11-21T13:00:00 01:00",
        "2026-11-21 12:00",
        str(int(NOON.timestamp())),
        f"{int(NOON.timestamp())}.0",
    ],
)
def test_moments_have_many_spellings(text: str) -> None:
    assert of(text).moment("x") == NOON


def test_days_whole_numbers_ids_and_choices_are_understood() -> None:
    assert of("2026-11-21").day("x") == date(2026, 11, 21)
    assert (of("7").whole("x", 1, 9, 3), of("").whole("x", 1, 9, 3)) == (7, 3)
    assert of(str(ID).upper()).id("x") == ID
    assert of("b, a").choices("x", ("a", "b", "c")) == ("a", "b")
    assert of("").choices("x", ("a", "b")) == ("a", "b")
    assert of("b").one_of("x", ("a", "b")) == "b"


def test_absent_parameters_are_none() -> None:
    query = of("z")
    found: list[Any] = [query.text("y"), query.day("y"), query.moment("y"), query.id("y")]
    assert [*found, query.one_of("y", ("a",))] == [None] * 5


@pytest.mark.parametrize(
    "given_",
    [
        [("z", "1")],
        [("x", "1"), ("x", "2")],
        [("x", "1" * 1000)],
        [("x", "a\0")],
    ],
)
def test_unknown_repeated_and_endless_parameters_are_refused(given_: Any) -> None:
    with pytest.raises(InvalidRequest) as error:
        Query(given_, ("x", "y"))
    assert blamed(error) == given_[0][0]


@given(st.text(max_size=30))
def test_what_cannot_be_understood_is_refused(text: str) -> None:
    query = Query([("x", text.replace("\0", ""))], ("x",))
    for read in (
        query.day,
        query.moment,
        query.id,
        lambda name: query.whole(name, 1, 100, 20),
        lambda name: query.choices(name, ("a", "b")),
    ):
        try:
            read("x")
        except InvalidRequest as error:
            assert error.param == "x"


def test_end_lies_behind_the_beginning() -> None:
    in_order(None, NOON)
    in_order(NOON, NOON)
    with pytest.raises(InvalidRequest) as error:
        in_order(date(2026, 11, 21), date(2026, 11, 20))
    assert blamed(error) == "to"


@pytest.mark.parametrize("text", [ID.hex, f"{{{ID}}}", f"urn:uuid:{ID}", "", "x", f"{ID}0"])
def test_ids_have_one_form(text: str) -> None:
    assert as_id(text) is None
    assert as_id(str(ID)) == ID


def test_members_see_their_own_and_admins_what_they_ask_for() -> None:
    member = Principal(7, "alice", "member", 1, 0.0)
    admin = Principal(8, "root", "admin", 1, 0.0)
    assert whose(member, None) == whose(member, "alice") == Whose(7)
    assert whose(admin, None) == Whose(None)
    assert whose(admin, "alice") == Whose(None, "alice")
    with pytest.raises(Forbidden) as error:
        whose(member, "root")
    assert (error.value.status, error.value.param) == (403, "user")
