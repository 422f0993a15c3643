"""Alters modules of ours as they are imported.

Loaded before anything else of a program, and so imports next to nothing.
"""

import inspect
import os
import signal
import sys
from collections import defaultdict
from collections.abc import Callable, Sequence
from contextlib import suppress
from functools import wraps
from importlib.abc import MetaPathFinder
from importlib.machinery import ModuleSpec, PathFinder
from pathlib import Path
from types import ModuleType
from typing import Any, NamedTuple

from tests.support.alterations import BRIEFLY, FAILPOINTS, MUTANT
from tests.support.alterations.failpoints import STEPS, Step
from tests.support.alterations.mutants import MUTANTS


class Change(NamedTuple):
    """What to put in the place of something in a module."""

    place: str
    """`Class.method`, or the name of a function or a number."""
    altered: Callable[[Any], Any]
    """Given what is there."""


def install() -> None:
    """As the environment says. Raises KeyError for a mutant that there is not."""
    changes: dict[str, list[Change]] = defaultdict(list)
    if directory := os.environ.get(FAILPOINTS):
        for step in STEPS:
            changes[step.module].append(Change(step.place, _deadly(step, Path(directory))))
    if name := os.environ.get(MUTANT):
        for module, place, altered in MUTANTS[name].changes:
            changes[module].append(Change(place, altered))
    if BRIEFLY in os.environ:
        changes["gateway.supervision.family"].append(Change("MAX_DELAY_S", lambda _: 0.1))
    sys.meta_path.insert(0, _Finder(changes))


class _Finder(MetaPathFinder):
    """Finds modules where they are, and has some of them changed once they are loaded."""

    def __init__(self, changes: dict[str, list[Change]]) -> None:
        self._changes = changes

    def find_spec(
        self, name: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        if name not in self._changes:
            return None
        spec = PathFinder.find_spec(name, path, target)
        if spec is None or spec.loader is None:
            return None
        loaded = spec.loader.exec_module

        def load(module: ModuleType) -> None:
            loaded(module)
            for change in self._changes[name]:
                alter(module, change)

        spec.loader.exec_module = load  # type: ignore[method-assign]
        return spec


def alter(module: ModuleType, change: Change) -> None:
    """Raises AttributeError if there is no such thing."""
    *path, name = change.place.split(".")
    owner: Any = module
    for part in path:
        owner = getattr(owner, part)
    setattr(owner, name, change.altered(getattr(owner, name)))


def _deadly(step: Step, directory: Path) -> Callable[[Any], Any]:
    armed, hit = directory / f"{step.name}.armed", directory / f"{step.name}.hit"

    def die_if_armed() -> None:
        with suppress(FileNotFoundError):
            os.rename(armed, hit)  # whoever is first is the one
            os.kill(os.getpid(), signal.SIGKILL)

    def altered(function: Any) -> Any:
        @wraps(function)
        def call(*args: Any, **named: Any) -> Any:
            if not step.after:
                die_if_armed()
            if step.halfway and armed.exists():
                args = (*args[:-1], args[-1][: len(args[-1]) // 2])
            value = function(*args, **named)
            if step.after:
                die_if_armed()
            return value

        @wraps(function)
        async def call_and_wait(*args: Any, **named: Any) -> Any:
            if not step.after:
                die_if_armed()
            value = await function(*args, **named)
            if step.after:
                die_if_armed()
            return value

        return call_and_wait if inspect.iscoroutinefunction(function) else call

    return altered
