"""The flow of OpenID Connect, for every provider that speaks it: discovery, code, ID token.

OpenID Connect Core 1.0 and Discovery 1.0. What a provider's claims say about a person, and who is
let in, is the provider's file's affair (`providers/`).
"""

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote_plus, urlencode, urlsplit

import anyio
from joserfc.errors import JoseError
from joserfc.jwk import KeySet

from gateway.errors import GatewayError, LoginProviderFailed, LoginProviderSlow, SignInRefused
from gateway.signin.calls import Answer, ProviderCalls
from gateway.signin.id_token import Expected, UnknownKey, claims_of
from gateway.signin.provider import Asked, Person, Returned

Claims = Mapping[str, Any]
Who = Callable[[Claims], Person]
"""From checked claims to a person. Raises NotAdmitted (403)."""

FRESH_S = 3600.0
"""How long what a provider says of itself is believed."""
QUIET_S = 5.0
"""A provider that does not say it is left alone for so long: nobody waits for it meanwhile."""
REFETCHED_S = 60.0
"""Keys are asked for again no sooner: made-up key ids cost no calls."""
CODE_ERRORS = frozenset(("invalid_grant", "invalid_code", "code_already_used", "code_expired",
                         "bad_code_verifier", "invalid_code_verifier"))  # fmt: skip
"""RFC 6749, section 5.2; the others are Slack's."""


@dataclass(frozen=True, slots=True)
class Client:
    """What the provider knows us by."""

    issuer: str
    id: str
    secret: str
    scope: str = "openid profile email"


@dataclass(frozen=True, slots=True)
class Metadata:
    """What the provider says of itself."""

    issuer: str
    authorization: str
    token: str
    keys: str
    user_info: str
    secret_in_form: bool
    """It takes the client's secret in the form only, not by HTTP Basic."""


class OpenIdConnect:
    """One client at one issuer."""

    def __init__(
        self,
        client: Client,
        who: Who,
        calls: ProviderCalls,
        now: Callable[[], float] = time.time,
    ) -> None:
        self._client, self._who, self._calls, self._now = client, who, calls, now
        self._metadata: tuple[float, Metadata] | None = None
        self._failed: tuple[float, GatewayError] | None = None
        self._discovering = anyio.Lock()
        self._keys: tuple[float, KeySet] | None = None

    async def authorize_url(self, asked: Asked) -> str:
        """Raises LoginProviderFailed (502), LoginProviderSlow (504)."""
        query = {
            "client_id": self._client.id,
            "response_type": "code",
            "scope": self._client.scope,
            "redirect_uri": asked.redirect_uri,
            "state": asked.state,
            "nonce": asked.nonce,
            "code_challenge": asked.challenge,
            "code_challenge_method": "S256",
        }
        place = (await self._discovered()).authorization
        return f"{place}{'&' if '?' in place else '?'}{urlencode(query)}"

    async def person(self, returned: Returned) -> Person:
        """Raises the same, SignInRefused (400), NotAdmitted (403)."""
        metadata = await self._discovered()
        if returned.issuer not in (None, metadata.issuer):
            raise SignInRefused("Another provider has answered than the one that was asked.")
        answer = await self._redeem(metadata, returned)
        claims = await self._checked(metadata, answer.text("id_token"), returned.nonce)
        if not display_name(claims) and metadata.user_info:
            claims = {**await self._further(metadata, answer, claims["sub"]), **claims}
        return self._who(claims)

    async def _discovered(self) -> Metadata:
        """One asks, and the others wait for what it hears."""
        async with self._discovering:
            now = self._now()
            if self._metadata is None or now - self._metadata[0] > FRESH_S:
                self._metadata = (now, await self._discover(now))
        return self._metadata[1]

    async def _discover(self, now: float) -> Metadata:
        if self._failed is not None and now - self._failed[0] < QUIET_S:
            raise type(self._failed[1])(self._failed[1].message)
        place = f"{self._client.issuer.rstrip('/')}/.well-known/openid-configuration"
        try:
            return _metadata(await self._calls.get(place), self._client.issuer)
        except (LoginProviderFailed, LoginProviderSlow) as error:
            self._failed = (self._now(), error)
            raise

    async def _redeem(self, metadata: Metadata, returned: Returned) -> Answer:
        client = self._client
        form = {
            "grant_type": "authorization_code",
            "code": returned.code,
            "redirect_uri": returned.redirect_uri,
            "code_verifier": returned.verifier,
        }
        if metadata.secret_in_form:
            form |= {"client_id": client.id, "client_secret": client.secret}
        # encoded first (RFC 6749, section 2.3.1), which matters for unusual secrets only
        basic = (
            None if metadata.secret_in_form else (quote_plus(client.id), quote_plus(client.secret))
        )
        answer = await self._calls.post(metadata.token, form, basic)
        error = answer.text("error")
        if error in CODE_ERRORS:
            raise SignInRefused
        if error or answer.status != 200:
            raise LoginProviderFailed(
                f"The login provider answered with the error {error[:40] or answer.status}."
            )
        return answer

    async def _checked(self, metadata: Metadata, id_token: str, nonce: str) -> Claims:
        expected = Expected(metadata.issuer, self._client.id, nonce, self._now())
        try:
            return claims_of(id_token, await self._key_set(metadata, FRESH_S), expected)
        except UnknownKey:
            keys = await self._key_set(metadata, REFETCHED_S)
        try:
            return claims_of(id_token, keys, expected)
        except UnknownKey:
            raise LoginProviderFailed(
                "The login provider's ID token is signed by a key that it does not publish."
            ) from None

    async def _key_set(self, metadata: Metadata, fresh_s: float) -> KeySet:
        now = self._now()
        if self._keys is None or now - self._keys[0] > fresh_s:
            answer = await self._calls.get(metadata.keys)
            self._keys = (now, _signing_keys(answer))
        return self._keys[1]

    async def _further(self, metadata: Metadata, answer: Answer, subject: str) -> Claims:
        """What the ID token left out; of the same person only (Core, section 5.3.2)."""
        more = await self._calls.get(metadata.user_info, bearer=answer.text("access_token"))
        return more.body if more.status == 200 and more.text("sub") == subject else {}


