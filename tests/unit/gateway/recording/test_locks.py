"""A spool directory belongs to whoever holds its lock, and to nobody in between."""

import fcntl
import os
from pathlib import Path

import pytest

from gateway.recording.locks import LOCK, living_or_dead, make_locked, try_lock


def test_a_new_directory_is_locked_from_its_first_moment(tmp_path: Path) -> None:
    directory, lock = make_locked(tmp_path)
    assert living_or_dead(tmp_path) == [directory]
    assert try_lock(directory) is None
    os.close(lock)


def test_a_dead_workers_lock_can_be_taken_once(tmp_path: Path) -> None:
    directory, lock = make_locked(tmp_path)
    os.close(lock)
    adopter = try_lock(directory)
    assert adopter is not None
    assert try_lock(directory) is None
    os.close(adopter)


def test_a_lock_that_is_deleted_before_it_is_taken_is_none(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two adopters: the quicker one is done before the other's lock call."""
    directory, lock = make_locked(tmp_path)
    os.close(lock)
    take = fcntl.flock

    def too_late(fd: int, how: int) -> None:
        (directory / LOCK).unlink()
        take(fd, how)

    monkeypatch.setattr(fcntl, "flock", too_late)
    assert try_lock(directory) is None


def test_what_is_no_spool_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "note.txt").write_text("mine")
    (tmp_path / ".hidden").mkdir()
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "file").touch()
    (tmp_path / "empty").mkdir()
    directories = living_or_dead(tmp_path)
    assert [d.name for d in directories] == ["empty", "full"]
    assert [try_lock(d) for d in directories] == [None, None]
    assert [d.name for d in living_or_dead(tmp_path)] == ["full"]
