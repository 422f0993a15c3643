"""Jobs whose provider fails, whose worker dies, and that come twice: one key at most is left."""

import asyncio
from collections.abc import AsyncIterator
from datetime import timedelta

import pytest
from structlog.testing import capture_logs

from gateway.auth.tokens import hint
from gateway.bots.bot import ProviderFailed, ProviderRefused
from gateway.bots.store import CLAIM_S
from gateway.errors import StoreUnavailable
from tests.support.bot_house import BotHouse, bot_house, key_in
from tests.support.fake_bot import asked


class Killed(BaseException):
    """The worker ends here, whatever it was doing."""


@pytest.fixture
async def house(sqlite_database: str) -> AsyncIterator[BotHouse]:
    async with bot_house(sqlite_database) as made:
        yield made


@pytest.fixture
async def any_house(database_url: str) -> AsyncIterator[BotHouse]:
    """On either database."""
    async with bot_house(database_url) as made:
        yield made


async def assert_one_key_that_was_shown_last(house: BotHouse) -> None:
    shown = [key_in(text) for text in house.bot.to("alice") if "ogw_" in text]
    assert await house.live_keys() == [hint(shown[-1])]
    assert await house.waiting() == 0


async def test_an_event_that_comes_again_is_one_job(any_house: BotHouse) -> None:
    for keys in (("m 1", "e 1"), ("m 1", "e 1"), ("m 1", "e 2"), ("m 2", "e 2"), ("m 1", "e 3")):
        await any_house.take(asked("get key"), *keys)
    await any_house.finish()
    await any_house.take(asked("get key"), "m 1", "e 9")
    await any_house.finish()
    assert len(any_house.bot.said) == 1
    await assert_one_key_that_was_shown_last(any_house)


async def test_the_same_event_at_two_workers_at_once_is_one_job(any_house: BotHouse) -> None:
    both = (any_house, any_house.beside())
    for number in range(10):
        keys = (f"m {number}", f"e {number}")
        await asyncio.gather(*(one.take(asked("help"), *keys) for one in both for _ in range(3)))
    assert await any_house.waiting() == 10


async def test_a_job_is_claimed_by_one_of_two_workers(any_house: BotHouse) -> None:
    for _ in range(10):
        await any_house.take(asked("help"))
    claims = await asyncio.gather(
        *(any_house.store.claim(owner, 4, any_house.now) for owner in ("one", "two", "three"))
    )
    ids = [job.id for claimed in claims for job in claimed]
    assert len(ids) == len(set(ids)) == 10


@pytest.mark.parametrize("failures", [1, 2])
async def test_a_provider_that_fails_leaves_one_key(house: BotHouse, failures: int) -> None:
    house.bot.failures = [ProviderFailed("down")] * failures
    await house.take(asked("get key"))
    await house.finish()
    assert "void" in house.bot.to("alice")[-1]
    await assert_one_key_that_was_shown_last(house)


async def test_who_cannot_be_helped_is_told_so_and_has_no_key(house: BotHouse) -> None:
    house.bot.failures = [ProviderFailed("down")] * 4  # three tries, and one apology
    await house.take(asked("get key"))
    await house.finish()
    assert "I tried several times" in house.bot.to("alice")[-1]
    assert (await house.live_keys(), await house.waiting()) == ([], 0)


async def test_a_provider_that_never_comes_back_is_given_up(house: BotHouse) -> None:
    house.bot.failures = [ProviderFailed("down")] * 99
    await house.take(asked("get key"))
    await house.finish()
    assert (house.bot.said, await house.live_keys(), await house.waiting()) == ([], [], 0)


async def test_what_a_provider_refuses_is_not_tried_again(house: BotHouse) -> None:
    house.bot.failures = [ProviderRefused("moderation")]
    await house.take(asked("get key"))
    await house.work()
    assert "I tried several times" in house.bot.to("alice")[-1]
    assert (await house.live_keys(), await house.waiting()) == ([], 0)


