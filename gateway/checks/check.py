"""One row of what `gateway doctor` found."""

from dataclasses import dataclass
from typing import Literal

State = Literal["ok", "warn", "fail"]


@dataclass(frozen=True, slots=True)
class Check:
    """What was looked at, how it is, and what to do about it. Never holds a secret."""

    name: str
    ok: State
    detail: str
    remedy: str = ""
