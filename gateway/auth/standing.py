"""What the store knows of an access token, and what that means for a call. Pure."""

from dataclasses import dataclass, replace
from typing import Literal, get_args

from gateway.auth.principal import Principal
from gateway.errors import BlockedUser, ExpiredToken, RevokedToken


@dataclass(frozen=True, slots=True)
class Standing:
    """An access token that exists: whose it is, and whether it may be used."""

    principal: Principal
    revoked: bool
    blocked: bool
    """Its user is blocked."""

    def admit(self, now: float) -> Principal:
        """Raises BlockedUser, RevokedToken, ExpiredToken."""
        if self.blocked:
            raise BlockedUser
        if self.revoked:
            raise RevokedToken
        if now >= self.principal.expires_at:
            raise ExpiredToken
        return self.principal


class AnnouncementFailed(Exception):
    """Redis did not take an announcement: others learn of the change when they next ask."""


ChangeKind = Literal["token_revoked", "user_blocked", "user_changed"]


@dataclass(frozen=True, slots=True)
class Change:
    """A change to tokens that others may have looked up already; it is announced to them."""

    kind: ChangeKind
    id: int
    """Of the token, or of the user."""

    def concerns(self, standing: Standing) -> bool:
        principal = standing.principal
        return self.id == (
            principal.token_id if self.kind == "token_revoked" else principal.user_id
        )

    def applied(self, standing: Standing) -> Standing:
        """What is known of it without asking the store: only ever a reason to refuse."""
        if self.kind == "user_changed":
            return standing
        if self.kind == "user_blocked":
            return replace(standing, blocked=True)
        return replace(standing, revoked=True)

    def encode(self) -> bytes:
        return f"{self.kind} {self.id}".encode()


def decode_change(message: bytes) -> Change | None:
    """None: nothing that this version understands."""
    kind, _, number = message.decode("ascii", "replace").partition(" ")
    for known in get_args(ChangeKind):
        if kind == known and number.isdecimal() and number.isascii() and len(number) < 20:
            return Change(known, int(number))
    return None
