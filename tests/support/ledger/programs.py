"""The real programs, kept running as a service manager keeps them: what ends is started again."""

import asyncio
import os
import signal
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from random import Random

from tests.support.processes import alive, command_of, descendants
from tests.support.programs import BIN, Program

_LOOK_S = 0.05
_AGAIN_S = 0.2
STOPPED_S = 60


class Kept:
    """One program and its children: `gateway serve` or `consumer run`."""

    def __init__(
        self, directory: Path, environment: Mapping[str, str], *command: str, random: Random
    ) -> None:
        self._command, self._directory = command, directory
        self._environment, self._random = environment, random
        self._wanted = False
        self.starts = 0
        self.program: Program | None = None

    def start(self) -> None:
        name, *arguments = self._command
        self.starts += 1
        self.program = Program([str(BIN / name), *arguments], self._directory, self._environment)

    async def keep(self) -> None:
        """Starts it, and again whenever it has ended; until cancelled."""
        self._wanted = True
        while True:
            if self._wanted and (self.program is None or self.program.process.poll() is not None):
                self.start()
            await asyncio.sleep(_AGAIN_S if self._wanted else _LOOK_S)

    async def stop(self) -> int:
        """SIGTERM, for good; the exit code. Fails if it takes too long."""
        self._wanted = False
        assert self.program is not None
        self.program.process.terminate()
        return await asyncio.to_thread(self.program.process.wait, STOPPED_S)

    def end(self) -> None:
        """Whatever is left, at once."""
        for pid in self.pids():
            send(pid, signal.SIGKILL)
        if self.program is not None:
            self.program.kill()

    def pids(self) -> list[int]:
        """The program first, then its children."""
        if self.program is None or self.program.process.poll() is not None:
            return []
        parent = self.program.process.pid
        return [parent, *descendants(parent)]

    def worker(self) -> list[int]:
        """One HTTP worker, if there is any."""
        workers = [pid for pid in self.pids()[1:] if not _consumes(pid)]
        return [self._random.choice(workers)] if workers else []

    def consumer(self) -> list[int]:
        """The consumer that a gateway without a broker has as a child."""
        return [pid for pid in self.pids()[1:] if _consumes(pid)]


def send(pid: int, number: int) -> None:
    """To whoever still has that pid."""
    with suppress(ProcessLookupError):
        if alive(pid):
            os.kill(pid, number)


def _consumes(pid: int) -> bool:
    return "consumer" in command_of(pid)
