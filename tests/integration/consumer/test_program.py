"""The program `consumer`, as people and supervisors start it."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from aio_pika import Message
from anyio import to_thread
from sqlalchemy import create_engine, func, select
from sqlalchemy.engine import make_url

from common.broker import Topology, connect, declare
from common.local_wire import Acks, connected, message
from common.message import pack
from common.tables import exchanges, record_quarantine, records
from tests.support.poison import REFUSED, poisonous
from tests.support.record_samples import end, new_id, record
from tests.support.stored import Stored
from tests.support.waiting import eventually

DEADLINE_S = 60


def environment(settings: dict[str, str]) -> dict[str, str]:
    root = str(Path(__file__).parents[3])
    return {"PATH": os.environ["PATH"], "PYTHONPATH": root, "LOG_FORMAT": "json"} | settings


def run(directory: Path, settings: dict[str, str], *arguments: str) -> Any:
    return subprocess.run(
        [sys.executable, "-m", "consumer", *arguments],
        cwd=directory, env=environment(settings), capture_output=True, text=True,
        timeout=DEADLINE_S,
    )  # fmt: skip


@contextmanager
def running(directory: Path, settings: dict[str, str]) -> Iterator[subprocess.Popen[str]]:
    with (directory / "log").open("a") as log:
        program = subprocess.Popen(
            [sys.executable, "-m", "consumer", "run"],
            cwd=directory, env=environment(settings), stderr=log, text=True,
        )  # fmt: skip
    try:
        yield program
    finally:
        program.kill()
        program.wait()


def said(directory: Path, event: str) -> None:
    log = directory / "log"
    eventually(lambda: f'"event":"{event}"' in log.read_text(), event, DEADLINE_S)


def count(url: str, table: Any) -> int:
    """Of a SQLite database, by another driver than the program's."""
    engine = create_engine(make_url(url).set(drivername="sqlite"))
    with engine.connect() as connection:
        found = connection.scalar(select(func.count()).select_from(table))
    engine.dispose()
    return found or 0


def send_and_wait(path: Path, bodies: list[bytes]) -> None:
    with connected(path) as wire:
        wire.settimeout(DEADLINE_S)
        for tag, body in enumerate(bodies):
            wire.sendall(message(tag, body))
        acks, seen = Acks(), set[int]()
        while len(seen) < len(bodies):
            seen |= set(acks.feed(wire.recv(1000)))


def test_embedded_it_stores_links_and_stops_when_told(sqlite_database: str, tmp_path: Path) -> None:
    settings = {"DATA_DIR": str(tmp_path)}
    bodies = pack([(id := new_id(), record(id)) for _ in range(5)], 1_200, compress=False)
    with running(tmp_path, settings) as program:
        said(tmp_path, "listening")
        send_and_wait(tmp_path / "consumer.sock", bodies)
        assert count(sqlite_database, records) == 5
        eventually(lambda: count(sqlite_database, exchanges) == 5, "linking", DEADLINE_S)
        program.send_signal(signal.SIGTERM)
        assert program.wait(DEADLINE_S) == 0
    assert not (tmp_path / "consumer.sock").exists()


def test_killed_it_leaves_nothing_in_the_way_of_the_next(
    sqlite_database: str, tmp_path: Path
) -> None:
    settings = {"DATA_DIR": str(tmp_path)}
    bodies = pack([(id := new_id(), record(id))], 10**6)
    for _ in range(2):
        with running(tmp_path, settings) as program:
            said(tmp_path, "listening")
            send_and_wait(tmp_path / "consumer.sock", bodies)
            program.send_signal(signal.SIGKILL)
            assert program.wait(DEADLINE_S) == -signal.SIGKILL
        (tmp_path / "log").unlink()
    assert count(sqlite_database, records) == 1


async def publish(amqp: Any, bodies: list[bytes]) -> None:
    topology = Topology(amqp.prefix)
    async with await connect(amqp.url, "test") as connection:
        channel = await connection.channel(on_return_raises=True)
        await declare(channel, topology)
        exchange = await channel.get_exchange(topology.exchange)
        for body in bodies:
            await exchange.publish(Message(body), topology.routing_key)


async def test_record_from_the_future_stops_it_and_stays_in_the_queue(
    sqlite_database: str, tmp_path: Path, amqp: Any
) -> None:
    settings = {"DATA_DIR": str(tmp_path), "AMQP_URL": amqp.url, "AMQP_PREFIX": amqp.prefix}
    every = [(id := new_id(), record(id, version=version)) for version in (1, 99)]
    await publish(amqp, pack(every, 10**6))
    with running(tmp_path, settings) as program:
        assert program.wait(DEADLINE_S) == 1
    assert "upgrade the consumers" in (tmp_path / "log").read_text()
    assert "Traceback" not in (tmp_path / "log").read_text()
    assert count(sqlite_database, records) == 1
    async with await connect(amqp.url, "test") as connection:
        channel = await connection.channel()
        queue = await channel.declare_queue(Topology(amqp.prefix).queue, passive=True)
        assert queue.declaration_result.message_count == 1


