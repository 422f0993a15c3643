"""This gateway, as `gateway serve` runs it embedded: one worker, SQLite, every answer recorded."""

import re
import sys
from collections.abc import Mapping
from http.client import HTTPConnection
from importlib.metadata import version
from pathlib import Path
from time import monotonic, sleep

from bench import machine
from bench.programs import BenchError, Program, free_port, run_to_end
from bench.sides.side import Place, Side, Target

_USER = "bench"
_BACKLOG = re.compile(r"^gateway_spool_records ([\d.e+]+)", re.M)
_DRAINED_S = 180


class Gateway(Side):
    """`gateway serve`: its worker is measured; parent and consumer are with everything else."""

    name = "gateway"
    doing = (
        "token check, rotation of 2 keys, every question and answer recorded: spool on disk,"
        " consumer into SQLite, the consumer on the other core"
    )

    def __init__(
        self,
        place: Place,
        name: str = "gateway",
        durability: str = "process",
        more: Mapping[str, str] | None = None,
    ) -> None:
        """`more`: settings that this one has."""
        super().__init__(place)
        self.name = name
        if durability != "process":
            self.doing = f"as gateway, with RECORD_DURABILITY={durability}"
        self._environment = {
            "OPENAI_API_KEY": "sk-bench-1,sk-bench-2",
            "OPENAI_URL": place.upstream_url,
            "DATA_DIR": str(place.directory / "data"),
            "RECORD_DURABILITY": durability,
            "MAX_IN_FLIGHT": "5000",  # 2,000 streams are held open at a time
            **(more or {}),
        }

    def version(self) -> str:
        return f"openai-gateway {version('openai-gateway')}"

    def prepare(self) -> None:
        """A database, a person and their access token."""
        port = free_port()
        self._environment["OPENAI_SERVICE_PORT"] = str(port)
        self.target = Target(port, headers={"Authorization": f"Bearer {self._token()}"})

    def launch(self, cores: frozenset[int]) -> Program:
        directory = self.place.directory
        return Program(
            [_program(), "serve"],
            directory / "gateway.log",
            cores=cores,
            environment=self._environment,
            directory=directory,
        )

    def _token(self) -> str:
        if not (self.place.directory / "data").exists():
            self.place.directory.mkdir(parents=True, exist_ok=True)
            self._command("migrate")
            self._command("user", "add", _USER)
        return self._command("token", "issue", _USER).strip()

    def _command(self, *arguments: str) -> str:
        return run_to_end(
            [_program(), *arguments], environment=self._environment, directory=self.place.directory
        )

    def measured(self) -> list[int]:
        """Of the parent's children the one that is no consumer."""
        if self.program is None:
            return []
        return [
            child
            for child in machine.children(self.program.pid)
            if "consumer" not in machine.command_line(child)
        ]

    def backlog_records(self) -> int:
        """Records that the consumer has not confirmed, as the gateway's metrics say."""
        connection = HTTPConnection("127.0.0.1", self.target.port, timeout=10)
        try:
            connection.request("GET", "/metrics")
            found = _BACKLOG.search(connection.getresponse().read().decode())
        finally:
            connection.close()
        if found is None:
            raise BenchError("the gateway's metrics do not tell of its backlog")
        return int(float(found[1]))

    def finish(self) -> dict[str, float]:
        """Until the consumer has stored everything. Raises BenchError if that takes too long."""
        began, most = monotonic(), self.backlog_records()
        sleep(1.2)  # the metrics are renewed each second
        while backlog := self.backlog_records():
            most = max(most, backlog)
            if monotonic() - began > _DRAINED_S:
                raise BenchError(f"{backlog} records were not stored in {_DRAINED_S} s")
            sleep(0.25)
        seconds = monotonic() - began
        self.rest()  # stored, but perhaps not linked
        return {"backlog": most, "drain_s": seconds}


def _program() -> str:
    return str(Path(sys.executable).parent / "gateway")
