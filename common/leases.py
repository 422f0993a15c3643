"""Leases: of all processes on one database, one at a time does a piece of periodic work.

A lease ends by itself, so that an owner who was killed is followed by another. It is a promise
between clocks: a machine whose clock is ahead by more than a lease lasts may take it too early, and
an owner that was frozen for so long goes on for a moment after it has lost it. Work done under a
lease must therefore bear being done twice; the lease spares the effort, it is no lock.
"""

import secrets
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta

import structlog
from anyio import create_task_group, move_on_after, sleep
from sqlalchemy import delete, or_
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncEngine

from common.tables import leases

LASTS_S = 30.0
"""How long after an owner's death nobody does its work."""
_RELEASE_S = 2.0

log = structlog.get_logger()


def new_owner() -> str:
    """A name for this process that no other has."""
    return secrets.token_hex(8)


class Leases:
    """The leases in one database."""

    def __init__(self, engine: AsyncEngine) -> None:
        self._engine = engine
        self._insert = sqlite.insert if engine.dialect.name == "sqlite" else postgresql.insert

    async def acquire(self, name: str, owner: str, now: datetime, lasts_s: float = LASTS_S) -> bool:
        """Take it, or renew one's own, until `lasts_s` from now; False: somebody else has it.

        Raises SQLAlchemyError, OSError where the database cannot be asked.
        """
        row = {"name": name, "owner": owner, "expires_at": now + timedelta(seconds=lasts_s)}
        take = self._insert(leases).values(row)
        free = or_(leases.c.owner == owner, leases.c.expires_at <= now)
        take = take.on_conflict_do_update(
            index_elements=[leases.c.name],
            set_={"owner": take.excluded.owner, "expires_at": take.excluded.expires_at},
            where=free,
        )
        async with self._engine.begin() as connection:
            taken = await connection.execute(take.returning(leases.c.owner))
            return bool(taken.scalar_one_or_none() == owner)

    async def release(self, name: str, owner: str) -> None:
        """Before its time, so that the next one need not wait; nothing happens if it is lost."""
        own = (leases.c.name == name) & (leases.c.owner == owner)
        async with self._engine.begin() as connection:
            await connection.execute(delete(leases).where(own))


async def while_owner(
    leases: Leases,
    name: str,
    owner: str,
    work: Callable[[], Awaitable[object]],
    *,
    lasts_s: float = LASTS_S,
    clock: Callable[[], datetime] = lambda: datetime.now(UTC),
) -> None:
    """Wait for the lease, do the work while it is ours, and give it back when the work returns.

    The lease is renewed every third of its time. Should it be lost, or not be renewed in time
    because the database is away, the work is cancelled and done again once the lease is ours
    again. What the work raises is raised, the lease given back; a database that is away is waited
    for.
    """
    while True:
        if await _taken(leases, name, owner, clock, lasts_s) and await _done(
            leases, name, owner, work, clock, lasts_s
        ):
            return
        await sleep(lasts_s / 3)


async def _done(
    leases: Leases,
    name: str,
    owner: str,
    work: Callable[[], Awaitable[object]],
    clock: Callable[[], datetime],
    lasts_s: float,
) -> bool:
    """Whether the work came to its end before the lease did."""
    done = False
    try:
        async with create_task_group() as group:

            async def renew() -> None:
                await _keep(leases, name, owner, clock, lasts_s)
                group.cancel_scope.cancel()

            group.start_soon(renew)
            await work()
            done = True
            group.cancel_scope.cancel()
    except BaseExceptionGroup as errors:
        raise _alone(errors) from None
    finally:
        await _give_back(leases, name, owner)
    if not done:
        log.warning("lease_lost", lease=name)
    return done


async def _keep(
    leases: Leases, name: str, owner: str, clock: Callable[[], datetime], lasts_s: float
) -> None:
    """Until it is lost."""
    failures = 0
    while failures < 2:  # a third of its time is left
        await sleep(lasts_s / 3)
        try:
            with move_on_after(lasts_s / 4) as patience:
                if not await leases.acquire(name, owner, clock(), lasts_s):
                    return
            failures = failures + 1 if patience.cancelled_caught else 0
        except (SQLAlchemyError, OSError):
            failures += 1


async def _taken(
    leases: Leases, name: str, owner: str, clock: Callable[[], datetime], lasts_s: float
) -> bool:
    try:
        return await leases.acquire(name, owner, clock(), lasts_s)
    except (SQLAlchemyError, OSError):
        return False


async def _give_back(leases: Leases, name: str, owner: str) -> None:
    """Where that cannot be done soon, it ends by itself."""
    with move_on_after(_RELEASE_S, shield=True):
        try:
            await leases.release(name, owner)
        except (SQLAlchemyError, OSError):
            return


def _alone(errors: BaseExceptionGroup[BaseException]) -> BaseException:
    """The work's own failure: renewing raises nothing."""
    error: BaseException = errors
    while isinstance(error, BaseExceptionGroup) and len(error.exceptions) == 1:
        error = error.exceptions[0]
    return error
