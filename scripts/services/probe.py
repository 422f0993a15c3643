"""Does a service let us in? Asked by its own client, as the tests will."""

import asyncio
import logging
import socket
import time
from collections.abc import Sequence

import aio_pika
import asyncpg
import redis

from scripts.services.addresses import Address

PATIENCE_S = 5


def absent(addresses: Sequence[Address]) -> list[Address]:
    return [address for address in addresses if not lets_us_in(address)]


def lets_us_in(address: Address) -> bool:
    logging.getLogger("aiormq").setLevel(logging.CRITICAL)  # that it is not there is no event
    try:
        match address.service:
            case "Postgres":
                asyncio.run(asyncio.wait_for(_postgres(address.url), PATIENCE_S))
            case "RabbitMQ":
                asyncio.run(asyncio.wait_for(_rabbitmq(address.url), PATIENCE_S))
            case "Redis":
                _redis(address.url)
    except (OSError, asyncpg.PostgresError, aio_pika.exceptions.AMQPError, redis.RedisError):
        return False
    return True


def wait_for(address: Address, deadline_s: float) -> bool:
    """Whether it lets us in before the deadline has passed."""
    until = time.monotonic() + deadline_s
    while time.monotonic() < until:
        if lets_us_in(address):
            return True
        time.sleep(0.3)
    return False


def free_port(preferred: int) -> int:
    """`preferred` if nothing listens there, else one that the system chooses."""
    for port in (preferred, 0):
        with socket.socket() as trial:
            trial.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                trial.bind(("127.0.0.1", port))
            except OSError:
                continue
            number: int = trial.getsockname()[1]
            return number
    raise OSError("This machine has no free port.")


async def _postgres(url: str) -> None:
    connection = await asyncpg.connect(url.replace("+asyncpg", "", 1))
    await connection.close()


async def _rabbitmq(url: str) -> None:
    connection = await aio_pika.connect(url)
    await connection.close()


def _redis(url: str) -> None:
    with redis.Redis.from_url(url, socket_timeout=PATIENCE_S) as client:
        client.ping()
