"""What a process remembers of access tokens it has looked up, by the hash of the whole token.

Pure: the clock (`tick`, monotonic seconds) is an argument. How something gets in here is in
`gateway.auth.principals`.
"""

from dataclasses import dataclass

from gateway.auth.standing import Change, Standing

GOOD_FOR_S = 1.0
"""A revocation must take effect everywhere within this time."""
COVERED_FOR_S = 60.0
"""The same where every revocation since the look-up would have been announced to us."""
MOST_KNOWN = 10_000
MOST_UNKNOWN = 10_000


@dataclass(frozen=True, slots=True)
class Coverage:
    """The stretch of time in which no announcement can have been missed."""

    since: float
    until: float


NONE = Coverage(0, -1)


@dataclass(frozen=True, slots=True)
class Known:
    """A standing, and since when it can be out of date."""

    standing: Standing
    asked_at: float
    """When its look-up began."""
    announced: bool
    """Whether an announcement came while it was being looked up: then it may predate that."""

    def fresh(self, tick: float, coverage: Coverage) -> bool:
        if tick - self.asked_at < GOOD_FOR_S:
            return True
        return (
            not self.announced
            and coverage.since <= self.asked_at
            and tick - coverage.until < GOOD_FOR_S
            and tick - self.asked_at < COVERED_FOR_S
        )


class TokenCache:
    """Standings of tokens that exist, kept beyond their freshness for when the store is away, and
    for a moment the hashes of tokens that do not. Both are bounded; the longest untouched go."""

    def __init__(self, most_known: int = MOST_KNOWN, most_unknown: int = MOST_UNKNOWN) -> None:
        self._known: dict[bytes, Known] = {}
        self._unknown: dict[bytes, float] = {}
        self._most_known, self._most_unknown = most_known, most_unknown

    def known(self, digest: bytes) -> Known | None:
        return self._known.get(digest)

    def is_unknown(self, digest: bytes, tick: float) -> bool:
        asked_at = self._unknown.get(digest)
        return asked_at is not None and tick - asked_at < GOOD_FOR_S

    def learn(self, digest: bytes, known: Known) -> None:
        self._unknown.pop(digest, None)
        self._known.pop(digest, None)  # so that it goes to the end of the line
        self._known[digest] = known
        if len(self._known) > self._most_known:
            del self._known[next(iter(self._known))]

    def learn_unknown(self, digest: bytes, asked_at: float) -> None:
        self._known.pop(digest, None)
        self._unknown.pop(digest, None)
        self._unknown[digest] = asked_at
        if len(self._unknown) > self._most_unknown:
            del self._unknown[next(iter(self._unknown))]

    def apply(self, change: Change) -> None:
        """What was announced holds at once; the store is asked before the next use all the same."""
        for digest, known in list(self._known.items()):
            if change.concerns(known.standing):
                changed = change.applied(known.standing)
                self._known[digest] = Known(changed, float("-inf"), announced=True)

    def __len__(self) -> int:
        return len(self._known) + len(self._unknown)
