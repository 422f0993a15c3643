"""Feishu's and Lark's side of signing in: authorize, the token endpoints of both versions, the old
passport, and who somebody is. As strict, and as odd in its errors, as the real one.

Not here: what the bot needs, which is in a file of its own.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import BaseRoute, Route

from tests.support.fake_feishu import FakeFeishu, app_of
from tests.support.fake_login import FakeLogin, error, fields_of
from tests.support.serving import serving

CODES = {"unknown": 20003, "used": 20065, "expired": 20004, "redirect_uri": 20071, "pkce": 20049,
         "grant_type": 20036}  # fmt: skip
TENANT = "736DEMO"


@dataclass
class FakeFeishuLogin(FakeLogin):
    """One app at one tenant; `tenants` and `unions` override what people have by default."""

    url: str = ""
    tenants: dict[str, str] = field(default_factory=dict)
    unavailable_to: set[str] = field(default_factory=set)

    def person(self, user: str) -> dict[str, str]:
        """As `user_info` shows somebody with no scope granted: no e-mail, no user_id."""
        return {
            "name": user.title(),
            "en_name": user,
            "avatar_url": f"https://example.com/{user}.png",
            "open_id": f"ou_{user}",
            "union_id": f"on_{user}",
            "tenant_key": self.tenants.get(user, TENANT),
        }

    def routes(self) -> list[BaseRoute]:
        return [
            Route("/open-apis/authen/v1/authorize", self._authorize),
            Route("/oauth/v3/token", self._token_v3, methods=["POST"]),
            Route("/open-apis/authen/v2/oauth/token", self._token_v2, methods=["POST"]),
            Route("/open-apis/authen/v1/user_info", self._user_info),
            Route("/suite/passport/oauth/authorize", self._authorize),
            Route("/suite/passport/oauth/token", self._token_passport, methods=["POST"]),
            Route("/suite/passport/oauth/userinfo", self._user_info_passport),
        ]

    async def _authorize(self, request: Request) -> Response:
        return await self.misbehaved("authorize") or self.authorized(request)

    async def _token_v3(self, request: Request) -> Response:
        return await self.misbehaved("token") or await self._token(request, strict_pkce=True)

    async def _token_v2(self, request: Request) -> Response:
        return await self.misbehaved("token_v2") or await self._token(request, strict_pkce=False)

    async def _token_passport(self, request: Request) -> Response:
        fault = await self.misbehaved("passport_token")
        return fault or await self._token(request, strict_pkce=False)

    async def _token(self, request: Request, *, strict_pkce: bool) -> Response:
        form = await fields_of(request)
        secret = (form.get("client_id"), form.get("client_secret"))
        if "authorization" in request.headers:
            return _refused(20070, "basic and body secret together")
        if secret != (self.client_id, self.client_secret):
            return _refused(20002, "client secret is wrong", "invalid_client")
        grant = self.redeemed(form, strict_pkce=strict_pkce)
        if isinstance(grant, str):
            return _refused(CODES[grant], grant)
        if grant.user in self.unavailable_to:
            return _refused(20010, "the user has no permission to use the app")
        return JSONResponse(
            {
                "code": 0,
                "access_token": self.access_token(grant.user),
                "token_type": "Bearer",
                "expires_in": 7200,
                "scope": "auth:user.id:read",
            }
        )

    async def _user_info(self, request: Request) -> Response:
        if (fault := await self.misbehaved("user_info")) is not None:
            return fault
        if (user := self.bearer(request)) is None:
            return JSONResponse({"code": 20005, "msg": "The user access token passed is invalid."})
        return JSONResponse({"code": 0, "msg": "success", "data": self.person(user)})

    async def _user_info_passport(self, request: Request) -> Response:
        """Flat."""
        if (fault := await self.misbehaved("passport_user_info")) is not None:
            return fault
        if (user := self.bearer(request)) is None:
            return error(401, code=20005, msg="invalid token")
        person = self.person(user)
        return JSONResponse({"sub": person["open_id"], **person})


def _refused(code: int, why: str, kind: str = "invalid_grant") -> Response:
    return error(400, code=code, error=kind, error_description=why)


@contextmanager
def fake_feishu_login(*redirect_uris: str) -> Iterator[FakeFeishuLogin]:
    """Serving on a port of its own."""
    fake = FakeFeishuLogin("cli_fake", "feishu-secret", set(redirect_uris))
    with serving(app_of(fake.routes())) as fake.url:
        yield fake


@contextmanager
def fake_feishu_whole() -> Iterator[tuple[FakeFeishuLogin, FakeFeishu]]:
    """One app with a login and a bot, in which people are the same."""
    bot = FakeFeishu()
    login = FakeFeishuLogin(bot.app_id, bot.app_secret, set())
    with serving(app_of([*login.routes(), *bot.routes()])) as url:
        login.url = bot.url = url
        yield login, bot
