"""What the definitions of functions in a request cost.

The rule for flat schemas is published in OpenAI's cookbook ("How to count tokens with tiktoken");
for nested ones and for hosted tools there is none, so those are estimates.
"""

from typing import Any

import msgspec

from consumer.tokens.text import Count, Tokenizer

_PER_FUNCTION, _PER_OLD_FUNCTION = 7, 10
_PER_PROPERTIES = 3
_PER_PROPERTY = 3
_PER_ENUM, _PER_ENUM_ITEM = -3, 3
_END = 12


def count_functions(tokenizer: Tokenizer, functions: list[Any], old: bool) -> Count:
    """`functions` as `{"name", "description", "parameters"}`; `old`: of a model before gpt-4o."""
    if not functions:
        return Count()
    each = (_count_function(tokenizer, function, old) for function in functions)
    return sum(each, Count(_END))


def functions_of(tools: Any) -> tuple[list[Any], bool]:
    """The functions among a request's tools, as both APIs write them; and whether that is all."""
    found = [tool for tool in tools if isinstance(tool, dict)] if isinstance(tools, list) else []
    functions = [tool.get("function", tool) for tool in found if tool.get("type") == "function"]
    return functions, len(functions) == len(found)


def _count_function(tokenizer: Tokenizer, function: Any, old: bool) -> Count:
    base = Count(_PER_OLD_FUNCTION if old else _PER_FUNCTION)
    if not isinstance(function, dict):
        return Count(base.tokens, exact=False)
    parameters = function.get("parameters") or {}
    properties = parameters.get("properties") if isinstance(parameters, dict) else None
    head = tokenizer.count(f"{function.get('name')}:{_described(function)}")
    if not isinstance(properties, dict):
        return base + head + Count(0, exact=not parameters)
    if not all(_is_flat(schema) for schema in properties.values()):
        text = msgspec.json.encode(properties).decode()
        return base + head + Count(tokenizer.count(text).tokens, exact=False)
    each = (_count_property(tokenizer, *item) for item in properties.items())
    return sum(each, base + head + Count(_PER_PROPERTIES if properties else 0))


def _is_flat(schema: Any) -> bool:
    return (
        isinstance(schema, dict)
        and schema.get("type") in ("string", "number", "integer", "boolean")
        and schema.keys() <= {"type", "description", "enum"}
        and isinstance(schema.get("enum", []), list)
    )


def _count_property(tokenizer: Tokenizer, name: str, schema: dict[str, Any]) -> Count:
    count = Count(_PER_PROPERTY)
    if "enum" in schema:
        items = (tokenizer.count(str(item)) + Count(_PER_ENUM_ITEM) for item in schema["enum"])
        count = sum(items, count + Count(_PER_ENUM))
    return count + tokenizer.count(f"{name}:{schema['type']}:{_described(schema)}")


def _described(of: dict[str, Any]) -> str:
    return str(of.get("description") or "").removesuffix(".")
