"""Cut or flipped at every offset, a dead worker's spool never gives a wrong record, and gives every
record that was whole before the damage."""

from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from common.frames import FrameKind, encode_frame, read_frames
from common.record import Attempt, End, decode_end, encode
from gateway.recording.journal import Journal
from gateway.recording.recovery import Left, interrupted, recover
from gateway.recording.segments import PIECE, Segments
from tests.support.recording import a_begin, an_end, flipped

ROLL_BYTES = 500


class Written:
    """A journal whose segments share records, one of them moved; and what it holds."""

    def __init__(self, directory: Path) -> None:
        directory.mkdir()
        self.journal = Journal(directory, ROLL_BYTES)
        self.frames: dict[bytes, bytes] = {}
        self.ended_at: dict[bytes, tuple[int, int]] = {}
        """Segment and offset at which the record was whole."""
        self._pieces: dict[bytes, bytes] = {}
        begins = [a_begin(b"question %d" % n) for n in range(6)]
        for begin in begins[:3]:
            self.put(FrameKind.BEGIN, begin.id, encode(begin))
        for n in range(6):
            self.put(FrameKind.CHECKPOINT, begins[n % 3].id, b"checkpoint %d " % n * 3)
        self.end(begins[1].id)
        for begin in begins[3:]:
            self.put(FrameKind.BEGIN, begin.id, encode(begin))
            self.put(FrameKind.CHECKPOINT, begins[0].id, b"much later")
        self.move(begins[0].id)
        self.put(FrameKind.CHECKPOINT, begins[0].id, b"after the move")
        for begin in (begins[4], begins[0], begins[3]):
            self.end(begin.id)
        self.unfinished = {begins[2].id, begins[5].id}
        self.journal.seal()
        self.damaged: set[str] = set()
        """Files of the copy that have to be put right before the next damage."""
        self.files = {p.name: p.read_bytes() for p in sorted(directory.iterdir())}

    def put(self, kind: FrameKind, record_id: bytes, payload: bytes) -> None:
        frame = encode_frame(kind, record_id, payload)
        number, offset = self.journal.append(frame)
        self.frames[record_id] = self.frames.get(record_id, b"") + frame
        piece = PIECE.pack(number, offset, len(frame))
        self._pieces[record_id] = self._pieces.get(record_id, b"") + piece
        self.ended_at[record_id] = (number, offset + len(frame))

    def move(self, record_id: bytes) -> None:
        [frames] = self.journal.read([self._pieces[record_id]])
        self.journal.append(encode_frame(FrameKind.MOVED, record_id, frames))

    def end(self, record_id: bytes) -> None:
        self.put(FrameKind.END, record_id, encode(an_end()))


@pytest.fixture
def written(tmp_path: Path) -> Written:
    return Written(tmp_path / "written")


def damaged(written: Written, directory: Path, name: str, data: bytes | None) -> Left:
    directory.mkdir(exist_ok=True)
    for other, whole in written.files.items():
        if other in written.damaged or not (directory / other).exists():
            (directory / other).write_bytes(whole)
    written.damaged = {name}
    if data is None:
        (directory / name).unlink()
    else:
        (directory / name).write_bytes(data)
    return recover(directory)


def read(left: Left, directory: Path) -> dict[bytes, tuple[bytes, bool]]:
    segments = Segments(directory)
    for segment in left.segments:
        segments.add(segment)
    records = left.records
    frames = segments.read([found.pieces for found in records.values()])
    return {
        id_: (read, found.ended) for (id_, found), read in zip(records.items(), frames, strict=True)
    }


def check(written: Written, left: Left, directory: Path, place: tuple[int, int]) -> None:
    found = read(left, directory)
    for record_id, (frames, ended) in found.items():
        if ended:
            assert frames == written.frames[record_id]
        else:
            assert written.frames[record_id].startswith(frames)
            assert sum(f.size_bytes for f in read_frames(frames)) == len(frames)
    for record_id, whole_at in written.ended_at.items():
        if record_id not in written.unfinished and whole_at <= place:
            assert found[record_id] == (written.frames[record_id], True)


def offsets(written: Written) -> Iterator[tuple[str, bytes, int]]:
    for name, data in written.files.items():
        for offset in range(len(data)):
            yield name, data, offset


