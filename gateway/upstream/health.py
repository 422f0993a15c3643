"""The health of one credential: available, cooling, out, or behind an open breaker.

A pure state machine: every method is told the time (seconds, any origin, never running backwards).
Each attempt has a ticket. What began before its credential was taken out says nothing of it now:
a burst of failures takes it out once, and a late success does not bring it back.
"""

from dataclasses import dataclass
from enum import StrEnum
from random import uniform

from gateway.upstream.retry import Blame, Verdict
from gateway.upstream.window import Window

MIN_SAMPLES = 5
FAILURE_RATIO = 0.5
FAILURES_IN_A_ROW = 5
OPEN_S, OPEN_MAX_S = 5.0, 300.0
"""Times opened; one that has stayed closed for the longest rest begins anew."""
QUOTA_S, QUOTA_MAX_S = 30 * 60.0, 24 * 3600.0
COOLING_S, COOLING_MAX_S = 1.0, 60.0
ASKED_MAX_S = 24 * 3600.0
"""However long a provider asks us to wait."""
FOREVER = 1e12
"""Until a probe passes."""
MODELS_KEPT, MODEL_CHARACTERS = 64, 256
"""Clients choose names of models; what is kept of them is bounded."""


class State(StrEnum):
    """What a credential may be used for."""

    AVAILABLE = "available"
    COOLING = "cooling"
    """Not for some models, for a while."""
    OPEN = "open"
    """Its breaker is: not now."""
    HALF_OPEN = "half_open"
    """For one call, which decides."""
    OUT = "out"


@dataclass(frozen=True, slots=True)
class Rest:
    """A verdict and how long it holds."""

    reason: Blame
    model: str | None
    """Only for this one; for reasons other than COOLING: None, and for every model."""
    since: float
    until: float
    times: int
    """How often in a row, this one included."""


@dataclass(frozen=True, slots=True)
class Unavailable:
    """Why a credential may not be used, and until when."""

    reason: Blame
    until: float


@dataclass(frozen=True, slots=True)
class Condition:
    """A state with its why and when, to be shown."""

    state: State
    reason: Blame = Blame.NONE
    since: float | None = None
    """None: always was."""
    until: float | None = None
    """None: nobody knows."""
    models: tuple[str, ...] = ()
    """Those that cool."""


