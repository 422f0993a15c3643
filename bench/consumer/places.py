"""A database and a queue of a bench's own, on servers that it finds running; gone afterwards.

Where these are is said by DATABASE_URL and AMQP_URL, as everywhere.
"""

import asyncio
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import asyncpg
from aio_pika.abc import AbstractChannel
from sqlalchemy.engine import URL, make_url

from bench.programs import BenchError, run_to_end
from common.broker import Topology, connect

_ROOT = Path(__file__).parents[2]
_POSTGRES = "postgresql://postgres@127.0.0.1:5432/postgres"
_AMQP = "amqp://guest:guest@127.0.0.1:5672/"


def amqp_url() -> str:
    return os.environ.get("AMQP_URL", _AMQP)


@contextmanager
def own_database(name: str, *, keep: bool = False) -> Iterator[URL]:
    """Migrated to head, and empty unless it was kept before. Raises BenchError."""
    server = make_url(os.environ.get("DATABASE_URL", _POSTGRES)).set(drivername="postgresql")
    url = server.set(database=name)
    try:
        asyncio.run(_command(server, f'CREATE DATABASE "{name}"'))
    except asyncpg.DuplicateDatabaseError:
        if not keep:
            raise BenchError(f"there is a database {name} already: drop it first") from None
    except (OSError, asyncpg.PostgresError) as error:
        raise BenchError(f"no database can be made at DATABASE_URL: {error}") from error
    try:
        run_to_end(
            [str(Path(sys.executable).parent / "gateway"), "migrate"],
            environment={"DATABASE_URL": shown(url)},
            directory=_ROOT,
        )
        yield url
    finally:
        if not keep:
            asyncio.run(_command(server, f'DROP DATABASE IF EXISTS "{name}" WITH (FORCE)'))


@contextmanager
def own_queue(prefix: str) -> Iterator[Topology]:
    """Raises BenchError."""
    topology = Topology(prefix)
    asyncio.run(_delete(topology))
    try:
        yield topology
    finally:
        asyncio.run(_delete(topology))


def shown(url: URL) -> str:
    return url.render_as_string(hide_password=False)


async def _command(server: URL, statement: str) -> None:
    connection = await asyncpg.connect(shown(server))
    try:
        await connection.execute(statement)
    finally:
        await connection.close()


async def _delete(topology: Topology) -> None:
    try:
        async with await connect(amqp_url(), "bench") as connection:
            channel = await connection.channel()
            for queue in (topology.queue, topology.dead_queue):
                await channel.queue_delete(queue)
            for exchange in (topology.exchange, topology.dead_exchange):
                await channel.exchange_delete(exchange)
    except OSError as error:
        raise BenchError(f"AMQP_URL: no RabbitMQ there ({error})") from error


async def waiting(channel: AbstractChannel, topology: Topology) -> int:
    """Messages that nobody holds."""
    queue = await channel.declare_queue(topology.queue, passive=True)
    return queue.declaration_result.message_count or 0


def quietly_pinned(pids: list[int], cores: frozenset[int]) -> bool:
    """Whether all of them could be put there: they are somebody else's processes."""
    with suppress(PermissionError, ProcessLookupError):
        for pid in pids:
            os.sched_setaffinity(pid, cores)
        return True
    return False
