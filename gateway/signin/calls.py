"""Calls to login providers: bounded in time and size, their failures in our words.

What an answer means is each provider's affair (`providers/`). Nothing here is logged or kept.
"""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

import httpx2

from common.foreign_json import json_object
from gateway.errors import LoginProviderFailed, LoginProviderSlow, Overloaded

PATIENCE_S = 10.0
"""For one answer; somebody is looking at an empty page meanwhile."""
MAX_ANSWER_BYTES = 1024**2
MOST_AT_ONCE = 32
"""Calls of one worker to all providers: whoever has no account can make it call, too."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What a provider has said: always a JSON object."""

    status: int
    body: Mapping[str, Any]

    def text(self, name: str) -> str:
        """Empty: there is no such text."""
        value = self.body.get(name)
        return value if isinstance(value, str) else ""


class ProviderCalls:
    """Every method raises LoginProviderFailed (502), LoginProviderSlow (504), Overloaded (503)."""

    def __init__(self, client: httpx2.AsyncClient, patience_s: float = PATIENCE_S) -> None:
        self._client, self._patience_s = client, patience_s
        self._under_way = 0

    async def post(
        self, url: str, form: Mapping[str, str], basic: tuple[str, str] | None = None
    ) -> Answer:
        """A form, as OAuth has it (RFC 6749, section 4.1.3). Sent once: a code is good for once."""
        return await self._asked("POST", url, data=dict(form), auth=basic)

    async def get(self, url: str, bearer: str | None = None) -> Answer:
        """Tried twice where the first answer does not come or is a 5xx."""
        headers = {"authorization": f"Bearer {bearer}"} if bearer else {}
        try:
            return await self._asked("GET", url, headers=headers)
        except LoginProviderFailed:
            return await self._asked("GET", url, headers=headers)

    async def _asked(self, method: Literal["GET", "POST"], url: str, **request: Any) -> Answer:
        if self._under_way >= MOST_AT_ONCE:
            raise Overloaded(retry_after_s=1)
        self._under_way += 1
        try:
            async with asyncio.timeout(self._patience_s):
                return await self._answer(method, url, request)
        except (TimeoutError, httpx2.TimeoutException):
            raise LoginProviderSlow from None
        except (httpx2.HTTPError, httpx2.InvalidURL) as error:
            # its text may hold the address that was asked for; its kind says enough
            raise LoginProviderFailed(
                f"The login provider could not be reached ({type(error).__name__})."
            ) from None
        finally:
            self._under_way -= 1

    async def _answer(self, method: str, url: str, request: dict[str, Any]) -> Answer:
        request["headers"] = {**request.get("headers", {}), "accept": "application/json"}
        async with self._client.stream(method, url, **request) as answer:
            body = bytearray()
            async for piece in answer.aiter_bytes():
                body += piece
                if len(body) > MAX_ANSWER_BYTES:
                    raise LoginProviderFailed("The login provider's answer is too large.")
        if answer.status_code >= 500:
            raise LoginProviderFailed(
                f"The login provider answered with HTTP status {answer.status_code}."
            )
        return Answer(answer.status_code, _object(bytes(body), answer.status_code))


def _object(body: bytes, status: int) -> Mapping[str, Any]:
    if (found := json_object(body)) is None:
        raise LoginProviderFailed(
            f"The login provider answered with HTTP status {status} and no JSON object."
        )
    return found
