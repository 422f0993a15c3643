"""What travels and what does not: headers, client addresses, upstream errors."""

import json
from ipaddress import ip_network

import pytest

from gateway.errors import InvalidRequest
from gateway.proxy.client_address import client_address
from gateway.proxy.headers import conversation_hint, first, to_client, to_upstream
from gateway.proxy.upstream_errors import normalised, status_for

PROXIES = [ip_network("10.0.0.0/8"), ip_network("2001:db8::/32")]


def test_nothing_that_names_the_client_or_a_key_goes_upstream() -> None:
    secret = [
        b"authorization", b"api-key", b"x-api-key", b"cookie", b"host", b"openai-organization",
        b"openai-project", b"x-forwarded-for", b"forwarded", b"via", b"connection", b"te",
        b"transfer-encoding", b"content-length", b"proxy-authorization", b"x-conversation-id",
    ]  # fmt: skip
    sent = dict(to_upstream([(name, b"x") for name in secret] + [(b"openai-beta", b"v2")]))
    assert not sent.keys() & set(secret)
    assert sent[b"openai-beta"] == b"v2"
    assert sent[b"accept-encoding"] == b"identity"


def test_nothing_that_speaks_of_the_one_key_comes_back() -> None:
    answer = [
        (b"content-type", b"application/json"),
        (b"set-cookie", b"a=b"),
        (b"openai-organization", b"acme"),
        (b"x-ratelimit-remaining-tokens", b"1"),
        (b"x-request-id", b"req_1"),
    ]
    assert to_client(answer) == [
        (b"content-type", b"application/json"),
        (b"x-upstream-request-id", b"req_1"),
    ]


def test_the_first_of_several_hints_counts() -> None:
    headers = [(b"session-id", b"s"), (b"x-conversation-id", b" mine ")]
    assert conversation_hint(dict(headers)) == "mine"
    assert conversation_hint({}) is None


@pytest.mark.parametrize("value", [b"x" * 201, b"a\x00b"])
def test_an_odd_hint_is_refused_by_name(value: bytes) -> None:
    with pytest.raises(InvalidRequest) as caught:
        conversation_hint({b"x-conversation-id": value})
    assert caught.value.param == "x-conversation-id"


@pytest.mark.parametrize(
    ("peer", "forwarded", "address"),
    [
        ("1.2.3.4", [b"9.9.9.9"], "1.2.3.4"),
        ("10.0.0.1", [], "10.0.0.1"),
        ("10.0.0.1", [b"9.9.9.9"], "9.9.9.9"),
        ("10.0.0.1", [b"6.6.6.6, 9.9.9.9"], "9.9.9.9"),
        ("10.0.0.1", [b"6.6.6.6, 9.9.9.9, 10.0.0.7"], "9.9.9.9"),
        ("10.0.0.1", [b"6.6.6.6", b"9.9.9.9"], "9.9.9.9"),
        ("10.0.0.1", [b"9.9.9.9, junk"], "10.0.0.1"),
        ("10.0.0.1", [b"10.0.0.3, 10.0.0.2"], "10.0.0.3"),
        ("2001:db8::1", [b"[2a00::5]"], "2a00::5"),
        ("", [b"9.9.9.9"], ""),
        ("::ffff:1.2.3.4", [b"9.9.9.9"], "1.2.3.4"),
        ("::ffff:10.0.0.1", [b"::ffff:9.9.9.9, ::ffff:10.0.0.7"], "9.9.9.9"),
    ],
)
def test_only_trusted_hops_are_believed(peer: str, forwarded: list[bytes], address: str) -> None:
    assert client_address(peer, forwarded, PROXIES) == address


def test_without_trusted_proxies_a_spoofed_address_changes_nothing() -> None:
    assert client_address("10.0.0.1", [b"9.9.9.9"], []) == "10.0.0.1"


def test_an_openai_error_passes_byte_for_byte() -> None:
    body = b'{ "error": {"message":"no", "extra":[1] } }'
    assert normalised(400, body, "sk-secret") == body


@pytest.mark.parametrize(
    ("body", "message"),
    [
        (b"<html>Bad gateway</html>", "The model provider answered with status 502."),
        (b'{"detail": "Not Found"}', "Not Found"),
        (b'{"error": "a string"}', "a string"),
        (b"", "The model provider answered with status 502."),
        (b"[1]", "The model provider answered with status 502."),
    ],
)
def test_any_other_error_becomes_one_that_every_sdk_reads(body: bytes, message: str) -> None:
    error = json.loads(normalised(502, body, "sk-secret"))["error"]
    assert error["message"] == message
    assert {"type", "param", "code"} <= error.keys()
    assert error["upstream_body"] == body.decode()


def test_keys_in_an_upstreams_error_are_blotted_out() -> None:
    body = b'{"error": {"message": "bad key sk-abcdefgh12345 or my-own-key"}}'
    told = normalised(401, body, "my-own-key")
    assert b"sk-abcdefgh" not in told
    assert b"my-own-key" not in told
    assert json.loads(told)["error"]["message"] == "bad key *** or ***"


def test_the_old_sdk_is_never_told_409() -> None:
    assert status_for(409, legacy=True) == 400
    assert status_for(409, legacy=False) == 409


def test_first_finds_a_header() -> None:
    assert first([(b"a", b"1"), (b"a", b"2")], b"a") == b"1"
    assert first([], b"a") is None
