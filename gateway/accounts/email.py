"""E-mail addresses and passwords as people type them, before anything is looked up. Pure."""

import re
from unicodedata import normalize

from gateway.errors import InvalidRequest

MOST_CHARACTERS = 254
"""RFC 5321, section 4.5.3.1.3, less the brackets."""
SHORTEST_PASSWORD, LONGEST_PASSWORD = 8, 256
"""NIST SP 800-63B: at least 8, and at least 64 taken; nothing about kinds of characters."""

_ADDRESS = re.compile(r"[^@\s]+@[^@\s.]+(\.[^@\s.]+)+")


def normalised(address: str) -> str:
    """One spelling of each address: blanks around it, case and full-width forms do not matter.

    Raises InvalidRequest (400).
    """
    plain = normalize("NFKC", address.strip()).casefold()
    if len(plain) > MOST_CHARACTERS or not plain.isprintable() or not _ADDRESS.fullmatch(plain):
        raise InvalidRequest("The field `email` must be an e-mail address.", param="email")
    return plain


def usable_password(password: str, email: str) -> str:
    """In the one form in which it is hashed. Raises InvalidRequest (400)."""
    plain = normalize("NFKC", password)
    if not SHORTEST_PASSWORD <= len(plain) <= LONGEST_PASSWORD:
        raise InvalidRequest(
            f"A password has {SHORTEST_PASSWORD} to {LONGEST_PASSWORD} characters.",
            param="password",
        )
    if plain.casefold() == email:
        raise InvalidRequest("The e-mail address is no password.", param="password")
    return plain
