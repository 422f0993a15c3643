"""`/me/tokens`: one's own access tokens, for scripts. Somebody else's id is nobody's: 404."""

from datetime import UTC, datetime
from typing import Any

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from gateway.auth.keys import KeyDesk
from gateway.auth.people import AccessToken, Issued
from gateway.auth.principals import Principals
from gateway.errors import UnknownToken
from gateway.fields import Fields
from gateway.own_json import answer, body, page
from gateway.query import Query

MOST, USUAL = 100, 20
MOST_CHARACTERS = 64
_MOST_ID = 2**63 - 1


def routes(auth: Principals, keys: KeyDesk) -> list[BaseRoute]:
    async def own(request: Request) -> Response:
        """Raises Unauthorized (401), InvalidRequest (400), StoreUnavailable (503)."""
        principal = await auth.authenticate(request.headers.raw)
        query = Query(request.query_params.multi_items(), ("limit", "after"))
        limit, after = query.whole("limit", 1, MOST, USUAL), query.whole("after", 0, 10**9, 0)
        found = await keys.own(principal, before=after or None, limit=limit + 1)
        now = datetime.now(UTC)
        rows = [_row(token, now, principal.token_id) for token in found[:limit]]
        return page(rows, len(found) > limit)

    async def issue(request: Request) -> Response:
        """As `own`, and TooManyTokens (400), TooLarge (413)."""
        principal = await auth.authenticate(request.headers.raw)
        Query(request.query_params.multi_items(), ())
        fields = Fields(await body(request), ("days", "name"))
        days, name = fields.whole("days"), fields.text("name", MOST_CHARACTERS)
        issued = await keys.issue(principal, days, name or None, made_with=principal)
        return answer(_new(issued, name or None))

    async def revoke(request: Request) -> Response:
        """As `own`, and UnknownToken (404)."""
        principal = await auth.authenticate(request.headers.raw)
        Query(request.query_params.multi_items(), ())
        revoked = await keys.revoke(principal, _id(request))
        return answer({"id": str(revoked.id), "object": "access_token", "deleted": True})

    return [
        Route("/me/tokens", own, methods=["GET"]),
        Route("/me/tokens", issue, methods=["POST"]),
        Route("/me/tokens/{id}", revoke, methods=["DELETE"]),
    ]


def _id(request: Request) -> int:
    text = request.path_params["id"]
    if not (text.isascii() and text.isdigit() and len(text) < 20 and int(text) <= _MOST_ID):
        raise UnknownToken
    return int(text)


def _row(token: AccessToken, now: datetime, current: int) -> dict[str, Any]:
    return {
        "id": str(token.id),
        "object": "access_token",
        "name": token.name,
        "hint": token.hint,
        "state": _state(token, now),
        "current": token.id == current,
        "created_at": _seconds(token.created_at),
        "expires_at": _seconds(token.expires_at),
        "revoked_at": _seconds(token.revoked_at),
        "last_used_at": _seconds(token.last_used_at),
    }


def _new(issued: Issued, name: str | None) -> dict[str, Any]:
    return {
        "id": str(issued.id),
        "object": "access_token",
        "name": name,
        "expires_at": _seconds(issued.expires_at),
        "token": issued.token,
    }


def _state(token: AccessToken, now: datetime) -> str:
    if token.revoked_at is not None:
        return "revoked"
    return "valid" if token.valid(now) else "expired"


def _seconds(at: datetime | None) -> int | None:
    return None if at is None else int(at.timestamp())
