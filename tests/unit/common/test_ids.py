"""Ids and the time that they begin with."""

from datetime import UTC, datetime, timedelta
from uuid import UUID

from hypothesis import given
from hypothesis import strategies as st
from uuid_utils import uuid7

from common.ids import NOBODY, first_id, moment_of

moments = st.datetimes(datetime(1970, 1, 1), datetime(9999, 12, 31), timezones=st.just(UTC))


@given(moments, moments)
def test_ids_are_in_the_order_of_time(one: datetime, other: datetime) -> None:
    if one + timedelta(milliseconds=1) <= other:
        assert NOBODY <= first_id(one) < first_id(other)


@given(moments)
def test_the_time_of_an_id_is_known_to_the_millisecond(moment: datetime) -> None:
    found = moment_of(first_id(moment))
    assert found is not None and timedelta(0) <= moment - found < timedelta(milliseconds=1)


def test_a_real_id_lies_behind_the_first_of_its_moment() -> None:
    before = datetime.now(UTC)
    made = UUID(bytes=uuid7().bytes)
    assert first_id(before) < made < first_id(datetime.now(UTC) + timedelta(seconds=1))


def test_what_no_date_can_say_is_no_date() -> None:
    assert moment_of(UUID(int=2**128 - 1)) is None
    assert first_id(datetime(1, 1, 1, tzinfo=UTC)) == NOBODY