@pytest.mark.parametrize("after_saying", [False, True])
async def test_a_worker_killed_between_issuing_and_sending_leaves_no_second_key(
    house: BotHouse, after_saying: bool
) -> None:
    def die() -> None:
        if after_saying:
            house.bot.said.append(("alice", f"ogw_{'x' * 49}", "gone"))
        raise Killed

    house.bot.before_saying = die
    await house.take(asked("get key"))
    with pytest.raises(Killed):
        await house.work()
    assert len(await house.live_keys()) == 1
    house.bot.before_saying = lambda: None
    other = house.beside()
    await other.work()
    assert len(await house.live_keys()) == 1  # its claim has not ended
    other.now += timedelta(seconds=CLAIM_S + 1)
    await other.work()
    await assert_one_key_that_was_shown_last(other)


async def test_a_worker_that_was_frozen_takes_its_key_back(house: BotHouse) -> None:
    await house.take(asked("get key"))
    (job,) = await house.store.claim(house.owner, 9, house.now)
    other = house.beside()
    other.now += timedelta(seconds=CLAIM_S + 1)
    await other.work()
    await house.jobs._work(job)
    assert len(house.bot.said) == 1
    await assert_one_key_that_was_shown_last(house)


async def test_a_worker_that_was_frozen_leaves_the_other_s_key_alone(house: BotHouse) -> None:
    house.bot.failures = [ProviderFailed("away")]
    await house.take(asked("get key"))
    await house.work()
    house.now += timedelta(minutes=1)
    (job,) = await house.store.claim(house.owner, 9, house.now)
    assert job.attempts == 2
    other = house.beside()
    other.now += timedelta(seconds=CLAIM_S + 1)
    await other.work()
    await house.jobs._work(job)
    await assert_one_key_that_was_shown_last(house)


async def test_who_is_refused_after_another_has_helped_undoes_nothing(house: BotHouse) -> None:
    await house.ask("get key")
    await house.ask("get key")
    await house.take(asked("get key"))
    (job,) = await house.store.claim(house.owner, 9, house.now)
    other = house.beside()
    other.now += timedelta(seconds=CLAIM_S + 1)
    await other.work()
    house.bot.failures = [ProviderRefused("gone")]
    await house.jobs._work(job)
    assert len(await house.live_keys()) == 3


async def test_a_worker_that_is_stopped_leaves_its_job_to_another(house: BotHouse) -> None:
    house.bot.hangs = asyncio.Event()
    await house.take(asked("get key"))
    async with asyncio.TaskGroup() as tasks:
        running = tasks.create_task(house.jobs.run())
        await asyncio.wait_for(house.bot.hangs.wait(), 30)
        running.cancel()
    house.bot.hangs = None
    await house.beside().work()
    await assert_one_key_that_was_shown_last(house)


async def test_a_claim_that_is_renewed_is_left_alone(any_house: BotHouse) -> None:
    await any_house.take(asked("get key"))
    (job,) = await any_house.store.claim("one", 9, any_house.now)
    any_house.now += timedelta(seconds=CLAIM_S - 1)
    await any_house.store.renew([job.id], "one", any_house.now)
    any_house.now += timedelta(seconds=CLAIM_S - 1)
    assert await any_house.store.claim("two", 9, any_house.now) == []
    assert await any_house.store.holds(job.id, "one", any_house.now)
    assert not await any_house.store.holds(job.id, "two", any_house.now)


async def test_what_nobody_foresaw_ends_one_job_and_no_other(house: BotHouse) -> None:
    house.bot.failures = [ValueError("a mistake")] * 5
    await house.take(asked("get key"))
    with capture_logs() as logged:
        await house.finish()
    await house.ask("help", "bob")
    assert [line["log_level"] for line in logged if line["event"] == "bot_job_failed"] == 5 * [
        "error"
    ]
    assert (await house.live_keys(), await house.waiting()) == ([], 0)
    assert "I tried several times" in house.bot.to("alice")[-1]


async def test_a_database_that_is_away_is_said_to_the_provider() -> None:
    async with bot_house("sqlite+aiosqlite:////nowhere/at/all.sqlite") as house:
        with pytest.raises(StoreUnavailable):
            await house.take(asked("get key"))
