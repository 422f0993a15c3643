"""Ask for a key that its provider has rejected whether it is accepted again.

What costs nothing can only tell that: `GET {probe_path}`. Whether quota is back, or an upstream
that failed serves again, is shown by a real call, let through when the rest is over (`health`).
"""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from random import uniform
from time import monotonic, time
from typing import Never

import structlog
from anyio import create_task_group

from gateway.upstream.credential import Credential
from gateway.upstream.fetch import fetch
from gateway.upstream.health import Condition, State
from gateway.upstream.pool import Pool
from gateway.upstream.retry import Blame, judge_answer
from gateway.upstream.wire import Transport, WireError

LOOK_EVERY_S = 1.0
PROBE_S, PROBE_MAX_S = 30.0, 600.0
"""After the first rejection; doubled by each that follows, up to the longest."""
ANSWER_S = 15.0
ANSWER_BYTES = 64 * 1024

log = structlog.get_logger()


@dataclass(slots=True)
class _Turn:
    """When a rejected key is probed next, and how often it has been."""

    since: float
    at: float
    tries: int


class Prober:
    """Probes the pool's rejected keys, while `mine` says that it is this worker who does."""

    def __init__(
        self,
        pool: Pool,
        transport: Transport,
        mine: Callable[[], bool] = lambda: True,
        now: Callable[[], float] = monotonic,
    ) -> None:
        self._pool, self._transport = pool, transport
        self._mine, self._now = mine, now
        self._turns: dict[str, _Turn] = {}

    async def run(self) -> Never:
        """Until cancelled."""
        while True:
            await self.look()
            await asyncio.sleep(LOOK_EVERY_S)

    async def look(self) -> None:
        """Probe those whose turn it is."""
        due = self._due()
        if due and self._mine():
            async with create_task_group() as tasks:
                for credential in due:
                    tasks.start_soon(self._probe, credential)

    def _due(self) -> list[Credential]:
        now, found = self._now(), []
        for credential in self._pool.credentials:
            condition = self._pool.health[credential.id].condition(now)
            if condition.state is State.OUT and condition.reason is Blame.REJECTED:
                if self._turn(credential, condition).at <= now:
                    found.append(credential)
            elif condition.state is State.AVAILABLE and now - (condition.since or 0) > PROBE_MAX_S:
                self._turns.pop(credential.id, None)
        return found

    def _turn(self, credential: Credential, condition: Condition) -> _Turn:
        """A key that is rejected again soon after a probe passed goes on where it was."""
        since = condition.since or 0.0
        turn = self._turns.get(credential.id)
        if turn is None or turn.since != since:
            tries = turn.tries if turn is not None else 0
            turn = self._turns[credential.id] = _Turn(since, since + _pause_s(tries), tries)
        return turn

    async def _probe(self, credential: Credential) -> None:
        turn = self._turns[credential.id]
        passed, answer = await self._ask(credential)
        now = self._now()
        turn.tries += 1
        turn.at = now + _pause_s(turn.tries)
        if not passed:
            log.info(
                "credential_probe_failed",
                upstream=credential.upstream.name,
                label=credential.label,
                answer=answer,
            )
        elif (health := self._pool.health.get(credential.id)) is not None:
            health.recovered(now)

    async def _ask(self, credential: Credential) -> tuple[bool, int | str]:
        """Whether it is accepted, and the answer's status or why there was none.

        Whatever is no rejection passes, also a 404 where there is no such path: it does not prove
        much, but the next call will, and at worst that costs one attempt.
        """
        path = credential.upstream.probe_path
        try:
            async with asyncio.timeout(ANSWER_S):
                answer = await fetch(self._transport, credential, path, ANSWER_BYTES)
        except WireError as error:
            return False, error.reason
        except TimeoutError:
            return False, "timeout"
        verdict = judge_answer(answer.status, answer.headers, answer.body, time())
        return verdict.blame not in (Blame.REJECTED, Blame.FAILED), answer.status


def _pause_s(tries: int) -> float:
    longest: float = min(PROBE_MAX_S, PROBE_S * 2 ** min(tries, 16))
    return longest * uniform(0.8, 1.2)  # noqa: S311 - jitter is no secret
