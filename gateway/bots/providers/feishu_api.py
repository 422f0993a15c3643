"""Calls to Feishu's and Lark's Open API: the app's own token, and what its error codes mean.

Sources: open.feishu.cn, "Generic error codes", "Send message", "Reply message", "Get custom app's
tenant_access_token". Failures may come with status 200: only `code` counts.
"""

import time
from collections.abc import Callable, Mapping
from typing import Any

import anyio

from gateway.bots.bot import ProviderRefused
from gateway.bots.calling import Again, Answer, Caller, seconds

RENEW_BEFORE_S = 1800.0
"""With less than half an hour left Feishu gives a new token; both are good meanwhile."""
_TOKEN_CODES = {99991663, 99991664, 99991665, 99991668, 99991677}
_RATE_CODES = {99991400, 230020}
_AGAIN_CODES = {230049, 1000040345}
_CARD_CODES = {230001, 230025, 230099}


class CardRefused(ProviderRefused):
    """Feishu does not take this card; a text may do."""


class OpenAPI:
    """One app at one deployment of the Open API."""

    def __init__(
        self,
        caller: Caller,
        url: str,
        app_id: str,
        app_secret: str,
        tick: Callable[[], float] = time.monotonic,
    ) -> None:
        self._caller, self._url, self._tick = caller, url, tick
        self._app_id, self._app_secret = app_id, app_secret
        self._token, self._good_until = "", float("-inf")
        self._renewing = anyio.Lock()

    async def call(
        self,
        what: str,
        method: str,
        path: str,
        *,
        json: Mapping[str, Any] | None = None,
        params: Mapping[str, str] | None = None,
        **more: int,
    ) -> Mapping[str, Any]:
        """The answer's body. Raises ProviderFailed, ProviderRefused, CardRefused."""
        answer = await self._caller.call(
            what,
            method,
            f"{self._url}/open-apis{path}",
            self._judge,
            headers=self._headers,
            json=json,
            params=params,
            **more,
        )
        return answer.body

    async def _headers(self) -> Mapping[str, str]:
        return {"authorization": f"Bearer {await self._tenant_access_token()}"}

    async def _tenant_access_token(self) -> str:
        """Asked for once, however many need it."""
        async with self._renewing:
            if self._tick() >= self._good_until:
                await self._renew()
            return self._token

    async def _renew(self) -> None:
        asked_at = self._tick()
        answer = await self._caller.call(
            "tenant_access_token",
            "POST",
            f"{self._url}/open-apis/auth/v3/tenant_access_token/internal",
            judged,
            json={"app_id": self._app_id, "app_secret": self._app_secret},
        )
        token, lasts_s = answer.body.get("tenant_access_token"), answer.body.get("expire")
        if not isinstance(token, str) or not isinstance(lasts_s, int):
            raise ProviderRefused("tenant_access_token: the answer holds none")
        self._token, self._good_until = token, asked_at + max(lasts_s - RENEW_BEFORE_S, lasts_s / 2)

    def _judge(self, answer: Answer) -> Again | None:
        if answer.body.get("code") in _TOKEN_CODES:
            self._good_until = float("-inf")
            return Again("the token was not good any more", after_s=0)
        return judged(answer)


def judged(answer: Answer) -> Again | None:
    """Raises ProviderRefused, CardRefused."""
    code, said = answer.body.get("code"), str(answer.body.get("msg", ""))[:200]
    if code == 0 and answer.status < 400:
        return None
    reason = f"status {answer.status}, code {code}: {said}"
    if answer.status == 429 or code in _RATE_CODES:
        reset = answer.headers.get("x-ogw-ratelimit-reset") or answer.headers.get("retry-after")
        return Again(reason, seconds(reset))
    if answer.status >= 500 or code in _AGAIN_CODES:
        return Again(reason)
    if code in _CARD_CODES:
        raise CardRefused(reason)
    if not answer.body:
        raise ProviderRefused(f"status {answer.status} and no JSON: is FEISHU_OPEN_URL right?")
    raise ProviderRefused(f"{reason} (log id {answer.headers.get('x-tt-logid', 'none')})")
