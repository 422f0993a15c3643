"""Where an answer's head ends, what its body is, and where that ends: bytes in, pieces out.

httptools reads heads and chunks, strictly. It has no call for the end of the connection and knows
nothing of HEAD, so bodies of a given length and bodies that end with the connection are framed
here. No sockets, no waiting.
"""

import re

from httptools import HttpParserError, HttpParserUpgrade, HttpResponseParser

from gateway.upstream.origin import HOP_BY_HOP
from gateway.upstream.wire import BadAnswer, Lost

MAX_HEAD_BYTES = 64 * 1024
"""Heads of interim answers (1xx) included."""
MAX_INTERIM_ANSWERS = 16
MAX_CHUNK_OVERHEAD_BYTES = 16 * 1024
"""Bytes that chunk sizes, extensions and trailers may take beyond their share."""
_FAIR_SHARE = 32
"""Bytes on the wire for each byte of the body; chunks of one byte take six."""

_SPECIAL = HOP_BY_HOP | {b"content-length"}
_VERSIONS = frozenset(("1.0", "1.1"))
_USUAL = frozenset((b"", b"close", b"keep-alive"))
_TIMEOUT = re.compile(rb"(?:^|[,;\s])timeout\s*=\s*(\d{1,9})", re.IGNORECASE)


