"""Canonical form and hashes: blind to how a message is spelled, sharp for what it says."""

import base64
import json
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from consumer.canon import (
    canonical,
    chain,
    digest,
    message_hash,
    node_hash,
    pair_hash,
    root_hash,
    system_hash,
)

ROOT = root_hash(1)
texts = st.text(max_size=20)
json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | texts,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(texts, inner, max_size=3),
    max_leaves=8,
)
contents = texts | st.lists(
    texts.map(lambda text: {"type": "text", "text": text}) | json_values, max_size=3
)
messages = st.fixed_dictionaries(
    {"role": st.sampled_from(["user", "assistant", "tool", "system"]), "content": contents},
    optional={"name": texts, "tool_call_id": texts, "refusal": texts},
)


def call(arguments: str, id: str = "call_1", name: str = "f") -> dict[str, Any]:
    function = {"name": name, "arguments": arguments}
    return {
        "role": "assistant",
        "content": None,
        "tool_calls": [{"id": id, "type": "function", "function": function}],
    }


def picture(url: str) -> dict[str, Any]:
    return {"role": "user", "content": [{"type": "image_url", "image_url": {"url": url}}]}


PNG = base64.b64encode(b"\x89PNG").decode()

SAME = {
    "a string and one part": ("Hi", [{"type": "text", "text": "Hi"}]),
    "parts of both APIs": ([{"type": "input_text", "text": "Hi"}], "Hi"),
    "line ends": ("a\r\nb", "a\nb"),
    "blanks around it": ("  Hi\n", "Hi"),
    "empty parts": ([{"type": "text", "text": ""}, {"type": "text", "text": "Hi"}], "Hi"),
    "no content": (None, ""),
    "marks of a cache": (
        [{"type": "x", "a": 1, "cache_control": {"type": "ephemeral"}}],
        [{"a": 1, "type": "x"}],
    ),
    "thoughts": ([{"type": "thinking", "thinking": "…"}, {"type": "text", "text": "Hi"}], "Hi"),
}
DIFFERENT = {
    "text": ("Hi", "Ho"),
    "inner blanks": ("H i", "Hi"),
    "one part and two": ("ab", [{"type": "text", "text": "a"}, {"type": "text", "text": "b"}]),
    "a part's look": ('[["text","a"]]', [{"type": "text", "text": "a"}]),
    "what is unknown": ([{"type": "x", "a": 1}], [{"type": "x", "a": 2}]),
}


@pytest.mark.parametrize(("one", "other"), SAME.values(), ids=SAME)
def test_spellings_of_a_content_are_the_same(one: Any, other: Any) -> None:
    first, second = ({"role": "assistant", "content": content} for content in (one, other))
    assert message_hash(ROOT, first) == message_hash(ROOT, second)


@pytest.mark.parametrize(("one", "other"), DIFFERENT.values(), ids=DIFFERENT)
def test_contents_that_say_something_else_differ(one: Any, other: Any) -> None:
    first, second = ({"role": "assistant", "content": content} for content in (one, other))
    assert message_hash(ROOT, first) != message_hash(ROOT, second)


def test_role_name_and_call_id_are_part_of_a_message() -> None:
    base = {"role": "tool", "content": "12", "tool_call_id": "c1", "name": "f"}
    changes = [{"role": "user"}, {"tool_call_id": "c2"}, {"name": "g"}, {"content": "13"}]
    hashes = {message_hash(ROOT, base | change) for change in [{}, *changes]}
    assert len(hashes) == 5
    assert canonical({"role": "developer", "content": "x"}) == canonical(
        {"role": "system", "content": "x"}
    )


