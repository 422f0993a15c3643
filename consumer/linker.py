"""The linker: gives every record that waits in `link_queue` its place in a conversation.

A stage of its own behind the one that stores: it may be stopped, repeated and run by several
consumers at once, and it never holds up or loses a record. What it writes is derived from the
records, so `relink` can make it anew; that gives the same places, as far as the records' bodies
remain, because a place depends on the set of records and not on the order of their arrival.
"""

import asyncio
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from uuid import UUID

import structlog
from anyio import CancelScope, move_on_after
from anyio.lowlevel import checkpoint
from sqlalchemy.ext.asyncio import AsyncEngine

from consumer.conversations import Placed
from consumer.faults import DATABASE_ERRORS, record_fault
from consumer.fresh import Fresh
from consumer.inserts import inserts_for
from consumer.late import Late
from consumer.link_store import LinkStore
from consumer.linkable import Linkable, Parsed, StoredRecord, linkable
from consumer.placing import Placing
from consumer.transcripts import Unreadable

MOST_RECORDS = 512
MOST_BYTES = 16 * 1024 * 1024
"""Bodies in memory at a time, uncompressed; one record may be larger."""
PAUSE_S = 1.0

log = structlog.get_logger()


class UnknownUser(ValueError):
    """There is no user of that name."""


@dataclass(frozen=True, slots=True)
class _Taken:
    """Records taken from the queue, and what could be understood of them."""

    ids: Sequence[UUID]
    linkables: Sequence[Linkable]
    unreadable: Sequence[tuple[UUID, str]]

    def among(self, ids: Collection[UUID]) -> "_Taken":
        """Without those that were removed meanwhile."""
        kept = [one for one in self.linkables if one.exchange.id in ids]
        return _Taken(self.ids, kept, self.unreadable)


class Linker:
    """Places records, oldest first, in batches of one transaction."""

    def __init__(self, engine: AsyncEngine, fresh: Fresh | None = None) -> None:
        """`fresh`: what was stored a moment ago, already parsed."""
        self._engine, self._fresh = engine, fresh or Fresh(0)
        self._on_sqlite = engine.dialect.name == "sqlite"
        self._inserts = inserts_for(engine.dialect.name)

    async def run(self, wake: asyncio.Event) -> None:
        """Until cancelled: whatever waits, then at `wake` or after a second again.

        A batch under way is finished first: drivers are not at their best when cut off.
        """
        while True:
            wake.clear()
            try:
                while await self._link_undisturbed():
                    await checkpoint()
            except DATABASE_ERRORS as error:
                self._fresh.clear()
                log.warning("linking_delayed", error=type(error).__name__)
            except Exception:
                self._fresh.clear()  # storing does not wait for a linker that is gone
                raise
            with move_on_after(PAUSE_S):
                await wake.wait()

    async def _link_undisturbed(self) -> int:
        with CancelScope(shield=True):
            count = await self.link_pending()
        return count

    async def link_pending(self, limit: int = MOST_RECORDS) -> int:
        """One batch of the oldest that wait; returns how many it was, 0 if none waits.

        A record that the database cannot link is found by halving its batch, and left unlinked.
        """
        return await self._link(limit, None)

    async def relink(
        self, user: str | None = None, progress: Callable[[int, int], None] | None = None
    ) -> int:
        """Forget the places of one user's exchanges, or of everybody's, and find them again from
        the records. Returns how many records that was. Raises UnknownUser.

        A user's conversations are away from the beginning of this until they have been found.
        """
        total = 0
        for user_id in await self._users(user):
            async with self._engine.begin() as connection:
                total += await LinkStore(connection).start_again(user_id)
        done = 0
        while count := await self.link_pending():
            done = min(total, done + count)
            if progress:
                progress(done, total)
        return total

    async def _users(self, name: str | None) -> list[int]:
        async with self._engine.connect() as connection:
            ids = await LinkStore(connection).users(name)
        if name is not None and not ids:
            raise UnknownUser(f"There is no user {name}.")
        return ids

    async def _link(self, limit: int, among: Collection[UUID] | None) -> int:
        try:
            return await self._link_together(limit, among)
        except DATABASE_ERRORS as error:
            reason = record_fault(error)
            if reason is None:
                raise
        async with self._engine.connect() as connection:
            ids = list(await LinkStore(connection).waiting(limit, MOST_BYTES, among))
        if len(ids) > 1:
            middle = len(ids) // 2
            return await self._link(limit, ids[:middle]) + await self._link(limit, ids[middle:])
        async with self._engine.begin() as connection:
            await LinkStore(connection).done(ids)
        for id in ids:
            log.error("record_unlinkable", record_id=str(id), reason=reason)
        return len(ids)

    async def _link_together(self, limit: int, among: Collection[UUID] | None) -> int:
        if self._on_sqlite:  # its one writer should not wait while bodies are read
            async with self._engine.connect() as connection:
                taken = await self._take(LinkStore(connection), limit, among)
            if taken.ids:
                async with self._engine.begin() as connection:
                    store = LinkStore(connection, self._inserts)
                    await _place(store, taken.among(await store.still_waiting(taken.ids)))
        else:
            async with self._engine.begin() as connection:
                store = LinkStore(connection, self._inserts)
                await store.prepare()
                taken = await self._take(store, limit, among)
                if taken.ids:
                    await _place(store, taken)
        for id, reason in taken.unreadable:
            log.warning("record_unlinked", record_id=str(id), reason=reason)
        return len(taken.ids)

    async def _take(self, store: LinkStore, limit: int, among: Collection[UUID] | None) -> _Taken:
        waiting = await store.waiting(limit, MOST_BYTES, among)
        if not waiting:
            self._fresh.clear()
            return _Taken((), (), ())
        known = self._fresh.take({id for id, asks in waiting.items() if asks})
        unknown = waiting.keys() - {record.id for record, _ in known}
        read = await store.records(unknown) if unknown else []
        both = [*known, *((record, None) for record in read)]
        return await asyncio.to_thread(_understood, list(waiting), both)


