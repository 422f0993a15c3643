"""The parent's care for its children, watched from outside on real processes."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from gateway.supervision.family import SAME_S

PROGRAM = Path(__file__).with_name("family_program.py")
DEADLINE_S = 60


class Watched:
    """A running family and its journal."""

    def __init__(self, journal: Path, *words: str) -> None:
        self._journal = journal
        journal.touch()
        self.process = subprocess.Popen([sys.executable, PROGRAM, journal, *words])

    def lines(self, beginning: str = "") -> list[list[str]]:
        return [
            line.split()
            for line in self._journal.read_text().splitlines()
            if line.startswith(beginning)
        ]

    def pid(self, name: str) -> int:
        """Of the child's latest start."""
        self.until(lambda: self.lines(f"started {name}"))
        return int(self.lines(f"started {name}")[-1][-1])

    def until(self, condition: Callable[[], object]) -> None:
        deadline = time.monotonic() + DEADLINE_S
        while not condition():
            assert time.monotonic() < deadline, self.lines()
            time.sleep(0.01)

    def end(self, number: int) -> int:
        self.process.send_signal(number)
        return self.process.wait(DEADLINE_S)


def gone(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z"
    except FileNotFoundError:
        return True


@pytest.fixture
def family(tmp_path: Path) -> Iterator[Callable[..., Watched]]:
    started: list[Watched] = []

    def start(*words: str) -> Watched:
        started.append(Watched(tmp_path / "journal", *words))
        return started[-1]

    yield start
    for watched in started:
        watched.process.kill()
        watched.process.wait()


def test_killed_child_is_started_again(family: Callable[..., Watched]) -> None:
    watched = family("consumer", "http-0")
    first = watched.pid("http-0")
    os.kill(first, signal.SIGKILL)
    watched.until(lambda: len(watched.lines("started http-0")) == 2)
    assert watched.pid("http-0") != first and len(watched.lines("started consumer")) == 1
    assert len(watched.lines("up")) == 1


def test_stopping_asks_workers_first_and_the_consumer_last(family: Callable[..., Watched]) -> None:
    watched = family("consumer", "demo", "http-0", "http-1")
    children = [watched.pid(name) for name in ("consumer", "demo", "http-0", "http-1")]
    assert watched.end(signal.SIGTERM) == 0
    order = [line[1] for line in watched.lines() if line[0] in ("asked", "left")]
    assert set(order[:4]) == {"http-0", "http-1"}
    assert order[4:] == ["demo", "demo", "consumer", "consumer"]
    assert all(gone(pid) for pid in children)


def test_interrupt_stops_as_well(family: Callable[..., Watched]) -> None:
    watched = family("http-0")
    watched.pid("http-0")
    assert watched.end(signal.SIGINT) == 0


def test_child_that_does_not_stop_is_killed_when_its_time_is_up(
    family: Callable[..., Watched],
) -> None:
    watched = family("consumer", "http-0:stubborn")
    pid = watched.pid("http-0")
    watched.pid("consumer")
    assert watched.end(signal.SIGTERM) == 0
    assert gone(pid) and len(watched.lines("left consumer")) == 1


def test_second_signal_kills(family: Callable[..., Watched]) -> None:
    watched = family("http-0:deaf", "http-1:deaf", "http-2:deaf")
    pids = [watched.pid(f"http-{n}") for n in range(3)]
    watched.process.send_signal(signal.SIGTERM)
    watched.until(lambda: watched.lines("asked"))
    time.sleep(1.1 * SAME_S)
    assert watched.end(signal.SIGINT) == 128 + signal.SIGINT
    assert all(gone(pid) for pid in pids)


def test_one_wish_said_twice_is_no_hurry(family: Callable[..., Watched]) -> None:
    watched = family("http-0")
    watched.pid("http-0")
    watched.process.send_signal(signal.SIGTERM)
    assert watched.end(signal.SIGTERM) == 0
    assert watched.lines("left http-0")


def test_killed_parent_leaves_no_children(family: Callable[..., Watched]) -> None:
    watched = family("consumer", "demo", "http-0", "http-1")
    pids = [watched.pid(name) for name in ("consumer", "demo", "http-0", "http-1")]
    watched.process.kill()
    watched.process.wait()
    watched.until(lambda: all(gone(pid) for pid in pids))


def test_worker_that_never_served_ends_the_whole(family: Callable[..., Watched]) -> None:
    watched = family("consumer", "http-0:fails")
    assert watched.process.wait(DEADLINE_S) == 3
    assert not watched.lines("up") and all(gone(int(x[-1])) for x in watched.lines("started"))


def test_worker_that_keeps_dying_is_started_more_and_more_seldom(
    family: Callable[..., Watched],
) -> None:
    watched = family("http-0:dies")
    watched.until(lambda: len(watched.lines("started http-0")) == 4)
    assert watched.end(signal.SIGTERM) == 0


def test_hangup_is_survived_and_passed_on_to_those_who_reload(
    family: Callable[..., Watched],
) -> None:
    watched = family("consumer", "http-0:reloads")
    pid = watched.pid("http-0")
    watched.process.send_signal(signal.SIGHUP)
    watched.until(lambda: watched.lines("reloads http-0"))
    os.kill(pid, signal.SIGKILL)
    watched.until(lambda: len(watched.lines("started http-0")) == 2)
    assert len(watched.lines("started consumer")) == 1


def test_hangup_ends_it_where_that_is_wanted(family: Callable[..., Watched]) -> None:
    watched = family("--hangup-ends", "http-0")
    watched.pid("http-0")
    assert watched.end(signal.SIGHUP) == 0
