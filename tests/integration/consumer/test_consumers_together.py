"""Two whole consumers, workers and linkers, given the same messages of the same people at once."""

import asyncio
import json
from collections.abc import Sequence
from random import Random

import anyio
from sqlalchemy import func, select, text
from sqlalchemy.engine import make_url
from sqlalchemy.ext.asyncio import AsyncEngine
from structlog.testing import capture_logs

from common.database import make_engine
from common.message import pack
from common.tables import exchanges, link_queue, records, usage_daily
from consumer.fresh import Fresh
from consumer.linker import Linker
from consumer.parts import Parts
from consumer.prepare import Preparer
from consumer.source import Delivery
from consumer.store import Store
from consumer.tokens.encodings import Encodings
from consumer.usage import Meter
from consumer.worker import Limits, Worker
from tests.support.record_samples import answer, end, new_id, record
from tests.support.talking import everything_linked

PEOPLE, RECORDS = 4, 160
DEADLINE_S = 120


def conversations(chance: Random) -> list[tuple[bytes, bytes]]:
    """(id, frames) of people in three tabs each, who go on, regenerate, and begin anew."""
    tabs = {(user, tab): [{"role": "user", "content": "Hello!"}]
            for user in range(1, PEOPLE + 1) for tab in range(3)}  # fmt: skip
    every = []
    for number in range(RECORDS):
        key = chance.choice(list(tabs))
        said = chance.choice(["Yes.", "No.", f"Perhaps {number}."])
        request = json.dumps({"model": "m", "messages": tabs[key]}).encode()
        id = new_id()
        last = end(response=answer(said, prompt=7, completion=3))
        every.append((id, record(id, user_id=key[0], model="m", request=request, last=last)))
        if chance.random() < 0.7:
            tabs[key] = [*tabs[key], {"role": "assistant", "content": said},
                         {"role": "user", "content": chance.choice("abc")}]  # fmt: skip
        elif chance.random() < 0.3:
            tabs[key] = tabs[key][:1]
    return every


async def consume(engine: AsyncEngine, deliveries: Sequence[tuple[bytes, bool]]) -> None:
    """As the program does, until everything is acknowledged and nothing waits for a place."""
    send, receive = anyio.create_memory_object_stream[Delivery](8)
    fresh, stored, left = Fresh(), asyncio.Event(), set(range(len(deliveries)))
    done = asyncio.Event()
    preparer, limits = Preparer(Meter(Encodings())), Limits(messages=4, records=16, wait_ms=2)
    worker = Worker(receive, preparer, Store(engine, fresh), Parts(engine), limits, stored)

    async def acknowledged(number: int) -> None:
        left.discard(number)
        if not left:
            done.set()

    def delivery(number: int, body: bytes, again: bool) -> Delivery:
        return Delivery(body, again, lambda: acknowledged(number))

    async with anyio.create_task_group() as group, send, receive:
        group.start_soon(worker.run)
        group.start_soon(Linker(engine, fresh).run, stored)
        for number, (body, again) in enumerate(deliveries):
            await send.send(delivery(number, body, again))
        await done.wait()
        while True:
            if not await waiting(engine):
                break
            await anyio.sleep(0.02)
        worker.stop()
        group.cancel_scope.cancel()


async def waiting(engine: AsyncEngine) -> int:
    async with engine.connect() as connection:
        return int(await connection.scalar(select(func.count()).select_from(link_queue)) or 0)


async def test_they_neither_block_each_other_nor_count_twice(database_url: str) -> None:
    chance = Random(1)
    bodies = [pack(some, 10**6)[0] for some in in_tens(conversations(chance))]
    engines = [make_engine(make_url(database_url)) for _ in range(2)]
    with anyio.fail_after(DEADLINE_S), capture_logs() as lines:
        async with anyio.create_task_group() as group:
            for engine in engines:
                every = [
                    (body, chance.random() < 0.2) for body in chance.sample(bodies, len(bodies))
                ]
                group.start_soon(consume, engine, [*every, *chance.sample(every, 6)])
    engine = engines[0]
    async with engine.connect() as connection:
        names = ("calls", "prompt_tokens", "completion_tokens")
        sums = select(*(func.sum(usage_daily.c[name]) for name in names))
        assert tuple((await connection.execute(sums)).one()) == (RECORDS, RECORDS * 7, RECORDS * 3)
        for table in (records, exchanges):
            assert await connection.scalar(select(func.count()).select_from(table)) == RECORDS
        if engine.dialect.name == "postgresql":
            wanted = "SELECT deadlocks FROM pg_stat_database WHERE datname = current_database()"
            assert await connection.scalar(text(wanted)) == 0
            assert [line for line in lines if line["log_level"] != "info"] == []
    before = await everything_linked(engine)
    await Linker(engine).relink()
    assert await everything_linked(engine) == before
    for engine in engines:
        await engine.dispose()


def in_tens(every: list[tuple[bytes, bytes]]) -> list[list[tuple[bytes, bytes]]]:
    return [every[start : start + 10] for start in range(0, len(every), 10)]
