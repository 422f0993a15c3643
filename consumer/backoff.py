"""How long to wait before trying again."""

from collections.abc import Iterator
from random import uniform


def delays(first_s: float = 0.1, longest_s: float = 5.0) -> Iterator[float]:
    """Doubling up to the longest, each with full jitter, so that many do not come back at once."""
    bound = first_s
    while True:
        yield uniform(first_s / 2, bound)  # noqa: S311 - no secret
        bound = min(longest_s, bound * 2)
