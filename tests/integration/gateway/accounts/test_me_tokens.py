"""`/me/tokens`: one's own, and nobody else's."""

from collections.abc import AsyncIterator
from datetime import UTC, datetime
from typing import Any

import pytest

from tests.support.accounts import Accounts, accounts, bearer

NOW = datetime.now(UTC)
URL = "/me/tokens"


@pytest.fixture
async def house(database_url: str) -> AsyncIterator[Accounts]:
    async with accounts(database_url) as house:
        for name in ("alice", "bob"):
            await house.store.add_user(name, "member", NOW)
        yield house


async def token(house: Accounts, name: str, days: int = 10) -> str:
    return (await house.store.issue(name, days, "first", 3, NOW)).token


async def listed(house: Accounts, token: str) -> list[Any]:
    answer = await house.client.get(URL, headers=bearer(token))
    assert answer.status_code == 200 and answer.headers["cache-control"] == "no-store"
    data: list[Any] = answer.json()["data"]
    return data


async def test_a_key_is_made_shown_once_used_and_revoked(house: Accounts) -> None:
    first = await token(house, "alice")
    made = await house.client.post(URL, headers=bearer(first), json={"days": 5, "name": "laptop"})
    new = made.json()
    assert (made.status_code, new["object"], new["name"]) == (200, "access_token", "laptop")
    assert abs(new["expires_at"] - datetime.now(UTC).timestamp() - 5 * 86400) < 600
    rows = await listed(house, new["token"])
    assert [(r["name"], r["state"], r["current"]) for r in rows] == [
        ("laptop", "valid", True),
        ("first", "valid", False),
    ]
    assert new["token"] not in str(rows) and rows[0]["hint"] == new["token"][-4:]
    gone = await house.client.delete(f"{URL}/{new['id']}", headers=bearer(first))
    assert gone.json() == {"id": new["id"], "object": "access_token", "deleted": True}
    refused = await house.client.get(URL, headers=bearer(new["token"]))
    assert (refused.status_code, refused.json()["error"]["code"]) == (401, "revoked_api_key")
    assert [row["state"] for row in await listed(house, first)] == ["revoked", "valid"]


async def test_a_key_never_outlives_the_one_that_made_it(house: Accounts) -> None:
    first = await token(house, "alice", days=2)
    new = (await house.client.post(URL, headers=bearer(first), json={"days": 90})).json()
    own = {row["id"]: row for row in await listed(house, first)}
    assert new["expires_at"] == min(row["expires_at"] for row in own.values())
    (eldest,) = own.keys() - {new["id"]}
    await house.client.delete(f"{URL}/{eldest}", headers=bearer(first))
    answer = await house.client.get(URL, headers=bearer(new["token"]))
    assert answer.json()["error"]["code"] == "revoked_api_key"


async def test_somebody_else_s_is_404_and_stays(house: Accounts) -> None:
    alices, bobs = await token(house, "alice"), await token(house, "bob")
    (his,) = await listed(house, bobs)
    for id_ in (his["id"], "4711", "x", "-1", "9" * 19, "9" * 40, "٣"):
        answer = await house.client.delete(f"{URL}/{id_}", headers=bearer(alices))
        assert (answer.status_code, answer.json()["error"]["code"]) == (404, "token_not_found")
    assert [row["state"] for row in await listed(house, bobs)] == ["valid"]


async def test_lists_are_paged(house: Accounts) -> None:
    first = await token(house, "alice")
    for name in ("b", "c"):
        await house.client.post(URL, headers=bearer(first), json={"name": name})
    page = (await house.client.get(URL, params={"limit": 2}, headers=bearer(first))).json()
    assert (page["object"], page["has_more"], len(page["data"])) == ("list", True, 2)
    assert (page["first_id"], page["last_id"]) == tuple(row["id"] for row in page["data"])
    rest = {"limit": 2, "after": page["last_id"]}
    page = (await house.client.get(URL, params=rest, headers=bearer(first))).json()
    assert ([row["name"] for row in page["data"]], page["has_more"]) == (["first"], False)


REFUSED: list[tuple[Any, str | None]] = [
    ({"days": 91}, "days"),
    ({"days": 0}, "days"),
    ({"days": "3"}, "days"),
    ({"name": "x" * 65}, "name"),
    ({"name": "a\nb"}, "name"),
    ({"role": "admin"}, "role"),
    ({"user": "bob"}, "user"),
    ({"expires_at": 2**31}, "expires_at"),
    ([], None),
]


async def test_what_may_not_be_asked_for_is_refused(house: Accounts) -> None:
    first = await token(house, "alice")
    for body, param in REFUSED:
        answer = await house.client.post(URL, headers=bearer(first), json=body)
        assert (answer.status_code, answer.json()["error"]["param"]) == (400, param), body
    assert len(await listed(house, first)) == 1


async def test_there_are_so_many_and_no_more(house: Accounts) -> None:
    first = await token(house, "alice")
    codes = [(await house.client.post(URL, headers=bearer(first))).status_code for _ in range(3)]
    assert codes == [200, 200, 400]
