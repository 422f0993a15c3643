"""Calls to chat providers: in time, tried again as the provider allows, and told apart.

Each provider judges its own answers; what a judgement leads to is the same for all.
"""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from random import uniform
from typing import Any

import anyio
import httpx2
import structlog

from common.foreign_json import json_object
from gateway.bots.bot import ProviderFailed

TRIES = 5
FIRST_PAUSE_S = 0.5
LONGEST_PAUSE_S = 30.0
"""What a provider asks for beyond this is left to the job, which is tried again later."""
TIMEOUT_S = 5.0
CONNECT_S = 3.0
_MOST_BYTES = 1024**2

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Answer:
    """What a provider answered."""

    status: int
    headers: Mapping[str, str]
    """Names in lower case."""
    body: Mapping[str, Any]
    """Empty where it was no JSON object."""


_NONE = Answer(0, {}, {})


@dataclass(frozen=True, slots=True)
class Again:
    """It did not work, and may work later."""

    reason: str
    after_s: float | None = None
    """As the provider asks; None: by our own back-off."""


Judge = Callable[[Answer], Again | None]
"""None: it worked. Raises ProviderRefused."""
Headers = Callable[[], Awaitable[Mapping[str, str]]]
"""Made anew for each try: a token may have been renewed."""


async def no_headers() -> Mapping[str, str]:
    return {}


class Caller:
    """Calls one provider."""

    def __init__(
        self, client: httpx2.AsyncClient, provider: str, first_pause_s: float = FIRST_PAUSE_S
    ) -> None:
        self._client, self._provider, self._first_pause_s = client, provider, first_pause_s

    async def call(
        self,
        what: str,
        method: str,
        url: str,
        judge: Judge,
        *,
        headers: Headers = no_headers,
        json: Mapping[str, Any] | None = None,
        params: Mapping[str, str] | None = None,
        tries: int = TRIES,
    ) -> Answer:
        """`what` is for the log; an address may hold a secret.

        Raises ProviderFailed when it still did not work at the last try, ProviderRefused as the
        judge does.
        """
        verdict: Again | None = None
        for turn in range(1, tries + 1):
            answer, verdict = await self._try(
                judge, method, url, headers=await headers(), json=json, params=params
            )
            if verdict is None:
                return answer
            pause_s = self._pause_s(turn, verdict.after_s)
            if turn == tries or pause_s > LONGEST_PAUSE_S:
                break
            log.info("bot_call_repeated", provider=self._provider, call=what, reason=verdict.reason)
            await anyio.sleep(pause_s)
        reason = verdict.reason if verdict else "it was not tried"
        log.warning("bot_call_failed", provider=self._provider, call=what, reason=reason)
        raise ProviderFailed(f"{what}: {reason}")

    async def _try(
        self, judge: Judge, method: str, url: str, **more: Any
    ) -> tuple[Answer, Again | None]:
        try:
            with anyio.fail_after(2 * TIMEOUT_S):  # the client's own bounds are for each step
                answer = await self._ask(method, url, **more)
        except (httpx2.HTTPError, httpx2.InvalidURL, OSError) as error:
            return _NONE, Again(type(error).__name__)
        return answer, judge(answer)

    async def _ask(self, method: str, url: str, **more: Any) -> Answer:
        body = bytearray()
        async with self._client.stream(method, url, **more) as response:
            async for piece in response.aiter_bytes():
                body += piece
                if len(body) > _MOST_BYTES:
                    break
        return Answer(
            response.status_code,
            {name.lower(): value for name, value in response.headers.items()},
            json_object(bytes(body)) or {},
        )

    def _pause_s(self, turn: int, asked_s: float | None) -> float:
        backed_off_s = self._first_pause_s * 2 ** (turn - 1)
        jitter_s: float = uniform(backed_off_s / 2, backed_off_s)  # noqa: S311 - no secret
        return jitter_s if asked_s is None else asked_s + jitter_s / 4


def new_client() -> httpx2.AsyncClient:
    """For all providers; no proxy from the environment, no redirects."""
    return httpx2.AsyncClient(
        timeout=httpx2.Timeout(TIMEOUT_S, connect=CONNECT_S),
        limits=httpx2.Limits(max_connections=20),
        trust_env=False,
        follow_redirects=False,
    )


def seconds(value: str | None) -> float | None:
    """What a header says; None: nothing that can be understood."""
    try:
        return max(0.0, float(value)) if value else None
    except ValueError:
        return None