def display_name(claims: Claims) -> str:
    """Empty: they tell no name."""
    names = (claims.get(claim) for claim in ("name", "preferred_username", "nickname"))
    return next((name.strip() for name in names if isinstance(name, str) and name.strip()), "")


def _metadata(answer: Answer, issuer: str) -> Metadata:
    """The issuer must be the one that was asked (Discovery, section 4.3).

    A slash at its end, which is easily left out of a setting or added to it, makes no other issuer.
    """
    named = answer.text("issuer")
    if answer.status != 200 or named.rstrip("/") != issuer.rstrip("/"):
        raise LoginProviderFailed(
            "What OIDC_ISSUER publishes of itself cannot be used: it names another issuer."
        )
    needed = ("authorization_endpoint", "token_endpoint", "jwks_uri")
    if missing := [name for name in needed if not urlsplit(answer.text(name)).netloc]:
        raise LoginProviderFailed(f"The login provider publishes no {', '.join(missing)}.")
    ways = answer.body.get("token_endpoint_auth_methods_supported") or ["client_secret_basic"]
    place, token, keys = (answer.text(name) for name in needed)
    user_info = answer.text("userinfo_endpoint")
    return Metadata(named, place, token, keys, user_info, "client_secret_basic" not in ways)


def _signing_keys(answer: Answer) -> KeySet:
    """Those meant for something else, or of a kind that we do not know, are left out."""
    listed = answer.body.get("keys")
    wanted = [
        key
        for key in (listed if isinstance(listed, list) else ())
        if isinstance(key, dict) and key.get("use", "sig") == "sig" and key.get("kty") != "oct"
    ]
    keys = []
    for key in wanted:
        try:
            keys += KeySet.import_key_set({"keys": [key]}).keys
        except (JoseError, ValueError, KeyError):
            continue
    return KeySet(keys)
