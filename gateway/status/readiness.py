"""Whether this worker should be sent calls, and why not. Plain data; `watch` keeps it fresh."""

from dataclasses import dataclass
from typing import Any


@dataclass(slots=True)
class Readiness:
    """What one worker knows of itself; shared by the server, which drains it, and `/readyz`."""

    draining: bool = False
    """SIGTERM has arrived: calls under way go on, load balancers should send no more."""
    spool_full: bool = False
    spool_filling: bool = False
    """At 85 % of SPOOL_MAX_BYTES."""
    spool_records: int = 0
    spool_bytes: int = 0
    database: bool | None = None
    """Whether the database answers; None: not asked yet."""
    database_was_reached: bool = False
    consumers: int | None = None
    """How many consumers read; None: not known."""

    def drain(self) -> None:
        self.draining = True

    def reasons(self) -> dict[str, str]:
        """Why no calls should be sent here, by code; empty: ready."""
        found = {
            "draining": (self.draining, "The gateway is being stopped."),
            "spool_full": (self.spool_full, "The disk that guarantees records is full."),
            "database_unreachable": (
                not self.database_was_reached,
                "The database has not been reached since the start.",
            ),
        }
        return {code: sentence for code, (so, sentence) in found.items() if so}

    def warnings(self) -> dict[str, str]:
        """What is wrong although calls are served, by code."""
        found = {
            "spool_filling": (
                self.spool_filling and not self.spool_full,
                "Records wait in the spool, which is nearly full; at 95 % calls are refused.",
            ),
            "database_lost": (
                self.database is False and self.database_was_reached,
                "The database does not answer; only tokens seen lately are served.",
            ),
            "no_consumer": (
                self.consumers == 0,
                "No consumer is reading; records wait until one does.",
            ),
        }
        return {code: sentence for code, (so, sentence) in found.items() if so}

    def report(self) -> dict[str, Any]:
        """The body of `/readyz`."""
        reasons = self.reasons()
        return {
            "status": "not_ready" if reasons else "ready",
            "reasons": _listed(reasons),
            "warnings": _listed(self.warnings()),
            "spool": {"records": self.spool_records, "size_bytes": self.spool_bytes},
            "consumers": self.consumers,
        }


def _listed(found: dict[str, str]) -> list[dict[str, str]]:
    return [{"code": code, "message": sentence} for code, sentence in found.items()]
