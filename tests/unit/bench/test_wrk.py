"""wrk, told what to ask and understood."""

import re

import pytest

from bench.generator.job import Job
from bench.generator.wrk import command, lua, outcome

JOB = Job(
    mode="calls", host="127.0.0.1", port=81, path="/v1/x", headers={"X-A": '"\\'}, model="m",
    connections=64, seconds=4, first_number=30,
)  # fmt: skip
PRINTED = """\
Running 2s test @ http://127.0.0.1:9777/v1/chat/completions
  Thread Stats   Avg      Stdev     Max   +/- Stdev
    Latency     5.92ms    4.95ms  24.72ms   78.95%
  Latency Distribution
     50%    497.00us
     99%    1.02s
  21626 requests in 2.04s, 22.13MB read
"""


def test_what_it_says_is_understood() -> None:
    got = outcome(PRINTED, "wrk 4")
    assert (got.calls, got.failed, got.generator) == (21626, 0, "wrk 4")
    assert got.seconds == pytest.approx(2.04)
    assert (got.p50_ms, got.p99_ms) == pytest.approx((0.497, 1020))


def test_failures_are_no_calls() -> None:
    more = (
        "  Socket errors: connect 1, read 2, write 0, timeout 4\n  Non-2xx or 3xx responses: 26\n"
    )
    got = outcome(PRINTED + more, "wrk 4")
    assert (got.calls, got.failed) == (21600, 33)


def test_anything_else_is_refused() -> None:
    with pytest.raises(ValueError, match="unable to connect"):
        outcome("unable to connect to 127.0.0.1:81", "wrk 4")


def test_the_script_holds_the_same_bytes() -> None:
    before, after = re.findall(r'"((?:\\\d{3})+)"', lua(JOB))
    asked = JOB.question()
    assert bytes(int(code) for code in before.split("\\")[1:]) == asked.before
    assert bytes(int(code) for code in after.split("\\")[1:]) == asked.after
    assert ", 30\n" in lua(JOB)


def test_the_command_asks_at_least_for_a_second(tmp_path: object) -> None:
    short = Job(mode="calls", host="h", port=1, path="/", headers={}, model="m", connections=2)
    assert "--duration=1s" in command("wrk", short, tmp_path)  # type: ignore[arg-type]
