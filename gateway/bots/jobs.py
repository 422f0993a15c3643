"""Jobs of bots, done beside the calls: claimed, tried, tried again, given up in words.

Every worker runs this. A job whose worker died is claimed by another one once its claim has ended.
"""

import asyncio
from collections.abc import Callable, Mapping
from contextlib import suppress
from datetime import UTC, datetime, timedelta

import anyio
import structlog

from gateway.bots.bot import Bot, ProviderFailed, ProviderRefused
from gateway.bots.desk import Desk, JobLost
from gateway.bots.store import CLAIM_S, BotStore, Job
from gateway.errors import StoreUnavailable

POLL_S = 1.0
MOST_AT_ONCE = 16
LEAVE_S = 1.0
TRIES = 3
"""After that, the person is told that it failed."""
PAUSES_S = (5.0, 30.0, 10.0, 60.0, 300.0)
"""After each failed attempt: two of doing it again, then three of saying so. Each attempt has
tries of its own (`gateway.bots.calling`)."""

log = structlog.get_logger()


class Jobs:
    """The jobs of all bots of this worker."""

    def __init__(
        self,
        store: BotStore,
        desk: Desk,
        bots: Mapping[str, Bot],
        owner: str,
        *,
        pauses_s: tuple[float, ...] = PAUSES_S,
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        """`owner`: a name that no other process has."""
        self._store, self._desk, self._bots, self._owner = store, desk, bots, owner
        self._pauses_s, self._clock = pauses_s, clock
        self._wake = asyncio.Event()
        self._active: set[str] = set()

    def wake(self) -> None:
        """There is a new one."""
        self._wake.set()

    async def run(self) -> None:
        """Until cancelled. What is under way then is done by another worker, from its start."""
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(self._renew_for_ever)
            while True:
                self._wake.clear()
                claimed = await self._claim()
                for job in claimed:
                    self._active.add(job.id)
                    tasks.start_soon(self._work, job)
                if not claimed:
                    with anyio.move_on_after(POLL_S):
                        await self._wake.wait()

    async def _claim(self) -> list[Job]:
        """While the database is away there is nothing to do."""
        free = MOST_AT_ONCE - len(self._active)
        if free <= 0:
            await anyio.sleep(POLL_S / 4)
            return []
        with suppress(StoreUnavailable):
            return await self._store.claim(self._owner, free, self._clock())
        await anyio.sleep(POLL_S)
        return []

    async def _renew_for_ever(self) -> None:
        while True:
            await anyio.sleep(CLAIM_S / 3)
            with suppress(StoreUnavailable):
                await self._store.renew(list(self._active), self._owner, self._clock())

    async def _work(self, job: Job) -> None:
        try:
            with suppress(StoreUnavailable):  # its claim ends, and it is tried again
                await self._attempt(job)
        except anyio.get_cancelled_exc_class():
            await self._leave(job)
            raise
        finally:
            self._active.discard(job.id)

    async def _leave(self, job: Job) -> None:
        """To another worker, at once: this one is being stopped."""
        with anyio.move_on_after(LEAVE_S, shield=True), suppress(StoreUnavailable):
            await self._store.put_back(job.id, self._owner, self._clock())

    async def _attempt(self, job: Job) -> None:
        bot = self._bots.get(job.provider)
        if bot is None:
            await self._drop(job, "there is no such bot any more")
            return
        try:
            if job.attempts <= TRIES:
                await self._desk.do(bot, job, lambda: self._held(job))
            else:
                await self._desk.apologise(bot, job)
        except JobLost:
            log.warning("bot_job_lost", provider=job.provider, job_id=job.id)
        except ProviderRefused as refused:
            await self._say_so(bot, job)
            await self._drop(job, str(refused))
        except (ProviderFailed, StoreUnavailable) as failed:
            await self._again(job, str(failed))
        except Exception:  # one job must not end the others, nor the worker
            log.exception("bot_job_failed", provider=job.provider, job_id=job.id)
            await self._again(job, "unforeseen")
        else:
            await self._store.finish(job.id, self._owner)

    async def _held(self, job: Job) -> bool:
        return await self._store.holds(job.id, self._owner, self._clock())

    async def _again(self, job: Job, reason: str) -> None:
        if job.attempts > len(self._pauses_s):
            await self._drop(job, reason)
            return
        pause_s = self._pauses_s[job.attempts - 1]
        log.warning(
            "bot_job_delayed",
            provider=job.provider,
            job_id=job.id,
            reason=reason,
            again_in_s=pause_s,
        )
        due_at = self._clock() + timedelta(seconds=pause_s)
        await self._store.put_back(job.id, self._owner, due_at)

    async def _say_so(self, bot: Bot, job: Job) -> None:
        """Where she can still be reached, and nobody else has helped her meanwhile."""
        with suppress(ProviderFailed, ProviderRefused):
            if await self._held(job):
                await self._desk.apologise(bot, job)

    async def _drop(self, job: Job, reason: str) -> None:
        log.error("bot_job_dropped", provider=job.provider, job_id=job.id, reason=reason)
        await self._store.finish(job.id, self._owner)
