"""Programs that a run starts, each on the cores where it belongs, and ends again."""

import os
import signal
import socket
import subprocess
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from time import monotonic, sleep

_STOP_S = 20


class BenchError(Exception):
    """A run cannot go on. The message says why, and what to do."""


class Program:
    """One process, alone in its process group; what it prints is in a file."""

    def __init__(
        self,
        command: Sequence[str],
        log: Path,
        *,
        cores: frozenset[int],
        environment: Mapping[str, str] | None = None,
        directory: Path | None = None,
    ) -> None:
        self.log = log
        log.parent.mkdir(parents=True, exist_ok=True)
        usual = os.sched_getaffinity(0)
        os.sched_setaffinity(0, cores)  # a child is where its parent is when it begins
        try:
            with log.open("ab") as output:
                self._process = subprocess.Popen(
                    command,
                    cwd=directory,
                    env={**_plain_environment(), **(environment or {})},
                    stdin=subprocess.DEVNULL,
                    stdout=output,
                    stderr=subprocess.STDOUT,
                    start_new_session=True,
                )
        finally:
            os.sched_setaffinity(0, usual)

    @property
    def pid(self) -> int:
        return self._process.pid

    @property
    def runs(self) -> bool:
        return self._process.poll() is None

    def last_words(self) -> str:
        return self.log.read_text(errors="replace")[-1500:]

    def stop(self) -> None:
        if self.runs:
            self._process.terminate()
            try:
                self._process.wait(_STOP_S)
            except subprocess.TimeoutExpired:
                os.killpg(self.pid, signal.SIGKILL)
                self._process.wait()


def run_to_end(
    command: Sequence[str],
    *,
    environment: Mapping[str, str] | None = None,
    directory: Path | None = None,
    timeout_s: float = 120,
) -> str:
    """What it prints. Raises BenchError if it fails."""
    try:
        done = subprocess.run(
            command,
            cwd=directory,
            env={**_plain_environment(), **(environment or {})},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=timeout_s,
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise BenchError(f"`{command[0]}` could not be run: {error}") from error
    if done.returncode:
        raise BenchError(f"`{' '.join(command)}` failed: {(done.stderr or done.stdout)[-1500:]}")
    return done.stdout


def _plain_environment() -> dict[str, str]:
    """Settings of the person who runs this are not the settings that are measured."""
    kept = ("PATH", "HOME", "LANG", "TMPDIR", "LD_LIBRARY_PATH")
    return {name: os.environ[name] for name in kept if name in os.environ}


def wait_until(
    true: Callable[[], bool], what: str, timeout_s: float, every_s: float = 0.02
) -> None:
    """Raises BenchError."""
    deadline = monotonic() + timeout_s
    while not true():
        if monotonic() > deadline:
            raise BenchError(f"{what}: not within {timeout_s:g} s")
        sleep(every_s)


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        port: int = listening.getsockname()[1]
        return port
