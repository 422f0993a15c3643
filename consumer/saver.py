"""Saves what was prepared: rows in transactions of limited size, parts until they are whole.

Returns only when everything is stored or in quarantine. Acknowledging is the worker's.
"""

from collections.abc import Iterable, Sequence
from functools import partial

import structlog
from anyio import to_thread

from common.message import BadMessage, Part, join_parts
from consumer.decode import NewerRecord
from consumer.holding import Holding
from consumer.messages import Prepared, Unit, prepare
from consumer.parts import Parts
from consumer.prepare import PreparedRecord, Preparer
from consumer.rejected import Rejected
from consumer.store import Store
from consumer.withheld import keepable_parts

log = structlog.get_logger()


class Saver:
    """Everything between a prepared message and its acknowledgement."""

    def __init__(
        self, preparer: Preparer, store: Store, parts: Parts, holding: Holding, most_records: int
    ) -> None:
        """`most_records`: in one transaction."""
        self._preparer, self._store, self._parts = preparer, store, parts
        self._holding, self._most_records = holding, most_records

    async def save_units(self, units: Iterable[Unit]) -> NewerRecord | None:
        """Prepare and save. See `save`."""
        prepared = await to_thread.run_sync(prepare, self._preparer, list(units))
        return await self.save([prepared])

    async def save(self, batch: Sequence[Prepared]) -> NewerRecord | None:
        """Raises Abandoned. Returns what is left over: their messages cannot be acknowledged."""
        records = [record for prepared in batch for record in prepared.records]
        rejected = [bad for prepared in batch for bad in prepared.rejected]
        await self._store_all(records[: self._most_records], rejected)
        for start in range(self._most_records, len(records), self._most_records):
            await self._store_all(records[start : start + self._most_records], [])
        newer = next((prepared.newer for prepared in batch if prepared.newer), None)
        for part in (part for prepared in batch for part in prepared.parts):
            newer = await self._take(part) or newer
        return newer

    async def _store_all(
        self, records: Sequence[PreparedRecord], rejected: Sequence[Rejected]
    ) -> None:
        save = partial(self._store.save, records, rejected)
        for bad in await self._holding.until_done(save):
            log.warning("record_quarantined", record_id=bad.record_id.hex(), reason=bad.reason)

    async def _take(self, part: Part) -> NewerRecord | None:
        bodies = await self._holding.until_done(partial(self._parts.add, part))
        if bodies is None:
            return None
        unit = await to_thread.run_sync(_joined, part.record_id, bodies)
        newer = await self.save_units([unit])
        if newer is None:
            await self._holding.until_done(partial(self._parts.forget, part.record_id))
        return newer


def _joined(record_id: bytes, bodies: Sequence[bytes]) -> Unit:
    try:
        return join_parts(bodies)
    except BadMessage as error:
        return Rejected(record_id, f"parts: {error}", keepable_parts(bodies))
