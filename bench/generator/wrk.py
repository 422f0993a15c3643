"""wrk as the generator of calls, where it is installed: it takes less of the core that it shares.

It sends the same bytes as `bench.generator.calls`. Everything but running it is pure.
"""

import re
from pathlib import Path

from bench.generator.job import Job, Outcome

_UNITS_MS = {"us": 0.001, "ms": 1.0, "s": 1000.0, "m": 60_000.0}


def command(program: str, job: Job, script: Path) -> list[str]:
    return [
        program,
        "--threads=1",
        f"--connections={job.connections}",
        f"--duration={max(1, round(job.seconds))}s",
        "--timeout=60s",
        "--latency",
        f"--script={script}",
        f"http://{job.host}:{job.port}{job.path}",
    ]


def lua(job: Job) -> str:
    """The script that numbers the questions."""
    asked = job.question()
    return (
        f"local before, after, number = {_quoted(asked.before)}, {_quoted(asked.after)},"
        f" {job.first_number}\n"
        "request = function()\n"
        "  number = number + 1\n"
        '  return before .. string.format("%012d", number) .. after\n'
        "end\n"
    )


def outcome(printed: str, version: str) -> Outcome:
    """Of what wrk has printed. Raises ValueError if that is no report of wrk's."""
    total = re.search(r"(\d+) requests in ([\d.]+)(us|ms|s|m)", printed)
    if total is None:
        raise ValueError(f"wrk said: {printed[-500:]}")
    answered = int(total[1])
    bad = re.search(r"Non-2xx or 3xx responses: (\d+)", printed)
    lost = re.search(r"Socket errors: (.+)", printed)
    refused = int(bad[1]) if bad else 0
    return Outcome(
        generator=version,
        seconds=float(total[2]) * _UNITS_MS[total[3]] / 1000,
        calls=answered - refused,
        failed=refused + (sum(map(int, re.findall(r"\d+", lost[1]))) if lost else 0),
        p50_ms=_latency(printed, 50),
        p99_ms=_latency(printed, 99),
    )


def _latency(printed: str, percent: int) -> float:
    found = re.search(rf"\s{percent}%\s+([\d.]+)(us|ms|s|m)", printed)
    return float(found[1]) * _UNITS_MS[found[2]] if found else 0.0


def _quoted(text: bytes) -> str:
    """A string of Lua's, all in decimal escapes: its long strings change line ends."""
    return '"' + "".join(f"\\{byte:03d}" for byte in text) + '"'
