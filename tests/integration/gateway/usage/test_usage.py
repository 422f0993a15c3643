"""`GET /auth/tokens` on both databases: whose usage is shown, and how it is summed."""

from collections.abc import AsyncIterator
from datetime import date

import httpx2
import pytest
from sqlalchemy import insert
from sqlalchemy.engine import make_url

from common.database import make_engine
from common.tables import usage_daily
from tests.support.read_side import Reader, read_side

COUNTS = ("calls", "prompt_tokens", "completion_tokens", "cached_tokens", "reasoning_tokens")
ROWS = [
    (1, date(2026, 11, 20), "m", (1, 10, 5, 2, 1)),
    (1, date(2026, 11, 21), "m", (2, 20, 10, 0, 0)),
    (1, date(2026, 11, 21), "", (4, 0, 0, 0, 0)),
    (2, date(2026, 11, 21), "m", (8, 80, 40, 0, 0)),
]


@pytest.fixture
async def client(database_url: str) -> AsyncIterator[httpx2.AsyncClient]:
    engine = make_engine(make_url(database_url))
    rows = [
        {"user_id": user_id, "day": day, "model": model} | dict(zip(COUNTS, counts, strict=True))
        for user_id, day, model, counts in ROWS
    ]
    async with engine.begin() as connection:
        await connection.execute(insert(usage_daily), rows)
    async with read_side(engine) as client:
        yield client
    await engine.dispose()


async def test_member_sees_own_usage_by_day_and_model(client: httpx2.AsyncClient) -> None:
    usage = await Reader(client, "alice").read("/auth/tokens")
    assert usage["object"] == "list"
    assert [(row["user"], row["day"], row["model"], row["calls"]) for row in usage["data"]] == [
        ("alice", "2026-11-20", "m", 1),
        ("alice", "2026-11-21", "", 4),
        ("alice", "2026-11-21", "m", 2),
    ]
    assert usage["data"][0] == {
        "user": "alice",
        "day": "2026-11-20",
        "model": "m",
        "calls": 1,
        "prompt_tokens": 10,
        "completion_tokens": 5,
        "cached_tokens": 2,
        "reasoning_tokens": 1,
        "total_tokens": 15,
    }
    assert usage["totals"] == {
        "calls": 7,
        "prompt_tokens": 30,
        "completion_tokens": 15,
        "cached_tokens": 2,
        "reasoning_tokens": 1,
        "total_tokens": 45,
    }


async def test_admin_sees_everybody_or_one(client: httpx2.AsyncClient) -> None:
    root = Reader(client, "root")
    everybody = await root.read("/auth/tokens", group_by="user")
    assert [(row["user"], row["calls"]) for row in everybody["data"]] == [("alice", 7), ("bob", 8)]
    assert set(everybody["data"][0]) == {"user", *COUNTS, "total_tokens"}
    one = await root.read("/auth/tokens", group_by="model", user="bob")
    assert [(row["model"], row["calls"]) for row in one["data"]] == [("m", 8)]
    nobody = await root.read("/auth/tokens", user="nobody")
    assert (nobody["data"], nobody["totals"]["calls"]) == ([], 0)


async def test_days_are_inclusive(client: httpx2.AsyncClient) -> None:
    root = Reader(client, "root")
    first = await root.read("/auth/tokens", to="2026-11-20", group_by="day, user")
    assert [(row["user"], row["day"]) for row in first["data"]] == [("alice", "2026-11-20")]
    second = await root.read("/auth/tokens", from_="2026-11-21", to="2026-11-21")
    assert second["totals"]["calls"] == 14
    assert (await root.read("/auth/tokens", from_="2026-11-22"))["data"] == []


async def test_wrong_parameters_are_named(client: httpx2.AsyncClient) -> None:
    alice = Reader(client, "alice")
    assert await alice.refusal("/auth/tokens", from_="yesterday") == (400, "from")
    assert await alice.refusal("/auth/tokens", to="2026-02-30") == (400, "to")
    assert await alice.refusal("/auth/tokens", from_="2026-11-21", to="2026-11-20") == (400, "to")
    assert await alice.refusal("/auth/tokens", group_by="user,token") == (400, "group_by")
    assert await alice.refusal("/auth/tokens", form="2026-11-21") == (400, "form")
    assert await alice.refusal("/auth/tokens", user="bob") == (403, "user")
    assert await Reader(client, "mallory").refusal("/auth/tokens") == (401, None)
    assert (await alice.read("/auth/tokens", user="alice"))["totals"]["calls"] == 7
