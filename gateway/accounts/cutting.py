"""Cuts the answers that a blocked or erased user is being given, within a second of the block.

A block is heard of at once where it was announced; it is asked for all the same, because it may
have been made where nobody could announce it.
"""

import asyncio
from collections.abc import Collection
from contextlib import suppress
from typing import Never, Protocol

import structlog

from gateway.auth.standing import Change
from gateway.errors import BlockedUser, GatewayError, StoreUnavailable

EVERY_S = 0.4
ANSWER_S = 5.0

log = structlog.get_logger()


class Answers(Protocol):
    """What is under way in this worker."""

    def users(self) -> Collection[int]: ...

    def cut(self, user_id: int, error: GatewayError) -> int:
        """How many were."""
        ...


class BarredStore(Protocol):
    async def barred(self, user_ids: Collection[int]) -> Collection[int]:
        """Raises StoreUnavailable."""
        ...


class Cutter:
    """`run` belongs to the app's task group."""

    def __init__(self, answers: Answers, store: BarredStore) -> None:
        self._answers, self._store = answers, store

    def hear(self, change: Change) -> None:
        if change.kind == "user_blocked":
            self._cut(change.id)

    async def run(self) -> Never:
        """Until cancelled."""
        while True:
            await asyncio.sleep(EVERY_S)
            with suppress(StoreUnavailable, TimeoutError):
                async with asyncio.timeout(ANSWER_S):
                    await self.look()

    async def look(self) -> None:
        """Raises StoreUnavailable."""
        if asking := self._answers.users():
            for user_id in await self._store.barred(asking):
                self._cut(user_id)

    def _cut(self, user_id: int) -> None:
        if answers := self._answers.cut(user_id, BlockedUser()):
            log.warning("blocked_user_cut", user_id=user_id, answers=answers)
