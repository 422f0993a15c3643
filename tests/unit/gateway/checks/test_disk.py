"""Room for the spool, and what waits in it."""

from pathlib import Path

import pytest

from gateway.checks.disk import check_disk

MiB = 1024**2


def states(directory: Path, most: int) -> dict[str, str]:
    return {c.name: c.ok for c in check_disk(directory, directory / "spool", most)}


def test_room_and_an_empty_spool_are_fine(tmp_path: Path) -> None:
    assert states(tmp_path, MiB) == {"disk": "ok", "spool": "ok"}


def test_backlog_is_judged_by_its_share(tmp_path: Path) -> None:
    segment = tmp_path / "spool" / "a" / "segment"
    segment.parent.mkdir(parents=True)
    found = []
    for size_bytes in (849, 850, 950):
        segment.write_bytes(bytes(size_bytes))
        found.append(states(tmp_path, 1000)["spool"])
    assert found == ["ok", "warn", "fail"]


def test_disk_smaller_than_the_spool_may_grow_is_told(tmp_path: Path) -> None:
    assert states(tmp_path, 2**60)["disk"] == "fail"


def test_looking_makes_no_directory(tmp_path: Path) -> None:
    [check] = check_disk(tmp_path / "a" / "b", tmp_path / "a" / "b" / "spool", MiB)
    assert check.ok == "warn" and "not there yet" in check.detail
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("below", ["file", "file/data"])
def test_directory_that_cannot_be_written_is_a_failure(tmp_path: Path, below: str) -> None:
    (tmp_path / "file").touch()
    [check] = check_disk(tmp_path / below, tmp_path, MiB)
    assert check.ok == "fail" and "DATA_DIR" in check.remedy


def test_a_place_where_nothing_can_be_made_is_a_failure() -> None:
    """Whoever asks, root included: what `gateway serve` refuses, doctor does not call fine."""
    [check] = check_disk(Path("/proc/ogw/data"), Path("/proc/ogw/data/spool"), MiB)
    assert check.ok == "fail" and "DATA_DIR" in check.remedy
