"""A sign-in under way: what its cookie gives away, whom it answers, where it may lead."""

from base64 import urlsafe_b64encode
from dataclasses import replace
from hashlib import sha256

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.signin.sign_in import (
    GOOD_FOR_S,
    RANDOM_BYTES,
    SignIn,
    cookie_name,
    kept,
    local_path,
    state_hash,
)

SIGN_IN = SignIn("feishu", "/docs", 1_795_000_000, bytes(range(RANDOM_BYTES)))


def test_the_cookie_is_the_whole_sign_in() -> None:
    found = kept(SIGN_IN.cookie())
    assert found == SIGN_IN
    assert (found.state, found.verifier, found.nonce) == (
        SIGN_IN.state,
        SIGN_IN.verifier,
        SIGN_IN.nonce,
    )


def test_state_verifier_and_nonce_are_different_and_fit_their_standards() -> None:
    made = {SIGN_IN.state, SIGN_IN.verifier, SIGN_IN.nonce, SIGN_IN.challenge}
    assert len(made) == 4 and {len(one) for one in made} == {43}  # RFC 7636: 43 to 128 characters
    digest = sha256(SIGN_IN.verifier.encode()).digest()
    assert SIGN_IN.challenge == urlsafe_b64encode(digest).rstrip(b"=").decode()


@pytest.mark.parametrize(
    "change",
    [{"provider": "oidc"}, {"next": "/"}, {"begun_at": 1}, {"random": bytes(RANDOM_BYTES)}],
)
def test_whatever_is_changed_changes_the_state(change: dict[str, object]) -> None:
    other = replace(SIGN_IN, **change)  # type: ignore[arg-type]
    assert other.state != SIGN_IN.state
    assert not other.answers(other.provider, SIGN_IN.state)


def test_only_its_own_state_from_its_own_provider_answers() -> None:
    assert SIGN_IN.answers("feishu", SIGN_IN.state)
    assert not SIGN_IN.answers("oidc", SIGN_IN.state)
    assert not SIGN_IN.answers("feishu", SIGN_IN.nonce)
    assert not SIGN_IN.answers("feishu", "")
    assert not SIGN_IN.answers("feishu", "ü")


def test_it_is_over_after_ten_minutes() -> None:
    begun = SIGN_IN.begun_at
    assert not SIGN_IN.over(begun) and not SIGN_IN.over(begun + GOOD_FOR_S)
    assert SIGN_IN.over(begun + GOOD_FOR_S + 1)
    assert not SIGN_IN.over(begun - 30), "another machine's clock"
    assert SIGN_IN.over(begun - 3600)


@given(st.text(max_size=200))
def test_nothing_else_is_a_cookie_of_ours(text: str) -> None:
    assert kept(text) is None


@given(st.binary(max_size=100))
def test_nothing_else_in_base64_either(data: bytes) -> None:
    assert kept(urlsafe_b64encode(data).decode()) is None
    assert kept(SIGN_IN.cookie() * 20) is None


def test_a_cookie_that_others_could_set_leads_nowhere_else() -> None:
    """Over plain HTTP, a neighbouring host can set cookies for this one."""
    assert kept(replace(SIGN_IN, next="").cookie()) is not None
    assert kept(replace(SIGN_IN, next="//evil.example").cookie()) is None


def test_cookies_of_two_sign_ins_have_two_names() -> None:
    other = replace(SIGN_IN, random=bytes(RANDOM_BYTES))
    assert cookie_name("p_", SIGN_IN.state) != cookie_name("p_", other.state)
    assert SIGN_IN.state.encode() not in state_hash(SIGN_IN.state)


@pytest.mark.parametrize("path", ["/", "/docs", "/auth/keys?a=b&c=%2F", "/a/b#c"])
def test_a_path_of_this_gateway_may_be_next(path: str) -> None:
    assert local_path(path)


@pytest.mark.parametrize(
    "path",
    ["", "docs", "//evil.example", "/\\evil.example", "https://evil.example", "/\t/evil.example",
     "javascript:alert(1)", "/a\nb", "/ü", "/ a", "/" + "a" * 300, "\\\\evil.example", "/\u2028"],
)  # fmt: skip
def test_anything_that_could_lead_elsewhere_may_not(path: str) -> None:
    assert not local_path(path)
