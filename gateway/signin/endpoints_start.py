"""`/`, `/auth/login` and what the pages load: where somebody begins."""

from collections.abc import Sequence
from dataclasses import dataclass
from urllib.parse import urlencode

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from gateway.errors import InvalidRequest, UnknownPath
from gateway.signin.sign_in import local_path
from gateway.signin.web import HEADERS, Web
from gateway.signin.words import Language

ASSET_HEADERS = {**HEADERS, "cache-control": "public, max-age=86400"}


@dataclass(frozen=True, slots=True)
class Choice:
    """A button to sign in by."""

    name: str
    title: str
    title_zh: str

    def shown(self, language: Language) -> dict[str, str]:
        title = self.title_zh if language == "zh" and self.title_zh else self.title
        return {"name": self.name, "title": title}


def routes(web: Web, choices: Sequence[Choice]) -> list[BaseRoute]:
    """Without a provider there is nothing to begin: only what the page of a link loads."""

    def begin(request: Request, *, start: bool, query: str = "") -> Response:
        language = web.words(request).language
        return web.page(
            request,
            "sign_in",
            start=start,
            query=query,
            providers=[choice.shown(language) for choice in choices],
            signed_out="out" in request.query_params,
            signed_in=start and web.secret_of(request) is not None,
        )

    async def start(request: Request) -> Response:
        return begin(request, start=True)

    async def login(request: Request) -> Response:
        """Raises InvalidRequest (400)."""
        onward = request.query_params.get("next", "")
        if onward and not local_path(onward):
            raise InvalidRequest("`next` must be a path of this gateway.", param="next")
        return begin(
            request, start=False, query=f"?{urlencode({'next': onward})}" if onward else ""
        )

    async def asset(request: Request) -> Response:
        """Raises UnknownPath (404)."""
        if (found := web.pages.assets.get(request.path_params["name"])) is None:
            raise UnknownPath
        return Response(found[0], media_type=found[1], headers=ASSET_HEADERS)

    beginnings = [
        Route("/", web.failing_well(start), methods=["GET"]),
        Route("/auth/login", web.failing_well(login), methods=["GET"]),
    ]
    return [
        *(beginnings if choices else ()),
        Route("/auth/assets/{name}", asset, methods=["GET"]),
    ]
