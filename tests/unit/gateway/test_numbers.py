"""Workers' numbers: added up, kept when one dies, gauges only of the living."""

import fcntl
import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from gateway.numbers import Numbers, forget

pytestmark = pytest.mark.filterwarnings(
    "ignore:.*multi-threaded:DeprecationWarning"  # of the test runner, not of serve
)


@pytest.fixture
def dead_worker(tmp_path: Path) -> Iterator[Path]:
    """A directory with the file of a worker that counted 7 and 8, had 9 in a gauge, and died."""
    pid = os.fork()
    if pid == 0:
        values = Numbers(2, 1, tmp_path).values
        values[0], values[1], values[2] = 7, 8, 9
        os._exit(0)
    os.waitpid(pid, 0)
    yield tmp_path


def test_lone_worker_reads_its_own() -> None:
    numbers = Numbers(2, 1)
    numbers.values[0] += 1
    numbers.values[2] = 5
    assert numbers.read() == ([1, 0], [[5]])


def test_siblings_are_added_up(tmp_path: Path) -> None:
    first, second = Numbers(2, 1, tmp_path), Numbers(2, 1, tmp_path)
    first.values[0], second.values[0] = 1, 2
    first.values[2], second.values[2] = 3, 4
    assert first.read() == ([3, 0], [[3], [4]])
    assert second.read() == ([3, 0], [[4], [3]])


def test_counts_outlive_their_worker_and_gauges_do_not(dead_worker: Path) -> None:
    Path(dead_worker / "worker-0").rename(dead_worker / "worker-5")
    assert Numbers(2, 1, dead_worker).read() == ([7, 8], [[0]])


def test_next_worker_goes_on_in_the_file_of_a_dead_one(dead_worker: Path) -> None:
    numbers = Numbers(2, 1, dead_worker)
    assert numbers.read() == ([7, 8], [[0]])
    assert len(list(dead_worker.iterdir())) == 1


def test_file_of_another_layout_is_begun_anew(dead_worker: Path) -> None:
    assert Numbers(5, 1, dead_worker).read() == ([0] * 5, [[0]])


def test_names_go_with_the_last_worker(dead_worker: Path) -> None:
    names, dead = dead_worker / "names-x", dead_worker / "worker-0"
    names.touch()
    with dead.open() as living:
        fcntl.flock(living, fcntl.LOCK_EX)
        forget(dead_worker)
        assert names.exists()
    forget(dead_worker)
    assert not names.exists()


def test_forget_removes_the_dead_alone(dead_worker: Path) -> None:
    (dead_worker / "worker-0").rename(dead_worker / "worker-5")
    living = Numbers(2, 1, dead_worker)
    forget(dead_worker)
    assert [path.name for path in dead_worker.iterdir()] == ["worker-0"]
    assert living.read() == ([0, 0], [[0]])
