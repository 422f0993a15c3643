"""The real programs, in a directory and an environment that hold only what the test gives.

`Installation` is one gateway as a team would set it up: its settings, its commands, its running
programs, its database. Where it finds Postgres, RabbitMQ and Redis is in `places.py`.
"""

import os
import signal
import socket
import subprocess
from collections.abc import Mapping
from pathlib import Path
from random import SystemRandom
from types import TracebackType
from typing import Self

import httpx2

from tests.support.waiting import eventually

BIN = Path(__file__).parents[2] / ".venv" / "bin"
_STARTED_S = 60
_STOPPED_S = 60


class Program:
    """One process of ours, and everything that it prints."""

    def __init__(self, command: list[str], directory: Path, environment: Mapping[str, str]) -> None:
        self._output = directory / f"{Path(command[0]).name}-{command[1]}.log"
        with self._output.open("ab") as output:
            self.process = subprocess.Popen(
                command,
                cwd=directory,
                env=dict(environment),
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
            )

    @property
    def output(self) -> str:
        return self._output.read_text(errors="replace")

    def stop(self) -> int:
        """SIGTERM, as a service manager does it. The exit code; the test fails if it hangs."""
        self.process.send_signal(signal.SIGTERM)
        try:
            return self.process.wait(_STOPPED_S)
        except subprocess.TimeoutExpired:
            self.kill()
            raise AssertionError(f"did not stop in {_STOPPED_S} s:\n{self.output}") from None

    def kill(self) -> None:
        self.process.kill()
        self.process.wait()


class Installation:
    """A gateway that is started by entering the `with` block and stopped by leaving it."""

    def __init__(self, directory: Path, settings: Mapping[str, str]) -> None:
        self.directory, self.port = directory, free_port()
        self.environment = {
            "PATH": os.environ["PATH"],
            "HOME": str(directory),
            "LANG": "C.UTF-8",
            "OPENAI_SERVICE_PORT": str(self.port),
            "AUTH_SERVICE_URL": self.url,
            "DATA_DIR": str(directory / "data"),
            "LOG_FORMAT": "json",
            **settings,
        }
        self.programs: list[Program] = []

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def database(self) -> str:
        """With the asynchronous driver."""
        default = f"sqlite:///{self.environment['DATA_DIR']}/gateway.sqlite"
        url = self.environment.get("DATABASE_URL", default)
        return url.replace("sqlite:", "sqlite+aiosqlite:").replace("ql:", "ql+asyncpg:")

    @property
    def output(self) -> str:
        """What all of its programs have printed."""
        return "".join(program.output for program in self.programs)

    def run(self, program: str, *arguments: str) -> subprocess.CompletedProcess[str]:
        """A command of the gateway or the consumer, to its end."""
        return subprocess.run(
            [BIN / program, *arguments],
            cwd=self.directory,
            env=self.environment,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=_STARTED_S,
        )

    def told(self, *arguments: str) -> str:
        """What a command of the gateway prints on its standard output; it must succeed."""
        done = self.run("gateway", *arguments)
        assert done.returncode == 0, done.stderr
        return done.stdout.strip()

    def start(self, program: str, *arguments: str) -> Program:
        """A program that goes on running."""
        started = Program([str(BIN / program), *arguments], self.directory, self.environment)
        self.programs.append(started)
        return started

    def token(self, name: str, *options: str) -> str:
        """A user's new access token, as the command line issues it."""
        return self.told("token", "issue", name, *options)

    def __enter__(self) -> Self:
        services = "AMQP_URL" in self.environment
        if services:
            self.told("migrate")  # embedded, the gateway does it before it starts the consumer
            self.start("consumer", "run")
        self.start("gateway", "serve")
        try:
            eventually(self._ready, "/readyz", _STARTED_S)
        except AssertionError as error:
            self.kill()
            raise AssertionError(f"{error}\n{self.output}") from None
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None
    ) -> None:
        for program in reversed(self.programs):
            if program.process.poll() is None:
                program.stop()

    def kill(self) -> None:
        for program in self.programs:
            program.kill()

    def _ready(self) -> bool:
        for program in self.programs:
            assert program.process.poll() is None, "a program has ended"
        try:
            return httpx2.get(f"{self.url}/readyz", timeout=5).status_code == 200
        except httpx2.TransportError:
            return False


def free_port() -> int:
    """One that nobody listens on, and that the kernel gives to nobody's connection meanwhile."""
    first_given = int(Path("/proc/sys/net/ipv4/ip_local_port_range").read_text().split()[0])
    for port in SystemRandom().sample(range(10_000, first_given), 100):
        try:
            with socket.create_server(("127.0.0.1", port)):
                return port
        except OSError:  # taken
            continue
    raise AssertionError("no port is free")
