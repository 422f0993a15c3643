"""Revocations and blocks, announced through Redis to every gateway.

Only an optimisation of how often the database is asked: whoever hears nothing asks each second.
`coverage` says up to when silence is known to mean "nothing was announced"; it is proven by pings
on the subscribed connection itself, as Redis answers and announces in one order. A frozen Redis
lets it end and delays nobody: no call waits on anything here.
"""

import asyncio
import time
from collections.abc import Callable
from contextlib import suppress
from random import uniform

import structlog
from redis.asyncio import Redis
from redis.asyncio.client import PubSub
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import RedisError

from gateway.auth.cache import NONE, Coverage
from gateway.auth.standing import AnnouncementFailed, Change, decode_change

PING_EVERY_S = 0.3
ANSWER_S = 2.0
LONGEST_PAUSE_S = 5.0

log = structlog.get_logger()


class RedisAnnouncements:
    """One channel of a Redis: `announce` tells every gateway, `run` hears what others tell."""

    def __init__(self, url: str, prefix: str) -> None:
        # a connection that redis-py repaired unseen could have missed something: never retry
        self._redis = Redis.from_url(
            url,
            protocol=2,
            socket_connect_timeout=ANSWER_S,
            socket_timeout=ANSWER_S,
            retry=Retry(NoBackoff(), 0),
        )
        self._channel = f"{prefix}:revocations"
        self._coverage = NONE
        self._lost = False

    @property
    def coverage(self) -> Coverage:
        """In monotonic seconds."""
        return self._coverage

    async def announce(self, change: Change) -> None:
        """Raises AnnouncementFailed."""
        try:
            async with asyncio.timeout(ANSWER_S):
                await self._redis.publish(self._channel, change.encode())
        except (RedisError, OSError) as error:
            raise AnnouncementFailed(type(error).__name__) from None

    async def run(self, heard: Callable[[Change], None]) -> None:
        """Until cancelled."""
        pause_s = 0.1
        try:
            while True:
                started = time.monotonic()
                await self._listen_until_lost(heard)
                if time.monotonic() - started > LONGEST_PAUSE_S:
                    pause_s = 0.1
                await asyncio.sleep(uniform(pause_s / 2, pause_s))  # noqa: S311 - jitter, no secret
                pause_s = min(2 * pause_s, LONGEST_PAUSE_S)
        finally:
            await self.close()

    async def close(self) -> None:
        with suppress(RedisError, OSError):
            async with asyncio.timeout(ANSWER_S):
                await self._redis.aclose()

    async def _listen_until_lost(self, heard: Callable[[Change], None]) -> None:
        try:
            async with self._redis.pubsub() as subscription:
                await self._listen(subscription, heard)
        except (RedisError, OSError) as error:
            self._coverage = NONE
            self._turn(lost=True, reason=type(error).__name__)

    async def _listen(self, subscription: PubSub, heard: Callable[[Change], None]) -> None:
        """Ends only by raising: RedisError, OSError."""
        await subscription.subscribe(self._channel)
        await _read(subscription, ANSWER_S, heard, until=("subscribe", self._channel.encode()))
        since = time.monotonic()
        for number in range(1 << 62):
            asked_at = time.monotonic()
            await subscription.ping(str(number))
            await _read(subscription, ANSWER_S, heard, until=("pong", b"%d" % number))
            self._coverage = Coverage(since, asked_at)
            self._turn(lost=False)
            await _read(subscription, PING_EVERY_S, heard)

    def _turn(self, *, lost: bool, reason: str = "") -> None:
        if lost != self._lost:
            self._lost = lost
            if lost:
                log.warning("announcements_lost", reason=reason)
            else:
                log.info("announcements_back")


async def _read(
    subscription: PubSub,
    seconds: float,
    heard: Callable[[Change], None],
    until: tuple[str, bytes] | None = None,
) -> None:
    """Hear for so long, or until that answer. Raises TimeoutError where it does not come."""
    deadline = time.monotonic() + seconds
    while (left_s := deadline - time.monotonic()) > 0:
        message = await subscription.get_message(timeout=left_s)
        if message is None:
            continue
        kind, data = message["type"], message["data"]
        if kind == "message" and (change := decode_change(data)):
            heard(change)
        if until is not None and until in ((kind, data), (kind, message["channel"])):
            return
        if kind == "subscribe":
            raise ConnectionError("subscribed anew, so that something may have been missed")
    if until is not None:
        raise TimeoutError(f"no {until[0]}")
