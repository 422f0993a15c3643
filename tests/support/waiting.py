"""Waiting for what another thread or process does: by deadline, never by a fixed sleep."""

import time
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")


def eventually(found: Callable[[], T], what: str, deadline_s: float = 30) -> T:
    """The first true value of `found`; the test fails if none comes in time."""
    end = time.monotonic() + deadline_s
    while not (value := found()):
        assert time.monotonic() < end, f"waited {deadline_s} s in vain for {what}"
        time.sleep(0.02)
    return value
