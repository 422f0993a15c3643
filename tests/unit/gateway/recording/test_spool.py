"""What the gateway may expect of its spool while the disk works, and when it is full."""

import asyncio
import hashlib
import os
from pathlib import Path

import pytest

from common.frames import FrameKind, read_frames
from gateway.errors import SpoolFailed, SpoolFull
from gateway.recording.entry import MAX_ANSWER_BYTES
from gateway.recording.spool import Spool
from tests.support.recording import (
    MIB,
    a_begin,
    an_end,
    as_if_killed,
    contents,
    everything,
    ids,
    names_in,
    record,
    segment_files,
    soon,
    spool_in,
)

DURABILITIES = pytest.mark.parametrize("durability", ["process", "power"])


@DURABILITIES
async def test_a_record_comes_out_as_it_went_in(tmp_path: Path, durability: str) -> None:
    async with spool_in(tmp_path, durability=durability) as spool:
        begin = a_begin(b"\x00\xffquestion")
        entry = await spool.begin(begin)
        entry.note(b"ans")
        entry.note(b"wer")
        await entry.end(an_end())
        [spooled] = await spool.take(10, MIB)
        assert spooled.id == begin.id == entry.id
        found, answer, end = contents(spooled.frames)
        assert (found, answer) == (begin, b"answer")
        assert end is not None and end.status == "complete"


@DURABILITIES
async def test_a_begin_is_on_disk_when_it_returns(tmp_path: Path, durability: str) -> None:
    async with spool_in(tmp_path, durability=durability) as spool:
        entry = await spool.begin(a_begin())
        [file] = segment_files(tmp_path)
        assert [f.kind for f in read_frames(file.read_bytes())] == [
            FrameKind.SEGMENT,
            FrameKind.BEGIN,
        ]
        await entry.end(an_end())
        assert [f.kind for f in read_frames(file.read_bytes())][-1] == FrameKind.END


