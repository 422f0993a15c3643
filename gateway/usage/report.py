"""Usage as other features may ask for it: a port, and the row that it answers with. Pure."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Protocol

from gateway.whose import Whose


@dataclass(frozen=True, slots=True)
class UsageRow:
    """Sums over what one group has in common."""

    group: dict[str, str]
    """Of `gateway.usage.store.GROUPS`, those that were asked for."""
    counts: dict[str, int]
    """One of each of `gateway.usage.store.COUNTS`."""


class UsageReport(Protocol):
    """What `GET /auth/tokens` is answered from."""

    async def usage(
        self, by: Whose, begin: date | None, end: date | None, groups: Collection[str]
    ) -> Sequence[UsageRow]:
        """From and to these days, inclusive. Raises StoreUnavailable (503)."""
        ...
