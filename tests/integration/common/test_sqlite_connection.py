"""A cancelled call must not keep its process from ending."""

import subprocess
import sys
from pathlib import Path

CANCELLED_TWICE = """
import sys, anyio
from sqlalchemy import text
from sqlalchemy.engine import URL
from common.database import make_engine

SLOW = text(
    "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 3000000)"
    " SELECT max(i) FROM n"
)

async def main():
    engine = make_engine(URL.create("sqlite+aiosqlite", database=sys.argv[1]))

    async def use():
        async with engine.begin() as connection:
            await connection.execute(SLOW)

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(use)
        await anyio.sleep(0.3)
        tasks.cancel_scope.cancel()
    await engine.dispose()

anyio.run(main, backend_options={"use_uvloop": True})
print("ended")
"""


def test_a_process_ends_although_a_query_was_cancelled(tmp_path: Path) -> None:
    command = [sys.executable, "-c", CANCELLED_TWICE, str(tmp_path / "x.sqlite")]
    ended = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert (ended.stdout, ended.returncode) == ("ended\n", 0), ended.stderr
