"""`/register` and `/login`: off by default, bounded, and saying nothing of who is registered."""

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx2
import pytest
from sqlalchemy import func, select, update

from common.tables import passwords, rate_windows
from gateway.accounts import store_rates, store_switches
from gateway.accounts.passwords import Passwords
from gateway.accounts.registration import LOGINS
from gateway.accounts.store_passwords import PasswordStore
from gateway.accounts.store_rates import Rate, RateStore
from gateway.accounts.store_switches import SwitchStore
from gateway.accounts.switches import REGISTRATION
from gateway.auth.identities import Identity
from gateway.errors import EmailTaken, InvalidRequest, TooManyTries, UnknownUser
from tests.support.accounts import Accounts, accounts, bearer

NOW = datetime.now(UTC)
ALICE = {"email": "alice@example.com", "password": "correct horse"}


@pytest.fixture
async def house(database_url: str) -> AsyncIterator[Accounts]:
    async with accounts(database_url) as house:
        yield house


@pytest.fixture
async def open_house(house: Accounts) -> Accounts:
    await house.switches.turn(REGISTRATION, True, "root", NOW)
    return house


async def post(house: Accounts, path: str, **body: Any) -> httpx2.Response:
    return await house.client.post(path, json=body)


async def code(house: Accounts, path: str, **body: Any) -> tuple[int, str]:
    answer = await post(house, path, **body)
    return answer.status_code, answer.json().get("error", {}).get("code", "")


async def test_it_is_off_until_an_admin_switches_it_on(house: Accounts) -> None:
    await house.store.add_user("root", "admin", NOW)
    root = bearer((await house.store.issue("root", 1, None, 3, NOW)).token)
    for path in ("/register", "/login"):
        assert await code(house, path, **ALICE) == (403, "registration_closed")
    url = "/admin/registration"
    assert (await house.client.get(url, headers=root)).json()["changed_by"] is None
    turned = await house.client.put(url, headers=root, json={"enabled": True})
    assert turned.json().items() >= {"enabled": True, "changed_by": "root"}.items()
    assert (await post(house, "/register", **ALICE)).status_code == 200
    for body in ({}, {"enabled": 1}, {"enabled": True, "role": "admin"}):
        assert (await house.client.put(url, headers=root, json=body)).status_code == 400
    await house.client.put(url, headers=root, json={"enabled": False})
    assert (await code(house, "/register", **ALICE | {"email": "b@c.de"}))[0] == 403
    assert (await post(house, "/login", **ALICE)).status_code == 200  # who is in stays in


async def test_another_worker_follows_the_switch(database_url: str) -> None:
    async with accounts(database_url) as one, accounts(database_url) as other:
        assert not await other.switches.enabled(REGISTRATION)
        await one.switches.turn(REGISTRATION, True, "root", NOW)
        async with asyncio.timeout(30):
            while not await other.switches.enabled(REGISTRATION):  # noqa: ASYNC110 - polled
                await asyncio.sleep(0.01)
    assert store_switches.GOOD_FOR_S < 1


async def test_who_registers_is_a_member_with_a_key(open_house: Accounts) -> None:
    answer = await post(open_house, "/register", **ALICE, name="Alice W.")
    made = answer.json()
    assert made["user"].items() >= {"name": "Alice W.", "role": "member"}.items()
    assert made["token"]["type"] == "bearer" and answer.headers["cache-control"] == "no-store"
    own = await open_house.client.get("/me/tokens", headers=bearer(made["token"]["token"]))
    assert own.json()["data"][0]["name"] == "login"
    again = (await post(open_house, "/login", **ALICE | {"email": " ALICE@example.com"})).json()
    assert again["user"] == made["user"] and again["token"]["token"] != made["token"]["token"]
    async with open_house.engine.connect() as connection:
        row = (await connection.execute(select(passwords))).one()
    assert row.hash.startswith("$argon2id$") and "horse" not in str(row)


async def test_nobody_registers_a_role_or_twice(open_house: Accounts) -> None:
    for more in ({"role": "admin"}, {"is_admin": True}, {"user": {"role": "admin"}}):
        assert (await code(open_house, "/register", **ALICE, **more))[0] == 400
    assert (await post(open_house, "/register", **ALICE)).status_code == 200
    assert await code(open_house, "/register", **ALICE) == (400, "email_taken")
    assert (await code(open_house, "/login", **ALICE, name="x"))[0] == 400
    assert [user.role for user in await open_house.store.users()] == ["member"]


async def test_many_at_once_register_one_address_once(open_house: Accounts) -> None:
    codes = await asyncio.gather(*(code(open_house, "/register", **ALICE) for _ in range(5)))
    assert sorted(codes) == [(200, "")] + [(400, "email_taken")] * 4
    assert len(await open_house.store.users()) == 1


async def test_an_e_mail_address_is_no_identity(open_house: Accounts) -> None:
    await post(open_house, "/register", **ALICE)
    met = await open_house.identities.person(
        Identity("oidc", "", ALICE["email"]), ALICE["email"], NOW
    )
    assert {user.name for user in await open_house.store.users()} == {"alice", met.name}


