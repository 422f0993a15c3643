"""A server-sent event of the demo. Pure; pacing and sending are in `gateway.demo.wire`."""

from dataclasses import dataclass
from typing import Any

import msgspec


@dataclass(frozen=True, slots=True)
class Event:
    """One server-sent event; `paced` ones come as slowly as words do."""

    data: dict[str, Any] | None
    """None: `[DONE]`."""
    name: str | None = None
    paced: bool = False

    def encoded(self) -> bytes:
        data = b"[DONE]" if self.data is None else msgspec.json.encode(self.data)
        name = b"" if self.name is None else b"event: " + self.name.encode() + b"\n"
        return name + b"data: " + data + b"\n\n"
