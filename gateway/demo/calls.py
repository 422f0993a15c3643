"""Tool calls and JSON answers of the demo: which tool a question means, arguments for its schema.

Pure. A tool is called when a user's question mentions its name, or when the caller demands it.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from gateway.demo.text import count_tokens

_MAX_DEPTH = 20


@dataclass(frozen=True, slots=True)
class ToolCall:
    """A function to call; `arguments` is JSON."""

    name: str
    arguments: str

    @property
    def tokens(self) -> int:
        """Seven more than its text, as providers count a call."""
        return count_tokens(self.name) + count_tokens(self.arguments) + 7


def wanted_call(
    functions: Sequence[dict[str, Any]], choice: object, last: dict[str, Any], said: str
) -> ToolCall | None:
    """`functions`: name and parameters of each tool; `last`: the last message; `said`: its text."""
    if choice == "none" or last.get("role") != "user":
        return None
    forced = choice == "required" or isinstance(choice, dict)
    named = _name(choice)
    for function in functions:
        name = str(function.get("name", ""))
        if name == named or (named is None and (forced or name.lower() in said.lower())):
            arguments = example(function.get("parameters"), said)
            return ToolCall(name, json.dumps(arguments if isinstance(arguments, dict) else {}))
    return None


def _name(choice: object) -> str | None:
    if not isinstance(choice, dict):
        return None
    function = choice.get("function", choice)
    name = function.get("name") if isinstance(function, dict) else None
    return name if isinstance(name, str) else None


def example(schema: object, said: str, depth: int = 0) -> Any:
    """A value that fits a plain JSON schema, made of the question where a text is wanted."""
    if not isinstance(schema, dict) or depth > _MAX_DEPTH:
        return None
    if enum := schema.get("enum"):
        return enum[0]
    if "const" in schema:
        return schema["const"]
    for variants in (schema.get("anyOf"), schema.get("oneOf")):
        if variants:
            return example(variants[0], said, depth + 1)
    kind = schema.get("type", "object" if "properties" in schema else "string")
    return _of_kind(kind[0] if isinstance(kind, list) and kind else kind, schema, said, depth)


def _of_kind(kind: object, schema: dict[str, Any], said: str, depth: int) -> Any:
    if kind == "object":
        properties = schema.get("properties")
        fields = properties if isinstance(properties, dict) else {}
        return {name: example(field, said, depth + 1) for name, field in fields.items()}
    if kind == "array":
        return [example(schema.get("items"), said, depth + 1)]
    scalars: dict[object, Any] = {"integer": 1, "number": 1.0, "boolean": True, "null": None}
    return scalars.get(kind, said) if isinstance(kind, str) else said
