"""Records that have harmed other gateways: what must be stored all the same, and what cannot be."""

import json
from collections.abc import Callable

from tests.support.record_samples import STARTED_US, end, record

DEEP = b'{"model":"m","messages":' + b"[" * 10_000 + b"]" * 10_000 + b"}"
POISON: dict[str, Callable[[], bytes]] = {
    "nul": lambda: record(
        model="\0", client_address="\0", last=end(response=json.dumps({"model": "\0"}).encode())
    ),
    "half characters": lambda: record(
        request=rb'{"messages":[{"role":"user","content":"\ud800"}]}',
        last=end(response=rb'{"choices":[{"message":{"content":"\udfff"}}],"model":"\ud800"}'),
    ),
    "20 MB": lambda: record(last=end(response=b'{"x":"' + b"y" * 20_000_000 + b'"}')),
    "deep request": lambda: record(request=DEEP),
    "deep answer": lambda: record(last=end(response=DEEP)),
    "not a number": lambda: record(
        request=b'{"messages":[{"content":NaN}],"temperature":1e999}',
        last=end(response=b'{"usage":{"prompt_tokens":NaN,"completion_tokens":1e999}}'),
    ),
    "binary": lambda: record(request=bytes(range(256)), last=end(response=bytes(range(256)))),
    "last year": lambda: record(bytes.fromhex("0193b5a0000070008000000000000001")),
    "clock set back": lambda: record(
        started_at_us=STARTED_US + 86_400_000_000, last=end(finished_at_us=STARTED_US)
    ),
    "erased user": lambda: record(user_id=2**62),
}
REFUSED: dict[str, Callable[[], bytes]] = {
    "cut": lambda: record()[:-1],
    "no frames": lambda: b"nothing of the kind",
    "user too large": lambda: record(user_id=2**64 - 1),
    "status too large": lambda: record(last=end(http_status=2**63)),
    "no time": lambda: record(started_at_us=2**62),
}


def poisonous() -> list[bytes]:
    """One of each, those that can be stored first."""
    return [make() for make in (*POISON.values(), *REFUSED.values())]
