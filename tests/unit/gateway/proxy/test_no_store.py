"""Who decides whether a call's bodies are stored."""

import pytest

from gateway.errors import GatewayError
from gateway.proxy.no_store import HEADER, withheld


@pytest.mark.parametrize(
    ("values", "always", "allowed", "expected"),
    [
        ([], False, False, False),
        ([], True, False, True),
        ([b"true"], False, True, True),
        ([b" True "], False, True, True),
        ([b"false"], False, False, False),
        ([b"false"], True, False, True),
        ([b"true"], True, False, True),
        ([b"false", b"true"], False, True, True),
        ([b"true"], False, False, 403),
        ([b"yes"], False, True, 400),
        ([b""], False, True, 400),
        ([b"true, false"], True, True, 400),
    ],
)
def test_what_is_stored(
    values: list[bytes], always: bool, allowed: bool, expected: bool | int
) -> None:
    headers = [(b"accept", b"*/*"), *((HEADER, value) for value in values)]
    if expected in (True, False):
        assert withheld(headers, always=always, allowed=allowed) is expected
        return
    with pytest.raises(GatewayError) as refused:
        withheld(headers, always=always, allowed=allowed)
    assert refused.value.status == expected
