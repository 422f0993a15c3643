"""A worker's hashing of passwords: one at a time, a few waiting, nobody else held up."""

from collections.abc import Callable
from functools import partial
from importlib import import_module
from typing import Protocol, TypeVar

from anyio import CapacityLimiter, to_thread

from gateway.errors import Overloaded

MOST_WAITING = 16

T = TypeVar("T")


class Hashing(Protocol):
    """See `gateway.accounts.hashing`."""

    def hash(self, password: str) -> str: ...

    def verify(self, stored: str | None, password: str) -> bool: ...


class Passwords:
    """Everything raises Overloaded (503)."""

    def __init__(self) -> None:
        self._hashing: Hashing | None = None
        self._turn: CapacityLimiter | None = None
        self._waiting = 0

    async def hash(self, password: str) -> str:
        """In PHC form, with its salt and costs."""
        return await self._apart(lambda hashing: hashing.hash(password))

    async def verify(self, stored: str | None, password: str) -> bool:
        """None: there is no such user; that takes just as long."""
        return await self._apart(lambda hashing: hashing.verify(stored, password))

    async def _apart(self, work: Callable[[Hashing], T]) -> T:
        if self._waiting >= MOST_WAITING:
            raise Overloaded("Too many people are signing in at once.", retry_after_s=1)
        self._turn = self._turn or CapacityLimiter(1)
        self._waiting += 1
        try:
            return await to_thread.run_sync(partial(self._work, work), limiter=self._turn)
        finally:
            self._waiting -= 1

    def _work(self, work: Callable[[Hashing], T]) -> T:
        """In the thread, one at a time."""
        if self._hashing is None:
            made: Hashing = import_module("gateway.accounts.hashing").Argon2()
            self._hashing = made
        return work(self._hashing)
