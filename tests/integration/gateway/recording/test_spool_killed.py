"""kill -9 of a recording process, at random moments and again and again: what it was promised is
there, and nothing that is there is wrong."""

import asyncio
import random
import sys
from asyncio.subprocess import DEVNULL, PIPE
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.support.recording import contents, everything, spool_in

KILLS = 8


async def recorded_until_killed(
    directory: Path, durability: str, lines: int
) -> dict[str, set[str]]:
    """Kill it right after so many lines; what they said."""
    program = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "tests.support.spool_program",
        directory,
        durability,
        stdout=PIPE,
        stderr=DEVNULL,
    )
    try:
        assert program.stdout is not None
        return await _listen(program.stdout, lines, program.kill)
    finally:
        if program.returncode is None:
            program.kill()
        await program.wait()


async def _listen(
    stdout: asyncio.StreamReader, lines: int, kill: Callable[[], None]
) -> dict[str, set[str]]:
    said: dict[str, set[str]] = {"begun": set(), "ended": set(), "confirmed": set()}
    for n in range(lines):
        event, record_id = (await stdout.readline()).split()
        said[event.decode()].add(record_id.decode())
        if n == lines - 1:
            kill()
    for line in (await stdout.read()).splitlines(keepends=True):
        if line.endswith(b"\n"):  # written before the kill
            event, record_id = line.split()
            said[event.decode()].add(record_id.decode())
    return said


@pytest.mark.parametrize("durability", ["process", "power"])
async def test_killed_again_and_again(tmp_path: Path, durability: str) -> None:
    """Each new process adopts what the one before it left, and is killed over it."""
    begun, ended, confirmed = set[str](), set[str](), set[str]()
    for _ in range(KILLS):
        lines = random.randint(1, 1500)
        said = await recorded_until_killed(tmp_path, durability, lines)
        begun |= said["begun"]
        ended |= said["ended"]
        confirmed |= said["confirmed"]
    async with spool_in(tmp_path) as spool:
        assert await spool.adopt() >= 1
        found = {id_.hex(): contents(r.frames) for id_, r in (await everything(spool)).items()}
    assert begun - confirmed <= found.keys()
    for record_id, (begin, answer, end) in found.items():
        assert begin.request == b"question"
        assert end is not None
        assert answer == bytes.fromhex(record_id) * (len(answer) // 16)
        if record_id in ended:
            assert end.status == "complete"
