"""What the bot does when asked."""

from collections.abc import AsyncIterator
from datetime import UTC, date, datetime, timedelta

import pytest
from sqlalchemy import insert

from common.tables import usage_daily
from gateway.auth.identities import Identity
from gateway.auth.tokens import hint
from gateway.bots.bot import ProviderRefused
from gateway.bots.message import Click, Person, plain
from tests.support.bot_house import NOON, BotHouse, bot_house, key_in
from tests.support.fake_bot import asked


@pytest.fixture
async def house(sqlite_database: str) -> AsyncIterator[BotHouse]:
    async with bot_house(sqlite_database) as made:
        yield made


def click(id: int, person: str = "alice") -> Click:
    return Click(Person("fake", "T", person), "revoke", id, "en", lambda m: plain(m).encode())


async def test_a_key_is_handed_over_and_works_for_so_many_days(house: BotHouse) -> None:
    said = await house.ask("get key 30 days")
    user = await house.identities.known(Identity("fake", "T", "alice"))
    assert user is not None and user.name == "Alice"
    (token,) = await house.keys.own(user)
    assert token.hint == hint(key_in(said))
    assert token.expires_at == NOON + timedelta(days=30)
    assert await house.waiting() == 0


async def test_no_key_is_ever_stored_with_a_job(house: BotHouse) -> None:
    await house.take(asked("get key"))
    (job,) = await house.store.claim("one", 9, house.now)
    assert "ogw_" not in repr(job)


@pytest.mark.parametrize("days", ["0", "91", "99999999999999999999"])
async def test_days_have_their_bounds(house: BotHouse, days: str) -> None:
    assert "from 1 to 90" in await house.ask(f"get key {days} days")
    assert await house.live_keys() == []


async def test_keys_have_their_number(house: BotHouse) -> None:
    for _ in range(3):
        key_in(await house.ask("get key"))
    assert "3 valid tokens" in await house.ask("get key")
    assert len(await house.live_keys()) == 3


async def test_in_a_group_a_key_goes_to_its_owner_alone(house: BotHouse) -> None:
    said = await house.ask("获取key", private=False)
    assert "私聊" in said
    assert [hint(key_in(text)) for text in house.bot.to("alice")] == await house.live_keys()
    assert "ogw_" not in "".join(house.bot.to("group"))


async def test_who_cannot_be_reached_has_no_key(house: BotHouse) -> None:
    house.bot.failures = [ProviderRefused("not available")]
    assert "cannot write to you" in await house.ask("get key", private=False)
    assert await house.live_keys() == []
    assert await house.waiting() == 0


async def test_a_group_talking_of_something_else_is_left_alone(house: BotHouse) -> None:
    house.bot.addressed = False
    await house.take(asked("get key", private=False))
    await house.work()
    assert (house.bot.said, await house.live_keys(), await house.waiting()) == ([], [], 0)


async def test_own_keys_are_listed_without_their_secret(house: BotHouse) -> None:
    key = key_in(await house.ask("get key"))
    listed = await house.ask("my keys")
    assert f"…{key[-4:]}" in listed
    assert key not in listed
    assert "no valid" in await house.ask("my keys", "bob")


async def test_a_key_is_revoked_by_its_owner_alone(house: BotHouse) -> None:
    await house.ask("get key")
    assert "no token number 1" in await house.ask("revoke key 1", "bob")
    assert len(await house.live_keys()) == 1
    assert "Token 1" in await house.ask("revoke key 1")
    assert await house.live_keys() == []
    assert "which one" in await house.ask("revoke key")


async def test_a_click_counts_for_its_clicker(house: BotHouse) -> None:
    await house.ask("get key")
    assert not (await house.desk.click(click(1, "bob"))).good
    assert len(await house.live_keys()) == 1
    assert (await house.desk.click(click(1))).good
    assert await house.live_keys() == []


async def test_a_blocked_person_gets_nothing(house: BotHouse) -> None:
    await house.ask("get key")
    await house.keys.block("Alice")
    for text in ("get key", "usage", "my keys", "revoke key 1"):
        assert "blocked" in await house.ask(text)
    assert not (await house.desk.click(click(1))).good


async def test_help_makes_nobody_a_user(house: BotHouse) -> None:
    assert "get key n days" in await house.ask("what can you do?")
    assert "获取key n天" in await house.ask("你好")
    assert await house.identities.known(Identity("fake", "T", "alice")) is None


async def test_usage_is_told_by_span_and_model(house: BotHouse) -> None:
    await house.ask("my keys")
    user = await house.identities.known(Identity("fake", "T", "alice"))
    assert user is not None
    days = {date(2026, 12, 1): 1, date(2026, 11, 25): 10, date(2026, 11, 24): 100,
            date(2026, 11, 2): 1000, date(2026, 11, 1): 10_000}  # fmt: skip
    rows = [
        {"user_id": user.id, "day": day, "model": "gpt-4.1", "calls": calls, "prompt_tokens": calls,
         "completion_tokens": 0, "cached_tokens": 0, "reasoning_tokens": 0}
        for day, calls in days.items()
    ]  # fmt: skip
    async with house.engine.begin() as connection:
        await connection.execute(insert(usage_daily), rows)
    today, week, month = (await house.ask("usage")).split("\n\n")[1:]
    assert "gpt-4.1: 1 calls" in today
    assert "gpt-4.1: 11 calls" in week
    assert "gpt-4.1: 1,111 calls" in month


async def test_a_link_takes_the_place_of_the_key(sqlite_database: str) -> None:
    async with bot_house(sqlite_database, links=True) as house:
        house.now = datetime.now(UTC)
        said = await house.ask("get key 7 days")
        assert "ogw_" not in said
        secret = said.split("http://gw.example/auth/links/")[1].split()[0]
        assert await house.live_keys() == []
        issued = await house.desk.links.open(secret, house.now)  # type: ignore[union-attr]
        assert issued.expires_at == house.now + timedelta(days=7)


async def test_no_two_messages_have_the_same_mark(house: BotHouse) -> None:
    await house.ask("get key", private=False)
    await house.ask("get key")
    marks = [mark for _, _, mark in house.bot.said]
    assert len(marks) == len(set(marks)) == 3
