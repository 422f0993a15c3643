"""What the ledger's clients ask and what they were given, as plain data."""

import json
import re
from dataclasses import dataclass, field
from typing import Any, NamedTuple

WISH = re.compile(r"call=(\d+) manner=(\w+)")
MANNERS = ("quick",) * 8 + ("slow",) * 3 + ("large", "cut", "error")
"""As often as they are asked for."""


class Wish(NamedTuple):
    """What a call asks of the upstream."""

    call: str
    manner: str


@dataclass(frozen=True)
class Call:
    """One call, before it is made."""

    number: int
    manner: str
    streamed: bool
    messages: list[dict[str, Any]]
    follows: int | None = None
    """The call whose answer is the last but one of the messages."""
    usage: bool = False
    """Asks for a usage chunk at the end of a stream."""
    patience_s: float | None = None
    """Leaves after so long; None: stays."""

    @property
    def request(self) -> bytes:
        body: dict[str, Any] = {
            "model": f"m-{self.number % 2}",
            "messages": self.messages,
            "user": f"call={self.number} manner={self.manner}",
        }
        if self.streamed:
            body["stream"] = True
        if self.usage:
            body["stream_options"] = {"include_usage": True}
        return json.dumps(body).encode()


@dataclass
class Seen:
    """What a client had when it was over. Times are of the monotonic clock."""

    call: Call
    id: str | None = None
    """Of the answer's head, if there was one; it names the record."""
    status: int | None = None
    recorded: bool = False
    """The head says that an upstream was sought: there must be a record."""
    body: bytes = b""
    arrivals: list[tuple[float, int]] = field(default_factory=list)
    """When, and how many bytes of the body there were then."""
    whole: bool = False
    """By its framing."""
    ended_at: float = 0

    @property
    def good(self) -> bool:
        """An answer, all of it, and the end that says so."""
        done = not self.call.streamed or self.body.endswith(b"data: [DONE]\n\n")
        return self.whole and self.status == 200 and done

    @property
    def told_of_failing_record(self) -> bool:
        """The gateway could not keep this answer, and said so in its place."""
        return b'"spool_failed"' in self.body


def number_of(request: bytes) -> int:
    """The call that a stored request belongs to."""
    found = WISH.fullmatch(json.loads(request)["user"])
    assert found is not None
    return int(found[1])
