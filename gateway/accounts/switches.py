"""What admins can switch on and off while the gateway runs. Plain data."""

from dataclasses import dataclass
from datetime import datetime

REGISTRATION = "registration"
"""Whether people may register with e-mail and password."""


@dataclass(frozen=True, slots=True)
class Switch:
    """How something is switched, and by whom."""

    enabled: bool
    changed_by: str | None = None
    changed_at: datetime | None = None


OFF = Switch(False)
"""What nobody has touched."""
