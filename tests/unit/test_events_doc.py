"""docs/events.md lists every log event with its level and fields, and none that is not logged."""

import ast
import re
from collections import defaultdict
from collections.abc import Iterator

import pytest

from tests.support.sources import PROGRAMS, ROOT, dotted, sources

DOCUMENT = ROOT / "docs" / "events.md"
LEVELS = {"debug", "info", "warning", "error", "exception", "critical"}
ROW = re.compile(r"\| `(\w+)` +\| (\w+(?:, \w+)*) +\|(.*?)\| \S.* \|")

Event = tuple[str, str]
"""The program (`gateway`, `consumer`, `common`) and the event's name."""
Facts = tuple[frozenset[str], frozenset[str]]
"""Levels and fields."""


def log_calls() -> Iterator[tuple[str, str, ast.Call]]:
    """Program, place and call."""
    for source in sources(*PROGRAMS):
        for name, call in source.calls():
            owner, _, method = name.rpartition(".")
            if method in LEVELS and owner.rpartition(".")[2].strip("_") == "log":
                yield source.path.partition("/")[0], f"{source.path}:{call.lineno}", call


def logged() -> dict[Event, Facts]:
    levels: dict[Event, set[str]] = defaultdict(set)
    fields: dict[Event, set[str]] = defaultdict(set)
    for program, _, call in log_calls():
        event = (program, ast.literal_eval(call.args[0]))
        level = dotted(call.func).rpartition(".")[2]
        named = {str(keyword.arg) for keyword in call.keywords}
        if level == "exception" or "exc_info" in named:
            named = named - {"exc_info"} | {"exception"}
        levels[event].add("error" if level == "exception" else level)
        fields[event] |= named
    return {event: (frozenset(levels[event]), frozenset(fields[event])) for event in levels}


def documented() -> dict[Event, Facts]:
    found: dict[Event, Facts] = {}
    program = ""
    for line in DOCUMENT.read_text().splitlines():
        if heading := re.match(r"## `(\w+)`", line):
            program = heading[1]
        elif row := ROW.fullmatch(line):
            assert (program, row[1]) not in found, f"listed twice: {row[1]}"
            fields = frozenset(re.findall(r"`(\w+)`", row[3]))
            found[program, row[1]] = (frozenset(row[2].split(", ")), fields)
        else:
            assert not line.startswith("| `"), f"not a row that can be read: {line}"
    return found


def test_events_have_plain_names() -> None:
    wrong = [
        place
        for _, place, call in log_calls()
        if not (call.args and isinstance(call.args[0], ast.Constant) and len(call.args) == 1)
        or not re.fullmatch(r"[a-z]+(_[a-z]+)*", str(call.args[0].value))
        or any(keyword.arg is None for keyword in call.keywords)
    ]
    assert not wrong, f"an event is one literal name, its fields are keywords: {wrong}"


def test_loggers_are_called_log() -> None:
    wrong = [
        f"{source.path}:{node.lineno}"
        for source in sources(*PROGRAMS)
        if source.name != "common.logs"
        for node in ast.walk(source.tree)
        if isinstance(node, ast.Assign)
        and isinstance(node.value, ast.Call)
        and dotted(node.value.func) in ("structlog.get_logger", "get_logger", "logging.getLogger")
        and [dotted(target) for target in node.targets] != ["log"]
    ]
    assert not wrong, f"this test would not see what is logged here: {wrong}"


@pytest.mark.parametrize("program", PROGRAMS)
def test_events_and_document_are_the_same(program: str) -> None:
    in_code = {event: facts for event, facts in logged().items() if event[0] == program}
    in_document = {event: facts for event, facts in documented().items() if event[0] == program}
    assert sorted(in_code.keys() - in_document.keys()) == [], "logged, but not in docs/events.md"
    assert sorted(in_document.keys() - in_code.keys()) == [], "in docs/events.md, but never logged"
    for event, (levels, fields) in in_code.items():
        assert in_document[event] == (levels, fields), event
