"""consumer.careful: a record that kills consumers is set apart, and its mates are stored."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import anyio
import pytest
from sqlalchemy import select
from sqlalchemy.engine import make_url
from sqlalchemy.ext.asyncio import AsyncEngine

from common.database import make_engine
from common.message import pack
from common.record import Begin, End
from common.tables import record_quarantine, records
from consumer.careful import MOST_DEATHS, CarefulPreparer
from consumer.parts import Parts
from consumer.prepare import Preparer
from consumer.source import Delivery
from consumer.store import Store
from consumer.tokens.encodings import Encodings
from consumer.usage import Meter, Usage
from consumer.worker import Limits, Worker
from tests.support.record_samples import new_id, record


class Died(BaseException):
    """As if by SIGKILL: nothing catches it."""


class DeadlyMeter(Meter):
    """Dies of what a model named `deadly` was asked."""

    def usage_of(self, begin: Begin, end: End, request: object, answer: object) -> Usage | None:
        if begin.model == "deadly":
            raise Died
        return None


@pytest.fixture
async def engine(database_url: str) -> AsyncIterator[AsyncEngine]:
    engine = make_engine(make_url(database_url))
    yield engine
    await engine.dispose()


async def consume(engine: AsyncEngine, body: bytes, path: Path) -> bool:
    """One consumer that is brought this message first; whether it acknowledged it."""
    acknowledged = asyncio.Event()
    send, receive = anyio.create_memory_object_stream[Delivery](1)

    async def ack() -> None:
        acknowledged.set()
        worker.stop()

    meter = DeadlyMeter(Encodings())
    limits, stored = Limits(messages=1, records=100, wait_ms=1), asyncio.Event()
    careful = CarefulPreparer(meter, path)
    worker = Worker(receive, Preparer(meter), Store(engine), Parts(engine), limits, stored, careful)
    await send.send(Delivery(body, True, ack))
    with send, receive, anyio.fail_after(60):
        try:
            await worker.run()
        except BaseExceptionGroup as group:
            if group.split(Died)[1] is not None:
                raise
        except Died:
            pass
    return acknowledged.is_set()


async def test_deadly_record_is_set_apart_after_a_few_deaths(
    engine: AsyncEngine, tmp_path: Path
) -> None:
    deadly, mates, path = new_id(), [new_id() for _ in range(40)], tmp_path / "suspects"
    every = [(id, record(id)) for id in mates]
    every.insert(20, (deadly, record(deadly, model="deadly")))
    (body,) = pack(every, 10**6)
    outcomes = [await consume(engine, body, path) for _ in range(MOST_DEATHS + 1)]
    assert outcomes == [False] * MOST_DEATHS + [True]
    assert not path.exists()
    async with engine.connect() as connection:
        stored = set(await connection.scalars(select(records.c.id)))
        kept = (await connection.execute(select(record_quarantine))).one()
    assert {id.bytes for id in stored} == set(mates)
    assert (kept.record_id.bytes, kept.reason) == (deadly, "3 consumers died of it")


def test_file_that_cannot_be_read_or_written_is_no_hindrance(tmp_path: Path) -> None:
    meter, damaged = Meter(Encodings()), tmp_path / "damaged"
    damaged.write_bytes(b"\xff{")
    for path in (damaged, tmp_path / "nowhere" / "x"):
        careful = CarefulPreparer(meter, path)
        assert careful.prepare(record()).linkable
