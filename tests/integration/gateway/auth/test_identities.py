"""Persons by their identities: met once, known again, never by anything else."""

import asyncio
from datetime import UTC, datetime

import pytest
from sqlalchemy import func, select, update

from common.tables import identities, users
from gateway.auth.identities import (
    MOST_CHARACTERS,
    MOST_OF_DISPLAY_NAME,
    Identity,
    first_free,
    usable_name,
)
from gateway.errors import BlockedUser, ErasedUser, StoreUnavailable
from tests.support.accounts import accounts

NOW = datetime(2026, 11, 21, 12, tzinfo=UTC)
WANG = Identity("feishu", "tenant-1", "on_8ed6aa67826108097d9ee143816345")


async def test_a_person_is_met_once_and_known_again(database_url: str) -> None:
    async with accounts(database_url) as house:
        first = await house.identities.person(WANG, "王小明", NOW)
        assert (first.name, first.role, first.created_at) == ("王小明", "member", NOW)
        assert await house.identities.person(WANG, "Wang Xiaoming", NOW) == first
        assert await house.identities.of(first.id) == [WANG]
        issued = await house.keys.issue(first)
        assert (await house.keys.own(first))[0].id == issued.id


@pytest.mark.parametrize(
    "other",
    [
        Identity("oidc", "tenant-1", WANG.subject),
        Identity("feishu", "tenant-2", WANG.subject),
        Identity("feishu", "tenant-1", WANG.subject.upper()),
    ],
)
async def test_another_identity_is_another_person_whatever_the_name(
    database_url: str, other: Identity
) -> None:
    async with accounts(database_url) as house:
        names = [(await house.identities.person(who, "Wang", NOW)).name for who in (WANG, other)]
        assert names == ["Wang", "Wang-2"]


async def test_a_name_that_no_database_takes_keeps_nobody_out(database_url: str) -> None:
    """People choose their names at providers themselves."""
    async with accounts(database_url) as house:
        met = await house.identities.person(WANG, "Wang\0\ud800" + "x" * 100_000, NOW)
        assert met.name.startswith("Wang xxx") and len(met.name) <= MOST_CHARACTERS
        async with house.engine.connect() as connection:
            kept = await connection.scalar(select(identities.c.display_name))
        assert kept is not None and len(kept) == MOST_OF_DISPLAY_NAME


async def test_many_at_once_meet_one_person(database_url: str) -> None:
    async with accounts(database_url) as one, accounts(database_url) as two:
        met = await asyncio.gather(
            *(house.identities.person(WANG, "Wang", NOW) for house in (one, two) * 6)
        )
        assert len({user.id for user in met}) == 1
        async with one.engine.connect() as connection:
            assert await connection.scalar(select(func.count()).select_from(users)) == 1
            assert await connection.scalar(select(func.count()).select_from(identities)) == 1


async def test_many_of_one_name_at_once_all_get_one(database_url: str) -> None:
    async with accounts(database_url) as house:
        those = [Identity("slack", "T", f"U{n}") for n in range(6)]
        met = await asyncio.gather(*(house.identities.person(who, "Li", NOW) for who in those))
        assert {user.name for user in met} == {"Li", *(f"Li-{n}" for n in range(2, 7))}


@pytest.mark.parametrize(
    ("column", "refusal"), [("blocked_at", BlockedUser), ("erased_at", ErasedUser)]
)
async def test_who_is_barred_is_not_let_in_by_an_identity(
    database_url: str, column: str, refusal: type[Exception]
) -> None:
    async with accounts(database_url) as house:
        await house.identities.person(WANG, "Wang", NOW)
        async with house.engine.begin() as connection:
            await connection.execute(update(users).values({column: NOW}))
        with pytest.raises(refusal):
            await house.identities.person(WANG, "Wang", NOW)


async def test_a_store_that_is_away_says_so() -> None:
    async with accounts("postgresql+asyncpg://nobody@127.0.0.1:1/none") as house:
        with pytest.raises(StoreUnavailable):
            await house.identities.person(WANG, "Wang", NOW)


@pytest.mark.parametrize(
    ("shown", "name"),
    [
        ("  Ａlice \t  B\u202eob\n", "Alice B ob"),
        ("a/b/identities", "a-b-identities"),
        ("\0\u200b", "oidc user"),
        ("x" * 100, "x" * 56),
        ("王小明", "王小明"),
    ],
)
def test_a_name_is_made_that_a_user_can_have(shown: str, name: str) -> None:
    assert usable_name(shown, "oidc") == name


def test_the_first_free_name_is_taken() -> None:
    assert first_free("Li", set()) == "Li"
    assert first_free("Li", {"Lisa"}) == "Li"
    assert first_free("Li", {"Li", "Li-2", "Li-4"}) == "Li-3"
