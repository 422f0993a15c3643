"""The port to the wire: one request to an upstream, one answer, and the ways in which that fails.

Adapters: `transport.py` (ours) and `transport_httpx2.py`.
"""

from collections.abc import AsyncIterator, Sequence
from typing import Protocol

from msgspec import Struct

from gateway.upstream.credential import Upstream

Headers = Sequence[tuple[bytes, bytes]]
"""Names in lower case; order and duplicates are kept."""


class WireRequest(Struct, frozen=True, eq=False):
    """What is written to the upstream; the adapter adds `host`, framing and `connection` only."""

    method: bytes
    target: bytes
    """Path below the upstream's base URL, with its query: `/chat/completions`."""
    headers: Headers
    """With the credential's key; without host, content-length and hop-by-hop headers."""
    body: bytes | AsyncIterator[bytes]
    """Bytes are sent with `content-length`; an iterator chunked, and never a second time."""


class WireAnswer(Protocol):
    """An upstream's answer: its head is here, its body is read piece by piece."""

    @property
    def status(self) -> int: ...

    @property
    def headers(self) -> Headers:
        """Without hop-by-hop headers."""
        ...

    @property
    def complete(self) -> bool:
        """True once every byte of the body has been handed out by `read`."""
        ...

    async def read(self) -> bytes:
        """All bytes that have arrived, at least one; b"" at the end.

        Bytes are never delayed to fill a buffer. Raises Lost, TimedOut or BadAnswer.
        """
        ...

    def close(self) -> None:
        """Keep the connection if the answer is complete, else close it at once. Idempotent."""
        ...


class Transport(Protocol):
    """Connections to upstreams, kept alive and reused."""

    async def send(self, upstream: Upstream, request: WireRequest) -> WireAnswer:
        """Answer head in hand. Cancelling it closes the socket at once.

        Raises NotSent, Lost, TimedOut or BadAnswer.
        """
        ...

    async def close(self) -> None:
        """Close every idle connection."""
        ...


class WireError(Exception):
    """An attempt failed on the wire; `reason` goes into the record's attempt."""

    reason = "failed"
    written = True
    """Whether the request may have reached the upstream (and so may be billed)."""


class NotSent(WireError):
    """Refused, unresolved, TLS or proxy failure, or a reset: before the request was written."""

    reason, written = "refused", False


class Lost(WireError):
    """The connection ended after the request was written, before the answer was whole."""

    reason = "lost"


class BadAnswer(WireError):
    """The answer is not HTTP, or exceeds a bound."""

    reason = "malformed"


class TimedOut(WireError):
    """A timeout passed; `phase` says which: connect, first_byte, idle or total."""

    reason = "timeout"

    def __init__(self, phase: str) -> None:
        super().__init__(f"{phase} timeout")
        self.phase = phase
        self.written = phase != "connect"
