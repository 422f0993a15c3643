"""Put the events of a `/responses` stream together.

Pure. A whole stream ends with the response itself; of a cut one, what the deltas told is built.
"""

from collections.abc import Iterable
from typing import Any

from common.merging import Pieces, settled
from common.sse import Event

_LAST = ("response.completed", "response.incomplete", "response.failed")

_DELTAS = {
    "response.output_text.delta": ("content", "content_index", "text", "output_text"),
    "response.refusal.delta": ("content", "content_index", "refusal", "refusal"),
    "response.reasoning_text.delta": ("content", "content_index", "text", "reasoning_text"),
    "response.reasoning_summary_text.delta": ("summary", "summary_index", "text", "summary_text"),
}
"""Deltas of an item's parts: the list, the field with the place in it, what grows, its type."""

_FIELDS = {
    "response.function_call_arguments.delta": "arguments",
    "response.mcp_call_arguments.delta": "arguments",
    "response.custom_tool_call_input.delta": "input",
    "response.code_interpreter_call_code.delta": "code",
}
"""Deltas of an item's own text."""


def assemble_response(events: Iterable[Event]) -> dict[str, Any] | None:
    """None: no event told anything."""
    base: dict[str, Any] = {}
    items: dict[int, dict[str, Any]] = {}
    error: Any = None
    for event in events:
        kind = str(event.data.get("type") or event.name)
        whole = event.data.get("response")
        if isinstance(whole, dict):
            base = whole
            if kind in _LAST:
                break
        elif kind == "error" or event.data.get("error"):
            error = event.data.get("error") or event.data
        else:
            _note(items, kind, event.data)
    if not base and not items and error is None:
        return None
    return _finished(base, items, error)


def _finished(base: dict[str, Any], items: dict[int, dict[str, Any]], error: Any) -> dict[str, Any]:
    response = {"object": "response"} | base
    if not response.get("output"):
        response["output"] = [settled(items[place]) for place in sorted(items)]
    if error is not None:
        response["error"] = error
    return response


def _note(items: dict[int, dict[str, Any]], kind: str, data: dict[str, Any]) -> None:
    place = data.get("output_index")
    if not isinstance(place, int):
        return
    if kind in ("response.output_item.added", "response.output_item.done"):
        if isinstance(item := data.get("item"), dict):
            items[place] = dict(item)
    elif kind in _DELTAS:
        _grow_part(items.setdefault(place, {"type": "message", "role": "assistant"}), kind, data)
    elif kind in _FIELDS:
        item = items.setdefault(place, {"type": "function_call"})
        _grow(item, _FIELDS[kind], data.get("delta"))


def _grow_part(item: dict[str, Any], kind: str, data: dict[str, Any]) -> None:
    list_name, place_name, field, part_type = _DELTAS[kind]
    parts = item.get(list_name)
    if not isinstance(parts, list):
        parts = item[list_name] = []
    place = data.get(place_name)
    place = place if isinstance(place, int) and 0 <= place <= len(parts) else len(parts) - 1
    if not 0 <= place < len(parts):
        parts.append({"type": part_type})
    if not isinstance(parts[place], dict):
        parts[place] = {"type": part_type}
    _grow(parts[place], field, data.get("delta"))


def _grow(into: dict[str, Any], field: str, delta: Any) -> None:
    if not isinstance(delta, str):
        return
    if not isinstance(into.get(field), Pieces):
        into[field] = Pieces()
    into[field].append(delta)
