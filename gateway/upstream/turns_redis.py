"""Which worker may try a credential again after its rest: one of all, by a lock in Redis.

A call that finds a credential half open makes its worker ask; the next call there may go through.
The lock is held while that call is under way, so that nobody else's is let through before its
verdict is known. Without Redis each worker tries for itself.
"""

from collections.abc import Iterable
from time import monotonic

from redis.asyncio import Redis

from gateway.upstream.credential import Credential
from gateway.upstream.health import Health
from gateway.upstream.pool import Pool
from gateway.upstream.verdicts import shared_name

LOCK_S = 2.0
"""Longer than it takes until a verdict is known everywhere."""


class RedisTurns:
    """One worker's part; a round belongs to each round of `RedisSharing`."""

    def __init__(self, redis: Redis, prefix: str, pool: Pool, name: str) -> None:
        self._redis, self._prefix, self._pool, self._name = redis, prefix, pool, name
        self._granted_at: dict[str, float] = {}
        """When this worker was given its turn, by credential id."""

    async def round(self) -> None:
        """Raises RedisError, OSError."""
        asking = []
        for credential in self._pool.credentials:
            health = self._pool.health[credential.id]
            health.asks = True
            if self._goes_on(credential, health) or health.asked:
                asking.append(credential)
        if asking:
            await self._ask(asking)

    def lost(self) -> None:
        """Redis does not answer."""
        self._granted_at.clear()
        for credential in self._pool.credentials:
            self._pool.health[credential.id].asks = False

    def _goes_on(self, credential: Credential, health: Health) -> bool:
        """Whether the lock must be kept; a turn that no call has taken ends."""
        at = self._granted_at.get(credential.id)
        if at is None:
            return False
        if health.probing:
            return True
        if not health.allowed or monotonic() - at > LOCK_S / 2:
            health.allowed = False
            del self._granted_at[credential.id]
        return False

    async def _ask(self, credentials: Iterable[Credential]) -> None:
        lock_ms = int(LOCK_S * 1000)
        async with self._redis.pipeline(transaction=False) as pipe:
            for credential in credentials:
                key = f"{self._prefix}:turn:{shared_name(credential)}"
                if credential.id in self._granted_at:
                    pipe.pexpire(key, lock_ms)
                else:
                    pipe.set(key, self._name, nx=True, px=lock_ms)
            answers = await pipe.execute()
        for credential, done in zip(credentials, answers, strict=True):
            health = self._pool.health.get(credential.id)
            if done and health is not None and credential.id not in self._granted_at:
                self._granted_at[credential.id] = monotonic()
                health.allowed, health.asked = True, False
