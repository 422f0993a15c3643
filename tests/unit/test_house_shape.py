"""How files and functions look. A failure lists every place that breaks the rule."""

import ast
import re
from collections.abc import Iterable, Iterator
from statistics import median, quantiles

import pytest

from tests.support.sources import PROGRAMS, ROOT, Function, Source, dotted, sources

READS_ENVIRONMENT = {
    "common/settings.py": "the settings that both programs have",
    "consumer/settings.py": "the consumer's",
    "gateway/settings.py": "the gateway's",
}
BUILDS_ENGINES = {
    "common/database.py": "the one place that knows how; it keeps none",
    "consumer/app.py": "the consumer's own",
    "consumer/commands/": "a command works on the database and ends",
    "gateway/app.py": "the worker's own",
    "gateway/commands/": "a command works on the database and ends",
    "gateway/doctor.py": "looks at the database and ends",
    "gateway/migration.py": "migrates and ends",
    "gateway/prepare.py": "looks at the database before there are workers, and ends",
}
ENGINES = {"make_engine", "create_engine", "create_async_engine", "async_sessionmaker"}


def broken(rule: str, found: Iterable[str]) -> None:
    if listed := sorted(found):
        pytest.fail(f"{rule}\n  " + "\n  ".join(listed), pytrace=False)


def places(those: Iterable[Source], *kinds: type[ast.AST]) -> Iterator[tuple[str, ast.AST]]:
    for source in those:
        for node in ast.walk(source.tree):
            if isinstance(node, kinds):
                yield f"{source.path}:{getattr(node, 'lineno', 0)}", node


def size(function: Function) -> int:
    return (function.end_lineno or 0) - function.lineno + 1


def test_every_module_says_what_is_here() -> None:
    broken(
        "A module begins with a docstring that says what is here and what is not",
        (s.path for s in sources() if not ast.get_docstring(s.tree)),
    )


def test_files_are_short() -> None:
    broken(
        "Split these files: more than 500 lines",
        (f"{s.path}: {len(s.lines)}" for s in sources() if len(s.lines) > 500),
    )
    lengths = [len(s.lines) for s in sources(*PROGRAMS) if s.stem != "__init__"]
    assert median(lengths) <= 150


def test_functions_are_short() -> None:
    broken(
        "Split these functions: more than 60 lines",
        (
            f"{s.path}:{f.lineno} {f.name}: {size(f)}"
            for s in sources()
            for f in s.functions()
            if size(f) > 60
        ),
    )
    sizes = [size(f) for s in sources(*PROGRAMS) for f in s.functions()]
    assert quantiles(sizes, n=10)[-1] <= 35


def test_imports_stand_at_the_top() -> None:
    inside = (
        f"{s.path}:{node.lineno} in {f.name}"
        for s in sources()
        for f in s.functions()
        for node in ast.walk(f)
        if isinstance(node, ast.Import | ast.ImportFrom)
    )
    broken("An import inside a function hides a circle", inside)


def test_imports_are_absolute() -> None:
    relative = (
        place
        for place, node in places(sources(), ast.ImportFrom)
        if isinstance(node, ast.ImportFrom) and node.level
    )
    broken("Relative imports", relative)


def test_modules_hold_no_state() -> None:
    broken("`global` makes state of a module", (p for p, _ in places(sources(), ast.Global)))
    variables = (
        f"{s.path}:{node.lineno} {dotted(target)}"
        for s in sources(*PROGRAMS)
        for node in s.tree.body
        if isinstance(node, ast.Assign | ast.AnnAssign) and is_container(node.value)
        for target in (node.targets if isinstance(node, ast.Assign) else [node.target])
        if not dotted(target).strip("_").isupper() and dotted(target) not in ALLOWED_CONTAINERS
    )
    broken("A list, dict or set of a module is a constant, named so, or somebody's", variables)


ALLOWED_CONTAINERS = {"__all__", "revision", "down_revision"}


