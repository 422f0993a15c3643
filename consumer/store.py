"""The store of records: one transaction per batch, each record exactly once.

Rows, roll-up of usage, queue of the linker and quarantine change together or not at all. A record
that the database cannot hold is found by halving its batch, and put into quarantine alone. Parts of
large records are `consumer.parts`'s, conversations the linker's.
"""

import hashlib
from collections.abc import Iterable, Iterator, Sequence
from datetime import UTC, date, datetime
from typing import Any
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from common.tables import link_queue, record_quarantine, usage_daily
from consumer.faults import DATABASE_ERRORS, record_fault
from consumer.fresh import Fresh
from consumer.inserts import inserts_for
from consumer.prepare import PreparedRecord
from consumer.rejected import Rejected
from consumer.unwanted import Unwanted

_COUNTS = ("calls", "prompt_tokens", "completion_tokens", "cached_tokens", "reasoning_tokens")


class DatabaseAway(Exception):
    """The database cannot take anything now. Nothing was stored, nothing may be acknowledged."""


class Store:
    """Where records end up."""

    def __init__(
        self, engine: AsyncEngine, fresh: Fresh | None = None, unwanted: Unwanted | None = None
    ) -> None:
        """`fresh`: where what has been stored is kept for the linker; `unwanted`: what is not to
        be stored."""
        self._engine, self._fresh = engine, fresh or Fresh(0)
        self._unwanted = unwanted or Unwanted()
        self._inserts = inserts_for(engine.dialect.name)

    async def save(
        self, records: Sequence[PreparedRecord], rejected: Sequence[Rejected] = ()
    ) -> list[Rejected]:
        """All of them, and returns those that went into quarantine. Raises DatabaseAway."""
        await self._fresh.room()
        return await self._save(records, rejected) if records or rejected else []

    async def _save(
        self, records: Sequence[PreparedRecord], rejected: Sequence[Rejected]
    ) -> list[Rejected]:
        try:
            async with self._engine.begin() as connection:
                await self._write(connection, records, rejected)
            self._fresh.keep(records)
            return list(rejected)
        except DATABASE_ERRORS as error:
            reason = record_fault(error)
            if reason is None or not records:
                raise DatabaseAway(told(error)) from error
        if len(records) == 1:
            bad = Rejected(records[0].row.id.bytes, reason, records[0].frames)
            return await self._save([], [*rejected, bad])
        middle = len(records) // 2
        first = await self._save(records[:middle], rejected)
        return first + await self._save(records[middle:], ())

    async def _write(
        self,
        connection: AsyncConnection,
        records: Sequence[PreparedRecord],
        rejected: Sequence[Rejected],
    ) -> None:
        """Everything in the order of its keys, so that two consumers cannot block each other."""
        records, rejected = await self._unwanted.left_out(connection, records, rejected)
        by_id = {record.row.id: record for record in records}
        rows = [by_id[id].row._asdict() for id in sorted(by_id)]
        fresh = await self._inserts.new(connection, rows) if rows else set()
        new = [by_id[id] for id in sorted(fresh)]
        await self._inserts.add(connection, usage_daily, list(_rolled_up(new)), sums=_COUNTS)
        queued = [{"record_id": record.row.id} for record in new if record.linkable]
        await self._inserts.add(connection, link_queue, queued)
        await self._inserts.add(connection, record_quarantine, _quarantined(rejected))


def _rolled_up(new: Iterable[PreparedRecord]) -> Iterator[dict[str, Any]]:
    sums: dict[tuple[int, date, str], list[int]] = {}
    for record in new:
        row = record.row
        if row.status == "upstream_error":
            continue
        key = (row.user_id, row.started_at.date(), row.model or "")
        counts = (1, *(getattr(row, name) or 0 for name in _COUNTS[1:]))
        sums[key] = [a + b for a, b in zip(sums.get(key, (0,) * 5), counts, strict=True)]
    for key in sorted(sums):
        names = ("user_id", "day", "model", *_COUNTS)
        yield dict(zip(names, (*key, *sums[key]), strict=True))


def _quarantined(rejected: Iterable[Rejected]) -> list[dict[str, Any]]:
    rows = [
        {
            "record_id": UUID(bytes=bad.record_id),
            "reason": bad.reason,
            "raw": bad.raw,
            "raw_sha256": hashlib.sha256(bad.raw).digest(),
            "seen_at": datetime.now(UTC),
        }
        for bad in rejected
    ]
    return sorted(rows, key=lambda row: (row["record_id"], row["raw_sha256"]))


def told(error: BaseException) -> str:
    """One line, with nothing of what was to be stored."""
    cause = getattr(error, "orig", None) or error
    return " ".join(f"{type(cause).__name__}: {cause}".split())[:500]
