"""The one extractor: the same answer whatever header carries the token."""

import pytest

from gateway.auth.presented import presented
from gateway.auth.tokens import new_token
from gateway.errors import InvalidToken, Unauthorized

ONE, OTHER = new_token().encode(), new_token().encode()


@pytest.mark.parametrize(
    "header",
    [
        (b"authorization", b"Bearer " + ONE),
        (b"authorization", b"bearer   " + ONE + b" "),
        (b"api-key", ONE),
        (b"x-api-key", b" " + ONE),
    ],
)
def test_every_carrier_is_read(header: tuple[bytes, bytes]) -> None:
    assert presented([(b"host", b"x"), header, (b"accept", b"*/*")]) == ONE


@pytest.mark.parametrize(
    "headers",
    [
        [],
        [(b"host", b"gateway")],
        [(b"authorization", b"")],
        [(b"authorization", b"Bearer")],
        [(b"authorization", b"Bearer ")],
        [(b"authorization", b"Basic " + ONE)],
        [(b"authorization", ONE)],
        [(b"x-api-key", b"")],
        [(b"cookie", b"token=" + ONE)],
        [(b"x-openai-api-key", ONE)],
    ],
)
def test_nothing_presented_is_said_so(headers: list[tuple[bytes, bytes]]) -> None:
    with pytest.raises(Unauthorized) as refused:
        presented(headers)
    assert refused.value.code == "missing_api_key"


def test_a_dummy_beside_our_token_does_not_hide_it() -> None:
    dummy = (b"authorization", b"Bearer sk-dummy")
    assert presented([dummy, (b"api-key", ONE)]) == ONE
    assert presented([(b"api-key", ONE), dummy]) == ONE
    assert presented([dummy, (b"api-key", b"other")]) == b"sk-dummy"


def test_the_same_token_twice_is_one() -> None:
    assert presented([(b"authorization", b"Bearer " + ONE), (b"x-api-key", ONE)]) == ONE


def test_two_tokens_that_differ_are_refused() -> None:
    with pytest.raises(InvalidToken):
        presented([(b"authorization", b"Bearer " + ONE), (b"authorization", b"Bearer " + OTHER)])
    with pytest.raises(InvalidToken):
        presented([(b"authorization", b"Bearer " + ONE), (b"api-key", OTHER)])
