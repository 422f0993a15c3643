"""The answers that one worker is giving, and who asked: those of a blocked user are cut."""

from gateway.errors import GatewayError
from gateway.proxy.sink import Sink


class UnderWay:
    """Sinks that are being written to. Each call adds and removes one: that must cost nothing."""

    __slots__ = ("_users",)

    def __init__(self) -> None:
        self._users: dict[Sink, int] = {}

    def add(self, user_id: int, sink: Sink) -> None:
        self._users[sink] = user_id

    def remove(self, sink: Sink) -> None:
        del self._users[sink]

    def users(self) -> set[int]:
        """Their ids."""
        return {*self._users.values()}

    def cut(self, user_id: int, error: GatewayError) -> int:
        """How many answers of that user end here, with this as their last word."""
        theirs = [sink for sink, asker in self._users.items() if asker == user_id]
        return sum(sink.cut(error) for sink in theirs)
