"""The doctor's look at real services, well and unwell."""

import os
import socket
from pathlib import Path
from typing import Protocol

import aio_pika
import pytest
from sqlalchemy.engine import make_url

from common.broker import Topology, connect, declare
from common.database import make_engine
from common.local_wire import listening
from gateway import doctor
from gateway.checks.broker import check_broker, check_local_consumer
from gateway.checks.cache import check_redis
from gateway.checks.check import Check
from gateway.checks.database import check_database
from gateway.settings import GatewaySettings


class Amqp(Protocol):
    url: str
    prefix: str
    queues: list[str]


class Redis(Protocol):
    url: str


async def looked_at(url: str) -> list[Check]:
    engine = make_engine(make_url(url), pool_size=1, wait_s=5)
    try:
        return await check_database(engine)
    finally:
        await engine.dispose()


async def test_database_with_our_revision_is_fine(database_url: str) -> None:
    checks = await looked_at(database_url)
    assert {check.ok for check in checks} == {"ok"} and "revision" in checks[0].detail


async def test_database_without_revision_can_be_migrated(postgres_url: str) -> None:
    [check] = await looked_at(postgres_url)
    assert check.ok == "warn" and "gateway migrate" in check.remedy


async def test_database_that_is_not_there_names_the_setting() -> None:
    [check] = await looked_at("postgresql+asyncpg://u:hunter2@127.0.0.1:1/x")
    assert check.ok == "fail" and "DATABASE_URL" in check.remedy and "hunter2" not in repr(check)


async def test_looking_makes_no_sqlite_file(tmp_path: Path) -> None:
    [check] = await looked_at(f"sqlite+aiosqlite:///{tmp_path}/new.sqlite")
    assert check.ok == "warn" and os.listdir(tmp_path) == []


async def test_broker_without_queue_is_left_alone(amqp: Amqp) -> None:
    for _ in range(2):
        [check] = await check_broker(amqp.url, amqp.prefix)
        assert check.ok == "warn" and "no queue" in check.detail


async def _leave(_message: object) -> None:
    """Reads and never acknowledges."""


async def test_broker_counts_readers_and_dead_letters(amqp: Amqp) -> None:
    topology = Topology(amqp.prefix)
    async with await connect(amqp.url, "test") as connection:
        channel = await connection.channel()
        await declare(channel, topology)
        states = [check.ok for check in await check_broker(amqp.url, amqp.prefix)]
        assert states == ["ok", "warn"]
        queue = await channel.get_queue(topology.queue)
        await queue.consume(_leave)
        await channel.default_exchange.publish(
            aio_pika.Message(b"x"), routing_key=topology.dead_queue
        )
        checks = {check.name: check for check in await check_broker(amqp.url, amqp.prefix)}
    assert checks["consumers"].ok == "ok" and "1 reading" in checks["consumers"].detail
    assert checks["dead letters"].ok == "warn"


async def test_broker_with_another_queue_is_a_failure(amqp: Amqp) -> None:
    topology = Topology(amqp.prefix)
    async with await connect(amqp.url, "test") as connection:
        channel = await connection.channel()
        for name in (topology.queue, topology.dead_queue):
            await channel.declare_queue(name, durable=True)
        checks = await check_broker(amqp.url, amqp.prefix)
    assert checks[0].ok == "fail" and "AMQP_PREFIX" in checks[0].remedy


@pytest.mark.parametrize(
    ("url", "word"),
    [
        ("amqp://guest:hunter2@127.0.0.1:1/", "cannot be reached"),
        ("amqp://guest:hunter2@{host}/", "user or password"),
        ("amqp://guest:guest@{host}/no-such-host", "virtual host"),
    ],
)
async def test_broker_that_lets_nobody_in_names_the_setting(
    amqp: Amqp, url: str, word: str
) -> None:
    host = f"{make_url(amqp.url).host}:{make_url(amqp.url).port or 5672}"
    [check] = await check_broker(url.format(host=host), amqp.prefix)
    assert check.ok == "fail" and word in check.remedy and "AMQP_URL" in check.remedy
    assert "hunter2" not in repr(check)


async def test_local_consumer_is_asked_on_its_socket(tmp_path: Path) -> None:
    path = tmp_path / "consumer.sock"
    with listening(path):
        checks = {check.name: check.ok for check in await check_local_consumer(path)}
    assert checks == {"broker": "ok", "consumers": "ok"}
    checks = {check.name: check.ok for check in await check_local_consumer(path)}
    assert checks == {"broker": "ok", "consumers": "warn"}


async def test_redis_is_asked(redis_at: Redis) -> None:
    assert (await check_redis(redis_at.url)).ok == "ok"
    assert (await check_redis(None)).ok == "ok"


@pytest.mark.parametrize("url", ["redis://:hunter2@127.0.0.1:1/0", "http://nonsense"])
async def test_redis_that_is_not_there_names_the_setting(url: str) -> None:
    check = await check_redis(url)
    assert check.ok == "fail" and "REDIS_" in check.remedy and "hunter2" not in repr(check)


async def test_what_does_not_answer_is_given_up(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(doctor, "PATIENCE_S", 0.1)
    with socket.create_server(("127.0.0.1", 0)) as mute:  # nobody ever takes the call
        port = mute.getsockname()[1]
        settings = GatewaySettings(
            _env_file=None,  # type: ignore[call-arg]
            data_dir=tmp_path,
            gateway_demo="on",
            redis_url=f"redis://127.0.0.1:{port}/0",
            openai_api_key="sk-one11111",
            openai_url=f"http://127.0.0.1:{port}/v1",
        )
        checks = {check.name: check for check in await doctor.diagnose(settings)}
    for name in ("Redis", "key openai/key-0"):
        assert checks[name].ok == "fail" and "no answer" in checks[name].detail
    assert checks["consumers"].ok == "warn" and checks["disk"].ok == "ok"
