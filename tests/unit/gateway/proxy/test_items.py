"""Items of stored responses: which are referred to, and which are made."""

import json
from typing import Any

import pytest

from gateway.errors import InvalidJSON
from gateway.proxy.items import items_made, items_named

MESSAGE = {"type": "message", "id": "msg_1", "role": "assistant", "content": []}
REASONING = {"type": "reasoning", "id": "rs_1", "summary": []}


def named(*items: Any) -> list[str]:
    return items_named(json.dumps({"model": "m", "input": items}).encode())


def test_an_item_that_comes_with_its_content_is_no_reference() -> None:
    assert named(MESSAGE, {"role": "user", "content": "Hello!"}) == []


def test_references_are_named_wherever_they_stand() -> None:
    reference = {"type": "item_reference", "id": "msg_2"}
    assert named(MESSAGE, REASONING, reference) == ["item:rs_1", "item:msg_2"]
    assert named({"id": "msg_2", "type": "item_reference"}) == ["item:msg_2"]
    assert named({"id": "msg_3"}) == ["item:msg_3"], "the type may be left out"
    assert named({"id": "msg_3", "type": None}) == ["item:msg_3"]
    assert named({"id": "msg_3", "role": "assistant", "content": "text"}) == []


@pytest.mark.parametrize(
    "item",
    [
        r'{"type": "item\u005freference", "id": "msg_1"}',
        r'{"typ\u0065": "item_reference", "\u0069d": "msg_1"}',
        '{"type": "message", "type": "item_reference", "id": "msg_1"}',
        '{"type": "item_reference", "type": "message", "id": "msg_1"}',
        '{"type": "item_reference", "id": "x", "id": "msg_1"}',
    ],
)
def test_no_spelling_hides_a_reference(item: str) -> None:
    assert "item:msg_1" in items_named(f'{{"input": [{item}]}}'.encode())


def test_what_is_no_json_is_told_so() -> None:
    with pytest.raises(InvalidJSON):
        items_named(b'{"id"')


@pytest.mark.parametrize(
    "answer",
    [
        {"id": "resp_1", "object": "response", "output": [MESSAGE, REASONING]},
        {"type": "response.completed", "response": {"id": "r", "output": [MESSAGE, REASONING]}},
        {"object": "list", "data": [MESSAGE, REASONING]},
    ],
)
def test_made_items_are_found(answer: Any) -> None:
    assert list(items_made(answer)) == ["item:msg_1", "item:rs_1"]


@pytest.mark.parametrize(
    "answer", [None, [], {"output": 5}, {"data": [{"id": "x"}]}, {"output": [7]}]
)
def test_what_is_no_item_is_not(answer: Any) -> None:
    assert list(items_made(answer)) == []
