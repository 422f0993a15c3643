"""What cannot be stored as a record: it goes into quarantine."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Rejected:
    """What could not be understood or stored, for the quarantine."""

    record_id: bytes
    """Zero where even that could not be read."""
    reason: str
    raw: bytes
