"""The answers that one worker is giving, by the user who asked: those of a blocked user are cut."""

from gateway.errors import GatewayError
from gateway.proxy.sink import Sink


class UnderWay:
    """Sinks that are being written to."""

    __slots__ = ("_sinks",)

    def __init__(self) -> None:
        self._sinks: dict[int, set[Sink]] = {}

    def add(self, user_id: int, sink: Sink) -> None:
        theirs = self._sinks.get(user_id)
        if theirs is None:
            self._sinks[user_id] = {sink}
        else:
            theirs.add(sink)

    def remove(self, user_id: int, sink: Sink) -> None:
        theirs = self._sinks[user_id]
        theirs.remove(sink)
        if not theirs:
            del self._sinks[user_id]

    def users(self) -> list[int]:
        return [*self._sinks]

    def cut(self, user_id: int, error: GatewayError) -> int:
        """How many answers of that user end here, with this as their last word."""
        theirs = [*self._sinks.get(user_id, ())]
        return sum(sink.cut(error) for sink in theirs)
