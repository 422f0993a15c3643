"""What an admin may ask for, and nothing else."""

import json

import pytest

from gateway.admin.asked import Wanted, wanted
from gateway.errors import InvalidRequest


@pytest.mark.parametrize(
    ("body", "meant"),
    [
        ({"state": "out", "reason": " leaked\nyesterday "}, Wanted("out", "leaked\nyesterday")),
        ({"state": "in"}, Wanted("in", "")),
        ({"state": "in", "reason": "钥匙换了"}, Wanted("in", "钥匙换了")),
    ],
)
def test_a_decision_is_a_state_and_a_reason(body: dict[str, str], meant: Wanted) -> None:
    assert wanted(json.dumps(body).encode()) == meant


@pytest.mark.parametrize(
    ("body", "param"),
    [
        (b"", "state"),
        (b"[]", None),
        (b"{", None),
        (b"\xff", None),
        (b"[" * 100_000, None),
        (b"{}", "state"),
        (b'{"state": "OUT", "reason": "x"}', "state"),
        (b'{"state": ["out"], "reason": "x"}', "state"),
        (b'{"state": true}', "state"),
        (b'{"state": "out"}', "reason"),
        (b'{"state": "out", "reason": "  "}', "reason"),
        (b'{"state": "out", "reason": 5}', "reason"),
        (b'{"state": "out", "reason": "a\\u0000b"}', "reason"),
        (b'{"state": "out", "reason": "\\ud800"}', "reason"),
        (b'{"state": "out", "reason": "' + b"x" * 501 + b'"}', "reason"),
        (b'{"state": "out", "reason": "x", "key": "sk-1"}', "key"),
        (b'{"state": "out", "reason": "x", "decided_by": "bob"}', "decided_by"),
        (b'{"state": "in", "state": "out", "reason": "x"}', None),
    ],
)
def test_everything_else_is_refused(body: bytes, param: str | None) -> None:
    with pytest.raises(InvalidRequest) as refused:
        wanted(body)
    assert refused.value.param == param
