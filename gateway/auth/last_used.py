"""When each access token was last used: written in the background, at most once a minute each."""

import asyncio
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Protocol

from anyio import move_on_after

from gateway.errors import StoreUnavailable

EVERY_S = 60.0
LAST_WRITE_S = 1.0
MOST_NOTED = 10_000


class UsedStore(Protocol):
    async def note_used(self, used_at: Mapping[int, datetime]) -> None:
        """Raises StoreUnavailable."""
        ...


class LastUsed:
    """Takes a note of every use for the price of one assignment; `run` writes them down."""

    def __init__(self, store: UsedStore, every_s: float = EVERY_S) -> None:
        self._store, self._every_s = store, every_s
        self._noted: dict[int, float] = {}

    def note(self, token_id: int, now: float) -> None:
        self._noted[token_id] = now
        if len(self._noted) > MOST_NOTED:
            del self._noted[next(iter(self._noted))]

    async def run(self) -> None:
        """Until cancelled; what has been noted by then is written, too."""
        try:
            while True:
                await asyncio.sleep(self._every_s)
                await self.write()
        finally:
            with move_on_after(LAST_WRITE_S, shield=True):
                await self.write()

    async def write(self) -> None:
        """What a store that is away does not take is noted again by the next use."""
        noted, self._noted = self._noted, {}
        if not noted:
            return
        try:
            await self._store.note_used(
                {token: datetime.fromtimestamp(at, UTC) for token, at in noted.items()}
            )
        except StoreUnavailable:
            return
