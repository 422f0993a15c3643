"""Reminders: three days before a key expires, once, to whoever may be told."""

from collections.abc import AsyncIterator
from datetime import timedelta

import pytest

from gateway.bots.reminders import Reminders
from tests.support.bot_house import BotHouse, bot_house, key_in

DAY = timedelta(days=1)


@pytest.fixture
async def house(sqlite_database: str) -> AsyncIterator[BotHouse]:
    async with bot_house(sqlite_database) as made:
        yield made


@pytest.fixture
async def any_house(database_url: str) -> AsyncIterator[BotHouse]:
    """On either database."""
    async with bot_house(database_url) as made:
        yield made


async def reminded(house: BotHouse) -> list[str]:
    """What was said by looking now, by two processes."""
    house.bot.said.clear()
    for one in (house, house.beside()):
        await Reminders(one.store, one.bots, one.jobs.wake, clock=one.clock).look()
    await house.work()
    return [text for _, text, _ in house.bot.said]


async def test_a_key_is_reminded_of_once_three_days_before(any_house: BotHouse) -> None:
    key = key_in(await any_house.ask("get key 10 days"))
    any_house.now += 6.9 * DAY
    assert await reminded(any_house) == []
    any_house.now += 0.2 * DAY
    (said,) = await reminded(any_house)
    assert f"…{key[-4:]}" in said
    any_house.now += DAY
    assert await reminded(any_house) == []


async def test_a_key_that_was_short_from_the_start_is_not(house: BotHouse) -> None:
    await house.ask("get key 2 days")
    house.now += DAY
    assert await reminded(house) == []


async def test_what_is_over_is_not_reminded_of(house: BotHouse) -> None:
    await house.ask("get key")
    await house.ask("revoke key 1")
    await house.ask("get key", "bob")
    await house.keys.block("Bob")
    house.now += 8 * DAY
    assert await reminded(house) == []
    house.now += 3 * DAY
    await house.keys.unblock("Bob")
    assert await reminded(house) == []


async def test_old_events_are_forgotten(house: BotHouse) -> None:
    await house.ask("help")
    house.now += 31 * DAY
    await reminded(house)
    await house.take_again()
    assert await house.waiting() == 1
