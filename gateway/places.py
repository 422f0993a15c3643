"""Which place in the row of numbers a name has: the same one in every worker, while any runs.

Names come with the settings and, later, with each change of gateway.toml, which the workers take up
one after the other. Where they share a directory, the list of names is a file there.
"""

import fcntl
import json
from collections.abc import Iterable
from pathlib import Path

PREFIX = "names-"

Name = tuple[str, ...]


class Places:
    """Names in the order in which they came; none ever leaves its place."""

    def __init__(self, most: int, what: str, directory: Path | None = None) -> None:
        """`directory` is where several workers keep their lists; None: this one is alone."""
        self._most, self._names = most, list[Name]()
        self._file = None if directory is None else directory / f"{PREFIX}{what}"

    def of(self, names: Iterable[Name]) -> dict[Name, int]:
        """The place of each; the last of too many have none. Raises OSError."""
        wanted = list(dict.fromkeys(names))
        if self._file is None:
            self._names += _news(self._names, wanted, self._most)
        else:
            self._names = _shared(self._file, wanted, self._most)
        places = {name: place for place, name in enumerate(self._names)}
        return {name: places[name] for name in wanted if name in places}

    def names(self) -> list[Name]:
        """By their places; also those that only other workers have heard of so far."""
        if self._file is not None:
            self._names = _read(self._file.read_text())
        return self._names


def _shared(file: Path, wanted: list[Name], most: int) -> list[Name]:
    file.parent.mkdir(parents=True, exist_ok=True)
    with file.open("a+") as shared:
        fcntl.flock(shared, fcntl.LOCK_EX)
        shared.seek(0)
        names = _read(shared.read())
        news = _news(names, wanted, most)
        shared.write("".join(json.dumps(name) + "\n" for name in news))
    return names + news


def _read(lines: str) -> list[Name]:
    return [tuple(json.loads(line)) for line in lines.splitlines()]


def _news(names: list[Name], wanted: list[Name], most: int) -> list[Name]:
    known = set(names)
    return [name for name in wanted if name not in known][: most - len(names)]
