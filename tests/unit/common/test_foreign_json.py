"""JSON of others: whatever the bytes, an object or nothing."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from common.foreign_json import json_object
from gateway.errors import InvalidJSON
from gateway.proxy import envelope, ownership, sse, upstream_errors
from gateway.upstream import models, retry

DEEP = b'{"data":' * 100_000
ODD = [b'{"error":{"message":"caf\xe9","code":"x"}}', b'{"\xff":1}', DEEP, b"[" * 100_000]


def test_an_object_is_read() -> None:
    assert json_object(b'{"a": [1]}') == json_object('{"a": [1]}') == {"a": [1]}


@pytest.mark.parametrize("body", [*ODD, b"", b"[]", b"null", b'"\\ud800"', b"\xff"])
def test_anything_else_is_nothing(body: bytes) -> None:
    assert json_object(body) is None


@given(st.binary(max_size=50))
def test_no_bytes_break_it(body: bytes) -> None:
    assert isinstance(json_object(body), dict | None)


@pytest.mark.parametrize("body", ODD)
def test_what_a_provider_answers_breaks_nothing(body: bytes) -> None:
    """Text in Latin-1 or GBK, as proxies before a provider send it."""
    assert retry.error_codes(body) == (None, None)
    assert ownership.ids_made(body) == []
    assert models._understood(body) is None
    assert upstream_errors._decoded(body) == sse._parsed(b"data: " + body) == {}


def test_an_option_that_cannot_be_read_asks_for_nothing() -> None:
    body = b'{"model": "m", "stream_options": {"include_usage": true, "x": "\xff"}}'
    assert not envelope.read(body).wants_usage


@pytest.mark.parametrize("body", [b'{"model": "m\xff"}', b'{"\xff": 1}', b'{"model": ' + DEEP])
def test_what_a_client_asks_is_refused_not_failed_on(body: bytes) -> None:
    with pytest.raises(InvalidJSON):
        envelope.read(body)