def is_container(value: ast.expr | None) -> bool:
    if isinstance(value, ast.Call):
        return dotted(value.func) in {"list", "dict", "set", "defaultdict", "deque", "OrderedDict"}
    return isinstance(value, ast.List | ast.Dict | ast.Set | ast.ListComp | ast.DictComp)


def test_the_environment_is_read_in_settings_only() -> None:
    reads = (
        f"{s.path}:{node.lineno}"
        for s in sources(*PROGRAMS)
        if s.path not in READS_ENVIRONMENT
        for node in ast.walk(s.tree)
        if (isinstance(node, ast.Attribute) and dotted(node) in {"os.environ", "os.getenv"})
        or (isinstance(node, ast.ImportFrom) and node.module in {"os", "dotenv"} and is_env(node))
    )
    broken("Add a setting instead of reading the environment", reads)


def is_env(node: ast.ImportFrom) -> bool:
    return any(a.name in {"environ", "getenv", "dotenv_values", "load_dotenv"} for a in node.names)


def test_engines_are_built_at_the_edges_only() -> None:
    built = (
        f"{s.path}:{call.lineno} calls {name}"
        for s in sources(*PROGRAMS)
        if not s.path.startswith(tuple(BUILDS_ENGINES))
        for name, call in s.calls()
        if name.rpartition(".")[2] in ENGINES
    )
    broken("An engine is an argument; the two app.py build them", built)
    broken("Allowed, but gone", (p for p in BUILDS_ENGINES if not (ROOT / p).exists()))


def test_sql_is_never_put_together_from_strings() -> None:
    composed = (
        f"{s.path}:{call.lineno}"
        for s in sources(*PROGRAMS, "migrations")
        for name, call in s.calls()
        if name.rpartition(".")[2] == "text" and call.args
        if isinstance(call.args[0], ast.JoinedStr | ast.BinOp | ast.Call)
    )
    broken("Bind parameters; text() takes a constant", composed)


OWN_CONTEXT = {
    # the watch for a hang-up, one per call: the context that starts it ends it, at half the cost
    "gateway/proxy/sink.py",
}


def test_every_task_belongs_to_a_group() -> None:
    bare = (
        f"{s.path}:{call.lineno} calls {name}"
        for s in sources(*PROGRAMS)
        for name, call in s.calls()
        if s.path not in OWN_CONTEXT
        if name in {"asyncio.create_task", "asyncio.ensure_future", "loop.create_task"}
        or name.endswith("get_running_loop.create_task")
    )
    broken("Start tasks in a task group that somebody owns", bare)


def test_catching_everything_gives_its_reason() -> None:
    silent = (
        f"{s.path}:{node.lineno}"
        for s in sources(*PROGRAMS)
        for node in ast.walk(s.tree)
        if isinstance(node, ast.ExceptHandler) and catches_everything(node)
        if not raises_again(node) and not has_reason(s, node)
    )
    broken("`except Exception` raises again, or a comment says why it may not", silent)


def catches_everything(node: ast.ExceptHandler) -> bool:
    caught = node.type.elts if isinstance(node.type, ast.Tuple) else [node.type]
    return any(c is None or dotted(c) in {"Exception", "BaseException"} for c in caught)


def raises_again(node: ast.ExceptHandler) -> bool:
    return any(isinstance(inner, ast.Raise) for inner in ast.walk(node))


def has_reason(source: Source, node: ast.ExceptHandler) -> bool:
    """A comment between the `except` and the first statement, or beside either."""
    return any("#" in line for line in source.lines[node.lineno - 1 : node.body[0].lineno])


def test_no_test_is_skipped() -> None:
    skips = re.compile(r"pytest\.(skip|importorskip|xfail|mark\.(skip|skipif|xfail))\b")
    broken(
        "A test runs, or is not there",
        (
            f"{s.path}:{call.lineno}"
            for s in sources("tests")
            for name, call in s.calls()
            if skips.fullmatch(name)
        ),
    )
    marked = (
        f"{s.path}:{d.lineno}"
        for s in sources("tests")
        for f in s.functions()
        for d in f.decorator_list
        if skips.fullmatch(dotted(d))
    )
    broken("A test runs, or is not there", marked)
