"""A line of comment between events, so that what stands in between does not take silence for death.

Which streams want it is decided in `exchange`; that it is sent between events, by who writes them.
"""

import asyncio

from starlette.types import Send

KEEP_ALIVE = b": keepalive\n"
"""One newline: with two, openai-python takes it for an event, and fails on streams with ids."""


class Pings:
    """One stream's, from its first event to its end; a timer, and no task."""

    __slots__ = ("_every_s", "_loop", "_send", "_sent_at", "_timer")

    def __init__(self, send: Send, every_s: float) -> None:
        self._send, self._every_s = send, every_s
        self._loop = asyncio.get_running_loop()
        self._sent_at = self._loop.time()
        self._timer = self._loop.call_later(every_s, self._look)

    def sent(self) -> None:
        """Something was, so that nobody need be told for a while."""
        self._sent_at = self._loop.time()

    def stop(self) -> None:
        self._timer.cancel()

    def _look(self) -> None:
        now = self._loop.time()
        if now >= self._sent_at + self._every_s:
            self._sent_at = now
            self._ping()
        self._timer = self._loop.call_at(self._sent_at + self._every_s, self._look)

    def _ping(self) -> None:
        """The server's `send` writes at once, or else waits because the client does not read: then
        there is enough on its way, and this is given up before anything was written."""
        message = {"type": "http.response.body", "body": KEEP_ALIVE, "more_body": True}
        sending = self._send(message).__await__()
        try:
            next(sending)
        except StopIteration:
            return
        sending.close()
