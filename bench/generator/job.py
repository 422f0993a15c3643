"""What the generator is told to do, and what it tells afterwards."""

from typing import Literal

import msgspec

from bench.traffic import Plan, Question, question


class Job(msgspec.Struct, frozen=True, kw_only=True):
    """One run of the generator."""

    mode: Literal["calls", "streams"]
    host: str
    port: int
    path: str
    headers: dict[str, str]
    model: str
    connections: int
    """Calls in flight, or streams."""
    seconds: float = 0.0
    """How long to go on making calls."""
    most_calls: int = 0
    """End after so many calls; 0: the time decides."""
    first_number: int = 0
    """Number of the first question: no two questions of a run are the same."""
    body_bytes: int = 600
    rate: float = 0.0
    """Chunks of a stream per second."""
    chunks: int = 0
    """Chunks of a stream."""
    spread_s: float = 1.0
    """Over which streams begin."""
    patience_s: float = 5.0
    """How much later than planned the last stream may end before the rest is given up."""
    reads: bool = True
    """False: streams are never read."""

    def question(self) -> Question:
        """What it asks, again and again."""
        plan = Plan(self.rate, self.chunks) if self.mode == "streams" else None
        address = f"{self.host}:{self.port}"
        return question(
            address, self.path, self.headers,
            model=self.model, body_bytes=self.body_bytes, plan=plan,
        )  # fmt: skip


class Outcome(msgspec.Struct, kw_only=True):
    """What came of it. Times in milliseconds; NaN-free: what was not measured is 0."""

    generator: str = "bench.generator"
    seconds: float = 0.0
    calls: int = 0
    """Calls that were answered with 200, or streams that ended whole."""
    failed: int = 0
    """Other answers, and connections lost."""
    chunks: int = 0
    p50_ms: float = 0.0
    """Of a call; of a stream, from its request to its first chunk."""
    p99_ms: float = 0.0
    chunk_p50_ms: float = 0.0
    """From a chunk's being written by the upstream to its being read here."""
    chunk_p99_ms: float = 0.0
    cpu_s: float = 0.0
    """That the generator itself used."""

    @property
    def per_second(self) -> float:
        return self.calls / self.seconds if self.seconds else 0.0


ALL_OPEN = b"open\n"
"""Written when every stream has had its first chunk (or failed); the outcome follows later."""
