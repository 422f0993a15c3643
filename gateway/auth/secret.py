"""Secrets that somebody is given once: of a session, of a link. Pure.

What is stored of one finds it again, and is of no use to whoever reads the database. Access tokens,
which people copy by hand, have a form of their own: `gateway.auth.tokens`.
"""

from hashlib import sha256
from secrets import token_urlsafe


def new_secret() -> str:
    """256 random bits, as they may stand in an address or a cookie."""
    return token_urlsafe(32)


def hashed(secret: str) -> bytes:
    """What is stored of it; so many random bits need no salt."""
    return sha256(secret.encode("utf-8", "replace")).digest()
