"""A request as it came: what of it goes into the request line upstream."""

import pytest

from gateway.errors import InvalidRequest
from gateway.proxy.asked import Asked
from gateway.proxy.paths import Target


async def nothing() -> dict[str, str]:
    return {}


def asked(query: bytes) -> Asked:
    scope = {"method": "POST", "headers": [], "query_string": query, "raw_path": b"/v1/x"}
    return Asked(scope, nothing, bytes(16))


@pytest.mark.parametrize(
    ("query", "target"),
    [
        (b"", b"/files"),
        (b"limit=2&after=a%20b", b"/files?limit=2&after=a%20b"),
        (b"api-version=2024-10-21", b"/files"),
        (b"api-version=2024-10-21&limit=2", b"/files?limit=2"),
        (b"limit=2&api-version=2024-10-21", b"/files?limit=2"),
    ],
)
def test_the_query_travels_without_azures_version(query: bytes, target: bytes) -> None:
    assert asked(query).upstream_target(Target("/files", "files")) == target


@pytest.mark.parametrize("query", [b"a b", b"a\xffb", b"a\x00", b"a\r\nx: y", b"a\x7f"])
def test_a_query_that_would_break_the_request_line_is_refused(query: bytes) -> None:
    with pytest.raises(InvalidRequest):
        asked(query).upstream_target(Target("/files", "files"))
