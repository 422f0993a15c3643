"""Whose things a request may show: one's own to everybody, everybody's to an admin. Pure."""

from dataclasses import dataclass

from gateway.auth.principal import Principal
from gateway.errors import Forbidden


@dataclass(frozen=True, slots=True)
class Whose:
    """What every query of the read side is narrowed to."""

    user_id: int | None
    """Only this user's; None: everybody's, for an admin."""
    user: str | None = None
    """Of everybody's, only that of the user with this name."""


def whose(principal: Principal, asked: str | None) -> Whose:
    """`asked`: the name that the request gives. Raises Forbidden (403) for somebody else's."""
    if principal.is_admin:
        return Whose(None, asked)
    if asked not in (None, principal.user):
        raise Forbidden("Only an admin may ask for what belongs to somebody else.", param="user")
    return Whose(principal.user_id)
