"""How long the read side takes among millions of records: over HTTP, as people ask."""

import asyncio
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from http.client import HTTPConnection
from pathlib import Path
from statistics import median
from time import perf_counter

import asyncpg
from sqlalchemy.engine import URL

from bench.consumer.millions import ADMIN, BUSY, RARE_KIND, RARE_MODEL, RARE_STATUS, TALKER
from bench.consumer.places import shown
from bench.programs import BenchError, Program, free_port, run_to_end, wait_until

_TIMES = 15


@dataclass(frozen=True, slots=True)
class Read:
    """One question, and how long its answers took."""

    what: str
    path: str
    most_ms: float
    """The budget."""
    first_ms: float
    median_ms: float
    worst_ms: float
    size_bytes: int

    @property
    def held(self) -> bool:
        return self.median_ms <= self.most_ms


_DAY = datetime.now(UTC) - timedelta(days=180)
_QUESTIONS = (
    ("a person's usage, a row per day and model", BUSY, "/auth/tokens?group_by=user,day,model", 50),
    ("a person's usage, summed", BUSY, "/auth/tokens?group_by=user", 50),
    ("own records", BUSY, "/records?limit=20", 300),
    ("own records, a rare model", BUSY, f"/records?limit=20&model={RARE_MODEL}", 300),
    ("own records, a rare status", BUSY, f"/records?limit=20&status={RARE_STATUS}", 300),
    ("own records, a rare kind", BUSY, f"/records?limit=20&kind={RARE_KIND}", 300),
    ("own records, none of that model", BUSY, "/records?limit=20&model=no-such-model", 300),
    ("everybody's records", ADMIN, "/records?limit=20", 300),
    ("everybody's records, a rare model", ADMIN, f"/records?limit=20&model={RARE_MODEL}", 300),
    ("everybody's records, a rare status", ADMIN, f"/records?limit=20&status={RARE_STATUS}", 300),
    ("everybody's records, a rare kind", ADMIN, f"/records?limit=20&kind={RARE_KIND}", 300),
    ("everybody's records, none of that model", ADMIN, "/records?limit=20&model=nothing", 300),
    (
        "everybody's records, a rare model and a common status",
        ADMIN,
        f"/records?limit=20&model={RARE_MODEL}&status=complete",
        300,
    ),
    (
        "everybody's records of a day half a year ago",
        ADMIN,
        f"/records?limit=20&from={_DAY:%Y-%m-%d}&to={_DAY + timedelta(days=1):%Y-%m-%d}",
        300,
    ),
    ("one person's records, as an admin", ADMIN, f"/records?limit=20&user={BUSY}", 300),
    ("own conversations", BUSY, "/conversations?limit=20", 300),
)


def read(database: URL) -> Iterator[Read]:
    """Raises BenchError."""
    environment = {
        "DATABASE_URL": shown(database),
        "DATA_DIR": str(Path(".bench/run/reading").absolute()),
        "OPENAI_API_KEY": "sk-bench",
        "OPENAI_URL": "http://127.0.0.1:9/v1",
        "OPENAI_SERVICE_PORT": str(free_port()),
        "SERVER_WORKERS": "1",
    }
    with _gateway(environment) as ask:
        tokens = {
            name: _command(environment, "token", "issue", name).strip()
            for name in (BUSY, TALKER, ADMIN)
        }
        for what, who, path, most_ms in _QUESTIONS:
            yield _timed(ask, what, path, most_ms, tokens[who])
        long = asyncio.run(_longest(database))
        path = f"/records?limit=20&conversation={long}"
        yield _timed(ask, "own records of one conversation", path, 300, tokens[TALKER])
        what = "a conversation of 1,000 messages"
        yield _timed(ask, what, f"/conversations/{long}", 100, tokens[TALKER])


class _Asker:
    def __init__(self, port: int) -> None:
        self._port = port

    def get(self, path: str, token: str) -> tuple[int, bytes]:
        connection = HTTPConnection("127.0.0.1", self._port, timeout=120)
        try:
            connection.request("GET", path, headers={"Authorization": f"Bearer {token}"})
            answer = connection.getresponse()
            return answer.status, answer.read()
        finally:
            connection.close()


def _timed(ask: _Asker, what: str, path: str, most_ms: float, token: str) -> Read:
    took = []
    for _ in range(_TIMES + 1):
        began = perf_counter()
        status, body = ask.get(path, token)
        took.append((perf_counter() - began) * 1000)
        if status != 200:
            raise BenchError(f"{path}: {status} {body[:300]!r}")
    return Read(what, path, most_ms, took[0], median(took[1:]), max(took[1:]), len(body))


@contextmanager
def _gateway(environment: dict[str, str]) -> Iterator[_Asker]:
    program = Program(
        [_program(), "serve"],
        Path(".bench/run/reading.log"),
        cores=frozenset(os.sched_getaffinity(0)),
        environment=environment,
    )
    ask = _Asker(int(environment["OPENAI_SERVICE_PORT"]))

    def is_up() -> bool:
        if not program.runs:
            raise BenchError(f"the gateway ended: {program.last_words()}")
        try:
            return ask.get("/healthz", "")[0] == 200
        except OSError:
            return False

    try:
        wait_until(is_up, "the gateway answers", 60)
        yield ask
    finally:
        program.stop()


def _command(environment: dict[str, str], *arguments: str) -> str:
    return run_to_end([_program(), *arguments], environment=environment)


def _program() -> str:
    return str(Path(sys.executable).parent / "gateway")


async def _longest(database: URL) -> str:
    connection = await asyncpg.connect(shown(database))
    try:
        found = await connection.fetchval(
            "SELECT id FROM conversations ORDER BY exchange_count DESC, id LIMIT 1"
        )
    finally:
        await connection.close()
    return str(found)
