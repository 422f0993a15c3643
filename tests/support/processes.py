"""Processes of this machine, as /proc tells of them."""

from pathlib import Path


def descendants(pid: int) -> list[int]:
    """Children, their children, and so on."""
    parents = {int(entry.name): _parent(entry) for entry in Path("/proc").glob("[0-9]*")}
    found, look = [], [pid]
    while look:
        parent = look.pop()
        children = [child for child, its in parents.items() if its == parent]
        found += children
        look += children
    return found


def alive(pid: int) -> bool:
    """A zombie is not."""
    return _field(Path(f"/proc/{pid}"), 0) not in (None, "Z")


def _parent(entry: Path) -> int | None:
    parent = _field(entry, 1)
    return None if parent is None else int(parent)


def _field(entry: Path, number: int) -> str | None:
    """A field of `stat` after the command, which may hold blanks and brackets of its own."""
    try:
        stat = (entry / "stat").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return None
    return stat.rpartition(")")[2].split()[number]


def command_of(pid: int) -> list[str]:
    """Its arguments; none if it is gone."""
    try:
        return Path(f"/proc/{pid}/cmdline").read_text(errors="replace").split("\0")
    except (FileNotFoundError, ProcessLookupError):
        return []
