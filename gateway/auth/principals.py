"""Whom a request's access token stands for: request-path code, fast when the answer is cached.

An answer is good for a second, or for a minute where revocations are announced
(`gateway.auth.cache`). Misses are looked up together, one query at a time, by `run`; no call waits
for the store longer than `PATIENCE_S`, and while the store is away none waits at all.
"""

import asyncio
import time
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from itertools import islice
from typing import Protocol

import structlog

from gateway.auth.cache import GOOD_FOR_S, NONE, Coverage, Known, TokenCache
from gateway.auth.last_used import LastUsed, UsedStore
from gateway.auth.presented import presented
from gateway.auth.principal import Principal
from gateway.auth.standing import Change, Standing
from gateway.auth.tokens import LENGTH, hash_token, well_formed
from gateway.errors import InvalidToken, Overloaded, StoreUnavailable

PATIENCE_S = 2.0
MOST_WAITING = 10_000
TOGETHER = 256
TURN_S = 0.25
"""Between looks at what has aged, and between tries while the store is away."""

log = structlog.get_logger()


class TokenStore(UsedStore, Protocol):
    async def find(self, hashes: Sequence[bytes]) -> dict[bytes, Standing]:
        """Raises StoreUnavailable."""
        ...


class Announcements(Protocol):
    """Tells of revocations as they happen."""

    @property
    def coverage(self) -> Coverage: ...

    async def run(self, heard: Callable[[Change], None]) -> None:
        """Until cancelled."""
        ...


class Principals:
    """Authenticates requests; `run` must be running, in a task of the application's."""

    def __init__(
        self,
        store: TokenStore,
        announcements: Announcements | None = None,
        *,
        now: Callable[[], float] = time.time,
        tick: Callable[[], float] = time.monotonic,
    ) -> None:
        self._store, self._announcements = store, announcements
        self._now, self._tick = now, tick
        self._cache = TokenCache()
        self._last_used = LastUsed(store)
        self._waiting: dict[bytes, asyncio.Future[None]] = {}
        self._ageing: dict[bytes, None] = {}
        self._wake = asyncio.Event()
        self._away = False
        self._changes_heard = 0
        self._listeners: list[Callable[[Change], None]] = []

    async def authenticate(self, headers: Iterable[tuple[bytes, bytes]]) -> Principal:
        """Raises Unauthorized, InvalidToken, ExpiredToken, RevokedToken, BlockedUser (401),
        StoreUnavailable, Overloaded (503)."""
        token = presented(headers)
        if len(token) != LENGTH:
            raise InvalidToken
        text = token.decode("latin-1")
        digest = hash_token(text)
        known = self._cache.known(digest)
        if known is None or not self._fresh(known, digest):
            if known is None and not well_formed(text):
                raise InvalidToken
            known = await self._look_up(digest)
        now = self._now()
        principal = known.standing.admit(now)
        self._last_used.note(principal.token_id, now)
        return principal

    async def run(self) -> None:
        """Look tokens up, hear announcements, write down what was used; until cancelled."""
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._look_up_for_ever())
            tasks.create_task(self._last_used.run())
            if self._announcements is not None:
                tasks.create_task(self._announcements.run(self.apply))

    def apply(self, change: Change) -> None:
        """A change that was announced, or made by this process, takes effect here."""
        self._changes_heard += 1
        self._cache.apply(change)
        for listener in self._listeners:
            listener(change)

    def on_change(self, listener: Callable[[Change], None]) -> None:
        """Call this with every change that takes effect here."""
        self._listeners.append(listener)

    def _fresh(self, known: Known, digest: bytes) -> bool:
        tick = self._tick()
        coverage = self._announcements.coverage if self._announcements is not None else NONE
        if not known.fresh(tick, coverage):
            return False
        if not known.fresh(tick + GOOD_FOR_S / 2, coverage):
            self._ageing[digest] = None  # renewed in the background: a busy token never waits
        return True

    async def _look_up(self, digest: bytes) -> Known:
        """Raises InvalidToken, StoreUnavailable, Overloaded."""
        if self._cache.is_unknown(digest, self._tick()):
            raise InvalidToken
        if not self._away:
            await self._wait_for(digest)
        if (known := self._cache.known(digest)) is None:
            if self._away:
                raise StoreUnavailable(retry_after_s=1)
            raise InvalidToken
        return known

    async def _wait_for(self, digest: bytes) -> None:
        """Until the store has been asked for it. Raises Overloaded."""
        if digest not in self._waiting:
            if len(self._waiting) >= MOST_WAITING:
                raise Overloaded
            self._waiting[digest] = asyncio.get_running_loop().create_future()
        self._wake.set()
        try:
            async with asyncio.timeout(PATIENCE_S):
                await asyncio.shield(self._waiting[digest])
        except TimeoutError:
            self._turn(away=True)

    async def _look_up_for_ever(self) -> None:
        while True:
            with suppress(TimeoutError):
                async with asyncio.timeout(TURN_S):
                    await self._wake.wait()
            self._wake.clear()
            while (batch := self._batch()) or self._away:
                if not await self._ask(batch or [bytes(32)]):
                    break

    def _batch(self) -> list[bytes]:
        """Half of it for tokens in use, which a flood of made-up ones must not keep out."""
        ageing, self._ageing = self._ageing, {}
        return list({*islice(ageing, TOGETHER // 2), *islice(self._waiting, TOGETHER // 2)})

    async def _ask(self, batch: list[bytes]) -> bool:
        """Whether the store answered; who waits for this batch need wait no longer."""
        asked_at, heard = self._tick(), self._changes_heard
        try:
            async with asyncio.timeout(PATIENCE_S):
                found = await self._store.find(batch)
        except (StoreUnavailable, TimeoutError):
            self._turn(away=True)
        else:
            self._turn(away=False)
            for digest in batch:
                self._learn(digest, found.get(digest), asked_at, heard != self._changes_heard)
        for digest in batch:
            if waiting := self._waiting.pop(digest, None):
                waiting.set_result(None)
        return not self._away

    def _learn(
        self, digest: bytes, standing: Standing | None, asked_at: float, announced: bool
    ) -> None:
        if standing is None:
            self._cache.learn_unknown(digest, asked_at)
        else:
            self._cache.learn(digest, Known(standing, asked_at, announced))

    def _turn(self, *, away: bool) -> None:
        if away != self._away:
            self._away = away
            if away:
                log.warning("token_store_away")
            else:
                log.info("token_store_back")
