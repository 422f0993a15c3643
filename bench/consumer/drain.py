"""A backlog in RabbitMQ, and a consumer on one core that stores and links it into Postgres."""

import asyncio
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from time import monotonic
from typing import TypeVar

import asyncpg
from aio_pika import DeliveryMode, Message
from sqlalchemy.engine import URL

from bench import machine
from bench.consumer.places import (
    amqp_url,
    own_database,
    own_queue,
    quietly_pinned,
    shown,
    waiting,
)
from bench.consumer.talks import Talks
from bench.programs import BenchError, Program
from common.broker import Topology, connect, declare
from common.message import pack

RECORDS_PER_MESSAGE = 64
_MESSAGE_BYTES = 1024 * 1024
_LOOK_EVERY_S = 0.5
_VACUUM_EVERY = 10
"""Looks: five seconds."""
_MOST_S = 1800

Say = Callable[[str], None]
T = TypeVar("T")


@dataclass(slots=True)
class Drained:
    """What came of one backlog."""

    records: int
    bodies_bytes: int
    wall_s: float
    consumer_cpu_s: float
    postgres_cpu_s: float
    """Of the backends that served the consumer, so far as it can be seen."""
    waited_s: float
    """In which the consumer's threads could have run, but something else had their core."""
    memory: list[int] = field(default_factory=list)
    """Bytes of the consumer, at every look."""
    load_before: float = 0.0

    @property
    def per_s(self) -> float:
        return self.records / self.wall_s

    @property
    def per_core_s(self) -> float:
        """Records per second of processor time: what a core of its own would carry."""
        return self.records / self.consumer_cpu_s


def drain(count: int, *, streamed: bool, say: Say) -> Drained:
    """Raises BenchError."""
    name = "bench_consumer_drain"
    with own_database(name) as database, own_queue(name) as topology:
        bodies_bytes = asyncio.run(_fill(topology, Talks(1, streamed=streamed), count, say))
        cores = machine.divide()
        load = machine.load()
        program = Program(
            [sys.executable, "-m", "consumer", "run"],
            Path(".bench/run/consumer.log"),
            cores=cores.measured,
            environment={
                "DATABASE_URL": shown(database),
                "AMQP_URL": amqp_url(),
                "AMQP_PREFIX": topology.prefix,
                "LOG_FORMAT": "json",
                "PYTHONPATH": str(Path(__file__).parents[2]),
            },
        )
        try:
            drained = asyncio.run(_watch(program, database, topology, count, cores.others, say))
        finally:
            program.stop()
    drained.bodies_bytes, drained.load_before = bodies_bytes, load
    return drained


async def _fill(topology: Topology, talks: Talks, count: int, say: Say) -> int:
    """Returns the bytes of the frames."""
    size = 0
    async with await connect(amqp_url(), "bench") as connection:
        channel = await connection.channel(on_return_raises=True)
        await declare(channel, topology)
        exchange = await channel.get_exchange(topology.exchange)
        done = 0
        for some in _batches(talks.records(count), RECORDS_PER_MESSAGE * 8):
            size += sum(len(frames) for _, frames in some)
            bodies = [
                body
                for group in _batches(some, RECORDS_PER_MESSAGE)
                for body in pack(group, _MESSAGE_BYTES)
            ]
            await asyncio.gather(*(_publish(exchange, topology, body) for body in bodies))
            done += len(some)
            if done % 20_480 < len(some):
                say(f"{done:,} of {count:,} records are in the queue")
    return size


def _batches(those: Iterable[T], size: int) -> Iterator[list[T]]:
    left = iter(those)
    while some := list(islice(left, size)):
        yield some


async def _publish(exchange: object, topology: Topology, body: bytes) -> None:
    message = Message(body, delivery_mode=DeliveryMode.PERSISTENT)
    await exchange.publish(message, topology.routing_key)  # type: ignore[attr-defined]


async def _watch(
    program: Program,
    database: URL,
    topology: Topology,
    count: int,
    others: frozenset[int],
    say: Say,
) -> Drained:
    """From the first record stored to the last one linked."""
    pool = await asyncpg.create_pool(shown(database), min_size=1, max_size=1)
    async with await connect(amqp_url(), "bench") as connection, pool:
        channel = await connection.channel()
        while not await pool.fetchval("SELECT count(*) FROM (SELECT 1 FROM records LIMIT 1) x"):
            _require(program)
            await asyncio.sleep(0.05)
        backends = await _backends(pool)
        quietly_pinned(backends, others)
        began, first = monotonic(), await pool.fetchval("SELECT count(*) FROM records")
        before = _times(program, backends)
        memory = [machine.pss_bytes([program.pid])]
        while not await _is_done(pool, channel, topology, count):
            _require(program)
            if monotonic() - began > _MOST_S:
                raise BenchError(f"not drained within {_MOST_S} s")
            await asyncio.sleep(_LOOK_EVERY_S)
            memory.append(machine.pss_bytes([program.pid]))
            await _tend(pool, len(memory))
            if len(memory) % 20 == 0:
                left = await waiting(channel, topology) * RECORDS_PER_MESSAGE
                say(f"{left:,} records are left in the queue; {memory[-1] / 2**20:.0f} MiB")
        wall_s = monotonic() - began
        cpu, of_postgres, waited = (
            after - then for after, then in zip(_times(program, backends), before, strict=True)
        )
    return Drained(count - first, 0, wall_s, cpu, of_postgres, waited, memory)


def _times(program: Program, backends: Sequence[int]) -> tuple[float, float, float]:
    try:
        of_postgres = machine.cpu_s(backends)
    except FileNotFoundError:  # of another machine, or gone
        of_postgres = 0.0
    return machine.cpu_s([program.pid]), of_postgres, machine.waited_s([program.pid])


def _require(program: Program) -> None:
    if not program.runs:
        raise BenchError(f"the consumer ended: {program.last_words()}")


async def _backends(pool: asyncpg.Pool) -> list[int]:
    rows = await pool.fetch(
        "SELECT pid FROM pg_stat_activity WHERE datname = current_database()"
        " AND pid <> pg_backend_pid()"
    )
    return [row["pid"] for row in rows]


async def _is_done(pool: asyncpg.Pool, channel: object, topology: Topology, count: int) -> bool:
    if await waiting(channel, topology):  # type: ignore[arg-type]
        return False
    if await pool.fetchval("SELECT 1 FROM link_queue LIMIT 1"):
        return False  # asked first: counting 200,000 records takes Postgres' time
    stored: int = await pool.fetchval("SELECT count(*) FROM records")
    return stored >= count


async def _tend(pool: asyncpg.Pool, look: int) -> None:
    """What autovacuum does, on a server where somebody has switched it off: without it the queue's
    index fills with what is gone, and plans know nothing of sizes."""
    if look % _VACUUM_EVERY == 0 and await pool.fetchval("SHOW autovacuum") == "off":
        await pool.execute("VACUUM (ANALYZE) link_queue")
        if look % (_VACUUM_EVERY * 12) == 0:
            await pool.execute("ANALYZE exchanges, nodes, messages, conversations, records")
