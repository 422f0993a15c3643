"""`/admin/users`: who may, what is seen, what changes; nobody helps themselves to a role."""

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from typing import Any
from urllib.parse import quote

import httpx2
import pytest
from sqlalchemy import insert, select

from common.tables import identities, resources
from gateway.auth.identities import Identity
from gateway.errors import BlockedUser
from gateway.signin.store import SignInStore
from tests.support.accounts import Accounts, accounts, bearer

NOW = datetime.now(UTC)
LIST, ALICE, LINK = "/admin/users", "/admin/users/alice", "/admin/users/alice/identities"
FEISHU, OIDC = Identity("feishu", "t", "on_alice"), Identity("oidc", "issuer", "sub-alice")


class Office(Accounts):
    """Accounts with tokens of an admin and of a member."""

    tokens: dict[str, str]


@pytest.fixture
async def house(database_url: str) -> AsyncIterator[Office]:
    async with accounts(database_url) as found:
        house = Office(**vars(found))
        await house.store.add_user("root", "admin", NOW)
        await house.store.add_user("alice", "member", NOW)
        names = ("root", "alice")
        house.tokens = {n: (await house.store.issue(n, 10, None, 3, NOW)).token for n in names}
        yield house


async def put(house: Office, path: str, body: Any, name: str = "root") -> httpx2.Response:
    return await house.client.put(path, headers=bearer(house.tokens[name]), json=body)


async def get(house: Office, path: str, **parameters: Any) -> Any:
    answer = await house.client.get(path, params=parameters, headers=bearer(house.tokens["root"]))
    assert answer.status_code == 200 and answer.headers["cache-control"] == "no-store"
    return answer.json()


async def works(house: Office, token: str) -> str:
    answer = await house.client.get("/me/tokens", headers=bearer(token))
    return "works" if answer.status_code == 200 else str(answer.json()["error"]["code"])


FOR_ADMINS: list[tuple[str, str, Any]] = [
    ("GET", LIST, None),
    ("GET", ALICE, None),
    ("PUT", ALICE, {"role": "admin"}),
    ("PUT", LINK, {"user": "root"}),
    ("GET", "/admin/registration", None),
    ("PUT", "/admin/registration", {"enabled": True}),
]


async def test_only_admins(house: Office) -> None:
    for method, path, body in FOR_ADMINS:
        for headers, status in (({}, 401), (bearer(house.tokens["alice"]), 403)):
            answer = await house.client.request(method, path, headers=headers, json=body)
            assert answer.status_code == status, (method, path)
    assert (await get(house, ALICE))["role"] == "member"
    assert not (await get(house, "/admin/registration"))["enabled"]


async def test_users_are_listed_with_their_ways_in(house: Office) -> None:
    await house.identities.person(FEISHU, "Alice W.", NOW)
    page = await get(house, LIST, limit=2)
    assert [row["name"] for row in page["data"]] == ["root", "alice"] and page["has_more"]
    (met,) = (await get(house, LIST, after=page["last_id"]))["data"]
    assert met["identities"] == [{"provider": "feishu", "tenant_key": "t", "subject": "on_alice"}]
    assert (met["object"], met["role"], met["blocked_at"]) == ("user", "member", None)
    assert (met["valid_tokens"], page["data"][1]["valid_tokens"]) == (0, 1)


async def test_blocking_stops_tokens_and_unblocking_lets_them_work(house: Office) -> None:
    assert await works(house, house.tokens["alice"]) == "works"
    blocked = (await put(house, ALICE, {"blocked": True})).json()
    assert abs(blocked["blocked_at"] - NOW.timestamp()) < 600
    assert await works(house, house.tokens["alice"]) == "user_blocked"
    assert (await put(house, ALICE, {"blocked": False})).json()["blocked_at"] is None
    assert await works(house, house.tokens["alice"]) == "works"


async def test_a_role_is_given_and_taken(house: Office) -> None:
    assert (await put(house, ALICE, {"role": "admin"})).json()["role"] == "admin"
    assert (await put(house, "/admin/users/root", {"role": "member"}, "alice")).status_code == 200
    assert (await put(house, ALICE, {"role": "member"})).status_code == 403


REFUSED: list[tuple[str, Any, int]] = [
    (ALICE, {}, 400),
    (ALICE, {"role": "owner"}, 400),
    (ALICE, {"blocked": "yes"}, 400),
    (ALICE, {"name": "root"}, 400),
    (f"{ALICE}?force=1", {"blocked": True}, 400),
    (ALICE, {"blocked": True, "x": "y" * 20_000}, 413),
    ("/admin/users/nobody", {"blocked": True}, 404),
    ("/admin/users/root", {"blocked": True}, 400),
    ("/admin/users/root", {"role": "member"}, 400),
    ("/admin/users/root%20", {"blocked": True}, 400),
    ("/admin/users/%20root", {"role": "member"}, 400),
    ("/admin/users/alice%00", {"blocked": True}, 404),
    (LINK, {}, 400),
    (LINK, {"user": "root", "provider": "x", "subject": "y"}, 400),
    (LINK, {"provider": "feishu"}, 400),
    (LINK, {"user": "nobody"}, 404),
    (LINK, {"user": "alice"}, 400),
    ("/admin/users/nobody/identities", {"provider": "x", "subject": "y"}, 404),
]


