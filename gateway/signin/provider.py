"""What a login provider is to this feature: the port that `providers/` fill."""

from dataclasses import dataclass, field
from typing import Protocol

from gateway.auth.identities import Identity


@dataclass(frozen=True, slots=True)
class Asked:
    """What the provider is told when a browser is sent to it."""

    redirect_uri: str
    state: str
    challenge: str
    """Of PKCE, by S256."""
    nonce: str


@dataclass(frozen=True, slots=True)
class Returned:
    """What a browser has brought back from it, and what is known of the sign-in."""

    code: str = field(repr=False)
    redirect_uri: str
    verifier: str = field(repr=False)
    nonce: str
    issuer: str | None = None
    """The parameter `iss` (RFC 9207), where it was given."""


@dataclass(frozen=True, slots=True)
class Person:
    """Whom the provider vouches for."""

    identity: Identity
    display_name: str


class Provider(Protocol):
    """One place to sign in at."""

    async def authorize_url(self, asked: Asked) -> str:
        """Where to send the browser. Raises LoginProviderFailed (502), LoginProviderSlow (504)."""
        ...

    async def person(self, returned: Returned) -> Person:
        """Raises the same, SignInRefused (400: the code is not accepted), NotAdmitted (403)."""
        ...
