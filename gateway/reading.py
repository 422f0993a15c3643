"""What the stores of the read side have in common: a connection that only reads, and the one
predicate that keeps people apart."""

from typing import Any

from sqlalchemy import ColumnElement, select, true

from common.tables import users
from gateway.connections import reading
from gateway.whose import Whose

__all__ = ["owned", "reading"]


def owned(user_id: ColumnElement[Any], by: Whose) -> ColumnElement[bool]:
    """The condition on a table's `user_id`; part of every query."""
    if by.user_id is not None:
        return user_id == by.user_id
    if by.user is not None:
        return user_id == select(users.c.id).where(users.c.name == by.user).scalar_subquery()
    return true()
