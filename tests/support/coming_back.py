"""A browser that goes to a login provider and comes back, without a gateway: for provider tests."""

import ssl
from dataclasses import replace
from typing import Any
from urllib.parse import parse_qs, urlsplit

import httpx2

from gateway.signin.provider import Asked, Person, Provider, Returned
from gateway.signin.sign_in import SignIn

REDIRECT_URI = "https://team.example/auth/callback/x"
SIGN_IN = SignIn("x", "", 1_795_000_000, bytes(32))
ASKED = Asked(REDIRECT_URI, SIGN_IN.state, SIGN_IN.challenge, SIGN_IN.nonce)


def plain_client() -> httpx2.AsyncClient:
    """For http:// only: without the certificates that take a quarter of a second to read."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    return httpx2.AsyncClient(trust_env=False, timeout=None, verify=context)


async def there(provider: Provider) -> Returned:
    """To the provider, where somebody is signed in already: what comes back from there."""
    async with plain_client() as client:
        answer = await client.get(await provider.authorize_url(ASKED))
    assert answer.status_code == 302, answer.text
    query = parse_qs(urlsplit(answer.headers["location"]).query)
    assert query["state"] == [SIGN_IN.state]
    return Returned(query["code"][0], REDIRECT_URI, SIGN_IN.verifier, SIGN_IN.nonce)


async def and_back(provider: Provider, **changes: Any) -> Person:
    """Whom the provider vouches for, `changes` being made to what was brought back."""
    return await provider.person(replace(await there(provider), **changes))
