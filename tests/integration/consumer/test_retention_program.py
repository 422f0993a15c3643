"""Retention by the real program: while it runs, and by command."""

import asyncio
import os
import subprocess
import sys
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from sqlalchemy import func, insert, select
from sqlalchemy.engine import make_url

from common.database import make_engine
from common.tables import records
from tests.support.aged import record_row
from tests.support.waiting import eventually

CONSUMER = Path(sys.executable).parent / "consumer"
OLD = datetime.now(UTC) - timedelta(days=40)


@pytest.fixture
def aged(database_url: str) -> str:
    """A database with an old record and a new one."""
    asyncio.run(_store(database_url))
    return database_url


async def _store(url: str) -> None:
    engine = make_engine(make_url(url))
    async with engine.begin() as connection:
        rows = [record_row(1, OLD), record_row(2, datetime.now(UTC))]
        await connection.execute(insert(records), rows)
    await engine.dispose()


async def _count(url: str) -> int:
    engine = make_engine(make_url(url))
    async with engine.connect() as connection:
        count = await connection.scalar(select(func.count()).select_from(records))
    await engine.dispose()
    return int(count or 0)


def environment(url: str, tmp_path: Path, days: str) -> dict[str, str]:
    given = {"DATABASE_URL": url, "DATA_DIR": str(tmp_path), "RETENTION_DAYS": days}
    return {"PATH": os.environ["PATH"], **given}


@pytest.fixture
def running(aged: str, tmp_path: Path) -> Iterator[subprocess.Popen[bytes]]:
    process = subprocess.Popen(
        [CONSUMER, "run"], cwd=tmp_path, env=environment(aged, tmp_path, "30")
    )
    yield process
    process.terminate()
    process.wait(60)


def test_a_consumer_that_runs_removes_what_is_too_old(
    running: subprocess.Popen[bytes], aged: str
) -> None:
    eventually(lambda: asyncio.run(_count(aged)) == 1, "the old record to go")
    assert running.poll() is None


def test_by_command_at_once_and_only_with_a_yes(aged: str, tmp_path: Path) -> None:
    def run(days: str, *options: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [CONSUMER, "retention", *options],
            cwd=tmp_path,
            env=environment(aged, tmp_path, days),
            capture_output=True,
            text=True,
            input="",
            timeout=100,
            check=False,
        )

    refused = run("", "--yes")
    assert refused.returncode == 2 and "RETENTION_DAYS is not set" in refused.stderr
    assert run("30").returncode == 1 and asyncio.run(_count(aged)) == 2
    done = run("30", "--yes")
    assert (done.returncode, done.stdout) == (0, "Removed: 1 records.\n")
    assert asyncio.run(_count(aged)) == 1
