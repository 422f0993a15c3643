"""Where the time of a call goes: stacks, as a sampler writes them, sorted by area. Pure."""

import re
from collections import Counter
from collections.abc import Iterable, Iterator

AREAS = (
    ("publishing to the consumer", (
        "gateway/recording/publisher", "gateway/recording/broker", "gateway/recording/backlog",
        "common/message", "common/local_wire",
    )),
    ("recording in the spool", ("gateway/recording/", "common/record", "common/frames")),
    ("checking the token", ("gateway/auth/",)),
    ("choosing a key, judging the answer", (
        "gateway/upstream/pool", "gateway/upstream/balancer", "gateway/upstream/health",
        "gateway/upstream/retry", "gateway/upstream/call", "gateway/upstream/credential",
    )),
    ("transport to the upstream", ("gateway/upstream/",)),
    ("relaying the answer", (
        "gateway/proxy/exchange", "gateway/proxy/sink", "gateway/proxy/sse",
        "gateway/proxy/upstream_errors",
    )),
    ("reading the question", ("gateway/proxy/", "gateway/app")),
    ("metrics", ("gateway/metrics", "gateway/numbers")),
    ("the database, beside the calls", ("sqlalchemy/", "aiosqlite/")),
    ("HTTP with the client", ("gateway/supervision/", "uvicorn/")),
)  # fmt: skip
"""The first that matches the innermost frame of a stack wins; else the next frame out decides."""
LOOP = "event loop, its system calls, and what belongs to no area"
WAITING = (
    "_worker (concurrent/futures/thread.py", "_connection_worker_thread (aiosqlite/core.py",
    "wait (threading.py",
)  # fmt: skip
"""Innermost frames of threads that wait for work: a sampler cannot always tell."""


def by_area(stacks: Iterable[str]) -> Counter[str]:
    """Samples per area. A stack is a line `outermost;…;innermost count`."""
    found: Counter[str] = Counter()
    for frames, count in _busy(stacks):
        found[_area(frames)] += count
    return found


def by_function(stacks: Iterable[str]) -> Counter[str]:
    """Samples per innermost frame, without line numbers: where to look closer."""
    found: Counter[str] = Counter()
    for frames, count in _busy(stacks):
        found[re.sub(r":\d+\)$", ")", frames[-1])] += count
    return found


def _busy(stacks: Iterable[str]) -> Iterator[tuple[list[str], int]]:
    for line in stacks:
        joined, _, count = line.rpartition(" ")
        frames = joined.split(";")
        if joined and not frames[-1].startswith(WAITING):
            yield frames, int(count)


def _area(frames: list[str]) -> str:
    for frame in reversed(frames):
        for area, marks in AREAS:
            if any(mark in frame for mark in marks):
                return area
    return LOOP
