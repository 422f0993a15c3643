"""The desk for access tokens: terms, heirs of a token, what is told to whom."""

import asyncio
from datetime import UTC, datetime, timedelta

import pytest

from gateway.auth.identities import Identity
from gateway.auth.people import Issued, User
from gateway.auth.principal import Principal
from gateway.auth.standing import Change
from gateway.errors import (
    InvalidRequest,
    RevokedToken,
    StoreUnavailable,
    TooManyTokens,
    UnknownToken,
    UnknownUser,
)
from tests.support.accounts import Accounts, accounts

NOW = datetime.now(UTC).replace(microsecond=0)


async def alice(house: Accounts) -> User:
    return await house.identities.person(Identity("oidc", "", "alice"), "alice", NOW)


def holder(user: User, issued: Issued) -> Principal:
    return Principal(user.id, user.name, user.role, issued.id, issued.expires_at.timestamp())


async def test_days_are_those_of_the_terms(database_url: str) -> None:
    async with accounts(database_url) as house:
        user = await alice(house)
        assert (await house.keys.issue(user, now=NOW)).expires_at == NOW + timedelta(days=10)
        issued = await house.keys.issue(user, 90, "long", NOW)
        assert issued.expires_at == NOW + timedelta(days=90)
        for days in (0, -1, 91):
            with pytest.raises(InvalidRequest, match="1 to 90"):
                await house.keys.issue(user, days)


async def test_a_key_made_with_a_key_ends_with_it(database_url: str) -> None:
    async with accounts(database_url) as house:
        user = await alice(house)
        eldest = await house.keys.issue(user, 3, now=NOW)
        child = await house.keys.issue(user, 90, now=NOW, made_with=holder(user, eldest))
        assert child.expires_at == eldest.expires_at
        heir = await house.keys.issue(user, 1, now=NOW, made_with=holder(user, child))
        assert heir.expires_at == NOW + timedelta(days=1)
        house.announced.changes.clear()
        await house.keys.revoke(user, eldest.id)
        assert all(token.revoked_at for token in await house.keys.own(user))
        ids = {eldest.id, child.id, heir.id}
        assert {*house.announced.changes} == {Change("token_revoked", id_) for id_ in ids}
        with pytest.raises(RevokedToken):
            await house.keys.issue(user, made_with=holder(user, child))


async def test_a_key_is_not_inherited_upwards(database_url: str) -> None:
    async with accounts(database_url) as house:
        user = await alice(house)
        eldest = await house.keys.issue(user)
        child = await house.keys.issue(user, made_with=holder(user, eldest))
        await house.keys.revoke(user, child.id)
        assert [bool(t.revoked_at) for t in await house.keys.own(user)] == [True, False]


async def test_no_key_is_made_with_one_that_is_being_revoked(database_url: str) -> None:
    async with accounts(database_url) as house, accounts(database_url) as other:
        user = await alice(house)
        for _ in range(4):
            eldest = await house.keys.issue(user)
            with_it = holder(user, eldest)
            await asyncio.gather(
                house.keys.issue(user, made_with=with_it),
                other.keys.revoke(user, eldest.id),
                return_exceptions=True,
            )
            assert not any(t.valid(datetime.now(UTC)) for t in await house.keys.own(user))


async def test_somebody_else_s_key_is_nobody_s(database_url: str) -> None:
    async with accounts(database_url) as house:
        user = await alice(house)
        issued = await house.keys.issue(user)
        bob = await house.identities.person(Identity("oidc", "", "bob"), "bob", NOW)
        with pytest.raises(UnknownToken):
            await house.keys.revoke(bob, issued.id)
        assert (await house.keys.revoke(None, issued.id)).revoked_at


async def test_the_oldest_of_a_name_makes_room(database_url: str) -> None:
    async with accounts(database_url) as house:
        user = await alice(house)
        kept = await house.keys.issue(user, name="laptop")
        first, second = [await house.keys.issue(user, name="login") for _ in range(2)]
        with pytest.raises(TooManyTokens):
            await house.keys.issue(user, name="login")
        issued = await house.keys.issue(user, name="login", replacing="login")
        assert issued.replaced == (first.id,)
        assert Change("token_revoked", first.id) in house.announced.changes
        now = datetime.now(UTC)
        valid = [token.id for token in await house.keys.valid(user, now)]
        assert valid == [issued.id, second.id, kept.id]
        assert await house.keys.valid(user, now + timedelta(days=10)) == []
        with pytest.raises(TooManyTokens):
            await house.keys.issue(user, replacing="other")


async def test_blocking_unblocking_and_roles_are_told(database_url: str) -> None:
    async with accounts(database_url) as house:
        user = await alice(house)
        heard: list[Change] = []
        house.principals.on_change(heard.append)
        assert (await house.keys.block("alice")).blocked_at
        assert await house.keys.barred([user.id, 4711]) == [user.id]
        assert (await house.keys.unblock("alice")).blocked_at is None
        assert await house.keys.barred([user.id]) == []
        assert (await house.keys.give_role("alice", "admin")).role == "admin"
        told = [("user_blocked", user.id), ("user_changed", user.id), ("user_changed", user.id)]
        assert [(change.kind, change.id) for change in house.announced.changes] == told
        assert heard == house.announced.changes
        for act in (
            house.keys.block("x"),
            house.keys.unblock("x"),
            house.keys.give_role("x", "admin"),
        ):
            with pytest.raises(UnknownUser):
                await act


async def test_what_could_not_be_told_is_told_later_and_in_order(sqlite_database: str) -> None:
    async with accounts(sqlite_database) as house:
        user = await alice(house)
        issued = await house.keys.issue(user)
        house.announced.deaf = True
        await house.keys.block("alice")
        await house.keys.unblock("alice")
        await house.keys.revoke(user, issued.id)
        house.announced.deaf = False
        telling = asyncio.create_task(house.keys.run())
        async with asyncio.timeout(30):
            while len(house.announced.changes) < 3:  # noqa: ASYNC110 - polled
                await asyncio.sleep(0.01)
        telling.cancel()
        kinds = [change.kind for change in house.announced.changes]
        assert kinds == ["user_blocked", "user_changed", "token_revoked"]


async def test_a_database_that_is_away_says_so() -> None:
    async with accounts("postgresql+asyncpg://nobody@127.0.0.1:1/none") as house:
        user = User(1, "alice", "member", NOW, None)
        for act in (
            house.keys.issue(user),
            house.keys.own(user),
            house.keys.revoke(user, 1),
            house.keys.block("alice"),
            house.keys.unblock("alice"),
            house.keys.give_role("alice", "admin"),
            house.keys.barred([1]),
        ):
            with pytest.raises(StoreUnavailable):
                await act
