"""The lines of the openai SDK that people have, each in a process of its own."""

import json
import os
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[2]
CURRENT, LEGACY = "3", "0.28"
LINES = (CURRENT, "2", "1", LEGACY)


@dataclass(frozen=True)
class Call:
    """One call of a method of the SDK; `name` finds its outcome."""

    name: str
    base_url: str
    api_key: str
    method: str
    """`chat.completions.create`; in 0.28 `ChatCompletion.create`."""
    arguments: dict[str, Any] = field(default_factory=dict)
    azure: bool = False


def outcomes(line: str, calls: Sequence[Call]) -> dict[str, Any]:
    """What that line's SDK makes of the calls, made one after the other, by their names."""
    script = "sdk_legacy.py" if line == LEGACY else "sdk_modern.py"
    environment = {"PATH": os.environ["PATH"], "LANG": "C.UTF-8"}
    if line != CURRENT:
        installed = ROOT / ".sdks" / line
        assert installed.is_dir(), f"{installed} is missing: `make .sdks/{line}.stamp` installs it"
        environment["PYTHONPATH"] = str(installed)
    done = subprocess.run(
        [sys.executable, Path(__file__).with_name(script)],
        input=json.dumps([asdict(call) for call in calls]),
        env=environment,
        capture_output=True,
        text=True,
        timeout=100,
    )
    assert done.returncode == 0, done.stderr
    told: dict[str, Any] = json.loads(done.stdout)
    return told
