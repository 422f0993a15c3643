"""A provider of OpenID Connect: discovery, keys, authorize, token, user info; and Slack's flavour.

Its ID tokens are signed with keys of its own, and can be made wrong claim by claim.
"""

import time
from base64 import b64decode
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import unquote_plus

from joserfc import jwt
from joserfc.jwk import KeySet, RSAKey
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import BaseRoute, Route

from tests.support.fake_login import FakeLogin, Grant, error, fields_of
from tests.support.serving import serving


def new_key(kid: str) -> RSAKey:
    return RSAKey.generate_key(2048, {"kid": kid, "use": "sig", "alg": "RS256"})


@dataclass
class FakeOidc(FakeLogin):
    """One client at one issuer."""

    url: str = ""
    keys: list[RSAKey] = field(default_factory=lambda: [new_key("first")])
    signs_with: RSAKey | None = None
    """Another key than the first that is published."""
    claims: dict[str, Any] = field(default_factory=dict)
    """Over the right ones; None takes a claim away."""
    metadata: dict[str, Any] = field(default_factory=dict)
    email_verified: bool = True
    slack: bool = False

    def routes(self) -> list[BaseRoute]:
        api = "/api/openid.connect." if self.slack else "/"
        return [
            Route("/.well-known/openid-configuration", self._discovery),
            Route("/jwks", self._jwks),
            Route("/authorize", self._authorize),
            Route(f"{api}token", self._token, methods=["POST"]),
            Route(f"{api}userInfo", self._user_info),
        ]

    async def _discovery(self, request: Request) -> Response:
        if (fault := await self.misbehaved("discovery")) is not None:
            return fault
        api = f"{self.url}/api/openid.connect." if self.slack else f"{self.url}/"
        found = {
            "issuer": self.url,
            "authorization_endpoint": f"{self.url}/authorize",
            "token_endpoint": f"{api}token",
            "userinfo_endpoint": f"{api}userInfo",
            "jwks_uri": f"{self.url}/jwks",
            "response_types_supported": ["code"],
            "id_token_signing_alg_values_supported": ["RS256"],
            "code_challenge_methods_supported": ["S256"],
        }
        return JSONResponse({**found, **self.metadata})

    async def _jwks(self, request: Request) -> Response:
        fault = await self.misbehaved("jwks")
        return fault or JSONResponse(KeySet(list(self.keys)).as_dict(private=False))

    async def _authorize(self, request: Request) -> Response:
        query = request.query_params
        if "openid" not in query.get("scope", "").split() or query["response_type"] != "code":
            return error(400, error="invalid_scope")
        if query.get("code_challenge_method") != "S256":
            return error(400, error="invalid_request", error_description="S256 only")
        return await self.misbehaved("authorize") or self.authorized(request)

    async def _token(self, request: Request) -> Response:
        if (fault := await self.misbehaved("token")) is not None:
            return fault
        form = await fields_of(request)
        if self._client(request, form) != (self.client_id, self.client_secret):
            return self._refused("invalid_client", 401)
        grant = self.redeemed(form, strict_pkce=True)
        if isinstance(grant, str):
            return self._refused("invalid_grant" if not self.slack else "invalid_code", 400)
        token = {
            "access_token": self.access_token(grant.user),
            "token_type": "Bearer",
            "expires_in": 3600,
            "id_token": self.id_token(grant),
        }
        return JSONResponse({"ok": True, **token} if self.slack else token)

    def id_token(self, grant: Grant) -> str:
        now = int(time.time())
        right = {
            "iss": self.url,
            "sub": f"sub-{grant.user}",
            "aud": self.client_id,
            "iat": now,
            "exp": now + 300,
            "nonce": grant.nonce,
            "name": grant.user.title(),
            "email": f"{grant.user}@team.example",
            "email_verified": self.email_verified,
        }
        if self.slack:
            right |= {"https://slack.com/team_id": "T1", "https://slack.com/user_id": grant.user}
        claims = {name: v for name, v in {**right, **self.claims}.items() if v is not None}
        key = self.signs_with or self.keys[0]
        return jwt.encode({"alg": "RS256", "kid": key.kid}, claims, key)

    async def _user_info(self, request: Request) -> Response:
        if (fault := await self.misbehaved("user_info")) is not None:
            return fault
        if (user := self.bearer(request)) is None:
            return error(401, error="invalid_token")
        return JSONResponse({"sub": f"sub-{user}", "name": f"{user.title()} of user info"})

    def _client(self, request: Request, form: dict[str, str]) -> tuple[str | None, str | None]:
        """By HTTP Basic (RFC 6749, section 2.3.1) or in the form."""
        scheme, _, given = request.headers.get("authorization", "").partition(" ")
        if scheme.lower() == "basic":
            name, _, secret = b64decode(given).decode().partition(":")
            return unquote_plus(name), unquote_plus(secret)
        return form.get("client_id"), form.get("client_secret")

    def _refused(self, why: str, status: int) -> Response:
        """Slack's errors have status 200."""
        return JSONResponse({"ok": False, "error": why}) if self.slack else error(status, error=why)


@contextmanager
def fake_oidc(*redirect_uris: str, slack: bool = False) -> Iterator[FakeOidc]:
    """Serving on a port of its own."""
    fake = FakeOidc("gateway", "oidc secret/+", set(redirect_uris), slack=slack)
    with serving(Starlette(routes=fake.routes())) as fake.url:
        yield fake
