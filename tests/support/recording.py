"""Records to put into a spool, and what is read out of one again."""

import asyncio
import shutil
from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import asynccontextmanager
from pathlib import Path
from time import time_ns
from typing import Any

from uuid_utils import uuid7

from common.frames import FrameKind, read_frames
from common.record import SCHEMA_VERSION, Begin, End, decode_begin, decode_end
from gateway.recording.spool import Spool, Spooled

MIB = 1024 * 1024


def a_begin(request: bytes = b"question", **more: Any) -> Begin:
    return Begin(
        id=uuid7().bytes,
        version=SCHEMA_VERSION,
        kind="chat",
        method="POST",
        path="/chat/completions",
        user_id=1,
        started_at_us=time_ns() // 1000,
        request=request,
        **more,
    )


def an_end(status: Any = "complete") -> End:
    return End(status=status, finished_at_us=time_ns() // 1000, http_status=200)


@asynccontextmanager
async def spool_in(
    directory: Path, *, durability: Any = "process", max_bytes: int = 64 * MIB
) -> AsyncIterator[Spool]:
    spool = Spool(directory, durability=durability, max_bytes=max_bytes)
    await spool.open()
    try:
        yield spool
    finally:
        await spool.close()


async def record(spool: Spool, *answer: bytes, request: bytes = b"question") -> bytes:
    """A whole record, committed; its id."""
    entry = await spool.begin(a_begin(request))
    for piece in answer:
        entry.note(piece)
    await entry.end(an_end())
    return entry.id


def as_if_killed(directory: Path, copy: Path) -> Path:
    """The spools as a kill -9 would leave them at this moment: nobody holds their locks."""
    return shutil.copytree(directory, copy)


def contents(frames: bytes) -> tuple[Begin, bytes, End | None]:
    """A record's begin, whole answer and end."""
    begin, *rest = read_frames(frames)
    assert begin.kind == FrameKind.BEGIN
    assert sum(f.size_bytes for f in (begin, *rest)) == len(frames)
    assert {f.record_id for f in rest} <= {begin.record_id}
    answer = b"".join(f.payload for f in rest if f.kind == FrameKind.CHECKPOINT)
    ends = [decode_end(f.payload) for f in rest if f.kind == FrameKind.END]
    end = ends[0] if ends else None
    return decode_begin(begin.payload), answer + (end.response if end else b""), end


async def everything(spool: Spool) -> dict[bytes, Spooled]:
    """All that has ended, taken and confirmed."""
    found: dict[bytes, Spooled] = {}
    while spool.backlog_records:
        taken = await spool.take(1000, 16 * MIB)
        spool.confirm(r.id for r in taken)
        found |= {r.id: r for r in taken}
    return found


async def soon(found: Callable[[], object], what: str, deadline_s: float = 30) -> None:
    """Returns once `found` does so with anything true; the test fails if it never does."""
    for _ in range(int(deadline_s / 0.01)):
        if found():
            return
        await asyncio.sleep(0.01)
    raise AssertionError(f"waited {deadline_s} s in vain for {what}")


def names_in(directory: Path) -> list[str]:
    return sorted(path.name for path in directory.iterdir())


def segment_files(directory: Path) -> list[Path]:
    return sorted(directory.glob("*/*.seg"))


def flipped(data: bytes, offset: int) -> bytes:
    return data[:offset] + bytes([data[offset] ^ (1 << offset % 8)]) + data[offset + 1 :]


def ids(records: Iterable[Spooled]) -> list[bytes]:
    return [r.id for r in records]