def _understood(
    ids: Sequence[UUID], records: Sequence[tuple[StoredRecord, Parsed | None]]
) -> _Taken:
    linkables: list[Linkable] = []
    unreadable: list[tuple[UUID, str]] = []
    for record, parsed in records:
        try:
            linkables.append(linkable(record, parsed))
        except Unreadable as error:
            unreadable.append((record.id, str(error)))
    return _Taken(ids, linkables, unreadable)


async def _place(store: LinkStore, taken: _Taken) -> None:
    """Everything that linking these records changes."""
    await store.lock({one.exchange.user_id for one in taken.linkables})
    linked = await store.linked(taken.ids)  # by whoever had the lock before
    batch = {one.exchange.id: one for one in taken.linkables if one.exchange.id not in linked}
    if batch:
        await _place_new(store, batch)
    await store.done(taken.ids)


async def _place_new(store: LinkStore, batch: dict[UUID, Linkable]) -> None:
    users = {one.exchange.user_id for one in batch.values()}
    late = await store.users_with_later(users, min(batch))
    offered = {
        node: one.exchange.user_id
        for one in batch.values()
        if one.exchange.user_id in late
        for node in (one.exchange.prompt, one.exchange.answer)
        if node
    }
    gates = await store.known_nodes(offered)
    systems = {id: one.system.hash if one.system else None for id, one in batch.items()}
    placing = Placing(store.connection, (one.exchange for one in batch.values()), systems)
    placed = await placing.places()
    await store.give_up_hints(placing.taken_over)
    await store.add([(batch[one.exchange.id], one) for one in placed])
    for user_id in sorted(late):
        own = {node: depth for node, depth in gates.items() if offered[node] == user_id}
        await Late(store.connection, user_id).settle(_of_user(placed, user_id), own)


def _of_user(placed: Sequence[Placed], user_id: int) -> list[Placed]:
    return [one for one in placed if one.exchange.user_id == user_id]
