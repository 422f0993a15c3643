"""When the demo calls a tool, and with what."""

import json
from typing import Any

import pytest

from gateway.demo.calls import example, wanted_call

WEATHER: dict[str, Any] = {
    "name": "get_weather",
    "parameters": {
        "type": "object",
        "properties": {"city": {"type": "string"}, "days": {"type": "integer"}},
    },
}
TIME: dict[str, Any] = {"name": "get_time"}
ASKED = {"role": "user"}


def test_the_tool_that_is_mentioned_is_called() -> None:
    call = wanted_call([TIME, WEATHER], "auto", ASKED, "Please Get_Weather in Ulm")
    assert call and call.name == "get_weather"
    assert json.loads(call.arguments) == {"city": "Please Get_Weather in Ulm", "days": 1}
    assert call.tokens > 7


@pytest.mark.parametrize(
    ("choice", "called"),
    [
        ("required", "get_time"),
        ({"type": "function", "function": {"name": "get_weather"}}, "get_weather"),
        ({"type": "function", "name": "get_weather"}, "get_weather"),
        ("none", None),
        ("auto", None),
        (None, None),
    ],
)
def test_the_callers_choice_decides(choice: object, called: str | None) -> None:
    call = wanted_call([TIME, WEATHER], choice, ASKED, "Hello!")
    assert (call and call.name) == called


def test_no_tool_is_called_after_a_tools_answer() -> None:
    assert wanted_call([TIME], "required", {"role": "tool"}, "get_time") is None


@pytest.mark.parametrize(
    ("schema", "value"),
    [
        ({"type": "array", "items": {"type": "boolean"}}, [True]),
        ({"enum": ["a", "b"]}, "a"),
        ({"const": 7}, 7),
        ({"anyOf": [{"type": "number"}, {"type": "null"}]}, 1.0),
        ({"type": ["null", "string"]}, None),
        ({"properties": {"x": {"type": "string"}}}, {"x": "said"}),
        ({}, "said"),
        ("nonsense", None),
    ],
)
def test_examples_fit_their_schema(schema: object, value: object) -> None:
    assert example(schema, "said") == value


def test_a_bottomless_schema_has_an_end() -> None:
    schema: dict[str, Any] = {"type": "array"}
    schema["items"] = schema
    assert json.dumps(example(schema, "said"))
