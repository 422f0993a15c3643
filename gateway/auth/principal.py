"""Whom a presented access token stands for."""

from dataclasses import dataclass
from typing import Literal

Role = Literal["member", "admin"]


@dataclass(frozen=True, slots=True)
class Principal:
    """The user behind a call, as the token says."""

    user_id: int
    user: str
    """The user's name."""
    role: Role
    token_id: int
    expires_at: float
    """Seconds since the epoch."""

    @property
    def is_admin(self) -> bool:
        return self.role == "admin"
