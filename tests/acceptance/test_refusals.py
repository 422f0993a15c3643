"""What `gateway serve` and `consumer run` refuse to start with: one sentence with the remedy."""

import asyncio
import socket
import subprocess
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from sqlalchemy import text
from sqlalchemy.ext.asyncio import create_async_engine

from tests.support.programs import Installation, free_port

Refused = subprocess.CompletedProcess[str]
KEY = {"OPENAI_API_KEY": "sk-never-shown"}


def _malformed_file(directory: Path) -> dict[str, str]:
    (directory / "gateway.toml").write_text("[[upstream]\nname = ")
    return KEY


def _unknown_field(directory: Path) -> dict[str, str]:
    (directory / "gateway.toml").write_text('[[upstream]]\nname = "a"\nurll = "b"\n')
    return KEY


def _file_in_the_way(directory: Path) -> dict[str, str]:
    (directory / "occupied").write_text("")
    return {**KEY, "DATA_DIR": str(directory / "occupied" / "data")}


def _always(**settings: str) -> Callable[[Path], dict[str, str]]:
    return lambda _directory: {**KEY, **settings}


def _no_database() -> str:
    return f"postgresql://postgres:hunter2@127.0.0.1:{free_port()}/none"


def _no_broker() -> str:
    return f"amqp://guest:hunter2@127.0.0.1:{free_port()}/"


CASES = {
    "no key": (lambda _: {"GATEWAY_DEMO": "off"}, ["GATEWAY_DEMO", "OPENAI_API_KEY"]),
    "broken file": (_malformed_file, ["gateway.toml", "GATEWAY_CONFIG"]),
    "unknown field": (_unknown_field, ["gateway.toml", "urll"]),
    "missing file": (_always(GATEWAY_CONFIG="other.toml"), ["GATEWAY_CONFIG", "other.toml"]),
    "unknown rule": (_always(LOAD_BALANCER_RULE="best"), ["LOAD_BALANCER_RULE", "round_robin"]),
    "no number": (_always(OPENAI_SERVICE_PORT="http"), ["OPENAI_SERVICE_PORT"]),
    "no directory": (_file_in_the_way, ["DATA_DIR"]),
    "no database": (_always(DATABASE_URL=_no_database()), ["DATABASE_URL"]),
    "no database address": (_always(DATABASE_URL="sqlserver://x"), ["DATABASE_URL"]),
    "no broker": (_always(AMQP_URL=_no_broker()), ["AMQP_URL"]),
    "no issuer": (
        _always(OIDC_ISSUER="login", OIDC_CLIENT_ID="a", OIDC_CLIENT_SECRET="hunter2"),
        ["OIDC_ISSUER", "https://"],
    ),
    "rocketmq": (_always(ROCKETMQ_NAME_SERVER="mq:9876"), ["ROCKETMQ_NAME_SERVER", "AMQP_URL"]),
}
CONSUMER = ("no database", "no database address", "no broker", "rocketmq")


@pytest.fixture(scope="module")
def refused(tmp_path_factory: pytest.TempPathFactory) -> dict[tuple[str, str], Refused]:
    """How each program ended in each case; several at a time, because starting takes its time."""
    cases = [("gateway", case) for case in CASES] + [("consumer", case) for case in CONSUMER]

    def ended(place: tuple[str, str]) -> Refused:
        program, case = place
        directory = tmp_path_factory.mktemp(program)
        if case == "no broker":  # looked for once the database is as it should be
            Installation(directory, KEY).told("migrate")
        settings, _ = CASES[case]
        installation = Installation(directory, settings(directory))
        return installation.run(program, "serve" if program == "gateway" else "run")

    with ThreadPoolExecutor(3) as threads:
        return dict(zip(cases, threads.map(ended, cases), strict=True))


@pytest.mark.parametrize("case", CASES)
def test_the_gateway_refuses_in_one_sentence(
    refused: dict[tuple[str, str], Refused], case: str
) -> None:
    _is_one_sentence(refused["gateway", case], CASES[case][1])


@pytest.mark.parametrize("case", CONSUMER)
def test_the_consumer_refuses_in_one_sentence(
    refused: dict[tuple[str, str], Refused], case: str
) -> None:
    _is_one_sentence(refused["consumer", case], CASES[case][1])


def test_a_port_in_use_is_named(tmp_path: Path) -> None:
    installation = Installation(tmp_path, KEY)
    with socket.create_server(("127.0.0.1", installation.port)):
        _is_one_sentence(installation.run("gateway", "serve"), ["OPENAI_SERVICE_PORT"])


@pytest.fixture
def of_the_future(tmp_path: Path) -> Iterator[Installation]:
    """A database that a newer gateway has migrated."""
    installation = Installation(tmp_path, KEY)
    installation.told("migrate")

    async def move_on() -> None:
        engine = create_async_engine(installation.database)
        async with engine.begin() as connection:
            await connection.execute(text("UPDATE alembic_version SET version_num = '9999'"))
        await engine.dispose()

    asyncio.run(move_on())
    yield installation


@pytest.mark.parametrize("command", [("gateway", "serve"), ("consumer", "run")])
def test_a_database_from_the_future_is_refused(
    of_the_future: Installation, command: tuple[str, str]
) -> None:
    _is_one_sentence(of_the_future.run(*command), ["9999"])


def _is_one_sentence(done: Refused, named: list[str]) -> None:
    told = done.stderr.strip()
    assert done.returncode == 2, done.stdout + done.stderr
    assert all(name in told for name in named), told
    assert "Traceback" not in done.stdout + done.stderr
    assert "\n" not in told
    assert "sk-never-shown" not in told and "hunter2" not in told
