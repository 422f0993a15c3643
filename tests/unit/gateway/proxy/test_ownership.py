"""Which ids a call names, which its answer makes, and what is shared."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.errors import EndpointRefused, InvalidJSON, MethodNotAllowed
from gateway.proxy.ownership import (
    REFERENCES,
    _parsed_ids,
    id_in_path,
    ids_in_body,
    ids_made,
    makes,
    refuse_shared,
)


@pytest.mark.parametrize(
    ("path", "named"),
    [
        ("/files/file-1", "file-1"),
        ("/files/file-1/content", "file-1"),
        ("/responses/resp_1/input_items", "resp_1"),
        ("/vector_stores/vs_1/files/file-1", "vs_1"),
        ("/fine_tuning/jobs/ftjob-1/cancel", "ftjob-1"),
        ("/chat/completions/chatcmpl-1", "chatcmpl-1"),
        ("/threads/thread_1/runs", "thread_1"),
        ("/threads/runs", None),
        ("/responses/compact", None),
        ("/files", None),
        ("/chat/completions", None),
        ("/embeddings", None),
        ("/audio/speech", None),
    ],
)
def test_the_resource_that_a_path_is_about(path: str, named: str | None) -> None:
    assert id_in_path(path) == named


def test_references_are_found_wherever_they_stand() -> None:
    body = {
        "previous_response_id": "resp_1",
        "conversation": {"a": 1, "id": "conv_1"},
        "input": [{"content": [{"type": "input_file", "file_id": "file-1"}]}],
        "tools": [{"type": "file_search", "vector_store_ids": ["]", "vs_1", "vs_2"]}],
        "training_file": "file-2",
    }
    found = ids_in_body(json.dumps(body).encode(), "chat")
    assert sorted(found) == ["]", "conv_1", "file-1", "file-2", "resp_1", "vs_1", "vs_2"]


@pytest.mark.parametrize(
    "body",
    [
        b'{"previous_response_\\u0069d":"resp_1"}',
        b'{"previous_response_id":"\\u0072esp_1"}',
        b'{"previous_response_id":"mine","previous_response_id":"resp_1"}',
        b'{"previous_response_id":"resp_1","previous_response_id":"mine"}',
        b'{"conversation":{"id":"mine","id":"resp_1"}}',
        b'{"tools":[{"vector_store_ids":["]","resp_1"]}]}',
        b'{"file_ids":["' + b'x","' * 9 + b'resp_1"]}',
        b'{"x":"\\ud800","file_id":"resp_1"}',
    ],
)
def test_no_spelling_hides_a_reference(body: bytes) -> None:
    assert "resp_1" in ids_in_body(body, "chat")


@pytest.mark.parametrize("name", sorted(REFERENCES))
def test_every_reference_is_looked_for(name: str) -> None:
    assert ids_in_body(json.dumps({"x": [{name: "id-1"}]}).encode(), "chat") == ["id-1"]


NAMES = st.sampled_from(["id", "file_id", "container", "file_ids", "x", 'a"file_id', "File_id"])
JSON = st.recursive(
    st.none() | st.integers() | st.text(max_size=9) | st.just('"file_id":"no"'),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(NAMES, inner, max_size=4),
    max_leaves=20,
)


@given(st.dictionaries(NAMES, JSON), st.sampled_from(["chat", "evals"]), st.sampled_from([None, 2]))
def test_looking_at_references_alone_finds_what_parsing_all_does(
    value: dict[str, Any], group: str, indent: int | None
) -> None:
    body = json.dumps(value, indent=indent, ensure_ascii=False).encode("utf-8", "surrogatepass")
    names = REFERENCES | {"id"} if group == "evals" else REFERENCES
    # a key that ends in `"file_id` is taken for one: heeding more than need be harms nobody
    assert set(ids_in_body(body, group)) >= set(_parsed_ids(body, names))
    if b'a\\"file_id' not in body:
        assert sorted(ids_in_body(body, group)) == sorted(_parsed_ids(body, names))


def test_where_things_are_kept_every_id_is_heeded() -> None:
    body = b'{"data_source":{"source":{"type":"file_id","id":"file-1"}}}'
    assert ids_in_body(body, "evals") == ["file-1"]
    assert ids_in_body(b'{"messages":[{"tool_calls":[{"id":"call_1"}]}]}', "chat") == []


def test_references_within_references_take_no_time() -> None:
    body = b'{"container":' * 99 + b'"cntr_1"' + b"}" * 99
    assert ids_in_body(body, "chat") == ["cntr_1"]


def test_a_reference_written_in_a_prompt_is_none() -> None:
    text = 'my "file_id": "file-9" and "conversation": "conv_9"'
    body = json.dumps({"messages": [{"role": "user", "content": text}]}).encode()
    assert ids_in_body(body, "chat") == []


@pytest.mark.parametrize("body", [b'{"file_id":', b'{"file_id":[', b'{"file_\\u0069d":' * 5000])
def test_a_reference_that_cannot_be_read_is_refused(body: bytes) -> None:
    with pytest.raises(InvalidJSON):
        ids_in_body(body, "chat")


@pytest.mark.parametrize(
    ("method", "path", "store", "remembers"),
    [
        ("POST", "/files", None, True),
        ("POST", "/responses", None, True),
        ("POST", "/responses", False, False),
        ("POST", "/chat/completions", None, False),
        ("POST", "/chat/completions", True, True),
        ("GET", "/batches/batch_1", None, True),
        ("GET", "/files/file-1", None, False),
        ("POST", "/embeddings", None, False),
    ],
)
def test_what_makes_resources(method: str, path: str, store: bool | None, remembers: bool) -> None:
    assert makes(method, path, store) is remembers


@pytest.mark.parametrize(
    ("answer", "made"),
    [
        ({"id": "file-1", "object": "file"}, ["file-1"]),
        ({"type": "response.created", "response": {"id": "resp_1"}}, ["resp_1"]),
        ({"id": "batch_1", "output_file_id": "f-2", "error_file_id": None}, ["batch_1", "f-2"]),
        ({"id": "up_1", "file": {"id": "file-3"}}, ["up_1", "file-3"]),
        ({"id": 5}, []),
        ([], []),
    ],
)
def test_the_ids_that_an_answer_names(answer: Any, made: list[str]) -> None:
    assert sorted(ids_made(json.dumps(answer).encode())) == sorted(made)


def test_an_answer_that_is_no_json_makes_nothing() -> None:
    assert ids_made(b"<html>") == []


@pytest.mark.parametrize(
    ("method", "path", "setting"),
    [
        ("GET", "/files", "lists"),
        ("GET", "/fine_tuning/jobs", "lists"),
        ("GET", "/chat/completions", "lists"),
        ("GET", "/organization/users", "organization"),
        ("POST", "/projects", "projects"),
    ],
)
def test_what_shows_other_peoples_things_needs_an_admins_word(
    method: str, path: str, setting: str
) -> None:
    with pytest.raises(EndpointRefused, match=setting):
        refuse_shared(method, path, frozenset())
    refuse_shared(method, path, frozenset({setting}))


def test_models_are_not_deleted_through_the_gateway() -> None:
    with pytest.raises(MethodNotAllowed):
        refuse_shared("DELETE", "/models/ft:x", frozenset({"lists"}))
    refuse_shared("GET", "/models", frozenset())
