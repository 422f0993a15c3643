"""consumer.faults: whose fault an error is, by what the two drivers really raise."""

import sqlite3

import asyncpg
import pytest
from sqlalchemy.exc import DBAPIError, IntegrityError, OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeout

from consumer.faults import DATABASE_ERRORS, record_fault

AWAY = {
    "25006": "read-only",
    "40001": "could not serialize",
    "40P01": "deadlock",
    "53100": "disk full",
    "53300": "too many connections",
    "57P01": "shutting down",
    "57P03": "starting up",
    "08006": "connection failure",
}
THE_RECORDS = {"22021": "bad bytes", "22003": "out of range", "23502": "null", "54000": "too large"}


def raised(state: str) -> DBAPIError:
    cause = asyncpg.PostgresError.new({"C": state, "M": "as the server says it"})
    told = Exception(str(cause))
    told.__cause__ = cause
    return DBAPIError("INSERT", {}, told)


@pytest.mark.parametrize("state", AWAY)
def test_error_of_the_database_is_nobodys_record(state: str) -> None:
    error = raised(state)
    assert isinstance(error, DATABASE_ERRORS) and record_fault(error) is None


@pytest.mark.parametrize("state", THE_RECORDS)
def test_error_of_the_record_says_so(state: str) -> None:
    assert state in str(record_fault(raised(state)))


@pytest.mark.parametrize("error", [PoolTimeout("no connection"), ConnectionResetError()])
def test_no_connection_is_nobodys_record(error: Exception) -> None:
    assert isinstance(error, DATABASE_ERRORS) and record_fault(error) is None


def test_sqlite_says_it_in_classes() -> None:
    full = OperationalError("INSERT", {}, sqlite3.OperationalError("database or disk is full"))
    null = IntegrityError("INSERT", {}, sqlite3.IntegrityError("NOT NULL constraint failed"))
    assert record_fault(full) is None
    assert record_fault(null) == "IntegrityError"
    assert record_fault(OverflowError("too large to convert")) == "OverflowError"
