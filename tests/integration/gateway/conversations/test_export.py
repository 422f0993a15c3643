"""`gateway export` on both databases, called as the console calls it."""

import asyncio
import json
import subprocess
import sys
import tracemalloc
import zlib
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import insert
from sqlalchemy.engine import make_url

from common.database import make_engine
from common.tables import records
from gateway.auth.store import AuthStore
from gateway.cli import main
from gateway.conversations.export import export
from gateway.conversations.store_records import RecordStore
from gateway.conversations.views import RecordFilter
from gateway.whose import Whose
from tests.support.aged import record_row

NOON = datetime(2026, 11, 21, 12, tzinfo=UTC)
ASKED = {"model": "gpt-4o", "messages": [{"role": "user", "content": "Héllo\n!"}]}

Gateway = Callable[..., tuple[int, str, str]]


def row(serial: int, days: float = 0, **more: Any) -> dict[str, Any]:
    body = json.dumps(ASKED).encode()
    bodies = {"request": zlib.compress(body), "codec": 1, "request_size_bytes": len(body)}
    return record_row(serial, NOON + timedelta(days=days), **bodies | more)


async def store(url: str, rows: list[dict[str, Any]]) -> None:
    engine = make_engine(make_url(url))
    for name in ("alice", "bob"):
        await AuthStore(engine).add_user(name, "member", NOON)
    async with engine.begin() as connection:
        await connection.execute(insert(records), rows)
    await engine.dispose()


@pytest.fixture
def gateway(
    monkeypatch: pytest.MonkeyPatch,
    capfdbinary: pytest.CaptureFixture[bytes],
    tmp_path: Path,
    database_url: str,
) -> Gateway:
    """Call the program on a database with records of two users: one in each of three days."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("DATABASE_URL", database_url)
    rows = [row(n, days=n, user_id=n % 2 + 1) for n in range(3)]
    asyncio.run(store(database_url, rows))

    def run(*arguments: str) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", ["gateway", "export", *arguments])
        capfdbinary.readouterr()
        with pytest.raises(SystemExit) as ended:
            main()
        said = capfdbinary.readouterr()
        code = ended.value.code if isinstance(ended.value.code, int) else 0
        return code, said.out.decode(), said.err.decode()

    return run


def lines(out: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in out.splitlines()]


def days(out: str) -> list[str]:
    return [f"{datetime.fromtimestamp(line['created_at'], UTC):%d}" for line in lines(out)]


def test_every_record_is_a_line_with_its_bodies(gateway: Gateway) -> None:
    code, out, err = gateway()
    assert (code, err, days(out)) == (0, "", ["21", "22", "23"])
    first = lines(out)[0]
    assert (first["object"], first["user"], first["request"]) == ("record", "alice", ASKED)


@pytest.mark.parametrize(
    ("asked", "expected"),
    [
        (("--from", "2026-11-22"), ["22", "23"]),
        (("--to", "2026-11-22"), ["21", "22"]),
        (("--to", "2026-11-22T11:59:00Z"), ["21"]),
        (("--from", "2026-11-22", "--to", "2026-11-22"), ["22"]),
        (("--user", "bob"), ["22"]),
        (("--from", "2027-01-01"), []),
    ],
)
def test_it_is_narrowed_by_time_and_user(
    gateway: Gateway, asked: tuple[str, ...], expected: list[str]
) -> None:
    code, out, _ = gateway(*asked)
    assert (code, days(out)) == (0, expected)


def test_it_goes_on_behind_a_record(gateway: Gateway) -> None:
    first = lines(gateway()[1])[0]["id"]
    assert days(gateway("--after", first)[1]) == ["22", "23"]


@pytest.mark.parametrize(
    ("asked", "code", "said"),
    [
        (("--from", "yesterday"), 2, "must be a time"),
        (("--from", "2026-11-22", "--to", "2026-11-21"), 2, "lies before"),
        (("--after", "7"), 2, "id of a record"),
        (("--user", "carol"), 1, "no user called carol"),
    ],
)
def test_what_cannot_be_is_refused_in_one_sentence(
    gateway: Gateway, asked: tuple[str, ...], code: int, said: str
) -> None:
    ended, out, err = gateway(*asked)
    assert (ended, out, said in err, err.count("\n")) == (code, "", True, 1)


def test_who_has_read_enough_may_close_the_pipe(sqlite_database: str, tmp_path: Path) -> None:
    large: dict[str, Any] = {"request": zlib.compress(b'"%s"' % (b"x" * 200_000))}
    asyncio.run(store(sqlite_database, [row(n, **large) for n in range(10)]))
    process = subprocess.Popen(
        [Path(sys.executable).parent / "gateway", "export"],
        cwd=tmp_path,
        env={"DATABASE_URL": sqlite_database},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    assert process.stdout is not None and process.stdout.read(10)
    process.stdout.close()
    assert process.wait(60) == 1
    assert process.stderr is not None and process.stderr.read() == b""
    process.stderr.close()


async def test_memory_stays_small_however_much_there_is(database_url: str) -> None:
    """64 MB of bodies, 1 MB each once they are decompressed."""
    size = 1024 * 1024
    body: dict[str, Any] = {
        "request": zlib.compress(b'"%s"' % (b"x" * size)),
        "request_size_bytes": size,
    }
    await store(database_url, [row(n, **body) for n in range(64)])
    engine = make_engine(make_url(database_url))
    count = 0
    tracemalloc.start()
    try:
        async for line in export(RecordStore(engine), Whose(None), RecordFilter()):
            count += len(line.json) > size
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
        await engine.dispose()
    assert count == 64 and peak < 16 * 1024 * 1024
