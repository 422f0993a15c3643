"""Signing in with Feishu or Lark: its current flow, its older token endpoint, the old passport.

None of them is OpenID Connect: who somebody is comes from `user_info`. What the same person writes
to the bot has the same `union_id`, and so belongs to the same user.
https://open.feishu.cn/document/authentication-management/access-token/obtain-oauth-code
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode

from gateway.auth.identities import Identity
from gateway.errors import LoginProviderFailed, NotAdmitted, SignInRefused
from gateway.settings import GatewaySettings
from gateway.signin.calls import Answer, ProviderCalls
from gateway.signin.provider import Asked, Person, Returned

CODES_OF_THE_PERSON = frozenset((20003, 20004, 20024, 20049, 20064, 20065, 20071))
"""Code unknown, expired, of another app, PKCE, used (twice), redirect URI: begin again."""
NOT_AVAILABLE = 20010
"""The app is not available to this person."""


@dataclass(frozen=True, slots=True)
class Places:
    """The three addresses of a flow."""

    authorize: str
    token: str
    user_info: str


def places(settings: GatewaySettings) -> Places:
    if passport := settings.feishu_passport_url:
        base = f"{passport}/suite/passport/oauth"
        return Places(f"{base}/authorize", f"{base}/token", f"{base}/userinfo")
    accounts = settings.feishu_accounts_url
    return Places(
        f"{accounts}/open-apis/authen/v1/authorize",
        settings.feishu_token_url or f"{accounts}/oauth/v3/token",
        f"{settings.feishu_open_url}/open-apis/authen/v1/user_info",
    )


class Feishu:
    """One app at Feishu or Lark."""

    def __init__(
        self,
        app_id: str,
        app_secret: str,
        places: Places,
        tenant_keys: frozenset[str],
        calls: ProviderCalls,
    ) -> None:
        self._app_id, self._app_secret, self._places = app_id, app_secret, places
        self._tenant_keys, self._calls = tenant_keys, calls

    async def authorize_url(self, asked: Asked) -> str:
        """No scope: who somebody is needs none, and one that the app lacks is an error page."""
        query = {
            "client_id": self._app_id,
            "response_type": "code",
            "redirect_uri": asked.redirect_uri,
            "state": asked.state,
            "code_challenge": asked.challenge,
            "code_challenge_method": "S256",  # without it, Feishu would take `plain`
        }
        return f"{self._places.authorize}?{urlencode(query)}"

    async def person(self, returned: Returned) -> Person:
        """Raises SignInRefused (400), NotAdmitted (403), LoginProviderFailed (502),
        LoginProviderSlow (504)."""
        token = await self._redeem(returned)
        answer = await self._calls.get(self._places.user_info, bearer=token)
        _judge(answer)
        return self._admitted(_user(answer))

    async def _redeem(self, returned: Returned) -> str:
        form = {
            "grant_type": "authorization_code",
            "client_id": self._app_id,
            "client_secret": self._app_secret,
            "code": returned.code,
            "redirect_uri": returned.redirect_uri,
            "code_verifier": returned.verifier,
        }
        answer = await self._calls.post(self._places.token, form)
        _judge(answer)
        if not (token := answer.text("access_token")):
            raise LoginProviderFailed("Feishu's answer holds no access token.")
        return token

    def _admitted(self, user: Mapping[str, Any]) -> Person:
        tenant = _text(user, "tenant_key")
        subject = _text(user, "union_id") or _text(user, "open_id")  # as the bot does
        if not tenant or not subject:
            raise LoginProviderFailed("Feishu's answer names no tenant_key or no union_id.")
        if self._tenant_keys and tenant not in self._tenant_keys:
            raise NotAdmitted
        name = _text(user, "name") or _text(user, "en_name") or subject
        return Person(Identity("feishu", tenant, subject), name)


def provider(settings: GatewaySettings, calls: ProviderCalls) -> Feishu:
    assert settings.app_id and settings.app_secret  # noqa: S101 - the table says what it needs
    secret = settings.app_secret.get_secret_value()
    return Feishu(settings.app_id, secret, places(settings), settings.feishu_tenant_keys, calls)


def _judge(answer: Answer) -> None:
    """An error may come with any status, 200 too: `code` says it, or OAuth's `error`."""
    code, error = answer.body.get("code", 0), answer.text("error")
    if code == NOT_AVAILABLE:
        raise NotAdmitted
    if code in CODES_OF_THE_PERSON or error == "invalid_grant":
        raise SignInRefused
    if code != 0 or error or answer.status != 200:
        shown = code if isinstance(code, int) and code else error[:40] or answer.status
        raise LoginProviderFailed(f"Feishu answered with the error {shown}.")


def _user(answer: Answer) -> Mapping[str, Any]:
    """In `data`; the passport's is flat."""
    data = answer.body.get("data")
    return data if isinstance(data, dict) else answer.body


def _text(user: Mapping[str, Any], name: str) -> str:
    value = user.get(name)
    return value.strip() if isinstance(value, str) else ""
