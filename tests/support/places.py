"""A place of one's own in each real service, for programs that live longer than one test."""

import asyncio
import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager

import aio_pika
import asyncpg
import redis
from sqlalchemy.engine import URL


def own_name() -> str:
    return f"ogw_test_{os.getpid()}_{secrets.token_hex(4)}"


@contextmanager
def own_services(postgres: URL, amqp: str, redis_url: str) -> Iterator[dict[str, str]]:
    """Settings that lead to an empty database, and to prefixes of one's own."""
    name = own_name()
    asyncio.run(_administer(postgres, f'CREATE DATABASE "{name}"'))
    try:
        yield {
            "DATABASE_URL": _without_driver(postgres, name),
            "AMQP_URL": amqp,
            "AMQP_PREFIX": name,
            "REDIS_URL": redis_url,
            "REDIS_PREFIX": name,
        }
    finally:
        asyncio.run(_administer(postgres, f'DROP DATABASE IF EXISTS "{name}" WITH (FORCE)'))
        asyncio.run(_clear_amqp(amqp, name))
        _clear_redis(redis_url, name)


def _without_driver(server: URL, database: str) -> str:
    """As people write it."""
    url = server.set(drivername="postgresql", database=database)
    return url.render_as_string(hide_password=False)


async def _administer(server: URL, statement: str) -> None:
    connection = await asyncpg.connect(_without_driver(server, "postgres"))
    try:
        await connection.execute(statement)
    finally:
        await connection.close()


async def _clear_amqp(url: str, prefix: str) -> None:
    async with await aio_pika.connect(url) as connection:
        channel = await connection.channel()
        for queue in (f"{prefix}.q", f"{prefix}.dead"):
            await channel.queue_delete(queue)
        for exchange in (prefix, f"{prefix}.dlx"):
            await channel.exchange_delete(exchange)


def _clear_redis(url: str, prefix: str) -> None:
    with redis.Redis.from_url(url) as client:
        for key in client.scan_iter(match=f"{prefix}*", count=1000):
            client.delete(key)
