"""The health of credentials, shared by all gateways through one Redis.

Four times a second each worker reads what all have written, and writes what is new. Redis' clock
is everybody's. No call waits on anything here: while Redis is away or frozen, each worker goes by
what it finds itself, and tells it later.
"""

import asyncio
from contextlib import suppress
from random import uniform
from secrets import token_hex
from time import monotonic
from typing import Any, Never

import structlog
from anyio import move_on_after
from redis.asyncio import Redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import RedisError

from gateway.upstream.agreement import Agreement
from gateway.upstream.pool import Pool
from gateway.upstream.turns_redis import RedisTurns

EVERY_S = 0.25
ANSWER_S = 2.0
KEPT_S = 2 * 24 * 3600
"""Twice the longest rest of which the end is known."""
LEASE_S = 5.0
"""Who probes goes on doing so while it renews its lease."""

log = structlog.get_logger()


class RedisSharing:
    """One worker's part; `run` belongs to the app's task group."""

    def __init__(self, url: str, prefix: str, pool: Pool) -> None:
        self._redis = Redis.from_url(
            url,
            protocol=2,
            socket_connect_timeout=ANSWER_S,
            socket_timeout=ANSWER_S,
            retry=Retry(NoBackoff(), 0),
        )
        self._health, self._prober = f"{prefix}:credentials", f"{prefix}:prober"
        self._name = token_hex(8)
        self._agreement = Agreement(pool)
        self._turns = RedisTurns(self._redis, prefix, pool, self._name)
        self._answered_at: float | None = None
        self._probes = False
        self._lost = False

    def mine(self) -> bool:
        """Whether this worker probes: one does, and each for itself while Redis is away."""
        at = self._answered_at
        return self._probes or at is None or monotonic() - at > LEASE_S

    async def run(self) -> Never:
        """Until cancelled."""
        try:
            while True:
                await self._round_or_lose()
                await asyncio.sleep(uniform(0.8, 1.2) * EVERY_S)  # noqa: S311 - jitter, no secret
        finally:
            await self._close()

    async def _round_or_lose(self) -> None:
        try:
            async with asyncio.timeout(2 * ANSWER_S):
                await self._round()
        except (RedisError, OSError) as error:  # TimeoutError is an OSError
            self._turns.lost()
            self._turn(lost=True, reason=type(error).__name__)
            await self._close()
        else:
            self._turn(lost=False)

    async def _round(self) -> None:
        """Raises RedisError, OSError."""
        asked_at = monotonic()
        seconds, micros, stored = await self._read()
        now = self._answered_at = monotonic()
        ahead_s = seconds + micros / 1e6 - (asked_at + now) / 2
        found = {name.decode("utf-8", "replace"): value for name, value in stored.items()}
        changed = self._agreement.round(found, now, ahead_s)
        if changed:
            async with self._redis.pipeline(transaction=False) as pipe:
                for name, verdicts in changed.items():
                    pipe.hset(self._health, name, verdicts)
                pipe.expire(self._health, KEPT_S)
                await pipe.execute()
        await self._turns.round()

    async def _read(self) -> tuple[int, int, dict[bytes, bytes]]:
        """Redis' time, and what is stored; the lease is taken or renewed on the way."""
        lease_ms = int(LEASE_S * 1000)
        async with self._redis.pipeline(transaction=False) as pipe:
            pipe.time()
            pipe.hgetall(self._health)
            pipe.expire(self._health, KEPT_S)
            pipe.set(self._prober, self._name, nx=True, px=lease_ms)
            pipe.get(self._prober)
            if self._probes:
                pipe.pexpire(self._prober, lease_ms)
            answers: list[Any] = await pipe.execute()
        (seconds, micros), stored, holder = answers[0], answers[1], answers[4]
        self._probes = holder == self._name.encode()
        return seconds, micros, stored

    async def _close(self) -> None:
        self._probes = False
        with move_on_after(ANSWER_S, shield=True), suppress(RedisError, OSError):
            await self._redis.aclose()

    def _turn(self, *, lost: bool, reason: str = "") -> None:
        if lost != self._lost:
            self._lost = lost
            if lost:
                log.warning("sharing_lost", reason=reason)
            else:
                log.info("sharing_back")
