"""How provider keys are doing, put together from what each worker says of them. Pure.

No key is ever part of it, not even masked.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

import msgspec

from gateway.upstream.credential import Credential
from gateway.upstream.health import Health, State

SEVERITY = (State.AVAILABLE, State.COOLING, State.HALF_OPEN, State.OPEN, State.OUT)
"""Where workers differ, the one that is worst off is shown."""

Decided = Literal["out", "in"]


class Standing(msgspec.Struct, frozen=True, kw_only=True):
    """One credential as one worker sees it, or several together. Times in seconds since 1970."""

    upstream: str
    label: str
    account: str
    state: State
    why: str
    since: float | None
    """None: as long as it serves."""
    until: float | None
    """None: nobody knows."""
    models: tuple[str, ...] = ()
    """Those that it cools for."""
    calls: int = 0
    """Attempts since the workers began, and those of them that were its fault."""
    failures: int = 0
    in_flight: int = 0
    workers: int = 1
    """How many said so."""
    workers_in_state: int = 1

    @property
    def id(self) -> str:
        return f"{self.upstream}/{self.label}"


@dataclass(frozen=True, slots=True)
class Decision:
    """What an admin decided of one credential."""

    id: int
    credential: str
    state: Decided
    by: str
    reason: str
    at: datetime


def standing(
    credential: Credential, health: Health, in_flight: int, now: float, ahead_s: float
) -> Standing:
    """`now` as health tells the time; `ahead_s`: the time since 1970 less that."""
    found = health.condition(now)
    return Standing(
        upstream=credential.upstream.name,
        label=credential.label,
        account=credential.account,
        state=found.state,
        why=found.reason.value,
        since=found.since + ahead_s if found.since is not None else None,
        until=found.until + ahead_s if found.until is not None else None,
        models=found.models,
        calls=health.calls,
        failures=health.failures,
        in_flight=in_flight,
    )


def together(reports: Iterable[Sequence[Standing]]) -> list[Standing]:
    """One per credential: the worst state, the sums of what is counted; by id."""
    found: dict[str, list[Standing]] = {}
    for report in reports:
        for one in report:
            found.setdefault(one.id, []).append(one)
    return [_one(found[id_]) for id_ in sorted(found)]


def _one(said: list[Standing]) -> Standing:
    worst = max(said, key=lambda s: (SEVERITY.index(s.state), s.until is None, s.until or 0))
    same = [s for s in said if s.state is worst.state]
    since = [s.since for s in same if s.since is not None]
    return msgspec.structs.replace(
        worst,
        since=min(since, default=None),
        models=tuple(sorted({model for s in same for model in s.models})),
        calls=sum(s.calls for s in said),
        failures=sum(s.failures for s in said),
        in_flight=sum(s.in_flight for s in said),
        workers=len(said),
        workers_in_state=len(same),
    )
