"""Everything that one run needs, started, and in the end gone: programs, servers, ways, disk."""

import asyncio
import os
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from typing import Literal

import httpx2

from tests.support.alterations import environment
from tests.support.fault_proxy import FaultProxy
from tests.support.ledger.disk import SmallDisk
from tests.support.ledger.programs import Kept
from tests.support.ledger.servers import OwnPostgres, OwnRabbit
from tests.support.ledger.upstream import NonceUpstream
from tests.support.people import join
from tests.support.programs import BIN, free_port

Mode = Literal["services", "embedded"]
READY_S = 120
_SETTINGS = {
    "SERVER_WORKERS": "2",
    "OPENAI_API_KEY": ",".join(f"sk-{number}@org" for number in range(24)),
    "RETRY_COUNT": "2",
    "RETRY_TIME": "0.05",
    "POOL_WAIT_S": "0.5",
    "FIRST_BYTE_TIMEOUT_S": "10",
    "IDLE_TIMEOUT_S": "10",
    "DRAIN_TIMEOUT_S": "2",
    "SPOOL_MAX_BYTES": str(64 * 1024 * 1024),  # small segments: more of them
    "LOG_FORMAT": "json",
}
_PEOPLE = ("alice", "bob", "carol")


@dataclass
class World:
    """One gateway with all that belongs to it."""

    mode: Mode
    directory: Path
    random: Random
    mutant: str | None
    """Whose safeguard the programs lack: see `tests.support.alterations`."""
    upstream: NonceUpstream = field(default_factory=NonceUpstream)
    ways: dict[str, FaultProxy] = field(default_factory=dict)
    consumers: list[Kept] = field(default_factory=list)
    tokens: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.port, self.data = free_port(), self.directory / "data"
        self.disk, self.failpoints = SmallDisk(self.data), self.directory / "failpoints"

    @property
    def embedded(self) -> bool:
        return self.mode == "embedded"

    @property
    def database(self) -> str:
        """With no fault in between, with the asynchronous driver."""
        if self.embedded:
            return f"sqlite+aiosqlite:///{self.data}/gateway.sqlite"
        return self.postgres.url.replace("postgresql:", "postgresql+asyncpg:")

    def environment(self, program: str) -> dict[str, str]:
        """`program`: whose ways to the services."""
        found = {
            "PATH": os.environ["PATH"],
            "HOME": str(self.directory),
            "LANG": "C.UTF-8",
            "OPENAI_SERVICE_PORT": str(self.port),
            "DATA_DIR": str(self.data),
            "OPENAI_URL": f"http://127.0.0.1:{self.ways['upstream'].port}/v1",
            **_SETTINGS,
            **environment(self.failpoints, self.mutant, briefly=True),
        }
        if not self.embedded:
            database, broker = self.ways[f"{program}-database"], self.ways[f"{program}-broker"]
            found["DATABASE_URL"] = f"postgresql://postgres@127.0.0.1:{database.port}/postgres"
            found["AMQP_URL"] = f"amqp://guest:guest@127.0.0.1:{broker.port}/"
            found["AMQP_PREFIX"] = "ledger"
        return found

    async def run(self, *command: str) -> None:
        """A command of ours, to its end; it must succeed."""
        process = await asyncio.create_subprocess_exec(
            BIN / command[0],
            *command[1:],
            cwd=self.directory,
            env=self.environment("consumer"),
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
        )
        printed, _ = await process.communicate()
        assert process.returncode == 0, printed.decode(errors="replace")

    async def ready(self) -> None:
        """Waits until the gateway says that all is well."""
        async with asyncio.timeout(READY_S), httpx2.AsyncClient() as client:
            while True:
                try:
                    url = f"http://127.0.0.1:{self.port}/readyz"
                    if (await client.get(url, timeout=5)).status_code == 200:
                        return
                except httpx2.HTTPError:
                    pass
                await asyncio.sleep(0.1)

    async def gauge(self, name: str) -> int:
        """As the gateway tells it."""
        async with httpx2.AsyncClient() as client:
            text = (await client.get(f"http://127.0.0.1:{self.port}/metrics", timeout=30)).text
        [line] = [line for line in text.splitlines() if line.startswith(f"{name} ")]
        return int(float(line.split()[1]))

    def heal(self) -> None:
        """What a fault that was not ended would leave."""
        self.disk.ease()
        for way in self.ways.values():
            way.heal()

    # --- starting it all

    async def start(self, exits: AsyncExitStack) -> None:
        self.directory.chmod(0o755)  # others' servers run as others
        self.failpoints.mkdir()
        self.disk.mount()
        exits.callback(self.disk.unmount)
        await exits.enter_async_context(self.upstream)
        targets = {"upstream": self.upstream.port}
        if not self.embedded:
            await self._start_servers(exits)
            for program in ("gateway", "consumer"):
                targets[f"{program}-broker"] = self.rabbit.port
                targets[f"{program}-database"] = self.postgres.port
        for name, port in targets.items():
            proxy = FaultProxy("127.0.0.1", port, Random(self.random.random()))
            self.ways[name] = await exits.enter_async_context(proxy)
        await self.run("gateway", "migrate")
        for name in _PEOPLE:
            self.tokens.append(await asyncio.to_thread(join, self.database, name))
        self._make_programs(exits)

    async def _start_servers(self, exits: AsyncExitStack) -> None:
        self.rabbit = OwnRabbit(self.directory / "rabbitmq")
        exits.callback(self.rabbit.kill)
        self.rabbit.start()  # takes longer than the rest together
        self.postgres = await asyncio.to_thread(OwnPostgres, self.directory / "postgres")
        exits.callback(self.postgres.kill)
        self.postgres.start()
        await self.postgres.answers()
        await self.rabbit.answers()

    def _make_programs(self, exits: AsyncExitStack) -> None:
        self.gateway = self._kept("gateway", "gateway", "serve")
        if not self.embedded:
            self.consumers = [self._kept("consumer", "consumer", "run") for _ in range(2)]
        for kept in self.programs:
            exits.callback(kept.end)

    def _kept(self, ways: str, *command: str) -> Kept:
        random = Random(self.random.random())
        return Kept(self.directory, self.environment(ways), *command, random=random)

    @property
    def programs(self) -> list[Kept]:
        return [self.gateway, *self.consumers]


@asynccontextmanager
async def world(
    mode: Mode, directory: Path, seed: int, mutant: str | None = None
) -> AsyncIterator[World]:
    """Running, and ready for calls."""
    made = World(mode, directory, Random(seed), mutant)
    async with AsyncExitStack() as exits:
        await made.start(exits)
        async with asyncio.TaskGroup() as group:
            keeping = [group.create_task(kept.keep()) for kept in made.programs]
            try:
                await made.ready()
                yield made
            finally:
                for task in keeping:
                    task.cancel()
