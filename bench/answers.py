"""Where an HTTP/1.1 answer ends: just enough of a client for a load generator. Pure.

It trusts the servers that it measures: no limits, no trailers, no answers without a length.
"""

import re

_LENGTH = re.compile(rb"\r\ncontent-length: *(\d+)", re.IGNORECASE)
_LAST = b"\r\n0\r\n\r\n"


class Answer:
    """One answer as it comes in. After `complete` it is ready for the next on its connection."""

    __slots__ = ("_head", "_left", "_tail", "headed", "status")

    def __init__(self) -> None:
        self.status = 0
        self.headed = False
        self._head = b""
        self._left = -1
        """Bytes of the body that are still to come; -1: it is chunked."""
        self._tail = b""

    def feed(self, data: bytes) -> bool:
        """Whether the answer is complete. Bytes beyond its end are not expected."""
        if not self.headed:
            data = self._feed_head(data)
            if not self.headed:
                return False
        if self._left >= 0:
            self._left -= len(data)
            complete = self._left <= 0
        else:
            self._tail = (self._tail + data)[-len(_LAST) :]
            complete = self._tail.endswith(_LAST)
        if complete:
            self.headed = False
        return complete

    def _feed_head(self, data: bytes) -> bytes:
        """What of it belongs to the body."""
        head, end, body = (self._head + data).partition(b"\r\n\r\n")
        if not end:
            self._head = head
            return b""
        self._head = b""
        self.status = int(head[9:12])
        length = _LENGTH.search(head)
        self._left = int(length[1]) if length else -1
        self._tail = b"\r\n"
        self.headed = True
        return body
