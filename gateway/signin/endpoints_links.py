"""`/auth/links/{secret}`: a one-time link that a bot has sent.

Looking shows a button; only pressing it issues the key, so that a chat's preview of the link uses
nothing up.
"""

from collections.abc import Callable
from datetime import UTC, datetime

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from gateway.auth.links import Links
from gateway.signin.web import Web


def routes(
    web: Web, links: Links, now: Callable[[], datetime] = lambda: datetime.now(UTC)
) -> list[BaseRoute]:
    async def look(request: Request) -> Response:
        """Raises UnknownLink, UsedLink (404), StoreUnavailable (503)."""
        until = await links.look(request.path_params["secret"], now())
        return web.page(request, "link", fresh=None, until=until)

    async def open_(request: Request) -> Response:
        """Raises the same, TooManyTokens (400), BlockedUser (401)."""
        fresh = await links.open(request.path_params["secret"], now())
        snippets = web.pages.fresh(fresh.token, web.words(request))
        return web.page(request, "link", fresh=fresh, snippets=snippets)

    return [
        Route("/auth/links/{secret}", web.failing_well(look), methods=["GET"]),
        Route("/auth/links/{secret}", web.failing_well(open_), methods=["POST"]),
    ]
