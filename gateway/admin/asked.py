"""What an admin wants of a provider key: `{"state": "out", "reason": "…"}`. Pure.

Nothing but these two fields is taken, and neither twice: what is ignored could be meant.
"""

import json
from dataclasses import dataclass
from typing import Any

from gateway.admin.standing import Decided
from gateway.errors import InvalidJSON, InvalidRequest

MOST_CHARACTERS = 500
_FIELDS = ("state", "reason")


@dataclass(frozen=True, slots=True)
class Wanted:
    """A decision to be made."""

    state: Decided
    reason: str


def wanted(body: bytes) -> Wanted:
    """Raises InvalidRequest (400)."""
    fields = _fields(body)
    state = fields.get("state")
    if state not in ("out", "in"):
        raise InvalidRequest('The field `state` must be "out" or "in".', param="state")
    return Wanted(state, reason(fields.get("reason", ""), needed=state == "out"))


def reason(text: object, *, needed: bool) -> str:
    """Raises InvalidRequest (400)."""
    if not isinstance(text, str) or len(text) > MOST_CHARACTERS:
        raise InvalidRequest(
            f"A reason is a text of at most {MOST_CHARACTERS} characters.", param="reason"
        )
    if any(not (letter.isprintable() or letter in "\n\t") for letter in text):
        raise InvalidRequest("A reason holds printable characters only.", param="reason")
    if needed and not text.strip():
        raise InvalidRequest("Say why, in `reason`: others will ask.", param="reason")
    return text.strip()


def _fields(body: bytes) -> dict[str, Any]:
    try:
        value = json.loads(body, object_pairs_hook=_once)
    except (ValueError, RecursionError):
        raise InvalidJSON() from None
    if not isinstance(value, dict):
        raise InvalidRequest("The body must be a JSON object.")
    if unknown := [name for name in value if name not in _FIELDS]:
        name = unknown[0][:64]
        raise InvalidRequest(
            f"There is no field `{name}` here; there are: state, reason.", param=name
        )
    return value


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise InvalidRequest("A field is given twice.")
    return found