REFUSALS = [
    ({"DATABASE_URL": "nonsense"}, "DATABASE_URL"),
    ({"DATABASE_URL": "postgresql://postgres:secret@127.0.0.1:1/x"}, "DATABASE_URL"),
    ({"DB_HOST": "127.0.0.1", "DB_PORT": "1"}, "DB_PORT"),
    ({"BATCH_RECORDS": "0"}, "BATCH_RECORDS"),
    ({"ROCKETMQ_NAME_SERVER": "x:9876"}, "AMQP_URL"),
    ({"AMQP_URL": "amqp://guest:secret@127.0.0.1:1/"}, "AMQP_URL"),
    ({"AMQP_URL": "nonsense"}, "AMQP_URL"),
]


@pytest.mark.parametrize(("settings", "named"), REFUSALS)
def test_refusal_to_start_is_one_sentence_that_names_the_setting(
    sqlite_database: str, tmp_path: Path, settings: dict[str, str], named: str
) -> None:
    outcome = run(tmp_path, {"DATA_DIR": str(tmp_path)} | settings, "run")
    assert (outcome.returncode, outcome.stdout) == (2, "")
    assert named in outcome.stderr and len(outcome.stderr.splitlines()) == 1
    assert "Traceback" not in outcome.stderr and "secret" not in outcome.stderr


def test_second_consumer_of_a_directory_is_refused(sqlite_database: str, tmp_path: Path) -> None:
    settings = {"DATA_DIR": str(tmp_path)}
    with running(tmp_path, settings):
        said(tmp_path, "listening")
        outcome = run(tmp_path, settings, "run")
    assert outcome.returncode == 2 and "DATA_DIR" in outcome.stderr


def test_quarantine_is_seen_tried_again_and_dropped(sqlite_database: str, tmp_path: Path) -> None:
    settings = {"DATA_DIR": str(tmp_path)}
    with running(tmp_path, settings):
        said(tmp_path, "listening")
        send_and_wait(tmp_path / "consumer.sock", pack([(new_id(), record()[:-1])], 10**6))
    listed = run(tmp_path, settings, "quarantine", "list")
    assert "damaged" in listed.stdout and "1 in quarantine." in listed.stdout
    assert "/chat/completions" in run(tmp_path, settings, "quarantine", "show", "1").stdout
    again = run(tmp_path, settings, "quarantine", "replay", "--all")
    assert (again.returncode, "1 still in quarantine" in again.stdout) == (1, True)
    assert "1 dropped" in run(tmp_path, settings, "quarantine", "drop", "1", "--yes").stdout
    assert count(sqlite_database, record_quarantine) == 0


def test_what_is_not_there_is_said_in_a_sentence(sqlite_database: str, tmp_path: Path) -> None:
    settings = {"DATA_DIR": str(tmp_path)}
    for arguments in (("quarantine", "show", "3"), ("relink", "--user", "nobody")):
        outcome = run(tmp_path, settings, *arguments)
        assert outcome.returncode == 1 and "There is no" in outcome.stderr
    refused = run(tmp_path, settings, "dead-letters", "list")
    assert refused.returncode == 2 and "AMQP_URL" in refused.stderr


def test_help_names_every_command(tmp_path: Path) -> None:
    shown = run(tmp_path, {}, "--help").stdout
    assert all(name in shown for name in ("run", "relink", "quarantine", "dead-letters"))


@pytest.mark.parametrize("mode", ["embedded", "services"])
async def test_poison_leaves_its_mates_alone(
    mode: str, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    mates, poison = [new_id() for _ in range(20)], poisonous()
    mixed = [bad for pair in zip(map(record, mates), poison, strict=False) for bad in pair]
    large_id = new_id()
    large = record(large_id, last=end(response=bytes(range(256)) * 2_000))
    bodies = [
        *pack([(new_id(), frames) for frames in mixed], 30_000_000),
        b"", b"\xff" * 100, pack([(new_id(), record())] * 30, 10**6)[0][:-9],
        *pack([(large_id, large)], 100_000, compress=False),
    ]  # fmt: skip
    settings = {"DATA_DIR": str(tmp_path)}
    if mode == "services":
        amqp = request.getfixturevalue("amqp")
        settings["DATABASE_URL"] = url = request.getfixturevalue("postgres_database")
        settings |= {"AMQP_URL": amqp.url, "AMQP_PREFIX": amqp.prefix}
        await publish(amqp, bodies)
    else:
        url = request.getfixturevalue("sqlite_database")
    stored = Stored(url)
    with running(tmp_path, settings):
        if mode == "embedded":
            said(tmp_path, "listening")
            await to_thread.run_sync(send_and_wait, tmp_path / "consumer.sock", bodies)
        await to_thread.run_sync(all_are_there, stored, [*mates[: len(poison)], large_id])
        kept = await to_thread.run_sync(stored.rows, select(record_quarantine.c.reason))
    assert len(kept) == len(REFUSED) + 3


def all_are_there(stored: Stored, ids: list[bytes]) -> None:
    wanted = {UUID(bytes=id) for id in ids}
    query = select(records.c.id)
    eventually(lambda: wanted <= {row.id for row in stored.rows(query)}, "mates", DEADLINE_S)
    waiting = select(func.count()).select_from(record_quarantine)
    eventually(lambda: stored.rows(waiting)[0][0] >= len(REFUSED) + 3, "the quarantine", DEADLINE_S)
