"""A dead worker's records are published by a living one, whatever happens to that one."""

from pathlib import Path

from structlog.testing import capture_logs

from common.frames import FrameKind, encode_frame
from gateway.recording.spool import Spool
from tests.support.recording import (
    MIB,
    a_begin,
    an_end,
    as_if_killed,
    contents,
    everything,
    flipped,
    names_in,
    record,
    segment_files,
    spool_in,
)


async def killed(tmp_path: Path, *, records: int = 5) -> tuple[Path, list[bytes], bytes]:
    """A worker killed with so many whole records and one under way: directory, ids, its id."""
    async with spool_in(tmp_path / "living", max_bytes=MIB) as spool:
        whole = [await record(spool, b"x" * 3000) for _ in range(records)]
        under_way = await spool.begin(a_begin())
        under_way.note(b"so far")
        under_way.checkpoint()
        spool._commits.flush()
        directory = as_if_killed(tmp_path / "living", tmp_path / "killed")
        await under_way.end(an_end())
    return directory, whole, under_way.id


async def adopted(spool: Spool) -> dict[bytes, str]:
    """Status of each record."""
    await spool.adopt()
    ends = {r.id: contents(r.frames)[2] for r in (await everything(spool)).values()}
    return {record_id: end.status for record_id, end in ends.items() if end}


async def test_a_dead_workers_records_are_published(tmp_path: Path) -> None:
    directory, whole, under_way = await killed(tmp_path)
    async with spool_in(directory) as spool:
        found = await adopted(spool)
        assert found == dict.fromkeys(whole, "complete") | {under_way: "interrupted"}
    assert names_in(directory) == []


async def test_records_confirmed_by_an_adopter_that_dies_too_are_whole(tmp_path: Path) -> None:
    """Whatever is left after any number of confirms, the next adopter finds no wrong record."""
    directory, whole, under_way = await killed(tmp_path, records=12)
    expected = dict.fromkeys(whole, "complete") | {under_way: "interrupted"}
    async with spool_in(directory) as spool:
        await spool.adopt()
        seen = set()
        for n in range(len(expected)):
            [taken] = await spool.take(1, MIB)
            spool.confirm([taken.id])
            seen.add(taken.id)
            again = as_if_killed(directory, tmp_path / f"again {n}")
            async with spool_in(again) as next_one:
                found = await adopted(next_one)
            assert found.items() <= expected.items()
            assert found.keys() >= expected.keys() - seen


async def test_a_living_workers_records_are_left_alone(tmp_path: Path) -> None:
    async with spool_in(tmp_path) as living, spool_in(tmp_path) as other:
        await record(living)
        assert await other.adopt() == 0
        assert living.backlog_records == 1


async def test_adopted_records_count_against_the_bound(tmp_path: Path) -> None:
    directory, _, _ = await killed(tmp_path, records=100)
    async with spool_in(directory, max_bytes=300_000) as spool:
        await spool.adopt()
        assert spool.full
        await everything(spool)
        assert not spool.full


async def test_what_cannot_be_read_is_set_aside_and_told(tmp_path: Path) -> None:
    directory, whole, _ = await killed(tmp_path, records=2)
    [file] = segment_files(directory)
    data = file.read_bytes()
    file.write_bytes(flipped(data, len(data) // 2))
    with capture_logs() as logs:
        async with spool_in(directory) as spool:
            found = await adopted(spool)
    assert found[whole[0]] == "complete"
    [event] = [e for e in logs if e["event"] == "spool_damaged"]
    rest = _bytes_of(event["kept_as"])
    assert len(rest) == event["unreadable_bytes"]
    assert flipped(data, len(data) // 2).endswith(rest)


def _bytes_of(path: str) -> bytes:
    return Path(path).read_bytes()


async def test_a_checkpoint_lost_in_a_damaged_file_makes_no_wrong_answer(tmp_path: Path) -> None:
    async with spool_in(tmp_path / "living", max_bytes=MIB) as spool:
        entry = await spool.begin(a_begin())
        for n in range(4):
            entry.note(b"%d" % n * 15_000)  # each is larger than a segment
            entry.checkpoint()
            spool._commits.flush()
        await entry.end(an_end())
        directory = as_if_killed(tmp_path / "living", tmp_path / "killed")
    files = segment_files(directory)
    files[2].write_bytes(flipped(files[2].read_bytes(), 1000))
    async with spool_in(directory) as spool:
        await spool.adopt()
        _, answer, end = contents((await everything(spool))[entry.id].frames)
    assert answer in (b"0" * 15_000, b"0" * 15_000 + b"1" * 15_000)
    assert end is not None and end.status == "interrupted"


async def test_an_end_whose_begin_is_gone_is_no_record(tmp_path: Path) -> None:
    async with spool_in(tmp_path / "living", max_bytes=MIB) as spool:
        stray = encode_frame(FrameKind.END, b"i" * 16, b"")
        spool._journal.append(stray)
        directory = as_if_killed(tmp_path / "living", tmp_path / "killed")
    async with spool_in(directory) as spool:
        assert await adopted(spool) == {}
    assert names_in(directory) == []


async def test_a_directory_that_cannot_be_listed_is_told(tmp_path: Path) -> None:
    async with spool_in(tmp_path / "spool") as spool:
        (tmp_path / "spool").rename(tmp_path / "elsewhere")
        with capture_logs() as logs:
            assert await spool.adopt() == 0
        (tmp_path / "elsewhere").rename(tmp_path / "spool")
    assert [e["event"] for e in logs] == ["spool_unreadable"]
