"""Events that bots have taken in, and the jobs that came of them, in the database.

An event and its job are committed together, before the provider hears that it was received. A job
is claimed by one worker for `CLAIM_S`, which renews its claim; where it dies, another one follows.
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import msgspec
from sqlalchemy import (
    ColumnElement,
    Row,
    Text,
    and_,
    cast,
    delete,
    exists,
    insert,
    literal,
    select,
    update,
)
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.ext.asyncio import AsyncEngine
from uuid_utils import uuid7

from common.tables import access_tokens, bot_events, bot_jobs, identities, users
from gateway.bots.answers import Key
from gateway.bots.message import Inbound, Person
from gateway.connections import reading, writing

CLAIM_S = 10.0
"""How long after a worker's death its jobs are left alone."""
_OURSELVES, _REMIND = "gateway", "remind "
"""Whose event a reminder is, and how its key begins."""


@dataclass(frozen=True, slots=True)
class Expiring:
    """An access token that is about to expire, and where its owner may be told."""

    key: Key
    person: Person


@dataclass(frozen=True, slots=True)
class Job:
    """Something to answer, by the worker that has claimed it."""

    id: str
    provider: str
    task: Inbound | Expiring
    """A message to answer, or a reminder to give."""
    attempts: int
    """With this one."""


class _Body(msgspec.Struct):
    inbound: Inbound | None = None
    person: Person | None = None
    key: Key | None = None


