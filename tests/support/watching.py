"""What a running gateway shows of itself: its gauges, its memory, the attempts of its records."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.support.processes import descendants
from tests.support.scene import Scene

CHAT = "/v1/chat/completions"
MIB = 1024 * 1024


def question(model: str = "gpt-fake", text: str = "Hello!", **more: Any) -> dict[str, Any]:
    return {"model": model, "messages": [{"role": "user", "content": text}], **more}


def gauges(house: Scene) -> dict[str, float]:
    """Every series of /metrics by its name and labels."""
    text = house.http().get("/metrics").text
    lines = (line.rpartition(" ") for line in text.splitlines() if not line.startswith("#"))
    return {name: float(value) for name, _, value in lines}


def idle(house: Scene) -> bool:
    """Whether no call is under way and no byte of one is held."""
    now = gauges(house)
    return not now["gateway_calls_in_flight"] and not now["gateway_held_bytes"]


def peak_bytes(house: Scene) -> int:
    """The most memory that any process of the gateway has had so far."""
    return max(_status(pid, "VmHWM") for pid in _family(house))


def resident_bytes(house: Scene) -> int:
    """What all processes of the gateway have now."""
    return sum(_status(pid, "VmRSS") for pid in _family(house))


def _family(house: Scene) -> list[int]:
    return [pid for program in house.gateway.programs for pid in descendants(program.process.pid)]


def _status(pid: int, field: str) -> int:
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    [line] = [line for line in lines if line.startswith(f"{field}:")]
    return int(line.split()[1]) * 1024


@dataclass(frozen=True)
class Tried:
    """One attempt of a stored record."""

    key: str
    outcome: str
    """Why it failed, else its status."""


def attempts(record: Any) -> list[Tried]:
    """Of a row of records."""
    return [
        Tried(one["credential"], str(one.get("error") or one.get("status")))
        for one in json.loads(record.attempts)
    ]