def test_tool_calls_are_the_same_in_any_spelling_of_their_arguments() -> None:
    same = {
        message_hash(ROOT, message)
        for message in (
            call('{"a": 1, "b": [2]}'),
            call('{"b":[2],"a":1}'),
            call('{"a": 1, "b": [2]}') | {"content": "", "refusal": None, "annotations": []},
        )
    }
    others = {
        message_hash(ROOT, message)
        for message in (
            call('{"a": 1, "b": [3]}'),
            call('{"a": 1, "b": [2]}', id="call_2"),
            call('{"a": 1, "b": [2]}', name="g"),
            call('{"a": 1, "b": [2'),
        )
    }
    assert len(same) == 1
    assert len(others) == 4
    assert not same & others


def test_old_function_calls_are_tool_calls_without_an_id() -> None:
    old = {"role": "assistant", "function_call": {"name": "f", "arguments": '{"a":1}'}}
    assert canonical(old) == canonical(call('{"a": 1}', id=""))
    result = {"role": "function", "name": "f", "content": "12"}
    assert canonical(result) == canonical(result | {"role": "tool"})


def test_pictures_are_their_bytes() -> None:
    one = message_hash(ROOT, picture(f"data:image/png;base64,{PNG}"))
    wrapped = message_hash(ROOT, picture(f"data:image/png;base64,{PNG[:2]}\n{PNG[2:]}"))
    item = {"type": "input_image", "image_url": f"data:image/png;base64,{PNG}"}
    assert one == wrapped == message_hash(ROOT, {"role": "user", "content": [item]})
    others = {
        message_hash(ROOT, picture(url))
        for url in (
            "https://a/b.png",
            "https://a/c.png",
            f"data:image/png;base64,{PNG[:-2]}0=",
            "data:text/plain,hello world",
            "data:text/plain,helloworld",
        )
    }
    assert len({one} | others) == 6


def test_answer_in_sound_is_its_id() -> None:
    answered = {"role": "assistant", "content": None, "audio": {"id": "a1", "data": "…"}}
    quoted = {"role": "assistant", "audio": {"id": "a1"}}
    assert message_hash(ROOT, answered) == message_hash(ROOT, quoted)
    assert message_hash(ROOT, quoted) != message_hash(ROOT, {"role": "assistant"})


@given(messages, messages)
def test_hashes_are_equal_where_canonical_forms_are(one: Any, other: Any) -> None:
    # in JSON, because Python takes 1 and True for equal
    first, second = (json.dumps(canonical(message), sort_keys=True) for message in (one, other))
    assert (message_hash(ROOT, one) == message_hash(ROOT, other)) == (first == second)


@given(messages)
def test_everything_that_came_as_json_has_a_hash(message: Any) -> None:
    again = json.loads(json.dumps(message))
    assert message_hash(ROOT, message) == message_hash(ROOT, again)
    assert len(message_hash(ROOT, {"role": "user", "content": [message]})) == 32


@given(st.lists(st.binary(max_size=3), max_size=4), st.lists(st.binary(max_size=3), max_size=4))
def test_no_two_lists_of_parts_look_alike(one: list[bytes], other: list[bytes]) -> None:
    assert (digest(*one) == digest(*other)) == (one == other)


@given(st.lists(messages, max_size=5), st.integers(1, 3), st.integers(1, 3))
def test_users_share_no_hash(said: list[Any], one: int, other: int) -> None:
    def everything(user_id: int) -> set[bytes]:
        root = root_hash(user_id)
        hashes = [message_hash(root, message) for message in said]
        pairs = [pair_hash(root, *two) for two in pairwise(hashes)]
        return {root, system_hash(root, said), *hashes, *pairs, *chain(root, hashes)}

    assert bool(everything(one) & everything(other)) == (one == other)


@given(st.lists(st.binary(min_size=32, max_size=32), max_size=6))
def test_chain_has_the_node_of_every_beginning(hashes: list[bytes]) -> None:
    nodes = chain(ROOT, hashes)
    assert len(set(nodes)) == len(hashes)
    for depth in range(len(hashes) + 1):
        assert chain(ROOT, hashes[:depth]) == nodes[:depth]
    if hashes:
        assert nodes[-1] == node_hash(nodes[-2] if len(nodes) > 1 else ROOT, hashes[-1])
