"""What workers tell each other of one credential, and how two accounts of it become one.

Pure. Joining is commutative, associative and idempotent, so it does not matter who hears what
first, or twice: the longest rest wins, and a recovery ends whatever began before it.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from hashlib import blake2b
from math import isfinite
from typing import Any

import msgspec

from common.foreign_json import UNREADABLE
from gateway.upstream.credential import Credential
from gateway.upstream.health import MODEL_CHARACTERS, MODELS_KEPT, Rest
from gateway.upstream.retry import Blame

_OUT_KEPT = 8
_REASONS = {b.value: b for b in (Blame.COOLING, Blame.REJECTED, Blame.EXHAUSTED, Blame.FAILED)}


@dataclass(frozen=True, slots=True)
class Verdicts:
    """Of one credential; times are on a clock that all share."""

    cleared: float = 0.0
    """What had taken it out before then is over."""
    rests: tuple[Rest, ...] = ()
    """Those that take it out, longest first, then one per model that cools. A shorter one is kept
    only if it began later: a recovery may end the longer one and not it."""

    @property
    def out(self) -> Rest | None:
        """The longest of those that take it out."""
        return next((rest for rest in self.rests if rest.reason is not Blame.COOLING), None)


def joined(one: Verdicts, other: Verdicts) -> Verdicts:
    return _kept(max(one.cleared, other.cleared), (*one.rests, *other.rests))


def lasting(verdicts: Verdicts, now: float) -> Verdicts:
    """Without rests that are over."""
    return _kept(verdicts.cleared, (rest for rest in verdicts.rests if rest.until > now))


def shared_name(credential: Credential) -> str:
    """Two gateways may give the same label to different keys, or change the key behind it."""
    digest = blake2b(credential.key.encode(), digest_size=4, person=b"openai-gateway").hexdigest()
    return f"{credential.id}#{digest}"


def encode(verdicts: Verdicts) -> bytes:
    rows = [(r.reason.value, r.model, r.since, r.until, r.times) for r in verdicts.rests]
    return msgspec.json.encode({"cleared": verdicts.cleared, "rests": rows})


def decode(raw: bytes | None) -> Verdicts:
    """What cannot be understood is nothing: it comes from outside, and may be anybody's."""
    try:
        told = _decoder.decode(raw or b"{}")
    except UNREADABLE:
        return Verdicts()
    return _kept(told.cleared, _readable(told.rests))


class _Told(msgspec.Struct):
    cleared: float = 0.0
    rests: list[tuple[str, str | None, float, float, int]] = []


_decoder = msgspec.json.Decoder(_Told)


def _readable(rows: Iterable[tuple[str, str | None, float, float, int]]) -> Iterable[Rest]:
    for reason, model, since, until, times in rows:
        blame = _REASONS.get(reason)
        known = blame is not None and (model is None or len(model) <= MODEL_CHARACTERS)
        if blame is None or not known or not isfinite(since + until) or not 0 < times < 1e6:
            continue
        yield Rest(blame, model if blame is Blame.COOLING else None, since, until, times)


def _kept(cleared: float, rests: Iterable[Rest]) -> Verdicts:
    out: list[Rest] = []
    cooling: dict[str | None, Rest] = {}
    for rest in sorted(set(rests), key=_length, reverse=True):
        if rest.reason is Blame.COOLING:
            cooling.setdefault(rest.model, rest)
        elif rest.since > cleared and (not out or rest.since > out[-1].since):
            out.append(rest)
    return Verdicts(cleared, (*out[:_OUT_KEPT], *list(cooling.values())[:MODELS_KEPT]))


def _length(rest: Rest) -> tuple[Any, ...]:
    return rest.until, rest.since, rest.times, rest.reason.value, rest.model or ""
