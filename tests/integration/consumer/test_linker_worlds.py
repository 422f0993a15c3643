"""Whatever the order in which records arrive, and in whatever batches: the same conversations."""

from collections import Counter
from collections.abc import AsyncIterator
from typing import Any
from uuid import UUID

import pytest
from hypothesis import HealthCheck, given, settings
from sqlalchemy import select
from sqlalchemy.engine import make_url
from sqlalchemy.ext.asyncio import AsyncEngine

from common.database import make_engine
from common.tables import conversations, exchanges, messages, nodes, records
from consumer.conversations import Place
from consumer.linkable import Linkable
from consumer.linker import Linker
from tests.support.talking import (
    arrive,
    as_linkable,
    everything_linked,
    expected_places,
    places,
)
from tests.support.worlds import World, worlds

on_one_database = settings(
    max_examples=30,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
"""Each world finds it empty."""


@pytest.fixture
async def engine(database_url: str) -> AsyncIterator[AsyncEngine]:
    engine = make_engine(make_url(database_url))
    yield engine
    await engine.dispose()


def expected_conversations(
    every: dict[UUID, Linkable], found: dict[UUID, Place]
) -> dict[UUID, tuple[Any, ...]]:
    counts = Counter(place.conversation_id for place in found.values())
    members = {
        id: [every[one].exchange for one in found if found[one].conversation_id == id]
        for id in counts
    }
    return {
        id: (
            every[id].title,
            every[id].exchange.hint,
            min(one.started_at for one in members[id]),
            max(one.finished_at for one in members[id]),
            counts[id],
        )
        for id in counts
    }


async def emptied(engine: AsyncEngine) -> None:
    async with engine.begin() as connection:
        for table in (records, exchanges, conversations, nodes, messages):
            await connection.execute(table.delete())


@on_one_database
@given(worlds())
async def test_places_depend_on_the_records_alone(engine: AsyncEngine, world: World) -> None:
    await emptied(engine)
    linker, every = Linker(engine), dict[UUID, Linkable]()
    for batch in world.batches:
        await arrive(engine, batch)
        assert await linker.link_pending() == len(batch)
        every |= {row["id"]: as_linkable(row) for row in batch}
        wanted = expected_places(one.exchange for one in every.values())
        assert await places(engine) == wanted
    async with engine.connect() as connection:
        columns = ("title", "hint", "created_at", "updated_at", "exchange_count")
        rows = await connection.execute(select(conversations))
        told = {row.id: tuple(getattr(row, name) for name in columns) for row in rows}
        hashes = set(await connection.scalars(select(nodes.c.hash)))
    assert hashes == {node for one in every.values() for node in one.exchange.nodes}
    assert told == expected_conversations(every, wanted)


@on_one_database
@given(worlds(most=6))
async def test_beginning_anew_changes_nothing(engine: AsyncEngine, world: World) -> None:
    await emptied(engine)
    for batch in world.batches:
        await arrive(engine, batch)
        await Linker(engine).link_pending()
    before = await everything_linked(engine)
    assert await Linker(engine).relink() == sum(map(len, world.batches))
    assert await everything_linked(engine) == before
