"""The gateway's own address, as pages and cookies go by it; forms."""

import pytest

from gateway.auth.secret import hashed, new_secret
from gateway.signin.session import form_is_ours, form_token
from gateway.signin.web import Address


@pytest.mark.parametrize(
    ("url", "host", "otherwise"),
    [
        ("http://127.0.0.1:8090", "localhost:8090", True),
        ("http://localhost:8090", "127.0.0.1:8090", True),
        ("http://localhost:8090", "[::1]:8090", True),
        ("http://127.0.0.1:8090", "127.0.0.1:8090", False),
        ("http://127.0.0.1:8090", "localhost:8091", False),
        ("http://127.0.0.1:8090", "team.example:8090", False),
        ("https://team.example", "127.0.0.1:8090", False),
        ("http://127.0.0.1:8090", "localhost:nonsense", False),
        ("http://127.0.0.1:8090", "", False),
    ],
)
def test_another_name_of_this_machine_is_told(url: str, host: str, otherwise: bool) -> None:
    assert Address(url).is_called_otherwise(host) is otherwise


def test_cookies_are_bound_to_the_host_where_there_is_tls() -> None:
    assert Address("https://team.example").cookie_prefix == "__Host-ogw_"
    assert Address("http://team.example").cookie_prefix == "ogw_"
    assert Address("https://team.example/a/b/").base == "/a/b"
    assert Address("https://team.example").base == ""


def test_a_form_is_of_one_session() -> None:
    mine, other = new_secret(), new_secret()
    assert form_is_ours(mine, form_token(mine))
    assert not form_is_ours(mine, form_token(other))
    assert not form_is_ours(mine, "") and not form_is_ours(mine, "\udc80")
    assert mine not in form_token(mine) and hashed(mine) != mine.encode()
