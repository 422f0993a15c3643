"""Log lines: one event each, whatever is in the values, and never a secret."""

import io
import json
import logging
from collections.abc import Iterator
from typing import Any

import pytest
import structlog

from common.logs import configure

SECRETS = (
    "sk-proj-abcDEF0123456789",
    "ogw_0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLM",
    "Bearer hunter2hunter2",
    "postgresql+asyncpg://gateway:hunter2hunter2@db:5432/openai",
    "redis://:hunter2hunter2@cache",
    "https://host/path?api_key=hunter2hunter2&x=1",
    '{"password": "hunter2hunter2"}',
    "0123456789abcdef0123456789abcdef",
)
NASTY = "a\r\nb\x1b[31m\u2028\u2029\x85\u202e\udfff"


@pytest.fixture(autouse=True)
def logging_as_before() -> Iterator[None]:
    root = logging.getLogger()
    handlers, level = list(root.handlers), root.level
    yield
    root.handlers[:] = handlers
    root.setLevel(level)
    structlog.reset_defaults()


def logged(format: str, event: str = "it_happened", level: str = "info", **fields: Any) -> str:
    stream = io.StringIO()
    configure(level, format, stream)
    structlog.get_logger().info(event, **fields)
    return stream.getvalue()


def leaks(text: str) -> bool:
    return any(part in text for part in ("hunter2", "0123456789", "abcDEF", "CANARY"))


@pytest.mark.parametrize("format", ["json", "console"])
@pytest.mark.parametrize("secret", SECRETS)
def test_secrets_are_hidden_by_their_shape(format: str, secret: str) -> None:
    fields = {
        "value": secret,
        "nested": {"list": [secret, secret.encode()]},
        "error": OSError(secret),
    }
    assert not leaks(logged(format, event=f"seen {secret}", **fields))


@pytest.mark.parametrize(
    "name", ["key", "api_key", "X-API-Key", "token", "access_tokens", "authorization", "app_secret"]
)
def test_secrets_are_hidden_by_their_name(name: str) -> None:
    line = logged("json", **{name: "CANARY", "deep": {name: ["CANARY"]}})
    assert not leaks(line) and json.loads(line)[name] == "***"


def test_ids_counts_and_names_stay_readable() -> None:
    record = "01940c3e-9c5e-7cc4-a1b2-0123456789ab"
    fields = {"path": f"/records/{record}", "record_id": record.replace("-", "")}
    line = json.loads(logged("json", **fields, prompt_tokens=7, credential="openai/key-0"))
    assert {name: line[name] for name in fields} == fields and line["prompt_tokens"] == 7
    assert (line["credential"], line["event"], line["level"]) == (
        "openai/key-0",
        "it_happened",
        "info",
    )


def test_json_line_holds_nasty_values_unchanged() -> None:
    line = logged("json", value=NASTY, 名="值")
    assert len(line.splitlines()) == 1 and "\x1b" not in line
    assert json.loads(line)["value"] == NASTY and "值" in line


def test_console_line_holds_nasty_values_escaped() -> None:
    line = logged("console", event=f"event {NASTY}", value=NASTY)
    assert len(line.splitlines()) == 1 and "\x1b" not in line


def test_traceback_on_the_console_cannot_forge_an_event() -> None:
    stream = io.StringIO()
    configure("info", "console", stream)
    try:
        raise ValueError("x\n2026-01-01 [info] forged sk-CANARYCANARY")
    except ValueError:
        structlog.get_logger().exception("it_failed")
    lines = stream.getvalue().splitlines()
    assert "it_failed" in lines[0] and all(line.startswith("    ") for line in lines[1:])
    assert not leaks(stream.getvalue())


def test_libraries_take_the_same_way_from_warnings_up() -> None:
    stream = io.StringIO()
    configure("debug", "json", stream)
    logging.getLogger("lib").info("parameters: everything")
    logging.getLogger("lib").warning("lost %s\nsoon", "amqp://guest:hunter2@host")
    line = json.loads(stream.getvalue())
    assert (line["logger"], line["level"]) == ("lib", "warning") and not leaks(line["event"])


def test_level_is_kept() -> None:
    assert logged("json", level="warning") == ""


def test_auto_is_json_where_there_is_no_terminal() -> None:
    assert json.loads(logged("auto"))["event"] == "it_happened"


def test_line_that_cannot_be_written_is_nobodys_failure() -> None:
    stream = io.StringIO()
    configure("info", "json", stream)
    stream.close()
    structlog.get_logger().info("it_happened")


def test_long_values_are_cut_in_the_middle() -> None:
    value = json.loads(logged("json", value="a" + " b" * 10_000 + "z"))["value"]
    assert len(value) < 5000 and value[0] == "a" and value[-1] == "z"
