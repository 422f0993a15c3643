"""Brings the health of a pool and what all workers have written together, round by round.

No I/O here: `sharing_redis` reads before, and writes after. Everybody writes what it has agreed to,
so an update that another's overtook is written again in the next round.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace

from gateway.upstream.credential import Credential
from gateway.upstream.health import FOREVER, Health, Rest
from gateway.upstream.pool import Pool
from gateway.upstream.retry import Blame
from gateway.upstream.verdicts import Verdicts, decode, encode, joined, lasting, shared_name

_AFTER_S = 1e-6
"""What is found after a recovery is told as having begun after it, by whatever clock."""


@dataclass(slots=True)
class _Mark:
    """What of a health is in the verdicts already: found here and told, or heard."""

    health: Health
    recoveries: int
    rests: frozenset[Rest]


class Agreement:
    """One worker's side of it."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool
        self._agreed: dict[str, tuple[Verdicts, _Mark]] = {}

    def round(self, stored: Mapping[str, bytes], now: float, ahead_s: float) -> dict[str, bytes]:
        """Takes over what others found, and gives what is to be written.

        `now`: as health tells the time; `ahead_s`: the shared clock less that.
        """
        changed, agreed = {}, {}
        for credential in self._pool.credentials:
            name = shared_name(credential)
            theirs = lasting(decode(stored.get(name)), now + ahead_s)
            verdicts = self._agree(name, credential, theirs, now, ahead_s)
            health = self._pool.health[credential.id]
            mark = _Mark(health, health.recoveries, frozenset(health.rests(now)))
            agreed[name] = verdicts, mark
            if verdicts != theirs:
                changed[name] = encode(verdicts)
        self._agreed = agreed
        return changed

    def _agree(
        self, name: str, credential: Credential, theirs: Verdicts, now: float, ahead_s: float
    ) -> Verdicts:
        health = self._pool.health[credential.id]
        verdicts, mark = self._agreed.get(name, (Verdicts(), None))
        if mark is None or mark.health is not health:
            verdicts, mark = Verdicts(), _Mark(health, 0, frozenset())
        ours = _told(verdicts, mark, now, ahead_s)
        both = lasting(joined(ours, theirs), now + ahead_s)
        _hear(health, ours, both, now, ahead_s)
        return both


def _told(verdicts: Verdicts, mark: _Mark, now: float, ahead_s: float) -> Verdicts:
    """With what has been found here since the last round."""
    health, known = mark.health, mark.rests
    if health.recoveries != mark.recoveries:
        began = [rest.since for rest in verdicts.rests if rest.reason is not Blame.COOLING]
        verdicts = joined(verdicts, Verdicts(max(now + ahead_s, verdicts.cleared, *began)))
        known = frozenset(rest for rest in known if rest.reason is Blame.COOLING)
    for rest in health.rests(now):
        if rest in known:
            continue
        since = rest.since + ahead_s
        if rest.reason is not Blame.COOLING:
            since = max(since, verdicts.cleared + _AFTER_S)
        until = rest.until if rest.until >= FOREVER else rest.until + ahead_s
        found = replace(rest, since=since, until=until)
        verdicts = joined(verdicts, Verdicts(verdicts.cleared, (found,)))
    return verdicts


def _hear(health: Health, ours: Verdicts, both: Verdicts, now: float, ahead_s: float) -> None:
    known = set(ours.rests)
    if both.cleared > ours.cleared and both.out != ours.out:
        health.recovered(now)
        known -= {rest for rest in known if rest.reason is not Blame.COOLING}
    for rest in both.rests:
        if rest not in known:
            until = rest.until if rest.until >= FOREVER else rest.until - ahead_s
            health.learn(replace(rest, since=rest.since - ahead_s, until=until))
