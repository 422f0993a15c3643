"""What all pages have in common: their headers, cookies, forms, and how a failure is shown.

Nothing of a page is kept by a browser or a proxy, loaded from elsewhere, or shown in a frame.
"""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qsl, urlsplit

from starlette.requests import Request
from starlette.responses import HTMLResponse, RedirectResponse, Response

from gateway.errors import FormExpired, GatewayError, InvalidRequest
from gateway.own_json import body
from gateway.signin.pages import Pages
from gateway.signin.session import LASTS, form_is_ours
from gateway.signin.words import Words, language_of

LOOPBACK = frozenset(("localhost", "127.0.0.1", "::1"))
HEADERS = {
    "cache-control": "no-store",
    "content-security-policy": "default-src 'none'; style-src 'self'; script-src 'self';"
    " img-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'",
    "cross-origin-opener-policy": "same-origin",
    "referrer-policy": "no-referrer",  # an address here may hold a code, or a link's secret
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
}
WAYS_ON = {
    "sign_in": ("/auth/login", "again"),
    "login_provider": ("/auth/login", "again"),
    "form_expired": ("/auth/keys", "back"),
    "invalid_request": ("/auth/keys", "back"),
}
"""Where a failure page leads, by the beginning of the error's code."""

Endpoint = Callable[[Request], Awaitable[Response]]


@dataclass(frozen=True, slots=True)
class Address:
    """AUTH_SERVICE_URL, as people and providers reach the gateway."""

    url: str

    @property
    def base(self) -> str:
        """The path that all addresses begin with; mostly empty."""
        return urlsplit(self.url).path.rstrip("/")

    @property
    def secure(self) -> bool:
        return urlsplit(self.url).scheme == "https"

    @property
    def cookie_prefix(self) -> str:
        """With https, no other host of the same domain can set it (RFC 6265bis, 4.1.3.2)."""
        return "__Host-ogw_" if self.secure else "ogw_"

    def is_called_otherwise(self, host: str) -> bool:
        """Whether this `Host` is the same place of this machine under another name, as
        `localhost:8090` is of `127.0.0.1:8090`: a browser keeps other cookies for it."""
        own, given = urlsplit(self.url), urlsplit(f"//{host}")
        try:
            same_port = given.port == own.port
        except ValueError:
            return False
        names = {own.hostname, given.hostname}
        return same_port and len(names) == 2 and names < LOOPBACK


class Web:
    """Answers with pages; one for all endpoints of this feature."""

    def __init__(self, pages: Pages, address: Address, *, login: bool) -> None:
        self.pages, self.address, self._login = pages, address, login
        self._session = f"{address.cookie_prefix}session"

    def words(self, request: Request) -> Words:
        return Words(language_of(request.headers.get("accept-language", "")))

    def page(
        self, request: Request, template: str, status: int = 200, **shown: Any
    ) -> HTMLResponse:
        words = self.words(request)
        return self._html(words, self.pages.page(template, words, **shown), status)

    def go(self, path: str) -> RedirectResponse:
        """To a path of this gateway. 303: whatever was sent is not sent again."""
        return RedirectResponse(f"{self.address.base}{path}", 303, headers=HEADERS)

    def failing_well(self, endpoint: Endpoint) -> Endpoint:
        """The same, with failures shown as a page to people, and raised on for programs."""

        async def shown(request: Request) -> Response:
            try:
                return await endpoint(request)
            except GatewayError as error:
                if not _wants_pages(request):
                    raise
                return self._failure(request, error)

        return shown

    def secret_of(self, request: Request) -> str | None:
        """Of the session that the browser claims to have."""
        secret = request.cookies.get(self._session, "")
        return secret if 0 < len(secret) <= 128 else None

    def signed_in(self, answer: Response, secret: str) -> None:
        lasts_s = int(LASTS.total_seconds())
        self.keep(answer, self._session, secret, lasts_s)

    def signed_out(self, answer: Response) -> None:
        self.forget(answer, self._session)

    def keep(self, answer: Response, name: str, value: str, lasts_s: int) -> None:
        """`lax`: a browser must still bring it when a provider sends it back here."""
        answer.set_cookie(
            name, value, max_age=lasts_s, path="/", httponly=True, samesite="lax",
            secure=self.address.secure,
        )  # fmt: skip

    def forget(self, answer: Response, name: str) -> None:
        answer.delete_cookie(
            name, path="/", httponly=True, samesite="lax", secure=self.address.secure
        )

    def _failure(self, request: Request, error: GatewayError) -> Response:
        words = self.words(request)
        ways = (way for code, way in WAYS_ON.items() if self._login and error.code.startswith(code))
        html = self.pages.failure(error, words, *next(ways, ("", "back")))
        answer = self._html(words, html, error.status)
        for name, value in error.headers():
            answer.headers[name.decode()] = value.decode()
        return answer

    def _html(self, words: Words, html: str, status: int) -> HTMLResponse:
        own = {"content-language": words.language, "vary": "Accept-Language, Cookie"}
        return HTMLResponse(html, status, headers={**HEADERS, **own})


def _wants_pages(request: Request) -> bool:
    accepted = request.headers.get("accept", "*/*")
    return "text/html" in accepted or "*/*" in accepted


async def form_of(request: Request, secret: str) -> dict[str, str]:
    """What was entered. Raises FormExpired (403) where the form is not of this session,
    InvalidRequest (400), TooLarge (413)."""
    sent = await body(request)
    try:
        pairs = parse_qsl(sent.decode(), keep_blank_values=True, max_num_fields=20)
    except ValueError:
        raise InvalidRequest("The form cannot be read.") from None
    fields = dict(pairs)
    if not form_is_ours(secret, fields.pop("form", "")):
        raise FormExpired
    return fields
