"""Whose fault a database error is: the record's, or the database's.

Only told here. What is done about it is the store's and the worker's.
"""

from sqlalchemy.exc import DataError, DBAPIError, IntegrityError
from sqlalchemy.exc import TimeoutError as PoolTimeout

DATABASE_ERRORS = (DBAPIError, PoolTimeout, OSError, OverflowError, UnicodeError)
"""What a database can raise, by its own fault or the record's; anything else is ours."""

_RECORD_STATES = ("22", "23", "54")
"""SQLSTATE classes: data exception, integrity violation, program limit exceeded."""


def record_fault(error: BaseException) -> str | None:
    """Why the database cannot hold what it was given; None: that is not what went wrong.

    The reason never quotes the data.
    """
    if isinstance(error, OverflowError | UnicodeError):
        return type(error).__name__
    if not isinstance(error, DBAPIError):
        return None
    cause = getattr(error.orig, "__cause__", None) or error.orig
    state = str(getattr(error.orig, "sqlstate", None) or getattr(cause, "sqlstate", None) or "")
    refused = isinstance(error, DataError | IntegrityError) or isinstance(cause, ValueError)
    if state.startswith(_RECORD_STATES) or (refused and not state):
        return f"{type(cause).__name__} {state}".strip()
    return None
