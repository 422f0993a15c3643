"""The items of stored responses: which of them a body refers to, and which an answer makes. Pure.

Output items live at the account of their response and belong to its user, but not every provider
gives them ids of their own: so they are kept apart from other resources, and only an item without
its content is a reference. One that comes with its content shows nothing that its sender lacks.
"""

import json
import re
from collections.abc import Iterator
from typing import Any

from gateway.errors import InvalidJSON

GROUPS = frozenset({"conversations", "responses"})
"""Endpoint groups whose bodies refer to items."""

_PREFIX = "item:"
_REFERRING = frozenset({"item_reference", "reasoning"})
"""Types of items whose content the provider has; reasoning is hidden, or encrypted."""
_HINT = re.compile(rb'"id"|\\u')
"""Without it a body refers to no item; a letter of the name may be escaped."""


def items_named(body: bytes) -> list[str]:
    """The items that a body refers to, as they are kept. Raises InvalidJSON (400)."""
    if not _HINT.search(body):
        return []
    found: list[str] = []

    def members(pairs: list[tuple[str, Any]]) -> None:
        types = {value for name, value in pairs if name in ("type", "role") and value is not None}
        if not types or not _REFERRING.isdisjoint(types):  # a reference need not say its type
            found.extend(v for name, v in pairs if name == "id" and isinstance(v, str) and v)

    try:
        json.loads(body, object_pairs_hook=members)
    except (ValueError, RecursionError):
        raise InvalidJSON() from None
    return [_PREFIX + name for name in found]


def items_made(answer: Any) -> Iterator[str]:
    """The items that an answer names, as they are kept: of a response, of the event that ends one,
    of a conversation to which some were added."""
    if not isinstance(answer, dict):
        return
    response = answer.get("response")
    output = response.get("output") if isinstance(response, dict) else answer.get("output")
    added = answer.get("data") if answer.get("object") == "list" else None
    for item in [*_objects(output), *_objects(added)]:
        if isinstance(item.get("type"), str) and isinstance(item.get("id"), str) and item["id"]:
            yield _PREFIX + item["id"]


def _objects(value: Any) -> Iterator[dict[str, Any]]:
    if isinstance(value, list):
        yield from (item for item in value if isinstance(item, dict))