class Framing:
    """One answer as it arrives. Feed it until `complete`; take `pieces` whenever there are any.

    It is the protocol object of its own httptools parser, and lets go of it as soon as it can, so
    that neither has to be found by the garbage collector.
    """

    __slots__ = (
        "_chunked",
        "_ended",
        "_head_only",
        "_interim",
        "_overhead",
        "_parsed",
        "_parser",
        "_remaining",
        "_special",
        "_tail",
        "_version",
        "complete",
        "head_bytes",
        "headed",
        "headers",
        "keep_alive_s",
        "pieces",
        "reusable",
        "status",
        "unread",
    )  # fmt: skip

    def __init__(self, *, head_only: bool = False) -> None:
        """`head_only`: the request was HEAD."""
        self.status = 0
        self.headers: list[tuple[bytes, bytes]] = []
        self.pieces: list[bytes] = []
        self.unread = 0
        """Bytes in `pieces`."""
        self.head_bytes = 0
        """As arrived; 0: the upstream has said nothing yet."""
        self.headed = False
        """The head of the final answer is whole."""
        self.complete = False
        """The last byte of the body has arrived."""
        self.reusable = False
        """Complete, and the connection may carry another exchange."""
        self.keep_alive_s: int | None = None
        """How long the upstream says it keeps an idle connection."""
        self._head_only = head_only
        self._parser: HttpResponseParser | None = HttpResponseParser(self)
        self._special: list[tuple[bytes, bytes]] = []
        self._tail, self._version = b"", ""
        self._chunked = self._ended = self._parsed = False
        self._remaining: int | None = None
        self._interim = self._overhead = 0

    def feed(self, data: bytes) -> None:
        """Raises BadAnswer; what had arrived before stays in `pieces`."""
        if self._chunked:
            self._feed_chunks(data)
        elif not self.headed:
            self._feed_head(data)
        elif self._remaining is not None:
            self._feed_length(data)
        else:
            self._add(data)

    def end(self) -> None:
        """The connection has ended in order. Raises Lost unless that ends the answer."""
        if self.complete:
            return
        if not self.head_bytes:
            raise Lost("the connection ended without an answer")
        if not self.headed or self._chunked or self._remaining is not None:
            raise Lost("the connection ended before the answer did")
        self.complete = True

    def release(self) -> None:
        """Nothing more will be fed: parser and callbacks, a circle of references, part."""
        self._parser = None

    def take(self) -> bytes:
        """Everything that is unread."""
        pieces = self.pieces
        data = pieces[0] if len(pieces) == 1 else b"".join(pieces)
        pieces.clear()
        self.unread = 0
        return data

    def _feed_head(self, data: bytes) -> None:
        while data:
            if not self._tail and data[:1] != b"H":
                raise BadAnswer("not HTTP")  # the parser passes over empty lines before a head
            end = self._end_of_head(data)
            part = data if end is None else data[:end]
            self.head_bytes += len(part)
            if self.head_bytes > MAX_HEAD_BYTES:
                raise BadAnswer(f"the head is longer than {MAX_HEAD_BYTES} bytes")
            self._parse(part)
            if self._parsed is (end is None):
                raise BadAnswer("the head ends where it should not")
            if end is None:
                self._tail = (self._tail + part)[-3:]
                return
            data = data[end:]
            if self.status >= 200:
                self._begin_body(data)
                return
            self._skip_interim()

    def _end_of_head(self, data: bytes) -> int | None:
        tail = self._tail
        found = (tail + data if tail else data).find(b"\r\n\r\n")
        return None if found < 0 else found + 4 - len(tail)

    def _skip_interim(self) -> None:
        if self.status < 100 or self.status == 101:
            raise BadAnswer(f"status {self.status} was not asked for")
        self._interim += 1
        if self._interim > MAX_INTERIM_ANSWERS:
            raise BadAnswer(f"more than {MAX_INTERIM_ANSWERS} interim answers")
        self._parser = HttpResponseParser(self)
        self.headers.clear()
        self._special.clear()
        self._tail, self._parsed = b"", False

    def _begin_body(self, data: bytes) -> None:
        if self._version not in _VERSIONS or self.status > 599:
            raise BadAnswer(f"HTTP/{self._version} with status {self.status}")
        self._heed_special()
        self.headed = True
        if self._head_only or self.status in (204, 304):
            self._remaining, self._chunked = 0, False
        if self._chunked:
            if data:
                self._feed_chunks(data)
            return
        self._parser = None
        if self._remaining is not None:
            self._feed_length(data)
            return
        self.reusable = False  # the body ends with the connection
        if data:
            self._add(data)

    def _heed_special(self) -> None:
        named: set[bytes] = set()
        for name, value in self._special:
            value = value.lower()
            if name == b"content-length":
                self._remaining = int(value)  # digits, given once: the parser refuses all else
            elif name == b"transfer-encoding":
                if value != b"chunked" or self._chunked or self._version == "1.0":
                    raise BadAnswer("a transfer encoding that was not asked for")
                self._chunked = True
            elif name == b"connection":
                named.update(token.strip() for token in value.split(b","))
            elif name == b"keep-alive" and (found := _TIMEOUT.search(value)):
                self.keep_alive_s = int(found[1])
        kept = self._version == "1.1" or b"keep-alive" in named
        self.reusable = kept and b"close" not in named
        if named - _USUAL:
            self.headers = [h for h in self.headers if h[0] not in named]

    def _feed_length(self, data: bytes) -> None:
        remaining = self._remaining or 0
        if len(data) > remaining:
            raise BadAnswer("bytes follow the end of the answer")
        self._remaining = remaining = remaining - len(data)
        if data:
            self._add(data)
        self.complete = not remaining

    def _feed_chunks(self, data: bytes) -> None:
        unread = self.unread
        self._parse(data)
        overhead = self._overhead + len(data) - _FAIR_SHARE * (self.unread - unread)
        self._overhead = max(0, overhead)
        if overhead > MAX_CHUNK_OVERHEAD_BYTES:
            raise BadAnswer("more chunk sizes and trailers than body")
        if self._ended:
            self.complete, self._parser = True, None
            # The parser passes over empty lines after the end, which may be half of something.
            self.reusable = self.reusable and data[-6:] != b"\r\n\r\n\r\n" and data[-2:] != b"\n\n"

    def _add(self, data: bytes) -> None:
        self.pieces.append(data)
        self.unread += len(data)

    def _parse(self, data: bytes) -> None:
        parser = self._parser
        if parser is None:
            raise BadAnswer("bytes follow the end of the answer")
        try:
            parser.feed_data(data)
        except HttpParserError as error:  # also what `on_message_begin` raises
            raise BadAnswer(f"not HTTP: {error.__context__ or error}") from None
        except HttpParserUpgrade:
            raise BadAnswer("an upgrade was not asked for") from None

    # What the parser calls.

    def on_message_begin(self) -> None:
        if self._ended:
            raise BadAnswer("bytes follow the end of the answer")

    def on_header(self, name: bytes, value: bytes) -> None:
        if self._parsed:
            return  # a trailer
        name = name.lower()
        value = value.rstrip(b" \t")
        if name in _SPECIAL:
            self._special.append((name, value))
            if name != b"content-length":
                return
        self.headers.append((name, value))

    def on_headers_complete(self) -> None:
        self._parsed = True
        if (parser := self._parser) is not None:
            self.status, self._version = parser.get_status_code(), parser.get_http_version()

    def on_body(self, body: bytes) -> None:
        self.pieces.append(body)
        self.unread += len(body)

    def on_message_complete(self) -> None:
        self._ended = self.headed
