"""Hold on to work while the database is away: nothing is given back, nothing is lost."""

from collections.abc import Awaitable, Callable
from typing import TypeVar

import structlog
from anyio import CancelScope, sleep

from consumer.backoff import delays
from consumer.store import DatabaseAway

T = TypeVar("T")
log = structlog.get_logger()


class Abandoned(Exception):
    """Told to stop while the database is away: what was not stored stays its sender's."""


class Holding:
    """One caller's patience with the database."""

    def __init__(self) -> None:
        self._stopping = self._away = False
        self._pause = CancelScope()

    def stop(self) -> None:
        """Wait no longer than for the attempt that is being made."""
        self._stopping = True
        self._pause.cancel()

    async def until_done(self, attempt: Callable[[], Awaitable[T]]) -> T:
        """Its result, however long the database is away. Raises Abandoned."""
        waits = delays()
        while True:
            try:
                result = await attempt()
            except DatabaseAway as error:
                self._say_away(error)
            else:
                self._say_back()
                return result
            await self._wait(next(waits))

    async def _wait(self, delay_s: float) -> None:
        with CancelScope() as self._pause:
            if not self._stopping:
                await sleep(delay_s)
        if self._stopping:
            raise Abandoned

    def _say_away(self, error: DatabaseAway) -> None:
        if not self._away:
            log.warning("database_lost", error=str(error))
        self._away = True

    def _say_back(self) -> None:
        if self._away:
            log.info("database_back")
        self._away = False
