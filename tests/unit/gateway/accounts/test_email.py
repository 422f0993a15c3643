"""E-mail addresses and passwords as they are typed."""

import pytest

from gateway.accounts.email import normalised, usable_password
from gateway.errors import InvalidRequest


@pytest.mark.parametrize(
    "typed", ["alice@example.com", " Alice@Example.COM\n", "ＡＬＩＣＥ@ｅｘａｍｐｌｅ．ｃｏｍ"]
)
def test_one_address_has_one_spelling(typed: str) -> None:
    assert normalised(typed) == "alice@example.com"


@pytest.mark.parametrize(
    "typed",
    ["", "alice", "@example.com", "alice@", "a b@example.com", "a@b@example.com", "a@localhost",
     "a@.com", "a@example..com", "a\0@example.com", "a" * 250 + "@example.com"],
)  # fmt: skip
def test_what_is_no_address_is_refused(typed: str) -> None:
    with pytest.raises(InvalidRequest) as refused:
        normalised(typed)
    assert refused.value.param == "email"


def test_a_password_is_hashed_in_one_form() -> None:
    assert usable_password("ﬁne password", "a@b.c") == usable_password("fine password", "a@b.c")


@pytest.mark.parametrize("typed", ["", "seven77", "x" * 257, "Alice@Example.com"])
def test_a_bad_password_is_refused(typed: str) -> None:
    with pytest.raises(InvalidRequest) as refused:
        usable_password(typed, "alice@example.com")
    assert refused.value.param == "password"
