"""The fields that the gateway acts on, and setting them without touching the rest."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.errors import AmbiguousBody, GatewayError, InvalidJSON, InvalidRequest
from gateway.proxy.envelope import asking_for_usage, read, read_large, with_member
from gateway.proxy.outline import outline, scan

READERS = [read, read_large]


@pytest.mark.parametrize("reader", READERS)
def test_fields_are_found_among_others(reader: Any) -> None:
    fields = reader(b' {"x": [1, {"model": "no"}], "model" : "gpt", "stream":true, "store":false} ')
    assert (fields.model, fields.stream, fields.store) == ("gpt", True, False)


@pytest.mark.parametrize("reader", READERS)
@pytest.mark.parametrize(
    "body",
    [
        b'{"model":"a","model":"b"}',
        b'{"model":"a","mod\\u0065l":"b"}',
        b'{"model":"a","Model":"b"}',
        b'{"MODEL":"a"}',
        b'{"stream":true,"stream":false}',
        b'{"stream":true,"\\u0053tream":false}',
        b'{"model":"a","model":"a"}',
        b'{"x":1,"model":"a","y":"' + b"z" * 5000 + b'","model":"b"}',
        b'{"y":"' + b"z" * 5000 + b'","Model":"b"}',
    ],
)
def test_a_field_in_two_spellings_is_refused(reader: Any, body: bytes) -> None:
    with pytest.raises(AmbiguousBody) as caught:
        reader(body)
    assert caught.value.param in ("model", "stream")


@pytest.mark.parametrize("reader", READERS)
@pytest.mark.parametrize(
    "body", [b"", b"hello", b"{", b'{"a":1,}', b'{"a"}', b'{"a":1} x', b'{"a":[}', b"{'a':1}"]
)
def test_what_is_no_json_object_is_refused(reader: Any, body: bytes) -> None:
    with pytest.raises(InvalidJSON) as caught:
        reader(body)
    assert caught.value.status == 400


@pytest.mark.parametrize("body", [b'{"x":NaN}', b'{"x":nul}', b'{"x":01}', b'{"x":"\x01"}'])
def test_small_bodies_are_checked_to_the_last_value(body: bytes) -> None:
    with pytest.raises(InvalidJSON):
        read(body)


@pytest.mark.parametrize("reader", READERS)
@pytest.mark.parametrize("opening", [b"[", b'{"a":'])
def test_deep_nesting_is_refused_fast(reader: Any, opening: bytes) -> None:
    with pytest.raises(InvalidJSON, match="deep"):
        reader(b'{"x":' + opening * 10_000)


@pytest.mark.parametrize("reader", READERS)
def test_nesting_up_to_the_bound_is_fine(reader: Any) -> None:
    def nested(depth: int) -> bytes:
        said = b'"\\"[[{\\\\",' * 99  # what stands in strings nests nothing
        return b'{"model":"m","x":[' + said + b"[" * (depth - 1) + b"]" * depth + b"}"

    assert reader(nested(99)).model == "m"
    with pytest.raises(InvalidJSON, match="deep"):
        reader(nested(100))


@pytest.mark.parametrize("reader", READERS)
def test_a_field_of_the_wrong_type_is_named(reader: Any) -> None:
    with pytest.raises(InvalidRequest) as caught:
        reader(b'{"model": 5}')
    assert caught.value.param == "model"


@pytest.mark.parametrize("reader", READERS)
def test_nul_and_lone_surrogates_are_legal_in_prompts(reader: Any) -> None:
    assert reader(b'{"model":"m","messages":[{"content":"\\u0000 \\ud800"}]}').model == "m"


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=6), inner),
    max_leaves=15,
)


@given(
    st.dictionaries(st.text(max_size=8), JSON, max_size=6),
    st.booleans(),
    st.sampled_from([None, 2]),
)
def test_the_outline_agrees_with_a_parser(
    value: dict[str, Any], ascii_only: bool, indent: int | None
) -> None:
    text = json.dumps(value, ensure_ascii=ascii_only, indent=indent)
    body = text.encode("utf-8", "surrogatepass")
    scanned = scan(body)
    assert outline(body) == scanned
    found = {m.key: json.loads(body[m.start : m.end]) for m in scanned.members}
    assert found == value


SMALL = st.sampled_from(["1", "12", '"a"', '"a\\",\\"b"', "[]", "[1]", "{}", '{"a":1}', "true"])


@given(
    st.lists(st.tuples(st.sampled_from(["a", "b", "\\u0061"]), SMALL), max_size=5), st.text(" \n")
)
def test_the_outline_holds_repeated_members_too(members: list[tuple[str, str]], space: str) -> None:
    inner = f"{space},".join(f'{space}"{key}"{space}:{value}' for key, value in members)
    body = f"{space}{{{inner}{space}}}{space}".encode()
    assert outline(body) == scan(body)
    assert len(outline(body).members) == len(members)


@given(st.binary(max_size=60))
def test_any_bytes_are_read_or_refused(body: bytes) -> None:
    for reader in READERS:
        try:
            reader(body)
        except GatewayError as error:
            assert error.status == 400


@given(st.dictionaries(st.text(max_size=8), JSON, min_size=1, max_size=5), JSON)
def test_setting_a_member_leaves_every_other_as_it_was(value: dict[str, Any], new: Any) -> None:
    for name in ("model", next(iter(value))):
        if not name.isascii() or not name.isprintable() or '"' in name or "\\" in name:
            continue
        body = with_member(json.dumps(value).encode(), name, json.dumps(new).encode())
        assert json.loads(body) == {**value, name: new}


@pytest.mark.parametrize(
    "body",
    [
        {"stream": True},
        {"stream_options": None, "stream": True},
        {"stream": True, "stream_options": {}},
        {"stream": True, "stream_options": {"include_usage": False, "x": 1}},
    ],
)
def test_usage_is_asked_for_whatever_else_is_there(body: dict[str, Any]) -> None:
    raw = json.dumps(body).encode()
    asked = json.loads(asking_for_usage(raw, bytes(read(raw).stream_options)))
    assert asked["stream_options"]["include_usage"] is True
    assert {**asked, "stream_options": None} == {**body, "stream_options": None}


@pytest.mark.parametrize(
    ("options", "wanted"),
    [
        ({"include_usage": True}, True),
        ({"include_usage": False}, False),
        ({}, False),
        (None, False),
    ],
)
def test_whether_the_client_wants_usage(options: Any, wanted: bool) -> None:
    assert read(json.dumps({"stream_options": options}).encode()).wants_usage is wanted
