"""A program that records until it is killed, and says on standard output what it was promised.

    python -m tests.support.spool_program DIRECTORY process|power

A line per event: `begun ID`, `ended ID`, `confirmed ID`, each only after the spool has said so.
"""

import asyncio
import random
import sys
from pathlib import Path

import structlog

from gateway.recording.spool import Spool
from tests.support.recording import MIB, a_begin, an_end, spool_in


def say(event: str, record_id: bytes) -> None:
    sys.stdout.write(f"{event} {record_id.hex()}\n")
    sys.stdout.flush()


async def record(spool: Spool) -> None:
    """Calls one after the other; each answer repeats its record's id, so that it can be checked."""
    while True:
        begin = a_begin(b"question")
        entry = await spool.begin(begin)
        say("begun", entry.id)
        for _ in range(random.choice((1, 5, 40))):
            entry.note(entry.id * random.randint(1, 30))
            if random.random() < 0.2:
                entry.checkpoint()
                await asyncio.sleep(0)
        await entry.end(an_end())
        say("ended", entry.id)


async def publish(spool: Spool) -> None:
    while True:
        taken = await spool.take(16, MIB)
        await asyncio.sleep(random.random() / 50)
        if random.random() < 0.7:
            spool.confirm(r.id for r in taken)
            for r in taken:
                say("confirmed", r.id)
        else:
            spool.put_back(r.id for r in taken)


async def main(directory: Path, durability: str) -> None:
    spooling = spool_in(directory, durability=durability, max_bytes=1024 * MIB)
    async with spooling as spool, asyncio.TaskGroup() as group:
        group.create_task(spool.tend())
        group.create_task(publish(spool))
        for _ in range(8):
            group.create_task(record(spool))


if __name__ == "__main__":
    structlog.configure(logger_factory=structlog.PrintLoggerFactory(sys.stderr))
    asyncio.run(main(Path(sys.argv[1]), sys.argv[2]))
