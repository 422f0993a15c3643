"""Who may import whom. A failure lists every file that breaks the rule, and what it imports."""

import importlib.metadata
import re
import sys
import tomllib
from collections.abc import Iterable

import pytest

from tests.support.sources import PROGRAMS, ROOT, Source, is_within, sources

PURE = {
    "common.answers",
    "common.frames",
    "common.record",
    "consumer.conversations",
    "gateway.auth.tokens",
    "gateway.upstream.balancer",
    "gateway.upstream.credential",
    "gateway.upstream.health",
    "gateway.upstream.retry",
}
"""Decided without waiting, logging or reading a clock. Other modules join by saying `Pure` first
in a paragraph of their docstring."""

IMPURE_PARTS_OF_PYTHON = {
    "asyncio", "concurrent", "fcntl", "http", "io", "logging", "multiprocessing", "os", "pathlib",
    "select", "selectors", "signal", "socket", "sqlite3", "ssl", "subprocess", "tempfile",
    "threading", "time", "urllib.request",
}  # fmt: skip

MOST_DEPENDENCIES = 60
"""Packages in the run lock. Each one costs start-up, memory and trust: raise it with a reason."""


def broken(rule: str, found: Iterable[str]) -> None:
    if listed := sorted(found):
        pytest.fail(f"{rule}\n  " + "\n  ".join(listed), pytrace=False)


def reaching(those: Iterable[Source], *forbidden: str) -> list[str]:
    return [f"{s.path} imports {name}" for s in those for name in s.reaches(*forbidden)]


@pytest.mark.parametrize(
    ("program", "others"),
    [
        ("gateway", ("consumer", "tests", "bench", "scripts")),
        ("consumer", ("gateway", "tests", "bench", "scripts")),
        ("common", ("gateway", "consumer", "migrations", "tests", "bench", "scripts")),
        ("migrations", ("gateway", "consumer", "tests", "bench", "scripts")),
    ],
)
def test_programs_know_only_what_is_common(program: str, others: tuple[str, ...]) -> None:
    broken(f"{program} may not import {', '.join(others)}", reaching(sources(program), *others))


def test_endpoints_know_no_database_broker_client_or_system() -> None:
    endpoints = [s for s in sources("gateway") if s.stem.startswith("endpoints")]
    forbidden = ("sqlalchemy", "redis", "aio_pika", "httpx2", "authlib", "os")
    broken("Endpoints call stores and ports", reaching(endpoints, *forbidden))


def test_stores_providers_transports_and_publishers_know_no_web_framework() -> None:
    words = ("store", "transport", "publisher", "broker", "spool")
    inner = [s for s in sources() if s.stem.startswith(words) or "/providers/" in s.path]
    inner = [s for s in inner if not s.path.startswith("tests/")]
    broken("What is called by endpoints knows nothing of them", reaching(inner, "starlette"))


def test_consumer_and_common_know_no_web_framework() -> None:
    broken("No clients here", reaching(sources("consumer", "common"), "starlette", "uvicorn"))


def test_alembic_is_known_to_migrations_only() -> None:
    others = [s for s in sources(*PROGRAMS) if s.path != "gateway/migration.py"]
    broken("Only gateway/migration.py and migrations/ may", reaching(others, "alembic"))


def pure_modules() -> list[Source]:
    def says_so(source: Source) -> bool:
        return bool(re.search(r"(^|\n\n)Pure\b", source.tree.body[0].value.value))  # type: ignore[attr-defined]

    return [s for s in sources(*PROGRAMS) if s.name in PURE or says_so(s)]


def test_pure_modules_are_all_there() -> None:
    broken("Pure by design, but gone or renamed", PURE - {s.name for s in pure_modules()})


def test_pure_modules_know_only_python_and_pure_modules() -> None:
    known = {s.name: s for s in sources(*PROGRAMS)}
    found = set()
    todo, seen = [(s, s.path) for s in pure_modules()], set()
    while todo:
        source, way = todo.pop(0)
        seen.add(source.name)
        for name in sorted(source.imports()):
            if name.partition(".")[0] in PROGRAMS:
                if (
                    name in known
                    and name not in seen
                    and not known[name].path.endswith("init__.py")
                ):
                    todo.append((known[name], f"{way} → {known[name].path}"))
            elif not allowed_in_pure(name):
                found.add(f"{way} imports {name}")
    broken("A pure module takes what it needs as arguments", found)


def allowed_in_pure(name: str) -> bool:
    if any(is_within(name, impure) for impure in IMPURE_PARTS_OF_PYTHON):
        return False
    top = name.partition(".")[0]
    return top in sys.stdlib_module_names or top == "msgspec"  # msgspec: JSON, as quick as needed


def test_pure_modules_read_no_clock() -> None:
    clocks = ("datetime.now", "datetime.utcnow", "date.today", "uuid.uuid1", "uuid.uuid4")
    broken(
        "The time is an argument",
        (
            f"{s.path}:{call.lineno} calls {name}"
            for s in pure_modules()
            for name, call in s.calls()
            if name.endswith(clocks)
        ),
    )


def feature(name: str) -> str:
    return ".".join(name.split(".")[:2])


def test_no_feature_reads_another_feature_s_store() -> None:
    edges = {"gateway.app", "gateway.cli", "gateway.prepare"}  # they put the features together
    stores = {s.name for s in sources("gateway") if s.stem.startswith("store")}
    broken(
        "Ask the feature, not its store",
        (
            f"{s.path} imports {name}"
            for s in sources("gateway")
            if s.name not in edges
            for name in s.imports() & stores
            if feature(name) != feature(s.name)
        ),
    )


def test_features_form_no_circle() -> None:
    wants: dict[str, set[str]] = {}
    for s in sources(*PROGRAMS):
        parts = {feature(n) for n in s.imports() if n.partition(".")[0] in PROGRAMS}
        wants.setdefault(feature(s.name), set()).update(parts - {feature(s.name)} - set(PROGRAMS))
    while free := {f for f in wants if not wants[f] or not any(f in w for w in wants.values())}:
        wants = {f: wants[f] - free for f in wants.keys() - free}
    broken("These import each other", (f"{f}: {', '.join(sorted(w))}" for f, w in wants.items()))


LOADED_BY_NAME = {"aiosqlite", "asyncpg", "httptools", "uvloop"}
"""SQLAlchemy loads drivers, and uvicorn its loop and parser, without an import of ours."""


def declared() -> set[str]:
    listed = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["dependencies"]
    return {re.split(r"[\[>=<; ]", line)[0].replace("_", "-").lower() for line in listed}


def test_each_import_is_a_declared_dependency_and_the_other_way_round() -> None:
    provided = importlib.metadata.packages_distributions()
    ours = {*PROGRAMS, "migrations", "scripts", "tests", "bench"}
    tops = {n.partition(".")[0] for s in sources(*PROGRAMS, "migrations") for n in s.imports()}
    foreign = tops - ours - sys.stdlib_module_names
    imported = {d.replace("_", "-").lower() for name in foreign for d in provided.get(name, [name])}
    broken("Imported, but not in pyproject.toml's dependencies", imported - declared())
    broken(
        "In pyproject.toml's dependencies, but never imported",
        declared() - imported - LOADED_BY_NAME,
    )


def test_dependencies_are_few() -> None:
    pins = re.findall(r"^([\w.-]+)==", (ROOT / "requirements/run.txt").read_text(), re.MULTILINE)
    assert len(set(pins)) <= MOST_DEPENDENCIES, sorted(set(pins))
