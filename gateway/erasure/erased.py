"""Whom an erasure is about. Plain data."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Erased:
    """Somebody who is being erased."""

    user_id: int
    name: str