async def test_what_cannot_be_is_refused_and_changes_nothing(house: Office) -> None:
    before = await get(house, LIST)
    for path, body, status in REFUSED:
        assert (await put(house, path, body)).status_code == status, (path, body)
        assert await get(house, LIST) == before, (path, body)


async def test_a_name_that_nobody_can_have_is_nobodys(house: Office) -> None:
    headers = bearer(house.tokens["root"])
    for path in (f"{ALICE}%00", f"{ALICE}%7f"):
        answer = await house.client.get(path, headers=headers)
        assert answer.status_code == 404, path


async def test_names_are_what_they_are(house: Office) -> None:
    for name in ("a/b c 王", "%2F", "x/identities", "q?y#z"):
        await house.store.add_user(name, "member", NOW)
        path = f"/admin/users/{quote(name, safe='')}"
        assert (await get(house, path))["name"] == name
        if not name.endswith("/identities"):
            assert (await put(house, path, {"blocked": True})).json()["blocked_at"], name
            assert (await put(house, f"{path}/identities", {"user": "alice"})).status_code == 400


async def test_two_users_become_one_person(house: Office) -> None:
    other = await house.identities.person(FEISHU, "alice", NOW)
    key = (await house.keys.issue(other)).token
    async with house.engine.begin() as connection:
        row = {"id": "file-1", "upstream": "u", "account": "a", "created_at": NOW}
        await connection.execute(insert(resources).values(row | {"user_id": other.id}))
    assert await works(house, key) == "works"
    linked = (await put(house, LINK, {"user": other.name})).json()
    assert [one["provider"] for one in linked["identities"]] == ["feishu"]
    assert linked["valid_tokens"] == 2
    alice = await house.identities.person(FEISHU, "alice", NOW)
    assert alice.name == "alice" and other.name == "alice-2"
    own = await house.client.get("/me/tokens", headers=bearer(key))
    assert len(own.json()["data"]) == 2
    async with house.engine.connect() as connection:
        assert await connection.scalar(select(resources.c.user_id)) == alice.id
    left = await get(house, "/admin/users/alice-2")
    assert (left["identities"], left["valid_tokens"]) == ([], 0)


async def test_one_identity_is_given_to_a_user_met_or_not(house: Office) -> None:
    named = {"provider": "oidc", "tenant_key": "issuer", "subject": "sub-alice"}
    assert (await put(house, LINK, named)).json()["identities"] == [named]
    assert (await house.identities.person(OIDC, "Somebody", NOW)).name == "alice"
    met = await house.identities.person(FEISHU, "Alice W.", NOW)
    feishu = {"provider": "feishu", "tenant_key": "t", "subject": "on_alice"}
    assert len((await put(house, LINK, feishu)).json()["identities"]) == 2
    assert (await house.identities.person(FEISHU, "Alice W.", NOW)).name == "alice" != met.name


async def test_an_identity_is_given_while_its_person_comes_for_the_first_time(
    house: Office,
) -> None:
    named = {"provider": "oidc", "tenant_key": "issuer", "subject": "sub-alice"}
    async with house.engine.begin() as connection:
        row = named | {"user_id": 1, "display_name": "root", "created_at": NOW}
        await connection.execute(insert(identities).values(row))
        giving = asyncio.create_task(put(house, LINK, named))
        await asyncio.sleep(0.3)  # so that it waits for this transaction
    assert (await giving).json()["identities"] == [named]


async def test_who_came_by_an_identity_that_is_given_away_signs_in_again(house: Office) -> None:
    met = await house.identities.person(FEISHU, "Alice W.", NOW)
    sessions = SignInStore(house.engine)
    secret = await sessions.open(met.id, None, NOW)
    feishu = {"provider": "feishu", "tenant_key": "t", "subject": "on_alice"}
    assert (await put(house, LINK, feishu)).status_code == 200
    assert await sessions.user(secret, NOW) is None


async def test_a_block_is_not_got_round_by_a_link(house: Office) -> None:
    await house.identities.person(FEISHU, "Mallory", NOW)
    await house.keys.block("Mallory")
    answer = await put(house, LINK, {"user": "Mallory"})
    assert answer.status_code == 400 and "unblock" in answer.json()["error"]["message"]
    with pytest.raises(BlockedUser):
        await house.identities.person(FEISHU, "Mallory", NOW)
