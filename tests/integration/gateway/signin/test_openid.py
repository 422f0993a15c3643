"""OpenID Connect against a provider of our own: the right way, and every ID token that is wrong."""

import hmac
import time
from base64 import urlsafe_b64encode
from collections.abc import AsyncIterator, Iterator
from typing import Any

import anyio
import msgspec
import pytest
from starlette.responses import JSONResponse, PlainTextResponse

from gateway.auth.identities import Identity
from gateway.errors import LoginProviderFailed, LoginProviderSlow, NotAdmitted, SignInRefused
from gateway.settings import GatewaySettings
from gateway.signin.calls import ProviderCalls
from gateway.signin.openid import OpenIdConnect
from gateway.signin.providers import oidc, slack
from tests.support.coming_back import ASKED, REDIRECT_URI, and_back, plain_client, there
from tests.support.fake_oidc import FakeOidc, fake_oidc, new_key


@pytest.fixture(scope="module")
def shared_fake() -> Iterator[FakeOidc]:
    with fake_oidc(REDIRECT_URI) as fake:
        yield fake


@pytest.fixture
def fake(shared_fake: FakeOidc) -> Iterator[FakeOidc]:
    yield shared_fake
    for kept in (shared_fake.faults, shared_fake.slow_s, shared_fake.claims, shared_fake.metadata):
        kept.clear()
    shared_fake.asked.clear()
    shared_fake.signs_with, shared_fake.email_verified = None, True
    del shared_fake.keys[1:]


@pytest.fixture
async def calls() -> AsyncIterator[ProviderCalls]:
    async with plain_client() as client:
        yield ProviderCalls(client)


@pytest.fixture
def provider(
    fake: FakeOidc, calls: ProviderCalls, monkeypatch: pytest.MonkeyPatch
) -> OpenIdConnect:
    return made(fake, calls, monkeypatch)


def made(
    fake: FakeOidc, calls: ProviderCalls, monkeypatch: pytest.MonkeyPatch, domains: str = ""
) -> OpenIdConnect:
    monkeypatch.setenv("OIDC_ISSUER", fake.url)
    monkeypatch.setenv("OIDC_CLIENT_ID", fake.client_id)
    monkeypatch.setenv("OIDC_CLIENT_SECRET", fake.client_secret)
    monkeypatch.setenv("OIDC_ALLOWED_DOMAINS", domains)
    return oidc.provider(GatewaySettings(_env_file=None), calls)


async def test_who_somebody_is_comes_from_the_id_token(
    fake: FakeOidc, provider: OpenIdConnect
) -> None:
    person = await and_back(provider)
    assert person.identity == Identity("oidc", fake.url, "sub-alice")
    assert person.display_name == "Alice"
    await and_back(provider)
    assert fake.asked.count("discovery") == fake.asked.count("jwks") == 1


async def test_a_slash_at_the_issuers_end_makes_no_other_issuer_and_no_other_person(
    fake: FakeOidc, calls: ProviderCalls, monkeypatch: pytest.MonkeyPatch
) -> None:
    fake.metadata["issuer"] = fake.claims["iss"] = f"{fake.url}/"
    person = await and_back(made(fake, calls, monkeypatch))
    assert person.identity == Identity("oidc", fake.url, "sub-alice")


async def test_a_secret_may_have_to_go_into_the_form(
    fake: FakeOidc, provider: OpenIdConnect
) -> None:
    fake.metadata["token_endpoint_auth_methods_supported"] = ["client_secret_post"]
    assert (await and_back(provider)).identity.subject == "sub-alice"


async def test_a_name_that_the_id_token_lacks_comes_from_user_info(
    fake: FakeOidc, provider: OpenIdConnect
) -> None:
    fake.claims["name"] = None
    assert (await and_back(provider)).display_name == "Alice of user info"
    fake.faults["user_info"] = JSONResponse({"sub": "somebody-else", "name": "Mallory"})
    assert (await and_back(provider)).display_name == "sub-alice"


WRONG: dict[str, dict[str, Any]] = {
    "iss": {"iss": "https://evil.example"},
    "aud": {"aud": "another-client"},
    "azp": {"azp": "another-client"},
    "azp of many": {"aud": ["gateway", "another-client"]},
    "exp": {"exp": int(time.time()) - 3600},
    "no exp": {"exp": None},
    "iat": {"iat": int(time.time()) + 3600},
    "nonce": {"nonce": "somebody-else's"},
    "no nonce": {"nonce": None},
    "sub": {"sub": ""},
    "no sub": {"sub": None},
    "exp as text": {"exp": "tomorrow"},
}


@pytest.mark.parametrize("claims", WRONG.values(), ids=WRONG.keys())
async def test_an_id_token_with_a_wrong_claim_lets_nobody_in(
    fake: FakeOidc, provider: OpenIdConnect, claims: dict[str, Any]
) -> None:
    fake.claims.update(claims)
    with pytest.raises(LoginProviderFailed, match="wrong `"):
        await and_back(provider)


async def test_a_key_that_is_new_is_fetched_and_one_of_nobody_refused(
    fake: FakeOidc, calls: ProviderCalls, provider: OpenIdConnect, monkeypatch: pytest.MonkeyPatch
) -> None:
    await and_back(provider)
    fake.signs_with = new_key("nobody's")
    with pytest.raises(LoginProviderFailed, match="does not publish"):
        await and_back(provider)
    assert fake.asked.count("jwks") == 1, "made-up key ids cost no calls within a minute"
    later = made(fake, calls, monkeypatch)
    later._now = lambda: time.time() + 120 if fake.asked.count("jwks") > 1 else time.time()
    fake.signs_with = None
    await and_back(later)
    fake.keys.append(new_key("second"))
    fake.signs_with = fake.keys[1]
    assert (await and_back(later)).identity.subject == "sub-alice"


