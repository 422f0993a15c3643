"""A disk that is full or broken: calls are refused before they cost anything, nothing half-written
stays, and what was under way is not taken for whole."""

import asyncio
import errno
import os
from collections.abc import Callable
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from common.frames import FrameKind, read_frames
from gateway.errors import SpoolFailed, SpoolFull
from tests.support.recording import (
    MIB,
    a_begin,
    an_end,
    as_if_killed,
    contents,
    everything,
    record,
    segment_files,
    soon,
    spool_in,
)


class Failing:
    """Stands in place of os.write or os.fdatasync and fails while `error` is set."""

    def __init__(self, works: Callable[..., int | None]) -> None:
        self.works = works
        self.error: int | None = None
        self.largest: int | None = None
        """While failing, still write so many bytes, or calls so short."""
        self.asked: list[int] = []
        """Inodes."""

    def __call__(self, fd: int, *data: bytes) -> int | None:
        self.asked.append(os.fstat(fd).st_ino)
        if self.error is None or (self.largest and len(data[0]) <= self.largest):
            return self.works(fd, *data)
        if self.error == 0:
            return self.works(fd, data[0][: len(data[0]) // 2])
        raise OSError(self.error, os.strerror(self.error))


@pytest.fixture
def writing(monkeypatch: pytest.MonkeyPatch) -> Failing:
    failing = Failing(os.write)
    monkeypatch.setattr(os, "write", failing)
    return failing


@pytest.fixture
def syncing(monkeypatch: pytest.MonkeyPatch) -> Failing:
    failing = Failing(os.fdatasync)
    monkeypatch.setattr(os, "fdatasync", failing)
    return failing


SHORT = 0
FAILURES = pytest.mark.parametrize(
    ("error", "refusal"),
    [(errno.ENOSPC, SpoolFull), (SHORT, SpoolFull), (errno.EIO, SpoolFailed)],
    ids=["full", "short", "broken"],
)


@FAILURES
async def test_a_begin_that_cannot_be_written_is_refused_and_leaves_nothing(
    tmp_path: Path, writing: Failing, error: int, refusal: type[SpoolFull]
) -> None:
    async with spool_in(tmp_path) as spool:
        before = await record(spool)
        size = segment_files(tmp_path)[0].stat().st_size
        writing.error = error
        with pytest.raises(SpoolFull) as refused:
            await spool.begin(a_begin())
        assert type(refused.value) is refusal
        assert segment_files(tmp_path)[0].stat().st_size == size == spool.backlog_bytes
        writing.error = None
        after = await record(spool)
        assert set(await everything(spool)) == {before, after}


@FAILURES
async def test_an_end_that_cannot_be_written_fails_and_is_interrupted_later(
    tmp_path: Path, writing: Failing, error: int, refusal: type[SpoolFull]
) -> None:
    async with spool_in(tmp_path) as spool, asyncio.TaskGroup() as group:
        entry = await spool.begin(a_begin())
        entry.note(b"answer")
        writing.error = error
        with pytest.raises(SpoolFailed):
            await entry.end(an_end())
        writing.error = None
        tending = group.create_task(spool.tend())
        [spooled] = await spool.take(1, MIB)
        end = contents(spooled.frames)[2]
        assert end is not None and end.status == "interrupted"
        tending.cancel()


async def test_where_a_begin_does_not_fit_an_end_of_the_same_turn_may(
    tmp_path: Path, writing: Failing
) -> None:
    async with spool_in(tmp_path) as spool:
        entry = await spool.begin(a_begin())
        writing.error, writing.largest = errno.ENOSPC, 1000
        beginning = asyncio.ensure_future(spool.begin(a_begin(b"x" * 2000)))
        await asyncio.sleep(0)
        await entry.end(an_end())
        with pytest.raises(SpoolFull):
            await beginning
        assert set(await everything(spool)) == {entry.id}


async def test_a_checkpoint_that_cannot_be_written_is_in_the_next(
    tmp_path: Path, writing: Failing
) -> None:
    async with spool_in(tmp_path) as spool:
        entry = await spool.begin(a_begin())
        writing.error = errno.ENOSPC
        entry.note(b"x" * 70_000)
        await asyncio.sleep(0)
        writing.error = None
        entry.note(b"y" * 70_000)
        entry.note(b"z")
        await entry.end(an_end())
        [spooled] = (await everything(spool)).values()
        assert contents(spooled.frames)[1] == b"x" * 70_000 + b"y" * 70_000 + b"z"


async def test_a_new_segment_that_cannot_be_made_is_made_later(
    tmp_path: Path, writing: Failing
) -> None:
    async with spool_in(tmp_path / "spool", max_bytes=MIB) as spool:
        made = [await record(spool, b"x" * 15_000)]
        writing.error = errno.ENOSPC
        for _ in range(3):
            with pytest.raises(SpoolFull):
                await spool.begin(a_begin(b"x" * 15_000))
        writing.error = None
        made.append(await record(spool, b"x" * 15_000))
        killed = as_if_killed(tmp_path / "spool", tmp_path / "killed")
        assert set(await everything(spool)) == set(made)
    with capture_logs() as logs:
        async with spool_in(killed) as spool:
            await spool.adopt()
            assert set(await everything(spool)) == set(made)
    assert "spool_damaged" not in [e["event"] for e in logs]


async def test_failing_writes_are_told_once(tmp_path: Path, writing: Failing) -> None:
    async with spool_in(tmp_path) as spool:
        with capture_logs() as logs:
            writing.error = errno.EIO
            for _ in range(3):
                with pytest.raises(SpoolFailed):
                    await spool.begin(a_begin())
        writing.error = None
    assert [e["event"] for e in logs] == ["spool_write_failed"]


async def test_without_a_sync_there_is_no_commit_in_power(tmp_path: Path, syncing: Failing) -> None:
    async with spool_in(tmp_path, durability="power") as spool:
        syncing.error = errno.EIO
        with pytest.raises(SpoolFailed):
            await spool.begin(a_begin())
        syncing.error = None
        made = await record(spool)
        assert set(await everything(spool)) == {made}


async def test_a_descriptor_whose_sync_failed_is_never_asked_again(
    tmp_path: Path, syncing: Failing
) -> None:
    async with spool_in(tmp_path, durability="power") as spool:
        await record(spool)
        syncing.error = errno.EIO
        syncing.asked.clear()
        with pytest.raises(SpoolFailed):
            await spool.begin(a_begin())
        [failed] = syncing.asked
        syncing.error = None
        syncing.asked.clear()
        await record(spool)
        assert syncing.asked
        assert failed not in syncing.asked
        await everything(spool)


async def test_what_was_in_a_segment_that_cannot_be_synced_is_written_anew(
    tmp_path: Path, syncing: Failing
) -> None:
    async with spool_in(tmp_path / "spool") as spool, asyncio.TaskGroup() as group:
        made = [await record(spool, b"answer") for _ in range(5)]
        under_way = await spool.begin(a_begin())
        syncing.error = errno.EIO
        await soon(lambda: syncing.asked, "a sync")
        syncing.error = None
        tending = group.create_task(spool.tend())
        await soon(lambda: _moved(tmp_path / "spool") == 6, "six records to be moved")
        killed = as_if_killed(tmp_path / "spool", tmp_path / "killed")
        segment_files(killed)[0].unlink()  # the pages were lost
        await under_way.end(an_end())
        assert set(await everything(spool)) == {*made, under_way.id}
        tending.cancel()
    async with spool_in(killed) as spool:
        await spool.adopt()
        assert set(await everything(spool)) == {*made, under_way.id}


def _moved(directory: Path) -> int:
    frames = [f for file in segment_files(directory) for f in read_frames(file.read_bytes())]
    return sum(f.kind == FrameKind.MOVED for f in frames)


async def test_a_record_that_cannot_be_read_holds_up_no_other(tmp_path: Path) -> None:
    async with spool_in(tmp_path, max_bytes=MIB) as spool:
        made = [await record(spool, b"x" * 15_000) for _ in range(3)]
        segment_files(tmp_path)[0].write_bytes(b"")
        with capture_logs() as logs:
            found = await everything(spool)
        assert made[0] not in found
        assert made[2] in found
        assert {e["event"] for e in logs} == {"record_unreadable"}
