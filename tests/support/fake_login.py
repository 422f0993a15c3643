"""What fake login providers have in common: people, codes that are good for once, and faults.

A person is at the provider already; which one is chosen by the cookie `fake_user`, by the field
`user` of the provider, or on its page, where one may decline too.
"""

import asyncio
import secrets
import time
from base64 import urlsafe_b64encode
from collections.abc import Mapping
from dataclasses import dataclass, field
from hashlib import sha256
from typing import Any
from urllib.parse import parse_qsl, urlencode

from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, RedirectResponse, Response

CODE_LASTS_S = 300


@dataclass
class Grant:
    """A code, and what it was given for."""

    user: str
    client_id: str
    redirect_uri: str
    challenge: str
    nonce: str
    given_at: float = field(default_factory=time.time)
    used: bool = False


@dataclass
class FakeLogin:
    """The state of one fake provider; tests change it while it serves."""

    client_id: str
    client_secret: str
    redirect_uris: set[str]
    user: str = "alice"
    """Who is signed in at the provider."""
    asks: bool = False
    """It shows a page to agree or decline on, instead of sending everybody back at once."""
    declines: bool = False
    faults: dict[str, Response] = field(default_factory=dict)
    """By the name of a step: what it answers instead."""
    slow_s: dict[str, float] = field(default_factory=dict)
    grants: dict[str, Grant] = field(default_factory=dict)
    asked: list[str] = field(default_factory=list)
    """The steps that were asked for."""
    tokens: dict[str, str] = field(default_factory=dict)
    """Access tokens, and whose they are."""

    async def misbehaved(self, step: str) -> Response | None:
        self.asked.append(step)
        if step in self.slow_s:
            await asyncio.sleep(self.slow_s[step])
        return self.faults.get(step)

    def authorized(self, request: Request) -> Response:
        """Back to the redirect URI with a code; an error page where that must not be."""
        query = request.query_params
        if query.get("client_id") != self.client_id:
            return HTMLResponse("unknown client", 400)
        if query.get("redirect_uri") not in self.redirect_uris:
            return HTMLResponse("this redirect URI is not registered (20029)", 400)
        decided = query.get("decided")
        if self.asks and decided is None:
            return HTMLResponse(_page(query.multi_items()))
        state = {"state": query["state"]} if "state" in query else {}
        if self.declines or decided == "no":
            return _back(query["redirect_uri"], {"error": "access_denied", **state})
        code = secrets.token_urlsafe(48)
        self.grants[code] = Grant(
            request.cookies.get("fake_user", self.user),
            query["client_id"],
            query["redirect_uri"],
            query.get("code_challenge", ""),
            query.get("nonce", ""),
        )
        return _back(query["redirect_uri"], {"code": code, **state})

    def redeemed(self, form: Mapping[str, str], *, strict_pkce: bool) -> Grant | str:
        """The grant of a code, or why there is none: a word of our own."""
        grant = self.grants.get(form.get("code", ""))
        if form.get("grant_type") != "authorization_code":
            return "grant_type"
        if grant is None:
            return "unknown"
        if grant.used:
            return "used"
        if time.time() - grant.given_at > CODE_LASTS_S:
            return "expired"
        if form.get("redirect_uri") != grant.redirect_uri:
            return "redirect_uri"
        verifier = form.get("code_verifier", "")
        if (grant.challenge or (strict_pkce and verifier)) and challenge(
            verifier
        ) != grant.challenge:
            return "pkce"
        grant.used = True
        return grant

    def access_token(self, user: str) -> str:
        token = f"u-{secrets.token_urlsafe(600)}"
        self.tokens[token] = user
        return token

    def bearer(self, request: Request) -> str | None:
        """Whose access token it is."""
        _, _, token = request.headers.get("authorization", "").partition(" ")
        return self.tokens.get(token)


def challenge(verifier: str) -> str:
    return urlsafe_b64encode(sha256(verifier.encode()).digest()).rstrip(b"=").decode()


def error(status: int, **body: Any) -> Response:
    return JSONResponse(body, status)


async def fields_of(request: Request) -> dict[str, str]:
    """A form or JSON, as Feishu takes both."""
    if request.headers.get("content-type", "").startswith("application/json"):
        return dict(await request.json())
    return dict(parse_qsl((await request.body()).decode(), keep_blank_values=True))


def _back(redirect_uri: str, query: Mapping[str, str]) -> Response:
    return RedirectResponse(f"{redirect_uri}?{urlencode(query)}", 302)


def _page(query: list[tuple[str, str]]) -> str:
    def way(decided: str) -> str:
        return "?" + urlencode([*query, ("decided", decided)]).replace("&", "&amp;")

    return (
        "<!doctype html><title>A login provider</title><h1>openai-gateway wants to know you</h1>"
        f'<p><a id="agree" href="{way("yes")}">Agree</a> <a id="decline" href="{way("no")}">'
        "Decline</a></p>"
    )
