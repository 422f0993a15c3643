"""`gateway serve` as a process: what it claims, how its workers serve, drain and fail."""

import os
import re
import signal
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import httpx2
import pytest

from tests.support.processes import alive, descendants
from tests.support.waiting import eventually

PROGRAM = Path(__file__).with_name("serve_program.py")
DEADLINE_S = 60


class Serving:
    """The running program."""

    def __init__(self, directory: Path, habit: str, **settings: str) -> None:
        with socket.create_server(("127.0.0.1", 0)) as free:
            port = free.getsockname()[1]
        self.url = f"http://127.0.0.1:{port}"
        self.errors = directory / "stderr"
        environment = {
            "PATH": os.environ["PATH"],
            "OPENAI_SERVICE_PORT": str(port),
            "DATA_DIR": str(directory / "data"),
            **settings,
        }
        with self.errors.open("w") as errors:
            self.process = subprocess.Popen(
                [sys.executable, PROGRAM, habit], cwd=directory, env=environment, stderr=errors
            )

    def get(self, path: str) -> httpx2.Response:
        return httpx2.get(self.url + path, timeout=DEADLINE_S)

    def ready(self) -> "Serving":
        def answers() -> bool:
            assert self.process.poll() is None, self.errors.read_text()
            try:
                return self.get("/readyz").status_code == 200
            except httpx2.TransportError:
                return False

        eventually(answers, "the first answer", DEADLINE_S)
        return self

    def ended(self, number: int | None = None) -> int:
        if number is not None:
            self.process.send_signal(number)
        return self.process.wait(DEADLINE_S)


@pytest.fixture
def serving(tmp_path: Path) -> Iterator[Callable[..., Serving]]:
    started: list[Serving] = []

    def start(habit: str = "well", **settings: str) -> Serving:
        started.append(Serving(tmp_path, habit, **settings))
        return started[-1]

    yield start
    for one in started:
        one.process.kill()
        one.process.wait()


def test_serves_with_demo_from_one_thread_until_stopped(serving: Callable[..., Serving]) -> None:
    running = serving().ready()
    demo = running.get("/who").json()["demo"]
    assert re.fullmatch(r"http://127\.0\.0\.1:\d+/v1", demo)
    assert httpx2.get(f"{demo}/models").json()["object"] == "list"
    assert os.listdir(f"/proc/{running.process.pid}/task") == [str(running.process.pid)]
    children = descendants(running.process.pid)
    assert running.ended(signal.SIGTERM) == 0
    assert not any(map(alive, children))
    told = running.errors.read_text()
    assert "gateway token issue admin" in told and "ogw_" not in told


def test_answer_under_way_goes_on_while_the_worker_drains(serving: Callable[..., Serving]) -> None:
    running = serving().ready()
    with httpx2.stream("GET", f"{running.url}/until-draining", timeout=DEADLINE_S) as answer:
        lines = answer.iter_lines()
        assert next(lines) == "begun"
        running.process.send_signal(signal.SIGTERM)
        assert list(lines) == ["draining"]
    assert running.ended() == 0


def test_answer_without_end_is_cut_when_its_time_is_up(serving: Callable[..., Serving]) -> None:
    running = serving(DRAIN_TIMEOUT_S="0").ready()
    with httpx2.stream("GET", f"{running.url}/until-draining", timeout=DEADLINE_S) as answer:
        assert next(answer.iter_lines()) == "begun"
        assert running.ended(signal.SIGTERM) == 0


def test_workers_count_together_and_a_dead_one_is_replaced(
    serving: Callable[..., Serving],
) -> None:
    running = serving(SERVER_WORKERS="2").ready()

    def both() -> bool:
        seen.add(running.get("/who").json()["pid"])
        return len(seen) == 2

    seen: set[int] = set()
    eventually(both, "an answer of each worker", DEADLINE_S)
    before = _refused(running)
    os.kill(min(seen), signal.SIGKILL)
    running.get("/who")
    eventually(lambda: "gateway_workers 2.0" in running.get("/metrics").text, "its return")
    assert _refused(running) == before + 1


def test_worker_that_has_failed_beside_its_calls_is_replaced(
    serving: Callable[..., Serving],
) -> None:
    running = serving(DRAIN_TIMEOUT_S="1").ready()
    before = running.get("/who").json()["pid"]
    running.get("/break")

    def another_serves() -> bool:
        try:
            return bool(running.get("/who").json()["pid"] != before)
        except httpx2.TransportError:
            return False

    eventually(another_serves, "another worker", DEADLINE_S)
    told = running.errors.read_text()
    assert "worker_failed" in told and "LookupError" in told
    assert running.ended(signal.SIGTERM) == 0


def _refused(running: Serving) -> float:
    found = re.search(r'refused_total\{code="spool_full"\} (.*)', running.get("/metrics").text)
    assert found
    return float(found[1])


@pytest.mark.parametrize(("habit", "code"), [("refuses", 2), ("fails", 3)])
def test_app_that_cannot_start_ends_the_program_with_a_sentence(
    serving: Callable[..., Serving], habit: str, code: int
) -> None:
    running = serving(habit)
    assert running.ended() == code
    told = running.errors.read_text()
    assert ("SOME_SETTING is wrong" if habit == "refuses" else "cannot start") in told
    assert "neverever" not in told


@pytest.mark.parametrize(
    ("settings", "named"),
    [
        ({"DATA_DIR": "/proc/self/data"}, "DATA_DIR"),
        ({"HOST": "192.0.2.7"}, "HOST"),
        ({"DATABASE_URL": "postgresql://u:hunter2@127.0.0.1:1/x"}, "DATABASE_URL"),
        ({"AMQP_URL": "amqp://u:hunter2@127.0.0.1:1/"}, "AMQP_URL"),
    ],
)
def test_what_cannot_be_had_is_one_sentence(
    serving: Callable[..., Serving], settings: dict[str, str], named: str
) -> None:
    running = serving(**settings)
    assert running.ended() == 2
    told = running.errors.read_text()
    assert named in told and told.count("\n") == 1 and "hunter2" not in told


def test_port_in_use_is_one_sentence(serving: Callable[..., Serving]) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        running = serving(OPENAI_SERVICE_PORT=str(taken.getsockname()[1]))
        assert running.ended() == 2
    told = running.errors.read_text()
    assert "OPENAI_SERVICE_PORT" in told and told.count("\n") == 1