async def test_frames_of_one_turn_share_one_write(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    writes = []
    write = os.write

    def counted(fd: int, data: bytes) -> int:
        writes.append(len(data))
        return write(fd, data)

    async with spool_in(tmp_path) as spool:
        await spool.begin(a_begin())
        monkeypatch.setattr(os, "write", counted)
        entries = await asyncio.gather(*(spool.begin(a_begin()) for _ in range(50)))
        await asyncio.gather(*(entry.end(an_end()) for entry in entries))
        monkeypatch.undo()
        assert len(writes) == 2


async def test_take_waits_for_a_record(tmp_path: Path) -> None:
    async with spool_in(tmp_path) as spool, asyncio.TaskGroup() as group:
        taking = group.create_task(spool.take(10, MIB))
        entry = await spool.begin(a_begin())
        await asyncio.sleep(0.01)
        assert not taking.done()
        await entry.end(an_end())
        assert ids(await taking) == [entry.id]


async def test_take_stops_at_its_bounds(tmp_path: Path) -> None:
    async with spool_in(tmp_path) as spool:
        made = [await record(spool, b"x" * 1000) for _ in range(10)]
        assert ids(await spool.take(3, MIB)) == made[:3]
        assert ids(await spool.take(100, 2500)) == made[3:5]
        assert ids(await spool.take(100, 1)) == made[5:6]


async def test_taken_records_are_taken_once_until_put_back(tmp_path: Path) -> None:
    async with spool_in(tmp_path) as spool:
        made = [await record(spool) for _ in range(4)]
        await spool.take(2, MIB)
        spool.put_back(made[:1])
        assert ids(await spool.take(10, MIB)) == [*made[2:], made[0]]
        assert spool.backlog_records == 4


async def test_a_cancelled_take_loses_nothing(tmp_path: Path) -> None:
    async with spool_in(tmp_path, max_bytes=MIB) as spool:
        made = {await record(spool, os.urandom(2000)) for _ in range(100)}  # most in old segments
        for turns in range(6):
            taking = asyncio.ensure_future(spool.take(1000, MIB))
            for _ in range(turns):
                await asyncio.sleep(0)
            if not taking.cancel():
                spool.put_back(ids(taking.result()))
            await asyncio.wait([taking])
        assert set(await everything(spool)) == made


async def test_confirmed_records_leave_the_disk(tmp_path: Path) -> None:
    async with spool_in(tmp_path, max_bytes=MIB) as spool:
        for _ in range(3):
            for _ in range(100):
                await record(spool, b"x" * 1000)
            await everything(spool)
        assert spool.backlog_records == 0
        assert spool.backlog_bytes < 100_000
    assert names_in(tmp_path) == []


async def test_what_is_not_confirmed_outlives_a_restart(tmp_path: Path) -> None:
    async with spool_in(tmp_path) as spool:
        made = [await record(spool, b"answer") for _ in range(3)]
        spool.confirm(made[:1])
    async with spool_in(tmp_path) as spool:
        assert await spool.adopt() == 1
        assert set(await everything(spool)) >= set(made[1:])
    assert names_in(tmp_path) == []


async def test_an_answer_is_checkpointed_while_it_runs(tmp_path: Path) -> None:
    async with spool_in(tmp_path / "spool") as spool:
        entry = await spool.begin(a_begin())
        entry.note(b"so far, ")
        await soon(lambda: FrameKind.CHECKPOINT in _kinds(tmp_path / "spool"), "a checkpoint")
        entry.note(b"so good")
        await entry.end(an_end())
        [spooled] = (await everything(spool)).values()
        assert contents(spooled.frames)[1] == b"so far, so good"


async def test_64_kib_are_checkpointed_at_once(tmp_path: Path) -> None:
    async with spool_in(tmp_path) as spool:
        entry = await spool.begin(a_begin())
        for _ in range(64):
            entry.note(b"x" * 1024)
        await asyncio.sleep(0)
        assert FrameKind.CHECKPOINT in _kinds(tmp_path)
        await entry.end(an_end())


async def test_of_a_huge_answer_the_beginning_is_kept(tmp_path: Path) -> None:
    piece = os.urandom(8 * MIB)
    async with spool_in(tmp_path, max_bytes=512 * MIB) as spool:
        entry = await spool.begin(a_begin())
        for _ in range(10):
            entry.note(piece)
        entry.note(b"the last bytes")
        await entry.end(an_end())
        [spooled] = await spool.take(1, 1)
        _, answer, end = contents(spooled.frames)
        whole = piece * 10 + b"the last bytes"
        assert answer == whole[:MAX_ANSWER_BYTES]
        assert end is not None
        assert end.response_size_bytes == len(whole)
        assert end.response_sha256 == hashlib.sha256(whole).digest()


async def test_a_record_ends_once(tmp_path: Path) -> None:
    async with spool_in(tmp_path) as spool:
        entry = await spool.begin(a_begin())
        await entry.end(an_end())
        with pytest.raises(RuntimeError, match="ended twice"):
            entry.end(an_end())
        with pytest.raises(RuntimeError, match="after the end"):
            entry.note(b"more")


@DURABILITIES
async def test_an_end_nobody_waits_for_is_written(tmp_path: Path, durability: str) -> None:
    async with spool_in(tmp_path, durability=durability) as spool:
        entry = await spool.begin(a_begin())
        entry.end(an_end()).cancel()
        assert ids(await spool.take(10, MIB)) == [entry.id]


@DURABILITIES
async def test_a_cancelled_begin_leaves_no_record(tmp_path: Path, durability: str) -> None:
    async with spool_in(tmp_path, durability=durability) as spool:
        for turns in range(6):
            beginning = asyncio.ensure_future(spool.begin(a_begin()))
            for _ in range(turns):
                await asyncio.sleep(0)
            if not beginning.cancel():
                await beginning.result().end(an_end())
            await asyncio.wait([beginning])
        await everything(spool)
    assert names_in(tmp_path) == []


async def test_one_cancelled_begin_does_not_hurt_those_beside_it(tmp_path: Path) -> None:
    async with spool_in(tmp_path) as spool:
        beginning = [asyncio.ensure_future(spool.begin(a_begin())) for _ in range(3)]
        await asyncio.sleep(0)
        beginning[1].cancel()
        first, _, third = await asyncio.gather(*beginning, return_exceptions=True)
        await first.end(an_end())  # type: ignore[union-attr]
        await third.end(an_end())  # type: ignore[union-attr]
        assert set(await everything(spool)) == {first.id, third.id}  # type: ignore[union-attr]


async def test_a_full_spool_refuses_calls_and_lets_those_under_way_end(tmp_path: Path) -> None:
    async with spool_in(tmp_path, max_bytes=MIB) as spool:
        under_way = [await spool.begin(a_begin()) for _ in range(20)]
        with pytest.raises(SpoolFull):
            while True:
                await record(spool, request=b"x" * 10_000)
        assert spool.backlog_bytes > 0.9 * MIB
        for entry in under_way:
            entry.note(b"y" * 1000)
            await entry.end(an_end())
        await everything(spool)
        assert not spool.full
        await record(spool)


async def test_an_end_beyond_all_bounds_fails_and_the_record_is_interrupted(tmp_path: Path) -> None:
    async with spool_in(tmp_path, max_bytes=MIB) as spool, asyncio.TaskGroup() as group:
        entry = await spool.begin(a_begin())
        for _ in range(40):
            entry.note(os.urandom(63 * 1024))
        with pytest.raises(SpoolFailed):
            await entry.end(an_end())
        tending = group.create_task(spool.tend())
        [spooled] = await spool.take(1, 1)
        _, _, end = contents(spooled.frames)
        assert end is not None and end.status == "interrupted"
        tending.cancel()


async def test_a_long_stream_keeps_nothing_of_others_on_disk(tmp_path: Path) -> None:
    """Its begin and checkpoints lie in every segment, and would pin all of them."""
    async with spool_in(tmp_path / "spool", max_bytes=MIB) as spool, asyncio.TaskGroup() as group:
        tending = group.create_task(spool.tend())
        stream = await spool.begin(a_begin(b"long"))
        noted, others = b"", set()
        for n in range(30):
            noted += (piece := b"%d " % n)
            stream.note(piece)
            stream.checkpoint()
            for _ in range(20):
                others.add(await record(spool, b"x" * 3000))
            others -= set(await everything(spool))
            await soon(lambda: spool.backlog_bytes < MIB // 2, "room")
        killed = as_if_killed(tmp_path / "spool", tmp_path / "killed")
        await stream.end(an_end())
        [spooled] = (await everything(spool)).values()
        assert contents(spooled.frames)[1] == noted
        tending.cancel()
    assert not others
    await _is_interrupted(killed, stream.id, noted)


async def _is_interrupted(directory: Path, record_id: bytes, noted: bytes) -> None:
    async with spool_in(directory) as spool:
        await spool.adopt()
        _, answer, end = contents((await everything(spool))[record_id].frames)
        assert answer == noted
        assert end is not None and end.status == "interrupted"


async def test_two_spools_share_a_directory(tmp_path: Path) -> None:
    async with spool_in(tmp_path) as one, spool_in(tmp_path) as other:
        mine, yours = await record(one), await record(other)
        assert await one.adopt() == await other.adopt() == 0
        assert set(await everything(one)) == {mine}
        assert set(await everything(other)) == {yours}


def _kinds(directory: Path) -> list[int]:
    return [f.kind for file in segment_files(directory) for f in read_frames(file.read_bytes())]


async def test_the_spool_knows_its_size(tmp_path: Path) -> None:
    async with spool_in(tmp_path, max_bytes=MIB) as spool:
        for _ in range(30):
            await record(spool, os.urandom(3000))
        assert isinstance(spool, Spool)
        assert spool.backlog_records == 30
        assert spool.backlog_bytes == sum(f.stat().st_size for f in segment_files(tmp_path))