class Health:
    """What is known of one credential. Verdicts only ever lengthen a rest; success ends it."""

    __slots__ = (
        "_cooling", "_in_a_row", "_opened", "_out", "_probing", "_quota_rests", "_since",
        "_ticket", "_window", "_withdrawn_at", "allowed", "asked", "asks", "calls", "failures",
        "recoveries",
    )  # fmt: skip

    def __init__(self) -> None:
        self._window = Window()
        self._in_a_row = self._opened = self._quota_rests = self._ticket = 0
        self._out: Rest | None = None
        self._probing = False
        self._cooling: dict[str | None, Rest] = {}
        self._withdrawn_at: float | None = None
        self._since: float | None = None
        self.asks = self.asked = self.allowed = False
        """Whether a call that tries it again needs somebody's leave; whether one would have; and
        whether the next one has it."""
        self.calls = self.failures = 0
        """Attempts begun, and those that were its fault."""
        self.recoveries = 0
        """How often something ended that had taken it out."""

    def unavailable(self, now: float, model: str | None) -> Unavailable | None:
        """None: it may be used. A rest that is over lets exactly one call through at a time, and
        none without leave, where it `asks` for it."""
        if self._withdrawn_at is not None:
            return Unavailable(Blame.WITHDRAWN, FOREVER)
        out = self._out
        if out is not None and (now < out.until or self._probing or not self._has_leave()):
            return Unavailable(out.reason, max(out.until, now + 1))
        if self._cooling:
            rest = self._cooling.get(_bounded(model))
            if rest is not None and now < rest.until:
                return Unavailable(Blame.COOLING, rest.until)
        return None

    @property
    def probing(self) -> bool:
        """A call is under way that decides."""
        return self._probing

    def _has_leave(self) -> bool:
        self.asked = self.asks and not self.allowed
        return not self.asked

    def taken(self) -> int:
        """A call was given to it; if it was out, that call is the probe. Its ticket."""
        self.calls += 1
        if self._out is not None:
            self._ticket += 1
            self._probing, self.allowed = True, False
        return self._ticket

    def left(self, ticket: int) -> None:
        """The call ended without a verdict (the client went away): the probe is free again."""
        if ticket == self._ticket:
            self._probing = False

    def judged(self, verdict: Verdict, now: float, model: str | None, ticket: int) -> None:
        """The attempt with that ticket ended so."""
        blame = verdict.blame
        self.failures += blame is not Blame.NONE
        if blame is Blame.COOLING:
            self._cool(now, model, verdict.rest_s)
        if ticket != self._ticket:
            return
        self._probing = False
        match blame:
            case Blame.NONE:
                self._went_well(now, model)
            case Blame.COOLING:
                self.recovered(now)
            case Blame.FAILED:
                self._failed(now)
            case Blame.EXHAUSTED:
                self._quota_rests = min(self._quota_rests + 1, 16)
                rest_s = min(QUOTA_MAX_S, QUOTA_S * 2 ** (self._quota_rests - 1))
                self._take_out(Blame.EXHAUSTED, now, now + rest_s, self._quota_rests)
            case Blame.REJECTED:
                self._take_out(Blame.REJECTED, now, FOREVER, 1)

    def recovered(self, now: float) -> None:
        """It may be used again: a probe passed, here or elsewhere, or an admin says so."""
        if self._out is None:
            return
        self._out, self._probing = None, False
        self.asked = self.allowed = False
        self._quota_rests, self._since = 0, now
        self.recoveries += 1

    def learn(self, rest: Rest) -> None:
        """What another worker found: the longest rest wins."""
        if rest.reason is Blame.COOLING:
            self._rest(rest)
            return
        if self._out is not None and rest.until <= self._out.until:
            return
        if rest.reason is Blame.EXHAUSTED:
            self._quota_rests = max(self._quota_rests, rest.times)
        if rest.reason is Blame.FAILED:
            self._opened = max(self._opened, rest.times)
        self._put_out(rest)

    def withdraw(self, now: float | None) -> None:
        """An admin puts it out; None: back."""
        if (now is None) != (self._withdrawn_at is None):
            self._withdrawn_at = now

    def rests(self, now: float) -> list[Rest]:
        """Those that hold."""
        out = [self._out] if self._out is not None else []
        return out + [rest for rest in self._cooling.values() if rest.until > now]

    def condition(self, now: float) -> Condition:
        if self._withdrawn_at is not None:
            return Condition(State.OUT, Blame.WITHDRAWN, self._withdrawn_at)
        if (out := self._out) is not None:
            if out.until <= now:
                return Condition(State.HALF_OPEN, out.reason, out.since)
            state = State.OPEN if out.reason is Blame.FAILED else State.OUT
            return Condition(
                state, out.reason, out.since, out.until if out.until < FOREVER else None
            )
        if cooling := self.rests(now):
            return Condition(
                State.COOLING,
                Blame.COOLING,
                min(rest.since for rest in cooling),
                max(rest.until for rest in cooling),
                tuple(sorted(rest.model or "" for rest in cooling)),
            )
        return Condition(State.AVAILABLE, since=self._since)

    def _went_well(self, now: float, model: str | None) -> None:
        self._window.good(now)
        self._in_a_row = 0
        if self._out is not None:
            self.recovered(now)
        if self._cooling:
            rest = self._cooling.get(_bounded(model))
            if rest is not None and rest.until <= now:
                del self._cooling[rest.model]

    def _failed(self, now: float) -> None:
        out = self._out
        if out is not None and out.reason is not Blame.FAILED:  # a probe that proved nothing
            self._take_out(out.reason, now, now + OPEN_S * out.times, out.times)
            return
        self._window.bad(now)
        self._in_a_row += 1
        good, bad = self._window.counts(now)
        many = good + bad >= MIN_SAMPLES and bad >= FAILURE_RATIO * (good + bad)
        if out is None and not many and self._in_a_row < FAILURES_IN_A_ROW:
            return
        if out is None and self._since is not None and now - self._since > OPEN_MAX_S:
            self._opened = 0
        self._opened += 1
        rest_s = min(OPEN_MAX_S, OPEN_S * self._opened)
        self._take_out(Blame.FAILED, now, now + rest_s, self._opened)

    def _take_out(self, reason: Blame, now: float, until: float, times: int) -> None:
        goes_on = self._out is not None and self._out.reason is reason
        since = self._out.since if goes_on and self._out is not None else now
        self._put_out(Rest(reason, None, since, until, times))

    def _put_out(self, rest: Rest) -> None:
        self._out, self._probing = rest, False
        self.asked = self.allowed = False
        self._ticket += 1
        self._in_a_row = 0
        self._window.clear()

    def _cool(self, now: float, model: str | None, asked_s: float | None) -> None:
        name = _bounded(model)
        before = self._cooling.get(name)
        if before is not None and now < before.until:  # of the same burst
            if asked_s is not None:
                until = now + min(ASKED_MAX_S, asked_s)
                self._rest(Rest(Blame.COOLING, name, before.since, until, before.times))
            return
        times = before.times if before is not None else 0
        own_s = jittered(COOLING_S * 2 ** min(times, 16))
        rest_s = own_s if asked_s is None else min(ASKED_MAX_S, asked_s)
        self._rest(Rest(Blame.COOLING, name, now, now + rest_s, times + 1))

    def _rest(self, rest: Rest) -> None:
        """The longest wins."""
        before = self._cooling.get(rest.model)
        if before is not None and rest.until <= before.until:
            return
        if before is None and len(self._cooling) >= MODELS_KEPT:
            soonest = min(self._cooling.values(), key=lambda kept: kept.until)
            del self._cooling[soonest.model]
        self._cooling[rest.model] = rest


def jittered(seconds: float) -> float:
    """Full jitter, with a floor that keeps a hot loop away."""
    return uniform(0.1, min(COOLING_MAX_S, seconds))  # noqa: S311 - jitter is no secret


def _bounded(model: str | None) -> str | None:
    return model if model is None else model[:MODEL_CHARACTERS]
