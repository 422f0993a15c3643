"""The connections to one upstream: idle ones to be taken again, busy ones to be watched.

Taking and giving cost the same however many there are.
"""

from collections import OrderedDict
from collections.abc import Callable

from gateway.upstream.connection import Connection
from gateway.upstream.origin import Heads, Origin, Proxy


class KeptAlive:
    """Implements Keeper for the connections to one upstream."""

    def __init__(
        self, url: str, proxy: str | None, max_idle_s: float, clock: Callable[[], float]
    ) -> None:
        """Raises ValueError for a URL that cannot be used."""
        self.origin = Origin.of(url)
        self.proxy = None if proxy is None else Proxy.of(proxy)
        self.heads = Heads(self.origin)
        self.open = 0
        self._max_idle_s, self._clock = max_idle_s, clock
        self._idle: OrderedDict[Connection, None] = OrderedDict()
        self._busy: set[Connection] = set()
        self._closing = False

    @property
    def idle(self) -> int:
        return len(self._idle)

    def connection(self) -> Connection:
        """A new one, not connected yet."""
        return Connection(self, self._clock)

    def take(self) -> Connection | None:
        """The one given back last, if it can still be used; those that cannot are closed."""
        now = self._clock()
        while self._idle:
            connection = self._idle.popitem()[0]
            if connection.usable(now):
                return connection
            connection.abort()
        return None

    def made(self, connection: Connection) -> None:
        self.open += 1

    def began(self, connection: Connection) -> None:
        self._busy.add(connection)

    def give(self, connection: Connection, keep_alive_s: int | None) -> None:
        self._busy.discard(connection)
        idle_s = self._max_idle_s
        if keep_alive_s is not None:
            idle_s = min(idle_s, keep_alive_s - 1)
        if self._closing or idle_s <= 0:
            connection.abort()
            return
        connection.expires = self._clock() + idle_s
        self._idle[connection] = None

    def gone(self, connection: Connection) -> None:
        self.open -= 1
        self._busy.discard(connection)
        self._idle.pop(connection, None)

    def sweep(self) -> None:
        """Ends what has taken too long, closes what has been idle too long."""
        now = self._clock()
        for connection in tuple(self._busy):
            connection.check(now)
        while self._idle and (oldest := next(iter(self._idle))).expires <= now:
            oldest.abort()

    def close(self) -> None:
        """Idle connections now, busy ones as soon as they have done their work."""
        self._closing = True
        for connection in tuple(self._idle):
            connection.abort()