class BotStore:
    """Everything raises StoreUnavailable (503)."""

    def __init__(self, engine: AsyncEngine) -> None:
        self._engine = engine
        self._insert = sqlite.insert if engine.dialect.name == "sqlite" else postgresql.insert

    async def take(
        self, provider: str, keys: Collection[str], inbound: Inbound, now: datetime
    ) -> str | None:
        """The new job's id; None: the event has been taken before."""
        job = {"provider": provider, "kind": "message"}
        return await self._take(provider, keys, job, _Body(inbound=inbound), now)

    async def remind(self, expiring: Expiring, now: datetime) -> str | None:
        """The new job's id; None: she has been reminded of this one before."""
        body = _Body(person=expiring.person, key=expiring.key)
        job = {"provider": expiring.person.provider, "kind": "reminder"}
        return await self._take(_OURSELVES, [f"{_REMIND}{expiring.key.id}"], job, body, now)

    async def claim(self, owner: str, most: int, now: datetime) -> list[Job]:
        """Jobs that are due, oldest first."""
        if not await self._any_due(now):  # looking does not take SQLite's write lock
            return []
        due = (
            select(bot_jobs)
            .where(bot_jobs.c.due_at <= now)
            .order_by(bot_jobs.c.due_at, bot_jobs.c.id)
            .limit(most)
            .with_for_update(skip_locked=True)
        )
        async with writing(self._engine) as connection:
            rows = (await connection.execute(due)).all()
            mine = bot_jobs.c.id.in_([row.id for row in rows])
            await connection.execute(
                update(bot_jobs)
                .where(mine)
                .values(
                    claimed_by=owner,
                    attempts=bot_jobs.c.attempts + 1,
                    due_at=now + timedelta(seconds=CLAIM_S),
                )
            )
        return [_job(row) for row in rows]

    async def renew(self, ids: Collection[str], owner: str, now: datetime) -> None:
        await self._set(ids, owner, due_at=now + timedelta(seconds=CLAIM_S))

    async def holds(self, id: str, owner: str, now: datetime) -> bool:
        """Whether the job is still this worker's; if so, renewed."""
        return await self._set([id], owner, due_at=now + timedelta(seconds=CLAIM_S)) == 1

    async def put_back(self, id: str, owner: str, due_at: datetime) -> None:
        """To be tried again, by anybody."""
        await self._set([id], owner, due_at=due_at, claimed_by=None)

    async def finish(self, id: str, owner: str) -> None:
        """It is dealt with; nothing of it is kept but that its event was taken."""
        async with writing(self._engine) as connection:
            await connection.execute(delete(bot_jobs).where(_claimed([id], owner)))

    async def expiring(
        self, providers: Collection[str], now: datetime, within: timedelta
    ) -> list[Expiring]:
        """Valid tokens that expire within this time, were meant to last longer, and of which their
        owners, known to one of these providers, have not been reminded."""
        key = literal(_REMIND) + cast(access_tokens.c.id, Text)
        query = _OWNED.where(
            access_tokens.c.expires_at > now,
            access_tokens.c.expires_at <= now + within,
            access_tokens.c.revoked_at.is_(None),
            access_tokens.c.made_with.is_(None),
            users.c.blocked_at.is_(None),
            users.c.erased_at.is_(None),
            identities.c.provider.in_(providers),
            ~exists().where(bot_events.c.provider == _OURSELVES, bot_events.c.key == key),
        )
        found: dict[int, Expiring] = {}
        async with reading(self._engine) as connection:
            for row in await connection.execute(query):
                if row.expires_at - row.created_at > within:
                    found.setdefault(row.id, _expiring(row))  # told once, by the oldest identity
        return list(found.values())

    async def forget(self, before: datetime) -> None:
        """Events taken before then: they do not come again."""
        old = delete(bot_events).where(bot_events.c.received_at < before)
        async with writing(self._engine) as connection:
            await connection.execute(old)

    async def _take(
        self,
        source: str,
        keys: Collection[str],
        job: Mapping[str, object],
        body: _Body,
        now: datetime,
    ) -> str | None:
        """Keys in one order, so that two that take the same do not wait for each other."""
        rows = [{"provider": source, "key": key, "received_at": now} for key in sorted(set(keys))]
        note = self._insert(bot_events).on_conflict_do_nothing().returning(bot_events.c.key)
        id = str(uuid7())
        row = {"id": id, "body": msgspec.json.encode(body), "created_at": now, "due_at": now}
        async with writing(self._engine) as connection:
            noted = [(await connection.execute(note.values(row))).first() for row in rows]
            if None in noted:
                return None
            await connection.execute(insert(bot_jobs).values(**job, **row, attempts=0))
        return id

    async def _any_due(self, now: datetime) -> bool:
        async with reading(self._engine) as connection:
            found = await connection.scalar(select(exists().where(bot_jobs.c.due_at <= now)))
            return bool(found)

    async def _set(self, ids: Collection[str], owner: str, **values: object) -> int:
        if not ids:
            return 0
        async with writing(self._engine) as connection:
            done = await connection.execute(
                update(bot_jobs).where(_claimed(ids, owner)).values(**values)
            )
        return done.rowcount


_OWNED = (
    select(access_tokens, identities.c.provider, identities.c.tenant_key, identities.c.subject)
    .join_from(access_tokens, users)
    .join(identities, identities.c.user_id == users.c.id)
    .order_by(access_tokens.c.expires_at, access_tokens.c.id, identities.c.id)
)


def _claimed(ids: Collection[str], owner: str) -> ColumnElement[bool]:
    return and_(bot_jobs.c.id.in_(ids), bot_jobs.c.claimed_by == owner)


def _expiring(row: Row[*tuple[Any, ...]]) -> Expiring:
    return Expiring(
        Key(row.id, row.hint, row.name or "", row.expires_at, row.last_used_at),
        Person(row.provider, row.tenant_key, row.subject),
    )


def _job(row: Row[*tuple[Any, ...]]) -> Job:
    """As it is after having been claimed."""
    body = msgspec.json.decode(row.body, type=_Body)
    if body.key is not None and body.person is not None:
        return Job(row.id, row.provider, Expiring(body.key, body.person), row.attempts + 1)
    assert body.inbound is not None  # noqa: S101 - a job has either
    return Job(row.id, row.provider, body.inbound, row.attempts + 1)
