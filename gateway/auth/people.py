"""Users and access tokens as their owners and administrators see them. Plain data."""

from dataclasses import dataclass
from datetime import datetime

from gateway.auth.principal import Role


@dataclass(frozen=True, slots=True)
class User:
    """A person who may hold access tokens."""

    id: int
    name: str
    role: Role
    created_at: datetime
    blocked_at: datetime | None


@dataclass(frozen=True, slots=True)
class AccessToken:
    """An access token as its owner sees it again: without the token."""

    id: int
    user: str
    name: str | None
    hint: str
    created_at: datetime
    expires_at: datetime
    revoked_at: datetime | None
    last_used_at: datetime | None

    def valid(self, now: datetime) -> bool:
        """Whether it lets anybody in, its user not being blocked."""
        return self.revoked_at is None and self.expires_at > now


@dataclass(frozen=True, slots=True)
class Issued:
    """A new access token, the one time that it is shown."""

    id: int
    expires_at: datetime
    token: str
    replaced: tuple[int, ...] = ()
    """The ids of tokens that had to make room for it."""
