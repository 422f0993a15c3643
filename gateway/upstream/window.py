"""How many attempts of the last half minute ended well, and how many failed. Pure."""

WINDOW_S = 30


class Window:
    """Counts per second, for as many seconds; its size does not depend on how many are counted."""

    __slots__ = ("_bad", "_good", "_second")

    def __init__(self) -> None:
        self._good, self._bad = [0] * WINDOW_S, [0] * WINDOW_S
        self._second = 0

    def good(self, now: float) -> None:
        self._good[self._slot(now)] += 1

    def bad(self, now: float) -> None:
        self._bad[self._slot(now)] += 1

    def counts(self, now: float) -> tuple[int, int]:
        """Good and bad ones."""
        self._slot(now)
        return sum(self._good), sum(self._bad)

    def clear(self) -> None:
        self._good, self._bad = [0] * WINDOW_S, [0] * WINDOW_S

    def _slot(self, now: float) -> int:
        second = int(now)
        if second != self._second:
            for passed in range(max(self._second + 1, second - WINDOW_S + 1), second + 1):
                self._good[passed % WINDOW_S] = self._bad[passed % WINDOW_S] = 0
            self._second = second
        return second % WINDOW_S
