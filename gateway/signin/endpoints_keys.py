"""`/auth/keys`: one's own keys on a page, for somebody who is signed in; `/auth/logout`."""

from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from gateway.auth.keys import KeyDesk
from gateway.auth.people import AccessToken, Issued, User
from gateway.errors import FormExpired, InvalidRequest, TooManyTokens, UnknownToken
from gateway.signin.session import Due, form_token
from gateway.signin.store import SignInStore
from gateway.signin.web import Web, form_of

MOST_OVER = 20
MOST_LOOKED_AT = 100
"""Of the latest keys that somebody has had: scripts may have made thousands."""
SHOWN_FOR = timedelta(days=30)
"""How long keys that are over are listed."""


def routes(
    web: Web,
    store: SignInStore,
    keys: KeyDesk,
    now: Callable[[], datetime] = lambda: datetime.now(UTC),
) -> list[BaseRoute]:
    page = _KeysPage(web, store, keys, now)
    return [
        Route("/auth/keys", web.failing_well(page.show), methods=["GET"]),
        Route("/auth/keys", web.failing_well(page.create), methods=["POST"]),
        Route("/auth/keys/{id:int}/revoke", web.failing_well(page.revoke), methods=["POST"]),
        Route("/auth/logout", web.failing_well(page.log_out), methods=["POST"]),
    ]


class _KeysPage:
    def __init__(
        self,
        web: Web,
        store: SignInStore,
        keys: KeyDesk,
        now: Callable[[], datetime],
    ) -> None:
        self._web, self._store, self._keys = web, store, keys
        self._now = now

    async def show(self, request: Request) -> Response:
        """A key that is due is issued here, where its owner sees it, and nowhere else.

        Raises BlockedUser (401), StoreUnavailable (503).
        """
        secret = self._web.secret_of(request)
        user = None if secret is None else await self._store.user(secret, self._now())
        if secret is None or user is None:
            return self._to_sign_in(request)
        due = await self._store.take_due(secret) if _is_looked_at(request) else None
        fresh, full = await self._issued(user, due)
        return await self._page(request, secret, user, fresh, full)

    async def create(self, request: Request) -> Response:
        """Raises FormExpired (403), InvalidRequest (400), BlockedUser (401)."""
        secret, _, fields = await self._sent(request)
        await self._store.want(secret, _wanted(fields, self._keys.terms.most_days))
        return self._web.go("/auth/keys")

    async def revoke(self, request: Request) -> Response:
        """Raises as `create`, UnknownToken (404) for a key that is not one's own."""
        _, user, _ = await self._sent(request)
        id_ = request.path_params["id"]
        if id_ >= 2**63:
            raise UnknownToken
        await self._keys.revoke(user, id_, self._now())
        return self._web.go(f"/auth/keys?revoked={id_}")

    async def log_out(self, request: Request) -> Response:
        """Raises FormExpired (403)."""
        secret = self._web.secret_of(request)
        if secret is not None:
            await form_of(request, secret)
            await self._store.close(secret)
        answer = self._web.go("/auth/login?out=1")
        self._web.signed_out(answer)
        return answer

    async def _sent(self, request: Request) -> tuple[str, User, dict[str, str]]:
        """By a form of a page of this session, which is still one."""
        secret = self._web.secret_of(request)
        if secret is None:
            raise FormExpired
        fields = await form_of(request, secret)
        user = await self._store.user(secret, self._now())
        if user is None:
            raise FormExpired
        return secret, user, fields

    async def _issued(self, user: User, due: Due | None) -> tuple[Issued | None, bool]:
        """The key, or that there would be too many."""
        if due is None:
            return None, False
        try:
            issued = await self._keys.issue(user, due.days, due.name, self._now())
        except TooManyTokens:
            return None, True
        return issued, False

    async def _page(
        self,
        request: Request,
        secret: str,
        user: User,
        fresh: Issued | None,
        full: bool,
    ) -> Response:
        now, terms = self._now(), self._keys.terms
        latest = await self._keys.own(user, limit=MOST_LOOKED_AT)
        return self._web.page(
            request, "keys", user=user.name, form=form_token(secret), fresh=fresh, full=full,
            snippets=self._web.pages.fresh(fresh.token, self._web.words(request)) if fresh else (),
            live=await self._keys.valid(user, now), over=_over(latest, now),
            revoked=_just_revoked(request, latest),
            days=terms.days, days_max=terms.most_days, most=terms.per_user,
        )  # fmt: skip

    def _to_sign_in(self, request: Request) -> Response:
        answer = self._web.go("/auth/login?next=/auth/keys")
        if self._web.secret_of(request) is not None:
            self._web.signed_out(answer)
        return answer


def _is_looked_at(request: Request) -> bool:
    """Not asked for in advance by a browser, nor for its head only."""
    purposes = request.headers.get("sec-purpose", "") + request.headers.get("purpose", "")
    return request.method == "GET" and "prefetch" not in purposes


def _wanted(fields: dict[str, str], days_max: int) -> Due:
    days, name = fields.get("days", ""), fields.get("name", "").strip()
    if not (days.isascii() and days.isdigit() and len(days) < 6 and 1 <= int(days) <= days_max):
        raise InvalidRequest(f"A key lasts from 1 to {days_max} days.", param="days")
    if len(name) > 64 or not name.isprintable():
        raise InvalidRequest("A name has at most 64 printable characters.", param="name")
    return Due(int(days), name or None)


def _over(latest: Sequence[AccessToken], now: datetime) -> list[AccessToken]:
    over = [key for key in latest if not key.valid(now)]
    recent = [key for key in over if (key.revoked_at or key.expires_at) > now - SHOWN_FOR]
    return recent[:MOST_OVER]


def _just_revoked(request: Request, latest: Sequence[AccessToken]) -> str | None:
    """The hint of the key that this page says is revoked, if that is so."""
    named = request.query_params.get("revoked", "")
    return next((key.hint for key in latest if str(key.id) == named and key.revoked_at), None)
