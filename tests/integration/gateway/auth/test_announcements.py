"""Announcements through a real Redis: heard at once, and honest about what may have been missed."""

import asyncio
import os
import shutil
import signal
import socket
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from subprocess import DEVNULL, Popen

import pytest
from structlog.testing import capture_logs

from gateway.auth.announcements import RedisAnnouncements
from gateway.auth.cache import GOOD_FOR_S, NONE
from gateway.auth.standing import AnnouncementFailed, Change
from tests.conftest import RedisAt

LONG_S = 20
"""Far beyond what is waited for."""


@asynccontextmanager
async def listening(subject: RedisAnnouncements) -> AsyncIterator[list[Change]]:
    heard: list[Change] = []
    async with asyncio.TaskGroup() as tasks:
        running = tasks.create_task(subject.run(heard.append))
        yield heard
        running.cancel()
    await subject.close()


async def until(condition: Callable[[], object]) -> None:
    async with asyncio.timeout(LONG_S):
        while not condition():  # noqa: ASYNC110 - what is waited for is outside this loop
            await asyncio.sleep(0.02)


def covers_now(subject: RedisAnnouncements) -> bool:
    return time.monotonic() - subject.coverage.until < GOOD_FOR_S


@pytest.fixture
def own_redis(tmp_path: Path) -> Iterator[tuple[str, Popen[bytes]]]:
    """A Redis that may be frozen and killed."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    server = shutil.which("redis-server")
    assert server, "redis-server is not installed: scripts/services installs it"
    process = Popen(
        [server, "--port", str(port), "--save", "", "--dir", str(tmp_path)], stdout=DEVNULL
    )
    yield f"redis://127.0.0.1:{port}/0", process
    os.kill(process.pid, signal.SIGCONT)
    process.kill()
    process.wait()


async def test_every_gateway_hears_what_one_announces(redis_at: RedisAt) -> None:
    one, other = (RedisAnnouncements(redis_at.url, redis_at.prefix) for _ in range(2))
    async with listening(one) as first, listening(other) as second:
        await until(lambda: covers_now(one) and covers_now(other))
        await one.announce(Change("token_revoked", 7))
        await other.announce(Change("user_blocked", 8))
        await until(lambda: len(first) == len(second) == 2)
    assert set(first) == set(second) == {Change("token_revoked", 7), Change("user_blocked", 8)}


async def test_another_prefix_is_not_heard(redis_at: RedisAt) -> None:
    ours = RedisAnnouncements(redis_at.url, redis_at.prefix)
    strangers = RedisAnnouncements(redis_at.url, f"{redis_at.prefix}-other")
    async with listening(ours) as heard:
        await until(lambda: covers_now(ours))
        await strangers.announce(Change("token_revoked", 1))
        await ours.announce(Change("token_revoked", 2))
        await until(lambda: heard)
    await strangers.close()
    assert heard == [Change("token_revoked", 2)]


async def test_coverage_grows_with_every_ping(redis_at: RedisAt) -> None:
    subject = RedisAnnouncements(redis_at.url, redis_at.prefix)
    assert subject.coverage == NONE
    async with listening(subject):
        await until(lambda: covers_now(subject))
        before = subject.coverage
        await until(lambda: subject.coverage.until > before.until)
        assert subject.coverage.since == before.since <= before.until


async def test_a_frozen_redis_ends_the_coverage_and_is_told_once(
    own_redis: tuple[str, Popen[bytes]],
) -> None:
    url, process = own_redis
    subject = RedisAnnouncements(url, "p")
    with capture_logs() as lines:
        async with listening(subject) as heard:
            await until(lambda: covers_now(subject))
            since = subject.coverage.since
            lines.clear()  # it may have been quicker than the server's start
            os.kill(process.pid, signal.SIGSTOP)
            await until(lambda: not covers_now(subject))
            with pytest.raises(AnnouncementFailed):
                await subject.announce(Change("token_revoked", 1))
            await until(lambda: subject.coverage == NONE)
            os.kill(process.pid, signal.SIGCONT)
            await until(lambda: covers_now(subject))
            assert subject.coverage.since > since
            await subject.announce(Change("token_revoked", 2))
            await until(lambda: Change("token_revoked", 2) in heard)
    assert [line["event"] for line in lines] == ["announcements_lost", "announcements_back"]


async def test_an_absent_redis_covers_nothing_and_refuses_announcements() -> None:
    subject = RedisAnnouncements("redis://127.0.0.1:1/0", "p")
    with capture_logs() as lines:
        async with listening(subject):
            await until(lambda: lines)
            with pytest.raises(AnnouncementFailed):
                await subject.announce(Change("token_revoked", 1))
            assert subject.coverage == NONE
            await asyncio.sleep(0.5)  # several tries
    assert [line["event"] for line in lines] == ["announcements_lost"]
