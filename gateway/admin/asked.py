"""What an admin wants of a provider key: `{"state": "out", "reason": "…"}`. Pure."""

from dataclasses import dataclass
from typing import cast, get_args

from gateway.admin.standing import Decided
from gateway.errors import InvalidRequest
from gateway.fields import Fields

MOST_CHARACTERS = 500


@dataclass(frozen=True, slots=True)
class Wanted:
    """A decision to be made."""

    state: Decided
    reason: str


def wanted(body: bytes) -> Wanted:
    """Raises InvalidRequest (400)."""
    fields = Fields(body, ("state", "reason"))
    state = fields.one_of("state", get_args(Decided))
    if state is None:
        raise InvalidRequest('The field `state` must be "out" or "in".', param="state")
    text = fields.text("reason", MOST_CHARACTERS) or ""
    return Wanted(cast(Decided, state), reason(text, needed=state == "out"))


def reason(text: str, *, needed: bool) -> str:
    """Raises InvalidRequest (400)."""
    if len(text) > MOST_CHARACTERS:
        raise InvalidRequest(
            f"A reason is a text of at most {MOST_CHARACTERS} characters.", param="reason"
        )
    if any(not (letter.isprintable() or letter in "\n\t") for letter in text):
        raise InvalidRequest("A reason holds printable characters only.", param="reason")
    if needed and not text.strip():
        raise InvalidRequest("Say why, in `reason`: others will ask.", param="reason")
    return text.strip()
