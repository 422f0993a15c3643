"""URLs of upstreams and proxies, and the heads of requests."""

import pytest

from gateway.upstream.origin import Heads, Origin, Proxy
from gateway.upstream.wire import WireRequest


@pytest.mark.parametrize(
    ("url", "origin", "authority"),
    [
        ("https://api.openai.com/v1", (True, "api.openai.com", 443, b"/v1"), b"api.openai.com"),
        ("http://h:8080", (False, "h", 8080, b""), b"h:8080"),
        ("http://h:80/", (False, "h", 80, b""), b"h"),
        ("https://h:80/a/b/", (True, "h", 80, b"/a/b"), b"h:80"),
        ("https://[::1]/v1", (True, "::1", 443, b"/v1"), b"[::1]"),
        ("http://[fe80::1]:81", (False, "fe80::1", 81, b""), b"[fe80::1]:81"),
        ("https://MÜNCHEN.example/v1", (True, "xn--mnchen-3ya.example", 443, b"/v1"), None),
    ],
)
def test_an_upstream_s_url_says_where_it_is(
    url: str, origin: tuple[bool, str, int, bytes], authority: bytes | None
) -> None:
    found = Origin.of(url)
    assert (found.tls, found.host, found.port, found.path) == origin
    assert authority in (None, found.authority)


@pytest.mark.parametrize(
    "url",
    [
        "https://user:pass@h",
        "https://@h",
        "https://h?a=b",
        "https://h?",
        "https://h#f",
        "ftp://h",
        "h",
        "",
        "https://",
        "https://h:99999",
        "https://h:x",
        "https://h/a b",
        "https://h/\x00",
        "https://h/caf\u00e9",
    ],
)
def test_another_url_is_refused(url: str) -> None:
    with pytest.raises(ValueError):
        Origin.of(url)


def test_a_proxy_s_password_is_decoded_and_kept_out_of_sight() -> None:
    proxy = Proxy.of("http://me:p%40ss@proxy.example:3128")
    assert (proxy.host, proxy.port) == ("proxy.example", 3128)
    assert proxy.authorization == b"Basic bWU6cEBzcw=="
    assert "bWU6" not in repr(proxy)
    assert Proxy.of("http://proxy.example").port == 80


def test_a_head_is_method_target_host_headers_and_framing() -> None:
    heads = Heads(Origin.of("https://h:8443/v1/"))
    request = WireRequest(b"POST", b"/chat?x=1", [(b"b", b"2"), (b"a", b""), (b"b", b"1")], b"{}")
    assert heads.head(request) == (
        b"POST /v1/chat?x=1 HTTP/1.1\r\nhost: h:8443\r\nb: 2\r\na: \r\nb: 1\r\n"
        b"content-length: 2\r\n\r\n"
    )


def test_a_head_without_headers_and_body_is_whole() -> None:
    heads = Heads(Origin.of("http://h"))
    assert heads.head(WireRequest(b"GET", b"/", (), b"")) == b"GET / HTTP/1.1\r\nhost: h\r\n\r\n"
    assert heads.target(WireRequest(b"GET", b"?a=b", (), b"")) == b"/?a=b"


@pytest.mark.parametrize(
    "name", [b"", b"A", b"a b", b"a:", b"a\r\n", b"\xc3\xa4", b"te", b"expect"]
)
def test_a_name_that_is_no_lower_case_token_or_is_ours_to_send_is_refused(name: bytes) -> None:
    heads = Heads(Origin.of("http://h"))
    for _ in range(2):
        with pytest.raises(ValueError):
            heads.head(WireRequest(b"GET", b"/", [(b"ok", b"1"), (name, b"x")], b""))


def test_what_is_known_of_names_is_bounded() -> None:
    heads = Heads(Origin.of("http://h"))
    for number in range(3000):
        heads.head(WireRequest(b"GET", b"/", [(b"x-%d" % number, b"x")], b""))
    assert len(heads._names) <= 1000