def test_an_undamaged_spool_gives_everything(written: Written, tmp_path: Path) -> None:
    left = recover(tmp_path / "written")
    found = read(left, tmp_path / "written")
    assert len(written.files) > 3
    assert not left.damages
    assert {id_: frames for id_, (frames, _) in found.items()} == written.frames
    assert {id_ for id_, (_, ended) in found.items() if not ended} == written.unfinished


def test_cut_at_every_offset(written: Written, tmp_path: Path) -> None:
    for name, data, offset in offsets(written):
        left = damaged(written, tmp_path / "cut", name, data[:offset])
        check(written, left, tmp_path / "cut", (int(name[:8]), offset))


def test_flipped_at_every_offset(written: Written, tmp_path: Path) -> None:
    for name, data, offset in offsets(written):
        left = damaged(written, tmp_path / "flipped", name, flipped(data, offset))
        check(written, left, tmp_path / "flipped", (int(name[:8]), offset))
        assert left.damages


def test_a_file_that_is_gone(written: Written, tmp_path: Path) -> None:
    for name in written.files:
        left = damaged(written, tmp_path / "gone", name, None)
        check(written, left, tmp_path / "gone", (int(name[:8]), 0))


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(st.data())
def test_overwritten_with_anything(written: Written, tmp_path: Path, data: st.DataObject) -> None:
    name = data.draw(st.sampled_from(sorted(written.files)))
    whole = written.files[name]
    start = data.draw(st.integers(0, len(whole)))
    rubbish = data.draw(st.binary(max_size=100) | st.just(bytes(4096)))
    left = damaged(written, tmp_path / "rubbish", name, whole[:start] + rubbish)
    check(written, left, tmp_path / "rubbish", (int(name[:8]), start))


def test_old_segments_may_be_gone_already(written: Written, tmp_path: Path) -> None:
    """A crash between confirm and unlink, and between one unlink and the next."""
    directory = tmp_path / "written"
    for path in sorted(directory.iterdir())[:-1]:
        path.unlink()
        found = read(recover(directory), directory)
        for record_id, (frames, ended) in found.items():
            assert ended or record_id in written.unfinished
            assert frames == written.frames[record_id]


def test_rubbish_that_could_not_be_cut_off_is_passed_over(tmp_path: Path) -> None:
    journal = Journal(tmp_path, ROLL_BYTES)
    begin = a_begin()
    journal.append(encode_frame(FrameKind.BEGIN, begin.id, encode(begin)))
    journal.seal()
    [path] = tmp_path.iterdir()
    path.write_bytes(path.read_bytes() + b"half a fra")
    journal.append(encode_frame(FrameKind.END, begin.id, encode(an_end())))
    left = recover(tmp_path)
    assert not left.damages
    assert left.records[begin.id].ended


@pytest.mark.parametrize(("streamed", "kind"), [(True, "text/event-stream"), (False, "")])
def test_an_interrupted_record_says_what_its_answer_was(streamed: bool, kind: str) -> None:
    begin = a_begin(streamed=streamed)
    frames = encode_frame(FrameKind.BEGIN, begin.id, encode(begin))
    frames += encode_frame(FrameKind.CHECKPOINT, begin.id, b"data: {")
    [frame] = read_frames(interrupted(frames, 77))
    end = decode_end(frame.payload)
    assert (end.status, end.finished_at_us, end.response_type) == ("interrupted", 77, kind)
    assert interrupted(frames, 77) == interrupted(frames, 77)


def test_an_interrupted_record_says_how_far_it_had_come() -> None:
    begin = a_begin(streamed=True)
    failed, answered = Attempt("u", "a", 0.5, 500), Attempt("u", "b", 0.25, 200)
    first = End(status="interrupted", finished_at_us=0, attempts=(failed,))
    second = End(
        status="interrupted",
        finished_at_us=0,
        http_status=200,
        attempts=(failed, answered),
        upstream="u",
        first_byte_at_us=5,
        response_type="text/event-stream; charset=utf-8",
    )
    frames = encode_frame(FrameKind.BEGIN, begin.id, encode(begin))
    for progress in (first, second):
        frames += encode_frame(FrameKind.PROGRESS, begin.id, encode(progress))
        [frame] = read_frames(interrupted(frames, 77))
        assert decode_end(frame.payload) == msgspec.structs.replace(progress, finished_at_us=77)
