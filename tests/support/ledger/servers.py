"""A Postgres and a RabbitMQ of one's own, to be killed and frozen; those that run here are not
touched. Their data is in a directory that the caller gives; their ports are free ones.
"""

import asyncio
import os
import shutil
import signal
import subprocess
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path

import asyncpg

from tests.support.programs import free_port

STARTED_S = 90
_RABBITMQ_APPS = (
    "accept amqp10_common amqp_client aten credentials_obfuscation cuttlefish enough"
    " gen_batch_server getopt jsx observer_cli osiris ra rabbit rabbit_common rabbitmq_prelaunch"
    " ranch recon seshat stdout_formatter syslog sysmon_handler systemd"
).split()


class Server:
    """One process group, started again with the same data as often as one likes."""

    def __init__(
        self, command: Sequence[str], directory: Path, environment: Mapping[str, str]
    ) -> None:
        self._command, self._directory = command, directory
        self._environment = {**os.environ, **environment}
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        with (self._directory / "output.log").open("ab") as output:
            self._process = subprocess.Popen(
                self._command,
                cwd="/",
                env=self._environment,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )

    async def answers(self) -> None:
        """Waits until it does."""
        async with asyncio.timeout(STARTED_S):
            while not await self._greets():  # noqa: ASYNC110 - a server tells nobody
                await asyncio.sleep(0.05)

    async def _greets(self) -> bool:
        raise NotImplementedError

    def kill(self) -> None:
        """The whole group, with -9."""
        self.signal(signal.SIGKILL)
        if self._process is not None:
            self._process.wait()

    def signal(self, number: int) -> None:
        if self._process is not None:
            with suppress(ProcessLookupError):
                os.killpg(self._process.pid, number)


class OwnPostgres(Server):
    """It syncs nothing: that matters when a machine fails, not when a process does."""

    def __init__(self, directory: Path) -> None:
        self.port = free_port()
        directory.mkdir()
        directory.chmod(0o755)
        user = _as_postgres(directory)
        initdb = [*user, _postgres("initdb"), "--auth=trust", "--username=postgres", "--no-sync"]
        data = str(directory / "data")
        made = [*initdb, "--encoding=UTF8", "--no-instructions", "--pgdata", data]
        subprocess.run(made, check=True, stdout=subprocess.DEVNULL, cwd="/")
        options = {
            "listen_addresses": "127.0.0.1",
            "port": self.port,
            "unix_socket_directories": directory,
            "fsync": "off",
            "full_page_writes": "off",
            "autovacuum": "off",
            "max_connections": 60,
        }
        settings = [part for name, value in options.items() for part in ("-c", f"{name}={value}")]
        command = [*user, _postgres("postgres"), "-D", data, *settings]
        super().__init__(command, directory, {})

    @property
    def url(self) -> str:
        return f"postgresql://postgres@127.0.0.1:{self.port}/postgres"

    async def _greets(self) -> bool:
        try:
            connection = await asyncpg.connect(self.url, timeout=5)
        except (OSError, asyncpg.PostgresError, TimeoutError):
            return False
        await connection.close()
        return True


class OwnRabbit(Server):
    """One node. Given no more than what AMQP and quorum queues need, it starts in a quarter of the
    time."""

    def __init__(self, directory: Path) -> None:
        self.port = free_port()
        directory.mkdir()
        self._node, self._home = f"ledger-{self.port}@localhost", directory
        none = directory / "none"
        none.mkdir()
        environment = {
            "HOME": str(directory),  # of the cookie, that nodes show each other
            "RABBITMQ_NODENAME": self._node,
            "RABBITMQ_NODE_PORT": str(self.port),
            "RABBITMQ_NODE_IP_ADDRESS": "127.0.0.1",
            "RABBITMQ_DIST_PORT": str(free_port()),
            "RABBITMQ_MNESIA_BASE": str(directory),
            "RABBITMQ_LOG_BASE": str(directory),
            "RABBITMQ_ENABLED_PLUGINS_FILE": str(directory / "plugins"),
            "RABBITMQ_PLUGINS_DIR": str(none),
            "RABBITMQ_CONF_ENV_FILE": str(none / "env"),
            "RABBITMQ_CONFIG_FILE": str(none / "config"),
        }
        super().__init__([str(_lean_rabbitmq(directory / "home"))], directory, environment)

    @property
    def url(self) -> str:
        return f"amqp://guest:guest@127.0.0.1:{self.port}/"

    async def _greets(self) -> bool:
        """It opens its port first and is ready to talk only later."""
        try:
            reader, writer = await asyncio.open_connection("127.0.0.1", self.port)
        except OSError:
            return False
        try:
            async with asyncio.timeout(5):
                writer.write(b"AMQP\x00\x00\x09\x01")
                return bool(await reader.readexactly(7))
        except (OSError, EOFError, TimeoutError):
            return False
        finally:
            writer.transport.abort()

    def short_of_memory(self, alarm: bool) -> None:
        """A broker with this alarm just reads no more from those who publish."""
        watermark = "0.00001" if alarm else "0.4"
        self._call(f"vm_memory_monitor set_vm_memory_high_watermark [{watermark}]")

    def _call(self, function: str) -> None:
        [call] = sorted(Path("/usr/lib/erlang").glob("erts-*/bin/erl_call"))[-1:]
        cookie = (self._home / ".erlang.cookie").read_text()
        command = [str(call), "-name", self._node, "-c", cookie, "-a", function]
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL, timeout=30)


def _postgres(program: str) -> str:
    places = sorted(Path("/usr/lib/postgresql").glob(f"*/bin/{program}"), key=_version)
    found = places[-1] if places else shutil.which(program)
    assert found, f"{program} is not installed: apt-get install postgresql"
    return str(found)


def _version(program: Path) -> float:
    return float(program.parts[-3])


def _as_postgres(directory: Path) -> list[str]:
    """It refuses to run as root: its package has made a user for it."""
    if os.getuid() != 0:
        return []
    shutil.chown(directory, "postgres")
    return ["setpriv", "--reuid=postgres", "--regid=postgres", "--clear-groups"]


def _lean_rabbitmq(home: Path) -> Path:
    """The server's script, in a tree with the few applications that it needs: to look every module
    up in all of them is most of what a start takes."""
    servers = sorted(Path("/usr/lib/rabbitmq/lib").glob("*/sbin/rabbitmq-server"))
    if not servers:
        found = shutil.which("rabbitmq-server")
        assert found, "rabbitmq-server is not installed: apt-get install rabbitmq-server"
        return Path(found)
    installed = servers[-1].parents[1]
    shutil.copytree(installed / "sbin", home / "sbin")
    (home / "plugins").mkdir()
    for app in _RABBITMQ_APPS:
        for place in (installed / "plugins").glob(f"{app}-[0-9]*"):
            (home / "plugins" / place.name).symlink_to(place)
    return home / "sbin" / "rabbitmq-server"
