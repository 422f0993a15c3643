"""Services from Debian's or Ubuntu's packages: installed where that may be done, then started with
data of their own in a temporary directory; what the system has set up is not touched."""

import os
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Literal

from scripts.services.addresses import Address, Service
from scripts.services.probe import free_port

HOME = Path(tempfile.gettempdir()) / f"openai-gateway-services-{os.getuid()}"
PIDS = HOME / "pids"


def may_install() -> Literal["root", "sudo", "no"]:
    if shutil.which("apt-get") is None:
        return "no"
    if os.getuid() == 0:
        return "root"
    able = shutil.which("sudo") and _quiet("sudo", "--non-interactive", "true")
    return "sudo" if able else "no"


def install(packages: Sequence[str], who: Literal["root", "sudo", "no"]) -> None:
    """Raises CalledProcessError."""
    allowed = ["sudo", "--non-interactive"] if who == "sudo" else []
    apt = [*allowed, "env", "DEBIAN_FRONTEND=noninteractive", "apt-get", "--quiet", "--yes"]
    subprocess.run([*apt, "update"], check=True)
    subprocess.run([*apt, "install", "--no-install-recommends", *packages], check=True)


def installed() -> frozenset[Service]:
    places: dict[Service, Path | None] = {
        "Postgres": _postgres_programs(),
        "RabbitMQ": _rabbitmq_server(),
        "Redis": _found("redis-server"),
    }
    return frozenset(service for service, place in places.items() if place)


def start(address: Address) -> Address:
    """Where it is then; it may take a while to answer. Raises CalledProcessError, OSError."""
    place = address.at(free_port(address.port))
    data = _own_home() / f"{place.service.lower()}-{place.port}"
    shutil.rmtree(data, ignore_errors=True)
    data.mkdir()
    match place.service:
        case "Postgres":
            _start_postgres(place, data)
        case "RabbitMQ":
            _start_rabbitmq(place, data)
        case "Redis":
            _run(["redis-server", "--port", str(place.port), "--bind", "127.0.0.1",
                  "--save", "", "--dir", str(data)], data)  # fmt: skip
    _remembered(place.service).write_text(str(place.port))
    return place


def started_before(address: Address) -> Address:
    """Where an earlier `start` has put it, which may be another port than the standard one."""
    with suppress(OSError, ValueError):
        return address.at(int(_remembered(address.service).read_text()))
    return address


def stop() -> None:
    """End every process that `start` started."""
    for pid in PIDS.read_text().split() if PIDS.exists() else ():
        with suppress(ProcessLookupError):
            os.killpg(int(pid), signal.SIGINT if _is_postgres(pid) else signal.SIGTERM)
    shutil.rmtree(HOME, ignore_errors=True)


def _remembered(service: Service) -> Path:
    return HOME / f"{service.lower()}.port"


def _own_home() -> Path:
    """Others may pass through it (the user of Postgres does), not write to it."""
    HOME.mkdir(mode=0o711, exist_ok=True)
    if HOME.is_symlink() or HOME.stat().st_uid != os.getuid():
        raise OSError(f"{HOME} is somebody else's: remove it.")
    return HOME


def _start_postgres(place: Address, data: Path) -> None:
    programs = _postgres_programs() or Path("/usr/bin")
    user = _as_postgres(data)
    subprocess.run(
        [*user, programs / "initdb", "--auth=trust", "--username=postgres", "--encoding=UTF8",
         "--no-sync", "--pgdata", data / "data"],
        check=True, stdout=subprocess.DEVNULL,
    )  # fmt: skip
    options = ("-c", "fsync=off", "-c", "listen_addresses=127.0.0.1", "-c", "max_connections=200")
    _run([*user, str(programs / "postgres"), "-D", str(data / "data"), "-k", str(data),
          "-p", str(place.port), *options], data)  # fmt: skip


def _as_postgres(data: Path) -> list[str]:
    """Postgres refuses to run as root: its package has made a user for it."""
    if os.getuid() != 0:
        return []
    shutil.chown(data, "postgres")
    return ["setpriv", "--reuid=postgres", "--regid=postgres", "--clear-groups"]


def _start_rabbitmq(place: Address, data: Path) -> None:
    server = _rabbitmq_server() or Path("rabbitmq-server")
    settings = {
        "HOME": str(data),  # of the cookie, that nodes show each other
        "RABBITMQ_NODENAME": f"tests-{place.port}@localhost",
        "RABBITMQ_NODE_PORT": str(place.port),
        "RABBITMQ_NODE_IP_ADDRESS": "127.0.0.1",
        "RABBITMQ_DIST_PORT": str(free_port(25672)),
        "RABBITMQ_MNESIA_BASE": str(data),
        "RABBITMQ_LOG_BASE": str(data),
        "RABBITMQ_ENABLED_PLUGINS_FILE": str(data / "plugins"),
        "RABBITMQ_CONF_ENV_FILE": str(data / "none"),
        "RABBITMQ_CONFIG_FILE": str(data / "none"),
    }
    _run([str(server)], data, settings)


def _run(command: Sequence[str], data: Path, settings: dict[str, str] | None = None) -> None:
    """Start it in a session of its own, so that it outlives this command."""
    with (data.parent / f"{data.name}.log").open("wb") as log:
        process = subprocess.Popen(
            command, cwd="/", env={**os.environ, **(settings or {})}, stdin=subprocess.DEVNULL,
            stdout=log, stderr=log, start_new_session=True,
        )  # fmt: skip
    with PIDS.open("a") as pids:
        pids.write(f"{process.pid}\n")


def _postgres_programs() -> Path | None:
    """Debian keeps the server's programs out of the search path; the newest version counts."""
    versions = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"), key=_version)
    found = versions[-1] if versions else _found("initdb")
    return found.parent if found else None


def _version(initdb: Path) -> float:
    return float(initdb.parts[-3])


def _rabbitmq_server() -> Path | None:
    """The server itself: Debian's wrapper in the search path runs as its own user only."""
    inner = sorted(Path("/usr/lib/rabbitmq/lib").glob("*/sbin/rabbitmq-server"))
    return inner[-1] if inner else _found("rabbitmq-server")


def _found(program: str) -> Path | None:
    place = shutil.which(program)
    return Path(place) if place else None


def _is_postgres(pid: str) -> bool:
    try:
        return b"postgres" in Path(f"/proc/{pid}/cmdline").read_bytes()
    except OSError:
        return False


def _quiet(*command: str) -> bool:
    return subprocess.run(command, capture_output=True).returncode == 0
