"""What the gateway's own JSON endpoints share: who asks, a body within bounds, the answer."""

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec
from starlette.requests import Request
from starlette.responses import Response

from gateway.auth.principal import Principal
from gateway.auth.principals import Principals
from gateway.errors import Forbidden, TooLarge

MAX_BODY_BYTES = 16 * 1024


async def admin(auth: Principals, request: Request) -> Principal:
    """Raises Unauthorized (401), Forbidden (403), StoreUnavailable (503)."""
    principal = await auth.authenticate(request.headers.raw)
    if not principal.is_admin:
        raise Forbidden
    return principal


async def body(request: Request, most_bytes: int = MAX_BODY_BYTES) -> bytes:
    """Raises TooLarge (413)."""
    found = bytearray()
    async for piece in request.stream():
        found += piece
        if len(found) > most_bytes:
            raise TooLarge
    return bytes(found)


def page(rows: Sequence[Mapping[str, Any]], more: bool) -> Response:
    """OpenAI's list."""
    first, last = (rows[0]["id"], rows[-1]["id"]) if rows else (None, None)
    return answer(
        {"object": "list", "data": rows, "first_id": first, "last_id": last, "has_more": more}
    )


def answer(content: Mapping[str, Any]) -> Response:
    return Response(
        msgspec.json.encode(content),
        media_type="application/json",
        headers={"cache-control": "no-store"},
    )
