"""The events of a streamed /v1/responses answer, in the order in which the real API sends them.

Pure: from the response as begun and as ended to the events between them.
"""

from collections.abc import Iterator
from itertools import count
from typing import Any

from gateway.demo.events import Event
from gateway.demo.text import pieces


def events(begun: dict[str, Any], ended: dict[str, Any]) -> Iterator[Event]:
    """Numbered from 0; the last one says how the response ended, with its usage."""
    numbers = count()
    for name, data, paced in _unnumbered(begun, ended):
        yield Event({"type": name, "sequence_number": next(numbers), **data}, name, paced)


_Step = tuple[str, dict[str, Any], bool]


def _unnumbered(begun: dict[str, Any], ended: dict[str, Any]) -> Iterator[_Step]:
    yield "response.created", {"response": begun}, False
    yield "response.in_progress", {"response": begun}, False
    for index, item in enumerate(ended["output"]):
        place = {"output_index": index}
        yield "response.output_item.added", {**place, "item": _empty(item)}, False
        inside = {**place, "item_id": item["id"]}
        steps = _call(item, inside) if item["type"] == "function_call" else _message(item, inside)
        yield from steps
        yield "response.output_item.done", {**place, "item": item}, False
    yield f"response.{ended['status']}", {"response": ended}, False


def _empty(item: dict[str, Any]) -> dict[str, Any]:
    nothing: dict[str, Any] = {"arguments": ""} if "arguments" in item else {"content": []}
    return {**item, "status": "in_progress", **nothing}


def _call(item: dict[str, Any], inside: dict[str, Any]) -> Iterator[_Step]:
    for piece in pieces(item["arguments"]):
        yield "response.function_call_arguments.delta", {**inside, "delta": piece}, True
    done = {**inside, "name": item["name"], "arguments": item["arguments"]}
    yield "response.function_call_arguments.done", done, False


def _message(item: dict[str, Any], inside: dict[str, Any]) -> Iterator[_Step]:
    for index, part in enumerate(item["content"]):
        place = {**inside, "content_index": index}
        yield "response.content_part.added", {**place, "part": {**part, "text": ""}}, False
        for piece in pieces(part["text"]):
            delta = {**place, "delta": piece, "logprobs": []}
            yield "response.output_text.delta", delta, True
        text = {**place, "text": part["text"], "logprobs": []}
        yield "response.output_text.done", text, False
        yield "response.content_part.done", {**place, "part": part}, False
