"""The project's own sources, parsed: what the tests of the house read."""

import ast
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

ROOT = Path(__file__).parents[2]
PROGRAMS = ("gateway", "consumer", "common")
FOLDERS = (*PROGRAMS, "migrations", "scripts", "bench", "tests")

Function = ast.FunctionDef | ast.AsyncFunctionDef


@dataclass(frozen=True)
class Source:
    """One Python file."""

    path: str
    """Below the project's root: `gateway/app.py`."""
    text: str
    tree: ast.Module

    @property
    def name(self) -> str:
        """Dotted: `gateway.auth` for the package, `gateway.auth.tokens` for the module."""
        return self.path.removesuffix(".py").removesuffix("/__init__").replace("/", ".")

    @property
    def stem(self) -> str:
        return Path(self.path).stem

    @property
    def lines(self) -> list[str]:
        return self.text.splitlines()

    def functions(self) -> Iterator[Function]:
        for node in ast.walk(self.tree):
            if isinstance(node, Function):
                yield node

    def calls(self) -> Iterator[tuple[str, ast.Call]]:
        """Every call, with the dotted name of what is called."""
        for node in ast.walk(self.tree):
            if isinstance(node, ast.Call):
                yield dotted(node.func), node

    def imports(self) -> set[str]:
        """Dotted names of what is imported: modules, and for `from a import b` also `a.b`."""
        found: set[str] = set()
        for node in ast.walk(self.tree):
            if isinstance(node, ast.Import):
                found.update(alias.name for alias in node.names)
            elif isinstance(node, ast.ImportFrom) and node.module:
                found.add(node.module)
                found.update(f"{node.module}.{alias.name}" for alias in node.names)
        return found

    def reaches(self, *names: str) -> list[str]:
        """Which of these modules, or anything inside them, it imports."""
        return sorted(i for i in self.imports() if any(is_within(i, name) for name in names))


@cache
def sources(*folders: str) -> tuple[Source, ...]:
    """Every Python file in these folders; none given: everywhere."""
    return tuple(
        Source(str(path.relative_to(ROOT)), text, ast.parse(text))
        for folder in folders or FOLDERS
        for path in sorted((ROOT / folder).rglob("*.py"))
        for text in [path.read_text()]
    )


def is_within(name: str, package: str) -> bool:
    return name == package or name.startswith(f"{package}.")


def dotted(node: ast.AST) -> str:
    """`asyncio.create_task` for that expression; "" for the part that is no name."""
    if isinstance(node, ast.Attribute):
        return f"{dotted(node.value)}.{node.attr}"
    return node.id if isinstance(node, ast.Name) else ""
