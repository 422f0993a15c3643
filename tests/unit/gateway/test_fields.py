"""JSON bodies of the gateway's own endpoints: what is taken, and that nothing else is."""

import json
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.errors import InvalidJSON, InvalidRequest
from gateway.fields import Fields

KNOWN = ("name", "days", "blocked", "role")


def test_known_fields_are_read_by_their_kind() -> None:
    body = b'{"name": "laptop", "days": 3, "blocked": true, "role": "admin"}'
    fields = Fields(body, KNOWN)
    assert (fields.text("name", 64), fields.needed("name", 64)) == ("laptop", "laptop")
    assert (fields.whole("days"), fields.truth("blocked")) == (3, True)
    assert fields.one_of("role", ("member", "admin")) == "admin"
    assert "role" in fields and "email" not in fields


@pytest.mark.parametrize("body", [b"", b"{}", b'{"name": null}'])
def test_what_is_not_given_is_none(body: bytes) -> None:
    fields = Fields(body, KNOWN)
    assert fields.text("name", 64) is None and fields.whole("days") is None
    with pytest.raises(InvalidRequest, match="needed"):
        fields.needed("name", 64)


@pytest.mark.parametrize(
    "body", [b"{", b"[1]", b'"x"', b"\xff", b'{"name": "a", "name": "b"}', b"[" * 100_000]
)
def test_what_is_no_object_is_refused(body: bytes) -> None:
    with pytest.raises(InvalidRequest):
        Fields(body, KNOWN)


READS: list[tuple[str, Callable[[Fields], Any], list[Any]]] = [
    ("name", lambda f: f.text("name", 3), [1, True, [], {}, "four", "a\0b", "\ud800"]),
    ("days", lambda f: f.whole("days"), ["3", 3.0, True, 2**40, [3]]),
    ("blocked", lambda f: f.truth("blocked"), [1, 0, "true", []]),
    ("role", lambda f: f.one_of("role", ("member", "admin")), ["root", 1, ["admin"], {}]),
]


@pytest.mark.parametrize(
    ("name", "read", "value"), [(n, r, v) for n, r, values in READS for v in values]
)
def test_a_value_of_another_kind_is_refused_by_name(
    name: str, read: Callable[[Fields], Any], value: Any
) -> None:
    with pytest.raises(InvalidRequest) as refused:
        read(Fields(json.dumps({name: value}).encode(), KNOWN))
    assert refused.value.param == name


@given(st.text(min_size=1).filter(lambda name: name not in KNOWN))
def test_an_unknown_field_is_refused_whatever_it_is(name: str) -> None:
    with pytest.raises(InvalidRequest) as refused:
        Fields(json.dumps({"name": "x", name: "admin"}).encode(), KNOWN)
    assert not isinstance(refused.value, InvalidJSON)