async def test_a_key_of_the_same_name_that_is_another_is_refused(
    fake: FakeOidc, provider: OpenIdConnect
) -> None:
    fake.signs_with = new_key("first")
    with pytest.raises(LoginProviderFailed, match="cannot be trusted"):
        await and_back(provider)


def anybodys(kind: str, public: bytes) -> str:
    """Made by hand: libraries refuse to."""
    header = {"alg": "none"} if kind == "none" else {"alg": "HS256", "kid": "first"}
    claims = {"iss": "x", "sub": "alice", "aud": "gateway"}
    parts = [urlsafe_b64encode(msgspec.json.encode(part)) for part in (header, claims)]
    signed = b".".join(part.rstrip(b"=") for part in parts)
    signature = b"" if kind == "none" else hmac.digest(public, signed, "sha256")
    return (signed + b"." + urlsafe_b64encode(signature).rstrip(b"=")).decode()


@pytest.mark.parametrize("kind", ["none", "HS256 with the public key"])
async def test_an_id_token_that_anybody_can_make_is_refused(
    fake: FakeOidc, provider: OpenIdConnect, kind: str
) -> None:
    token = anybodys(kind, fake.keys[0].as_pem(private=False))
    fake.faults["token"] = JSONResponse({"access_token": "x", "id_token": token})
    with pytest.raises(LoginProviderFailed, match="cannot be trusted"):
        await and_back(provider)


async def test_a_code_is_good_for_once_and_for_its_browser(
    fake: FakeOidc, provider: OpenIdConnect
) -> None:
    returned = await there(provider)
    await provider.person(returned)
    with pytest.raises(SignInRefused):
        await provider.person(returned)
    with pytest.raises(SignInRefused):
        await and_back(provider, verifier="y" * 43)


async def test_an_answer_of_another_issuer_is_refused_before_its_code_is_sent(
    fake: FakeOidc, provider: OpenIdConnect
) -> None:
    with pytest.raises(SignInRefused):
        await and_back(provider, issuer="https://evil.example")
    assert "token" not in fake.asked
    await and_back(provider, issuer=fake.url)


@pytest.mark.parametrize(
    ("step", "fault"),
    [
        ("discovery", PlainTextResponse("", 500)),
        ("discovery", JSONResponse({"issuer": "https://evil.example"})),
        ("jwks", JSONResponse({"keys": []})),
        ("jwks", JSONResponse({"keys": [{"kty": "RSA", "kid": "first"}, 5]})),
        ("token", JSONResponse({"error": "server_error"})),
        ("token", JSONResponse({"access_token": "x"})),
        ("token", JSONResponse({"id_token": "x" * 100_000})),
    ],
)
async def test_a_provider_that_says_nonsense_has_failed(
    fake: FakeOidc, provider: OpenIdConnect, step: str, fault: Any
) -> None:
    fake.faults[step] = fault
    with pytest.raises(LoginProviderFailed):
        await and_back(provider)


async def test_a_slow_provider_is_given_up(
    fake: FakeOidc, calls: ProviderCalls, provider: OpenIdConnect
) -> None:
    fake.slow_s["discovery"], calls._patience_s = 30, 0.3
    async with anyio.create_task_group() as tasks:
        for _ in range(20):
            tasks.start_soon(given_up, provider)
    assert fake.asked.count("discovery") == 1, "one asked, and told the others"


async def given_up(provider: OpenIdConnect) -> None:
    with pytest.raises(LoginProviderSlow):
        await provider.authorize_url(ASKED)


async def test_only_domains_that_the_provider_vouches_for_are_let_in(
    fake: FakeOidc, calls: ProviderCalls, monkeypatch: pytest.MonkeyPatch
) -> None:
    picky = made(fake, calls, monkeypatch, "@Team.example, other.example")
    await and_back(picky)
    fake.email_verified = False
    with pytest.raises(NotAdmitted):
        await and_back(picky)
    fake.claims["hd"] = "other.example"
    await and_back(picky)
    fake.claims.update(hd="evil.example", email="alice@team.example.evil.example")
    with pytest.raises(NotAdmitted):
        await and_back(picky)


async def test_slack_names_workspace_and_user(
    calls: ProviderCalls, monkeypatch: pytest.MonkeyPatch
) -> None:
    with fake_oidc(REDIRECT_URI, slack=True) as fake:
        for name, value in {
            "SLACK_ISSUER": fake.url,
            "SLACK_CLIENT_ID": fake.client_id,
            "SLACK_CLIENT_SECRET": fake.client_secret,
            "SLACK_TEAM_IDS": "T0, T1",
        }.items():
            monkeypatch.setenv(name, value)
        provider = slack.provider(GatewaySettings(_env_file=None), calls)
        person = await and_back(provider)
        assert person.identity == Identity("slack", "T1", "alice")
        with pytest.raises(SignInRefused):
            await and_back(provider, code="made-up")  # {"ok": false} with status 200
        fake.claims["https://slack.com/team_id"] = "T2"
        with pytest.raises(NotAdmitted):
            await and_back(provider)
