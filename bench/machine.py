"""This machine, as /proc tells of it: cores, processes, their time and memory. Linux only."""

import os
import platform
import re
import resource
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

_TICKS = os.sysconf("SC_CLK_TCK")
_NEEDED_FILES = 16_384


@dataclass(frozen=True, slots=True)
class Cores:
    """Who runs where."""

    measured: frozenset[int]
    """The core that the measured worker has to itself."""
    others: frozenset[int]
    """Where everything else is: generator, upstream, consumer, this program."""

    @property
    def shared(self) -> bool:
        return self.measured == self.others


def divide() -> Cores:
    """One core for what is measured, the rest for the rest."""
    usable = sorted(os.sched_getaffinity(0))
    return Cores(frozenset(usable[:1]), frozenset(usable[1:] or usable))


def pin(pid: int, cores: Iterable[int]) -> None:
    """All threads of a process; those that it starts later are where their parent is."""
    for thread in Path(f"/proc/{pid}/task").iterdir():
        os.sched_setaffinity(int(thread.name), cores)


def children(pid: int) -> list[int]:
    text = Path(f"/proc/{pid}/task/{pid}/children").read_text()
    return [int(child) for child in text.split()]


def family(pid: int) -> list[int]:
    """A process, its children, their children, and so on."""
    return [pid, *(one for child in children(pid) for one in family(child))]


def command_line(pid: int) -> str:
    return Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode()


def cpu_s(pids: Iterable[int]) -> float:
    """Processor time used so far, by all threads, those that ended included."""
    return sum(_cpu_ticks(Path(f"/proc/{pid}/stat")) for pid in pids) / _TICKS


def _cpu_ticks(stat: Path) -> int:
    fields = stat.read_text().rpartition(")")[2].split()
    return int(fields[11]) + int(fields[12])


def main_thread_s(pid: int) -> float:
    """Processor time of a process' first thread: where there is an event loop, that is its own."""
    return int(Path(f"/proc/{pid}/task/{pid}/schedstat").read_text().split()[0]) / 1e9


def waited_s(pids: Iterable[int]) -> float:
    """Time in which threads of theirs could have run, but something else had their core."""
    return (
        sum(
            int(schedstat.read_text().split()[1])
            for pid in pids
            for schedstat in Path(f"/proc/{pid}/task").glob("*/schedstat")
        )
        / 1e9
    )


def pss_bytes(pids: Iterable[int]) -> int:
    """Memory, with what is shared divided among those who share it."""
    return sum(_pss_kib(pid) for pid in pids) * 1024


def _pss_kib(pid: int) -> int:
    found = re.search(r"^Pss:\s+(\d+)", Path(f"/proc/{pid}/smaps_rollup").read_text(), re.M)
    return int(found[1]) if found else 0


def raise_file_limit() -> None:
    """For this process and those that it starts: thousands of connections are files."""
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    limit = _NEEDED_FILES if most == resource.RLIM_INFINITY else min(most, _NEEDED_FILES)
    resource.setrlimit(resource.RLIMIT_NOFILE, (limit, most))


def load() -> float:
    """How many processes wanted a core, on average over the last minute."""
    return os.getloadavg()[0]


def description() -> str:
    cpu = re.search(r"^model name\s*: (.+)$", Path("/proc/cpuinfo").read_text(), re.M)
    memory = re.search(r"^MemTotal:\s+(\d+)", Path("/proc/meminfo").read_text(), re.M)
    return (
        f"{os.cpu_count()} cores ({cpu[1] if cpu else platform.machine()}),"
        f" {round(int(memory[1]) / 1024**2) if memory else '?'} GiB of memory,"
        f" Linux {platform.release().split('-')[0]}, Python {platform.python_version()}"
    )
