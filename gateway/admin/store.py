"""Admins' decisions on provider keys, and the workers' reports of them, in the database."""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from datetime import datetime, timedelta

import msgspec
from sqlalchemy import delete, func, insert, select, update
from sqlalchemy.exc import DBAPIError
from sqlalchemy.exc import TimeoutError as PoolTimeout
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from common.tables import credential_decisions, worker_reports
from gateway.admin.standing import Decided, Decision, Standing
from gateway.errors import StoreUnavailable
from gateway.reading import reading

FRESH = timedelta(seconds=30)
"""A worker that has said nothing for so long is no more."""
FORGOTTEN = timedelta(days=1)

_report = msgspec.json.Decoder(tuple[Standing, ...])


class CredentialStore:
    """Raises StoreUnavailable (503) from all it does."""

    def __init__(self, engine: AsyncEngine) -> None:
        self._engine = engine

    async def decide(
        self, credential: str, state: Decided, by: str, reason: str, now: datetime
    ) -> Decision:
        row = {
            "credential": credential,
            "state": state,
            "decided_by": by,
            "reason": reason,
            "decided_at": now,
        }
        made = insert(credential_decisions).values(row).returning(credential_decisions.c.id)
        async with self._writing() as connection:
            number = (await connection.execute(made)).scalar_one()
        return Decision(number, credential, state, by, reason, now)

    async def decisions(self) -> dict[str, Decision]:
        """The newest of each credential, by its id."""
        async with reading(self._engine) as connection:
            found = await connection.execute(_NEWEST)
            return {row.credential: Decision(*row) for row in found}

    async def report(self, worker: str, standings: Sequence[Standing], now: datetime) -> None:
        row = {"seen_at": now, "report": msgspec.json.encode(standings)}
        old = delete(worker_reports).where(worker_reports.c.seen_at < now - FORGOTTEN)
        own = update(worker_reports).where(worker_reports.c.worker == worker).values(row)
        async with self._writing() as connection:
            if not (await connection.execute(own)).rowcount:
                await connection.execute(old)
                await connection.execute(insert(worker_reports).values({**row, "worker": worker}))

    async def reports(self, now: datetime) -> dict[str, tuple[Standing, ...]]:
        """Of the workers that serve, by their name."""
        fresh = select(worker_reports).where(worker_reports.c.seen_at > now - FRESH)
        async with reading(self._engine) as connection:
            found = (await connection.execute(fresh)).all()
        return {row.worker: _understood(row.report) for row in found}

    async def leave(self, worker: str) -> None:
        """It serves no more."""
        own = delete(worker_reports).where(worker_reports.c.worker == worker)
        async with self._writing() as connection:
            await connection.execute(own)

    @asynccontextmanager
    async def _writing(self) -> AsyncIterator[AsyncConnection]:
        try:
            async with self._engine.begin() as connection:
                yield connection
        except (DBAPIError, PoolTimeout, OSError) as error:
            raise StoreUnavailable("The database cannot be reached; try again soon.") from error


_LATEST = select(func.max(credential_decisions.c.id)).group_by(credential_decisions.c.credential)
_NEWEST = select(
    credential_decisions.c.id,
    credential_decisions.c.credential,
    credential_decisions.c.state,
    credential_decisions.c.decided_by,
    credential_decisions.c.reason,
    credential_decisions.c.decided_at,
).where(credential_decisions.c.id.in_(_LATEST))


def _understood(report: bytes) -> tuple[Standing, ...]:
    """A worker of another version may say what is not known here."""
    try:
        return _report.decode(report)
    except msgspec.DecodeError:
        return ()
