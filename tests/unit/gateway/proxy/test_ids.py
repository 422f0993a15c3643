"""Ids of records are unique, and ascend within a process even where its clock stands still."""

from uuid_utils import uuid7


def test_ids_are_unique_and_ascend() -> None:
    made = [uuid7().bytes for _ in range(100_000)]  # many in each millisecond
    assert made == sorted(set(made))
