"""The arithmetic of measured values, and the book that they are noted in. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from math import ceil
from statistics import median


def percentile(values: Sequence[float], share: float) -> float:
    """The smallest value that `share` of them do not exceed (nearest rank). Raises ValueError if
    there are none."""
    if not values:
        raise ValueError("no values")
    return sorted(values)[max(0, ceil(share * len(values)) - 1)]


@dataclass
class Book:
    """What was measured: for each side and figure one value of each round, and remarks."""

    _values: dict[tuple[str, str], list[float]] = field(default_factory=dict)
    _remarks: dict[tuple[str, str], str] = field(default_factory=dict)

    def note(self, side: str, figure: str, value: float) -> None:
        self._values.setdefault((side, figure), []).append(value)

    def remark(self, side: str, figure: str, text: str) -> None:
        """Said beside the figure; the last one counts."""
        self._remarks[side, figure] = text

    def values(self, side: str, figure: str) -> list[float]:
        return list(self._values.get((side, figure), ()))

    def median(self, side: str, figure: str) -> float | None:
        """Over the rounds; None: it was not measured."""
        values = self._values.get((side, figure))
        return median(values) if values else None

    def remark_on(self, side: str, figure: str) -> str:
        return self._remarks.get((side, figure), "")

    def ratio(self, figure: str, side: str, other: str) -> float | None:
        """How many times `other`'s figure `side`'s is."""
        ours, theirs = self.median(side, figure), self.median(other, figure)
        return ours / theirs if ours is not None and theirs else None

    def added(self, figure: str, side: str, baseline: str) -> float | None:
        """By how much `side`'s figure exceeds the baseline's."""
        ours, base = self.median(side, figure), self.median(baseline, figure)
        return ours - base if ours is not None and base is not None else None
