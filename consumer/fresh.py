"""What was parsed of records that were stored a moment ago, so that linking need not do it again.

A convenience: whatever is not here is read from the database, and comes to the same. Which of them
may still be linked, the database alone knows.
"""

import asyncio
from collections import OrderedDict
from collections.abc import Collection, Iterable
from uuid import UUID

from anyio import move_on_after

from consumer.linkable import Parsed, StoredRecord
from consumer.prepare import PreparedRecord

MOST_BYTES = 16 * 1024 * 1024
"""Of the bodies as they were sent; parsed, they take a few times as much."""
PATIENCE_S = 0.25
"""Storing goes on after that, whatever the linker does."""


class Fresh:
    """Records that are to be linked next. Once it is full no more are kept, until the linker has
    come so far: it takes the oldest first."""

    def __init__(self, max_bytes: int = MOST_BYTES) -> None:
        self._max_bytes, self._bytes = max_bytes, 0
        self._kept: OrderedDict[UUID, tuple[StoredRecord, Parsed, int]] = OrderedDict()
        self._taken = asyncio.Event()

    def keep(self, records: Iterable[PreparedRecord]) -> None:
        for record in records:
            if record.parsed is not None and self._bytes < self._max_bytes:
                self._keep(record, record.parsed)

    def take(self, ids: Collection[UUID]) -> list[tuple[StoredRecord, Parsed]]:
        """Those of the oldest that wait which are here. Older ones that are not asked for somebody
        else has linked: they are kept no longer."""
        newest = max(ids, default=None)
        found = []
        for id in [id for id in self._kept if newest is not None and id <= newest]:
            record, parsed, size = self._kept.pop(id)
            self._bytes -= size
            if id in ids:
                found.append((record, parsed))
        self._taken.set()
        return found

    def clear(self) -> None:
        """Nothing waits for the linker, or it cannot go on."""
        self._kept.clear()
        self._bytes = 0
        self._taken.set()

    async def room(self) -> None:
        """Wait a moment for the linker if it is far behind: what is linked while it is here costs
        less than what must be read again."""
        with move_on_after(PATIENCE_S):
            while self._bytes >= self._max_bytes > 0:
                self._taken.clear()
                await self._taken.wait()

    def _keep(self, record: PreparedRecord, parsed: Parsed) -> None:
        row = record.row
        size = row.request_size_bytes + row.response_size_bytes
        if known := self._kept.pop(row.id, None):
            self._bytes -= known[2]
        stored = StoredRecord(
            id=row.id,
            user_id=row.user_id,
            token_id=row.token_id,
            kind=row.kind,
            conversation_hint=row.conversation_hint,
            started_at=row.started_at,
            finished_at=row.finished_at,
            request=None,
            response_type=row.response_type,
            response=None,
            codec=row.codec,
        )
        self._kept[row.id] = stored, parsed, size
        self._bytes += size
