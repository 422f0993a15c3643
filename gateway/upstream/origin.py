"""Where an upstream is, and the heads of the requests to it.

Pure: what may be written to a socket is decided here, nothing is written.
"""

import re
from base64 import b64encode
from collections.abc import Sequence
from dataclasses import dataclass, field
from urllib.parse import SplitResult, unquote_to_bytes, urlsplit

from gateway.upstream.wire import WireRequest

HOP_BY_HOP = frozenset(
    (
        b"connection",
        b"keep-alive",
        b"proxy-authenticate",
        b"proxy-authorization",
        b"proxy-connection",
        b"te",
        b"trailer",
        b"transfer-encoding",
        b"upgrade",
    )
)
"""They speak of one connection, and so are never passed on (RFC 9110, 7.6.1)."""

_OURS = HOP_BY_HOP | {b"host", b"content-length", b"expect"}
_NAME = re.compile(rb"[!#$%&'*+.^_`|~0-9a-z-]+")
_METHOD = re.compile(rb"[A-Z]{1,32}")
_TARGET = re.compile(rb"[/?][\x21\x22\x24-\x7e]*")
_PATH = re.compile(r"(/[\x21\x24-\x3e\x40-\x7e]*)?")
_OFTEN_EMPTY = frozenset((b"GET", b"HEAD", b"DELETE", b"OPTIONS"))
_MOST_NAMES = 1000


@dataclass(frozen=True, slots=True)
class Proxy:
    """An HTTP proxy, reached by CONNECT."""

    host: str
    port: int
    authorization: bytes | None = field(default=None, repr=False)
    """Value of `proxy-authorization`."""

    @classmethod
    def of(cls, url: str) -> "Proxy":
        """Raises ValueError, without repeating the URL: it may hold a password."""
        parts = urlsplit(url)
        if parts.scheme != "http":
            raise ValueError("a proxy's URL must begin with http://")
        authorization = None
        if parts.username is not None:
            pair = b":".join(map(unquote_to_bytes, (parts.username, parts.password or "")))
            authorization = b"Basic " + b64encode(pair)
        return cls(_host(parts), parts.port or 80, authorization)


@dataclass(frozen=True, slots=True)
class Origin:
    """Scheme, host, port and base path of an upstream."""

    tls: bool
    host: str
    """Without the brackets of an IPv6 address."""
    port: int
    path: bytes = b""
    """Without a trailing slash; often `/v1`."""

    @classmethod
    def of(cls, url: str) -> "Origin":
        """Raises ValueError, without repeating the URL: a wrong one may hold a password."""
        parts = urlsplit(url)
        if parts.scheme not in ("http", "https"):
            raise ValueError("an upstream's URL must begin with http:// or https://")
        if "@" in parts.netloc:
            raise ValueError("an upstream's URL may not hold a user name or a password")
        if parts.query or parts.fragment or "?" in url or not _PATH.fullmatch(parts.path):
            raise ValueError("an upstream's URL may have a path, but no query and no fragment")
        tls = parts.scheme == "https"
        port = parts.port or (443 if tls else 80)
        return cls(tls, _host(parts), port, parts.path.rstrip("/").encode())

    @property
    def address(self) -> bytes:
        """host:port, as CONNECT wants it."""
        host = self.host.encode()
        return b"%b:%d" % (b"[%b]" % host if b":" in host else host, self.port)

    @property
    def authority(self) -> bytes:
        """Value of `host`: the port only where it is not the usual one."""
        usual = 443 if self.tls else 80
        return self.address.rpartition(b":")[0] if self.port == usual else self.address


def _host(parts: SplitResult) -> str:
    host = parts.hostname
    if not host:
        raise ValueError("the URL names no host")
    return host if host.isascii() else host.encode("idna").decode()


class Heads:
    """Writes the heads of the requests to one origin; keeps the part that never changes."""

    def __init__(self, origin: Origin) -> None:
        self._path = origin.path
        self._host = b" HTTP/1.1\r\nhost: " + origin.authority + b"\r\n"
        self._names: set[bytes] = set()

    def head(self, request: WireRequest) -> bytes:
        """Ends in an empty line. Raises ValueError for what would break the framing."""
        headers, body, method = request.headers, request.body, request.method
        target = self.target(request)
        block = b"\r\n".join([b": ".join(header) for header in headers])
        self._check_names(headers)
        breaks = max(0, len(headers) - 1)
        if block.count(b"\n") != breaks or block.count(b"\r") != breaks or b"\0" in block:
            raise ValueError("a header value holds a line break or NUL")
        if not isinstance(body, bytes):
            framing = b"transfer-encoding: chunked\r\n\r\n"
        elif body or method not in _OFTEN_EMPTY:
            framing = b"content-length: %d\r\n\r\n" % len(body)
        else:
            framing = b"\r\n"
        line = method + b" " + target + self._host
        return line + block + b"\r\n" + framing if block else line + framing

    def target(self, request: WireRequest) -> bytes:
        """With the upstream's base path. Raises ValueError for an invalid one, or method."""
        if not _METHOD.fullmatch(request.method):
            raise ValueError("not a method")
        if not _TARGET.fullmatch(request.target):
            raise ValueError("a target is an absolute path of printable ASCII, with its query")
        target = self._path + request.target
        return target if target[:1] == b"/" else b"/" + target

    def _check_names(self, headers: Sequence[tuple[bytes, bytes]]) -> None:
        """Names seen before are known to be good: a regular expression for each would cost more."""
        for name, _ in headers:
            if name not in self._names:
                if name in _OURS or not _NAME.fullmatch(name):
                    raise ValueError(f"not a header that a request may bring: {name!r}")
                if len(self._names) < _MOST_NAMES:
                    self._names.add(name)