async def test_wrong_and_unknown_are_the_same_answer(open_house: Accounts) -> None:
    await post(open_house, "/register", **ALICE)
    answers = [
        await post(open_house, "/login", email=email, password=password)
        for email, password in (
            (ALICE["email"], "correct house"),
            (ALICE["email"], "short"),
            ("nobody@example.com", ALICE["password"]),
            ("nobody@example.com", "short"),
        )
    ]
    assert {(a.status_code, a.content, str(a.headers)) for a in answers} == {
        (401, answers[0].content, str(answers[0].headers))
    }
    assert answers[0].json()["error"]["code"] == "invalid_credentials"


async def test_a_blocked_user_hears_so_only_with_the_password(open_house: Accounts) -> None:
    await post(open_house, "/register", **ALICE)
    await open_house.keys.block("alice")
    assert await code(open_house, "/login", **ALICE) == (401, "user_blocked")
    wrong = ALICE | {"password": "correct house"}
    assert await code(open_house, "/login", **wrong) == (401, "invalid_credentials")


async def test_guessing_ends_after_some_tries_and_begins_anew_later(open_house: Accounts) -> None:
    await post(open_house, "/register", **ALICE)
    wrong = ALICE | {"password": "correct house"}
    for _ in range(LOGINS - 1):
        assert (await code(open_house, "/login", **wrong))[0] == 401
    for _ in range(3):  # the right one does not count
        assert (await code(open_house, "/login", **ALICE))[0] == 200
    assert (await code(open_house, "/login", **wrong))[0] == 401
    refused = await post(open_house, "/login", **ALICE)
    assert (refused.status_code, refused.json()["error"]["code"]) == (429, "too_many_tries")
    assert 0 < int(refused.headers["retry-after"]) <= 600
    assert (await code(open_house, "/login", **ALICE | {"email": "b@c.de"}))[0] == 401
    async with accounts(open_house.engine.url.render_as_string(False)) as other:
        assert (await code(other, "/login", **ALICE))[0] == 429
    async with open_house.engine.begin() as connection:
        await connection.execute(update(rate_windows).values(ends_at=NOW - timedelta(hours=1)))
    async with accounts(open_house.engine.url.render_as_string(False)) as other:
        assert (await code(other, "/login", **ALICE))[0] == 200


async def test_tries_are_counted_together_and_old_windows_go(
    house: Accounts, monkeypatch: pytest.MonkeyPatch
) -> None:
    stores = [RateStore(house.engine) for _ in range(2)]
    rate = Rate("x", "1.2.3.4", 5, timedelta(minutes=1))

    async def attempt(store: RateStore, at: datetime) -> bool:
        try:
            await store.take([rate, Rate("x", "other", 99, rate.window)], at)
        except TooManyTries:
            return False
        return True

    assert sum(await asyncio.gather(*(attempt(store, NOW) for store in stores * 4))) == 5
    assert await attempt(stores[0], NOW + rate.window)
    later = NOW + timedelta(days=1)
    monkeypatch.setattr(store_rates, "SWEPT_EVERY", 1)
    await stores[0].take([Rate("y", "", 9, rate.window)], later)
    async with house.engine.connect() as connection:
        old = select(func.count()).where(rate_windows.c.ends_at < later)
        assert await connection.scalar(old) == 0


REFUSED: list[tuple[str, Any]] = [
    ("/register", {}),
    ("/register", {"email": "alice", "password": "correct horse"}),
    ("/register", {"email": "a@b.cd", "password": "short"}),
    ("/register", {"email": "a@b.cd", "password": 12345678}),
    ("/register", {"email": "a@b.cd", "password": "x" * 257}),
    ("/login", {"email": "a@b.cd"}),
    ("/login", {"email": ["a@b.cd"], "password": "x"}),
]


async def test_what_cannot_be_is_refused(open_house: Accounts) -> None:
    for path, body in REFUSED:
        assert (await code(open_house, path, **body))[0] == 400, (path, body)


async def test_a_switch_that_was_never_touched_is_off(house: Accounts) -> None:
    found = await SwitchStore(house.engine).find("anything")
    assert (found.enabled, found.changed_by) == (False, None)


async def test_a_forgotten_password_is_set_by_an_administrator(open_house: Accounts) -> None:
    await post(open_house, "/register", **ALICE)
    bob = await open_house.store.add_user("bob", "member", NOW)
    store, new = PasswordStore(open_house.engine), await Passwords().hash("battery staple")
    assert await store.change("alice", None, new, NOW) == [ALICE["email"]]
    assert await code(open_house, "/login", **ALICE) == (401, "invalid_credentials")
    with_new = {"password": "battery staple"}
    assert (await code(open_house, "/login", **ALICE | with_new))[0] == 200
    assert await store.change("bob", "b@c.de", new, NOW) == ["b@c.de"]
    answer = await post(open_house, "/login", email="b@c.de", **with_new)
    assert answer.json()["user"]["id"] == str(bob.id)
    await open_house.store.add_user("carol", "member", NOW)
    for name, email, refusal in (
        ("bob", ALICE["email"], EmailTaken),
        ("nobody", None, UnknownUser),
        ("carol", None, InvalidRequest),
    ):
        with pytest.raises(refusal):
            await store.change(name, email, new, NOW)
