"""The health of keys shared through a real Redis, and through one that is frozen or away."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from time import monotonic
from urllib.parse import urlsplit

import pytest
from msgspec.structs import replace
from structlog.testing import capture_logs

from gateway.errors import CircuitOpen
from gateway.upstream import health, sharing_redis
from gateway.upstream.call import Call
from gateway.upstream.health import Health, State
from gateway.upstream.pool import Pool
from gateway.upstream.probes import Prober
from gateway.upstream.retry import Blame, Verdict
from gateway.upstream.sharing_redis import RedisSharing
from gateway.upstream.turns_redis import LOCK_S
from tests.conftest import RedisAt
from tests.support.relay import Relay, relay_to
from tests.support.scripted_wire import ScriptedAnswer, ScriptedTransport, credentials

CALL = Call(b"POST", b"/chat/completions", [], lambda upstream: b"{}", "gpt")
LONG_S = 20
"""Far beyond what is waited for."""


class Worker:
    """A pool of one key, and its part in sharing."""

    def __init__(self, url: str, prefix: str) -> None:
        self.wire = ScriptedTransport(lambda request: ScriptedAnswer())
        self.pool = Pool(
            credentials(1),
            self.wire,
            lambda those, caller: [*those],
            retry_count=0,
            retry_time_s=0,
            wait_s=0,
        )
        self.sharing = RedisSharing(url, prefix, self.pool)

    @property
    def health(self) -> Health:
        return self.pool.health["openai/key-0"]

    @property
    def state(self) -> State:
        return self.health.condition(monotonic()).state

    def attempt(self, verdict: Verdict) -> None:
        self.health.judged(verdict, monotonic(), "gpt", self.health.taken())


@asynccontextmanager
async def running(*workers: Worker) -> AsyncIterator[None]:
    async with asyncio.TaskGroup() as tasks:
        started = [tasks.create_task(worker.sharing.run()) for worker in workers]
        yield
        for task in started:
            task.cancel()


async def until(condition: Callable[[], object]) -> None:
    async with asyncio.timeout(LONG_S):
        while not condition():  # noqa: ASYNC110 - what is waited for is outside this loop
            await asyncio.sleep(0.02)


async def test_verdicts_and_recoveries_reach_every_worker(redis_at: RedisAt) -> None:
    one, other = (Worker(redis_at.url, redis_at.prefix) for _ in range(2))
    async with running(one, other):
        for blame in (Blame.REJECTED, Blame.EXHAUSTED):
            one.attempt(Verdict(blame))
            await until(lambda: other.state is State.OUT)
            other.health.recovered(monotonic())
            await until(lambda: one.state is State.AVAILABLE)
        one.attempt(Verdict(Blame.COOLING, rest_s=3600))
        await until(lambda: other.state is State.COOLING)
    late = Worker(redis_at.url, redis_at.prefix)
    async with running(late):
        await until(lambda: late.state is State.COOLING)


async def test_another_prefix_is_another_family(redis_at: RedisAt) -> None:
    one, other = (Worker(redis_at.url, redis_at.prefix) for _ in range(2))
    stranger = Worker(redis_at.url, f"{redis_at.prefix}-other")
    async with running(one, other, stranger):
        one.attempt(Verdict(Blame.REJECTED))
        await until(lambda: other.state is State.OUT)
        assert stranger.state is State.AVAILABLE


async def test_one_worker_at_a_time_probes(redis_at: RedisAt) -> None:
    one, other = (Worker(redis_at.url, redis_at.prefix) for _ in range(2))
    assert one.sharing.mine() and other.sharing.mine(), "nothing is known of others yet"
    async with running(one, other):
        await until(lambda: one.sharing.mine() != other.sharing.mine())
        owner, idle = (one, other) if one.sharing.mine() else (other, one)
        probers = [
            Prober(worker.pool, worker.wire, worker.sharing.mine, lambda: monotonic() + 100)
            for worker in (idle, owner)
        ]
        idle.attempt(Verdict(Blame.REJECTED))
        await until(lambda: owner.state is State.OUT)
        for prober in probers:
            await prober.look()
        assert (len(idle.wire.sent), len(owner.wire.sent)) == (0, 1)
        await until(lambda: idle.state is State.AVAILABLE)


async def test_who_probes_no_more_is_followed_by_another(redis_at: RedisAt) -> None:
    one, other = (Worker(redis_at.url, redis_at.prefix) for _ in range(2))
    async with running(one):
        await until(lambda: one.sharing._probes)
    async with running(other):
        await until(lambda: other.sharing._probes)


async def test_one_call_of_all_workers_tries_a_key_again(
    redis_at: RedisAt, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(health, "OPEN_S", 1.0)
    workers = [Worker(redis_at.url, redis_at.prefix) for _ in range(3)]

    async def call(worker: Worker) -> None:
        with suppress(CircuitOpen):
            (await worker.pool.send(replace(CALL, attempts=[]))).close()

    def sent() -> int:
        return sum(len(worker.wire.sent) for worker in workers)

    async with running(*workers):
        for _ in range(5):
            workers[0].attempt(Verdict(Blame.FAILED))
        await until(lambda: all(worker.state is State.OPEN for worker in workers))
        for worker in workers:
            worker.wire.hang = True
        async with asyncio.TaskGroup() as group:
            calls = []
            end = monotonic() + LONG_S
            while not sent() or monotonic() < end:
                calls += [group.create_task(call(worker)) for worker in workers]
                await asyncio.sleep(0.05)
                if sent():  # far longer than the lock would last if nobody held it
                    end = min(end, monotonic() + 2 * LOCK_S)
            assert sent() == 1
            for task in calls:  # the client leaves: nothing is known, somebody tries again
                task.cancel()
        for worker in workers:
            worker.wire.hang = False

        async def tried() -> bool:
            for worker in workers:
                await call(worker)
            return all(worker.state is State.AVAILABLE for worker in workers)

        async with asyncio.timeout(LONG_S):
            while not await tried():  # noqa: ASYNC110 - rounds of sharing are waited for
                await asyncio.sleep(0.02)


@asynccontextmanager
async def relayed(at: RedisAt) -> AsyncIterator[tuple[Relay, str]]:
    """Redis behind a relay, and its address there."""
    target = urlsplit(at.url)
    async with relay_to(target.hostname or "", target.port or 6379) as relay:
        yield relay, f"redis://127.0.0.1:{relay.port}{target.path}"


async def test_a_frozen_redis_delays_nobody_and_is_told_once(
    redis_at: RedisAt, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sharing_redis, "ANSWER_S", 0.3)
    async with relayed(redis_at) as (relay, url):
        worker, other = Worker(url, redis_at.prefix), Worker(redis_at.url, redis_at.prefix)
        with capture_logs() as lines:
            async with running(worker, other):
                await until(lambda: worker.sharing.mine() != other.sharing.mine())
                relay.passing.clear()
                await until(lambda: lines)
                for _ in range(100):
                    (await worker.pool.send(CALL)).close()
                worker.attempt(Verdict(Blame.REJECTED))
                await asyncio.sleep(1)  # several rounds
                assert (worker.state, other.state) == (State.OUT, State.AVAILABLE)
                relay.cut()
                relay.passing.set()
                await until(lambda: other.state is State.OUT)
    assert [line["event"] for line in lines] == ["sharing_lost", "sharing_back"]


async def test_what_was_found_while_redis_was_away_is_told_when_it_is_back(
    redis_at: RedisAt,
) -> None:
    async with relayed(redis_at) as (relay, url):
        cut, other = Worker(url, redis_at.prefix), Worker(redis_at.url, redis_at.prefix)
        with capture_logs() as lines:
            async with running(cut, other):
                await until(lambda: cut.sharing.mine() != other.sharing.mine())
                relay.refusing = True
                relay.cut()
                await until(lambda: lines)
                cut.attempt(Verdict(Blame.REJECTED))
                other.attempt(Verdict(Blame.COOLING, rest_s=3600))
                relay.refusing = False
                await until(lambda: other.state is State.OUT)
                await until(lambda: len(cut.health.rests(monotonic())) == 2)
    assert [line["event"] for line in lines] == ["sharing_lost", "sharing_back"]
