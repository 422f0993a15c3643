"""Looks at what the health of each credential has become: a line in the log per change, a gauge.

Beside the calls, not on their way: they change health and tell nobody.
"""

import asyncio
from collections.abc import Callable
from time import monotonic
from typing import Never

import structlog

from gateway.upstream.credential import Credential
from gateway.upstream.health import Condition, State
from gateway.upstream.pool import Pool

LOOK_EVERY_S = 0.25

log = structlog.get_logger()


class Conditions:
    """What the pool's credentials were found to be at the last look."""

    def __init__(
        self,
        pool: Pool,
        gauge: Callable[[str, str, State | None], None] = lambda upstream, label, state: None,
        now: Callable[[], float] = monotonic,
    ) -> None:
        self._pool, self._gauge, self._now = pool, gauge, now
        self._seen: dict[tuple[str, str], Condition] = {}

    async def run(self) -> Never:
        """Until cancelled."""
        while True:
            self.look()
            await asyncio.sleep(LOOK_EVERY_S)

    def look(self) -> None:
        now, before = self._now(), self._seen
        self._seen = {}
        for credential in self._pool.credentials:
            name = (credential.upstream.name, credential.label)
            found = self._pool.health[credential.id].condition(now)
            self._seen[name] = found
            was = before.get(name)
            if was is None or was.state is not found.state:
                self._gauge(*name, found.state)
            was = was or Condition(State.AVAILABLE)
            if (was.state, was.reason) != (found.state, found.reason):
                _tell(credential, found, now)
        for gone in before.keys() - self._seen.keys():
            self._gauge(*gone, None)


def _tell(credential: Credential, found: Condition, now: float) -> None:
    upstream, label = credential.upstream.name, credential.label
    state, reason = found.state.value, found.reason.value
    rest_s = round(found.until - now, 1) if found.until is not None else None
    if found.state in (State.OUT, State.OPEN):
        log.warning(
            "credential_state",
            upstream=upstream,
            label=label,
            state=state,
            reason=reason,
            rest_s=rest_s,
        )
    else:
        log.info(
            "credential_state",
            upstream=upstream,
            label=label,
            state=state,
            reason=reason,
            rest_s=rest_s,
        )
