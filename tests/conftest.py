"""Fixtures that all tests share: an event loop, and a place of one's own in each real service.

A service that does not answer makes the test fail with a sentence; nothing is ever skipped. Names
hold the process id and random digits, so that test runs may go on side by side. What a program
does with these places is not here: see tests/support.
"""

import asyncio
import os
import secrets
import shutil
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import aio_pika
import asyncpg
import hypothesis
import pytest
import redis
from sqlalchemy.engine import URL, make_url

from common.settings import SharedSettings
from consumer.settings import ConsumerSettings
from gateway.migration import migrate
from gateway.settings import GatewaySettings
from scripts.services.addresses import expected

# How fast a busy machine makes examples says nothing of what is tested with them.
hypothesis.settings.register_profile(
    "here", deadline=None, suppress_health_check=[hypothesis.HealthCheck.too_slow]
)
hypothesis.settings.load_profile("here")


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--chaos-calls", type=int, default=600, help="calls that the chaos test makes")
    parser.addoption("--chaos-seed", type=int, default=None, help="its seed, to see a run again")
    parser.addoption("--ledger-seconds", type=float, default=10, help="of its calls and faults")
    parser.addoption("--ledger-seed", type=int, default=None, help="its seed, to see a run again")


@dataclass(frozen=True)
class Services:
    """Where the real services are; `make services` finds or starts them."""

    postgres: URL
    amqp: str
    redis: str


@dataclass(frozen=True)
class Amqp:
    """A name of one's own in RabbitMQ.

    Queues and exchanges named here are deleted afterwards: a test that declares others than those
    of `common.broker.Topology` adds them.
    """

    url: str
    prefix: str
    queues: list[str] = field(default_factory=list)
    exchanges: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class RedisAt:
    """A key prefix of one's own in Redis."""

    url: str
    prefix: str


@pytest.fixture
def anyio_backend() -> tuple[str, dict[str, Any]]:
    return "asyncio", {"use_uvloop": True}


@pytest.fixture(scope="session")
def services() -> Services:
    return _SERVICES


@pytest.fixture(scope="session", autouse=True)
def no_settings_from_outside() -> Iterator[None]:
    """A test sees only the settings that it makes: the environment's are taken away."""
    known = {
        name.upper()
        for settings in (SharedSettings, ConsumerSettings, GatewaySettings)
        for name in settings.model_fields
    }
    with pytest.MonkeyPatch.context() as patch:
        for name in list(os.environ):
            if name.upper() in known or name.upper().startswith("GPT_KEY_"):
                patch.delenv(name)
        yield


@pytest.fixture(scope="session")
def migrated_postgres(services: Services) -> Iterator[str]:
    """Name of a database migrated to head, from which fresh ones are copied."""
    name = _own_name()
    with _database(services.postgres, name):
        _outside(migrate, services.postgres.set(database=name))
        yield name


@pytest.fixture(scope="session")
def migrated_sqlite(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A database migrated to head, from which fresh ones are copied."""
    path = tmp_path_factory.mktemp("template") / "gateway.sqlite"
    _outside(migrate, _sqlite_url(path))
    return path


@pytest.fixture
def postgres_url(services: Services) -> Iterator[str]:
    """An empty Postgres database."""
    with _database(services.postgres, _own_name()) as url:
        yield url


@pytest.fixture
def postgres_database(services: Services, migrated_postgres: str) -> Iterator[str]:
    """A Postgres database, migrated to head."""
    with _database(services.postgres, _own_name(), template=migrated_postgres) as url:
        yield url


@pytest.fixture
def sqlite_database(migrated_sqlite: Path, tmp_path: Path) -> str:
    """A SQLite database, migrated to head."""
    path = tmp_path / "gateway.sqlite"
    shutil.copyfile(migrated_sqlite, path)
    return _sqlite_url(path).render_as_string(hide_password=False)


@pytest.fixture(params=["sqlite", "postgres"])
def database_url(request: pytest.FixtureRequest) -> str:
    """Each test runs twice: on SQLite and on Postgres, migrated to head."""
    url: str = request.getfixturevalue(f"{request.param}_database")
    return url


@pytest.fixture
def amqp(services: Services) -> Iterator[Amqp]:
    name = _own_name()
    place = Amqp(services.amqp, name, [f"{name}.q", f"{name}.dead"], [name, f"{name}.dlx"])
    _outside(asyncio.run, _reach_amqp(place.url))
    yield place
    _outside(asyncio.run, _clear_amqp(place))


@pytest.fixture
def redis_at(services: Services) -> Iterator[RedisAt]:
    place = RedisAt(services.redis, _own_name())
    with closing(redis.Redis.from_url(place.url)) as client:
        try:
            client.ping()
        except (redis.RedisError, OSError) as error:
            pytest.fail(_absent("Redis", "REDIS_URL", error), pytrace=False)
        yield place
        for key in client.scan_iter(match=f"{place.prefix}*", count=1000):
            client.delete(key)


def _services() -> Services:
    postgres, rabbitmq, redis_address = (address.url for address in expected(os.environ))
    url = make_url(postgres).set(drivername="postgresql+asyncpg")
    return Services(url, rabbitmq, redis_address)


_SERVICES = _services()
"""Read before `no_settings_from_outside` takes the environment's settings away."""


def _own_name() -> str:
    return f"ogw_test_{os.getpid()}_{secrets.token_hex(4)}"


def _sqlite_url(path: Path) -> URL:
    return URL.create("sqlite+aiosqlite", database=str(path))


def _absent(service: str, setting: str, error: Exception) -> str:
    return (
        f"{service} cannot be used ({type(error).__name__}: {error}). Start the services with"
        f" `make services`, or give the address in {setting}."
    )


@contextmanager
def _database(server: URL, name: str, template: str | None = None) -> Iterator[str]:
    """A database that exists while this block runs."""
    copied = f' TEMPLATE "{template}"' if template else ""
    _outside(asyncio.run, _administer(server, f'CREATE DATABASE "{name}"{copied}'))
    try:
        yield server.set(database=name).render_as_string(hide_password=False)
    finally:
        _outside(asyncio.run, _administer(server, f'DROP DATABASE IF EXISTS "{name}" WITH (FORCE)'))


async def _administer(server: URL, statement: str) -> None:
    address = server.set(drivername="postgresql", database="postgres")
    try:
        connection = await asyncpg.connect(address.render_as_string(hide_password=False))
    except (OSError, asyncpg.PostgresError, TimeoutError) as error:
        pytest.fail(_absent("Postgres", "TEST_DATABASE_URL", error), pytrace=False)
    try:
        await connection.execute(statement)
    finally:
        await connection.close()


async def _reach_amqp(url: str) -> None:
    try:
        connection = await aio_pika.connect(url)
    except (OSError, aio_pika.exceptions.AMQPError, TimeoutError) as error:
        pytest.fail(_absent("RabbitMQ", "AMQP_URL", error), pytrace=False)
    await connection.close()


async def _clear_amqp(place: Amqp) -> None:
    async with await aio_pika.connect(place.url) as connection:
        channel = await connection.channel()
        for name in place.queues:
            await channel.queue_delete(name)
        for name in place.exchanges:
            await channel.exchange_delete(name)


def _outside(work: Callable[..., Any], *arguments: Any) -> None:
    """Run to the end in a thread of its own: the test's event loop is not disturbed."""
    with ThreadPoolExecutor(1) as thread:
        thread.submit(work, *arguments).result()
