"""Judge what an attempt brought: whose fault it was, and whether another credential should try.

Pure: from statuses, headers and error bodies to a verdict. Health acts on the blame, the
pool on the rest.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from enum import Enum
from random import uniform
from re import compile as pattern

from common.foreign_json import json_object
from gateway.upstream.wire import Headers, WireError


class Blame(Enum):
    """What a failure says about the credential."""

    NONE = "none"
    COOLING = "cooling"
    """Rate limited for this model: let it rest."""
    REJECTED = "rejected"
    """The provider does not accept the key."""
    EXHAUSTED = "exhausted"
    """The account's quota or credit is spent."""
    FAILED = "failed"
    """Counts towards its breaker."""
    WITHDRAWN = "withdrawn"
    """No attempt's doing: an admin has put it out."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """What follows from one attempt."""

    blame: Blame = Blame.NONE
    try_next: bool = False
    back_off: bool = False
    """Wait before the next attempt: the upstream itself seems to be in trouble."""
    rest_s: float | None = None
    """How long the provider asked us to wait; None: it did not say."""


FINE = Verdict()

_QUOTA_CODES = frozenset(
    {
        "insufficient_quota",
        "credit_balance_exhausted",
        "organization_spend_limit_exceeded",
        "project_spend_limit_exceeded",
        "organization_usage_limit_exceeded",
        "billing_hard_limit_reached",
        "billing_not_active",
    }
)  # https://platform.openai.com/docs/guides/error-codes
_KEY_CODES = frozenset({"invalid_api_key", "account_deactivated", "access_terminated"})
_SCOPE_CODES = frozenset({"missing_scope", "insufficient_permissions"})
"""The key is good, but not for this: another may be."""


def judge_answer(status: int, headers: Headers, body: bytes, now: float) -> Verdict:
    """`body` of an answer of 400 or more; `now` in seconds since the epoch."""
    if status < 400:
        return FINE
    code, kind = error_codes(body)
    if status in (402, 403, 429) and (code in _QUOTA_CODES or kind in _QUOTA_CODES):
        return Verdict(Blame.EXHAUSTED, try_next=True)
    if status == 402:
        return Verdict(Blame.EXHAUSTED, try_next=True)
    if status in (401, 403) and code in _SCOPE_CODES:
        return Verdict(try_next=True)
    if status == 401 or (status == 403 and code in _KEY_CODES):
        return Verdict(Blame.REJECTED, try_next=True)
    if status == 429:
        return Verdict(Blame.COOLING, try_next=True, rest_s=rest_asked(headers, now))
    if status == 408 or (status >= 500 and status != 501):
        return Verdict(Blame.FAILED, try_next=True, back_off=True, rest_s=rest_asked(headers, now))
    return FINE


def judge_failure(error: WireError, *, creates: bool, lost_before: bool) -> Verdict:
    """An attempt that brought no answer. `lost_before`: it is not the call's first to be lost."""
    if not error.written:
        return Verdict(Blame.FAILED, try_next=True, back_off=True)
    again = not creates and not lost_before  # it may have been billed: once more, and never twice
    return Verdict(Blame.FAILED, try_next=again, back_off=again)


def back_off_s(retry: int, base_s: float) -> float:
    """Full jitter: anything up to base · 2ⁿ, at most 30 s. `retry` counts from 0."""
    return uniform(0, min(30.0, base_s * 2**retry))  # noqa: S311 - jitter is no secret


def error_codes(body: bytes) -> tuple[str | None, str | None]:
    """`code` and `type` of an OpenAI-shaped error; None where there is none."""
    error = (json_object(body) or {}).get("error")
    if not isinstance(error, dict):
        return None, None
    code, kind = error.get("code"), error.get("type")
    return (
        code if isinstance(code, str) else None,
        kind if isinstance(kind, str) else None,
    )


_DURATION = pattern(
    rb"(?:(\d{1,9})d)?(?:(\d{1,9})h)?(?:(\d{1,9})m(?!s))?"
    rb"(?:(\d{1,9}(?:\.\d{1,9})?)s)?(?:(\d{1,9}(?:\.\d{1,9})?)ms)?"
)


def rest_asked(headers: Headers, now: float) -> float | None:
    """Seconds that the provider asks for, in any of the spellings; None: it does not say.

    `retry-after-ms`, `retry-after` in seconds or as a date (RFC 9110, 10.2.3), else the longer of
    `x-ratelimit-reset-requests` and `-tokens` of what is used up, as durations like `6m0s`; any of
    them also as a Unix time.
    """
    named = dict(headers)
    if (ms := _number(named.get(b"retry-after-ms"))) is not None:
        return ms / 1000
    if (after := named.get(b"retry-after")) is not None:
        seconds = _number(after)
        return seconds if seconds is not None else _until(after, now)
    resets = [
        _duration(named.get(b"x-ratelimit-reset-" + what), now)
        for what in (b"requests", b"tokens")
        if named.get(b"x-ratelimit-remaining-" + what, b"0").strip() == b"0"
    ]
    return max(_known(resets), default=None)


def _known(values: Iterable[float | None]) -> list[float]:
    return [value for value in values if value is not None]


def _number(text: bytes | None) -> float | None:
    try:
        value = float(text) if text is not None else -1
    except ValueError:
        return None
    return value if 0 <= value < 1e7 else None


def _until(date: bytes, now: float) -> float | None:
    """A date of RFC 9110, or seconds or milliseconds since the epoch."""
    try:
        epoch = float(date)
    except ValueError:
        epoch = 0
    if 1e9 <= epoch < 1e11:
        return max(0.0, epoch - now)
    if 1e12 <= epoch < 1e14:
        return max(0.0, epoch / 1000 - now)
    try:
        at = parsedate_to_datetime(date.decode("latin-1"))
        aware = at if at.tzinfo else at.replace(tzinfo=UTC)
        return max(0.0, (aware - datetime.fromtimestamp(now, UTC)).total_seconds())
    except (ValueError, TypeError, IndexError, OverflowError):  # whatever a date is made of
        return None


def _duration(text: bytes | None, now: float) -> float | None:
    if text is None:
        return None
    match = _DURATION.fullmatch(text.strip())
    if match is None or not any(match.groups()):
        seconds = _number(text)
        return seconds if seconds is not None else _until(text, now)
    days, hours, minutes, seconds, ms = (float(part or 0) for part in match.groups())
    return days * 86400 + hours * 3600 + minutes * 60 + seconds + ms / 1000
