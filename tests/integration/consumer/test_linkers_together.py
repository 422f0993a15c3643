"""Several linkers at once, and one that runs for good."""

import asyncio
import random
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import anyio
import pytest
from sqlalchemy import insert, select, text
from sqlalchemy.engine import make_url
from sqlalchemy.ext.asyncio import AsyncEngine
from structlog.testing import capture_logs

from common.database import make_engine
from common.tables import link_queue, users
from consumer.linker import Linker
from tests.support.talking import (
    EPOCH,
    Talk,
    arrive,
    as_linkable,
    assistant,
    expected_places,
    places,
    user,
)

PATIENCE_S = 60


@pytest.fixture
async def make(database_url: str) -> AsyncIterator[Callable[[], AsyncEngine]]:
    """Engines of their own, as programs have."""
    engines: list[AsyncEngine] = []

    def make() -> AsyncEngine:
        engines.append(make_engine(make_url(database_url)))
        return engines[-1]

    yield make
    for engine in engines:
        await engine.dispose()


def busy_people(seed: int) -> list[dict[str, Any]]:
    """Rows of three people in many tabs, shuffled."""
    chance, rows, second = random.Random(seed), [], 0
    tabs = [(user_id, [user("Hello!")]) for user_id in (1, 2, 3) for _ in range(5)]
    for _ in range(150):
        second += 1
        user_id, prompt = chance.choice(tabs)
        talk, answer = Talk(user_id), chance.choice("xyz")
        hint = chance.choice([None, None, None, "tab"])
        talk.chat(prompt, answer, at=second, conversation_hint=hint, token_id=chance.choice([1, 2]))
        if chance.random() < 0.8:
            prompt += [assistant(answer), user(chance.choice("abc"))]
        rows += talk.rows
    chance.shuffle(rows)
    return rows


async def until(holds: Callable[[], Awaitable[bool]]) -> None:
    with anyio.fail_after(PATIENCE_S):
        while True:
            if await holds():
                return
            await anyio.sleep(0.02)


async def until_linked(engine: AsyncEngine) -> None:
    async def none_waits() -> bool:
        async with engine.connect() as connection:
            return (await connection.execute(select(link_queue).limit(1))).first() is None

    await until(none_waits)


async def test_many_linkers_at_once_find_the_places_of_one(
    make: Callable[[], AsyncEngine],
) -> None:
    rows, engine = busy_people(7), make()
    wanted = expected_places(as_linkable(row).exchange for row in rows)

    async def link() -> None:
        linker = Linker(make())
        while await linker.link_pending(limit=7):
            pass

    async def store() -> None:
        for start in range(0, len(rows), 10):
            await arrive(engine, rows[start : start + 10])

    with anyio.fail_after(PATIENCE_S):
        async with anyio.create_task_group() as group:
            group.start_soon(store)
            for _ in range(3):
                group.start_soon(link)
    async with anyio.create_task_group() as group:
        for _ in range(3):
            group.start_soon(link)
    await until_linked(engine)
    assert await places(engine) == wanted


async def test_relinking_beside_a_linker_ends_at_the_same_places(
    make: Callable[[], AsyncEngine],
) -> None:
    rows, engine = busy_people(8), make()
    people = [{"id": id, "name": f"user-{id}"} for id in (1, 2, 3)]
    async with engine.begin() as connection:
        rest = {"role": "member", "created_at": EPOCH}
        await connection.execute(insert(users), [person | rest for person in people])
    wanted = expected_places(as_linkable(row).exchange for row in rows)
    async with anyio.create_task_group() as group:
        group.start_soon(Linker(make()).run, asyncio.Event())
        for start in range(0, len(rows), 50):
            await arrive(engine, rows[start : start + 50])
            await Linker(engine).relink("user-1")
        await Linker(engine).relink()
        await until_linked(engine)
        group.cancel_scope.cancel()
    assert await places(engine) == wanted


async def test_linker_that_runs_wakes_up_and_survives_an_absence(
    make: Callable[[], AsyncEngine],
) -> None:
    engine, wake, talk = make(), asyncio.Event(), Talk()
    async with anyio.create_task_group() as group:
        group.start_soon(Linker(make()).run, wake)
        first = talk.chat([user("Hello!")])
        await arrive(engine, talk.rows)
        wake.set()
        await until_linked(engine)
        with capture_logs() as lines:
            await change(engine, "ALTER TABLE nodes RENAME TO away")
            second = talk.chat([user("And?")])
            await arrive(engine, talk.rows[1:])
            wake.set()

            async def noticed() -> bool:
                return "linking_delayed" in [line["event"] for line in lines]

            await until(noticed)
        await change(engine, "ALTER TABLE away RENAME TO nodes")
        await until_linked(engine)
        group.cancel_scope.cancel()
    assert set(await places(engine)) == {first, second}


async def change(engine: AsyncEngine, statement: str) -> None:
    async with engine.begin() as connection:
        await connection.execute(text(statement))
