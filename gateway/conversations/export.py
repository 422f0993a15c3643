"""Every record of some time or person, oldest first, as lines of JSON, in bounded memory.

Each line is what `/records/{id}` shows. What arrives while an export runs may be in it or not.
"""

from collections.abc import AsyncIterator, Iterator, Sequence
from typing import NamedTuple
from uuid import UUID

from gateway.conversations.rendering import record_with_bodies
from gateway.conversations.store_records import RecordStore
from gateway.conversations.views import RecordFilter
from gateway.whose import Whose

MOST_RECORDS = 500
"""Whose ids are held at a time."""
MOST_BYTES = 8 * 1024 * 1024
"""Of bodies held at a time, as they travelled; a single record may be larger."""


class Line(NamedTuple):
    id: UUID
    json: bytes


async def export(
    records: RecordStore, by: Whose, wanted: RecordFilter, after: UUID | None = None
) -> AsyncIterator[Line]:
    """From the oldest, or from the one behind `after`. Raises StoreUnavailable."""
    while sizes := await records.sizes(by, wanted, after, MOST_RECORDS):
        for ids in _together(sizes):
            for one, request, response in await records.whole(ids):
                yield Line(one.id, record_with_bodies(one, request, response))
        after = sizes[-1][0]


def _together(sizes: Sequence[tuple[UUID, int]]) -> Iterator[list[UUID]]:
    """In the same order, as many at a time as memory should hold."""
    ids: list[UUID] = []
    total = 0
    for id, size_bytes in sizes:
        if ids and total + size_bytes > MOST_BYTES:
            yield ids
            ids, total = [], 0
        ids.append(id)
        total += size_bytes
    yield ids
