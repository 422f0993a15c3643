"""Passwords hashed and verified by argon2id, off the event loop.

Imported when the first password comes: most gateways never see one.
"""

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError

MEMORY_KIB, PASSES, LANES = 19 * 1024, 2, 1
"""OWASP's cheat sheet on password storage: the second of its equal choices for argon2id."""


class Argon2:
    """Both take some 20 ms of CPU, without the interpreter's lock; call them in a thread."""

    def __init__(self) -> None:
        self._hasher = PasswordHasher(time_cost=PASSES, memory_cost=MEMORY_KIB, parallelism=LANES)
        self._nobodys = self._hasher.hash("nobody's password")

    def hash(self, password: str) -> str:
        return self._hasher.hash(password)

    def verify(self, stored: str | None, password: str) -> bool:
        """None: there is no such user, which takes as long to find out."""
        try:
            self._hasher.verify(self._nobodys if stored is None else stored, password)
        except (VerificationError, InvalidHashError):
            return False
        return stored is not None
