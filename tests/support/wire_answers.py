"""Answers as they travel, good and bad, and what a client must make of them."""

from dataclasses import dataclass

from gateway.upstream.wire import BadAnswer, Lost, WireError

JSON = b'{"id": "chatcmpl-1", "choices": [{"message": {"content": "caf\xc3\xa9"}}]}'
EVENTS = b'data: {"a": 1}\n\ndata: {"b": "\xe2\x80\xa8"}\n\ndata: [DONE]\n\n'


def head(status: str, *lines: str) -> bytes:
    return "\r\n".join([f"HTTP/1.1 {status}", *lines, "", ""]).encode()


def chunked(body: bytes, size: int, trailers: bytes = b"") -> bytes:
    pieces = [body[i : i + size] for i in range(0, len(body), size)]
    return b"".join(b"%x\r\n%b\r\n" % (len(p), p) for p in pieces) + b"0\r\n" + trailers + b"\r\n"


@dataclass(frozen=True)
class Good:
    """An answer that must come out as it is, however its bytes are cut."""

    name: str
    raw: bytes
    status: int = 200
    body: bytes = b""
    reusable: bool = True
    method: bytes = b"POST"
    ends: bool = False
    """The upstream closes the connection behind it."""


@dataclass(frozen=True)
class Bad:
    """An answer that must end in an error, and in no wrong body."""

    name: str
    raw: bytes
    error: type[WireError] | tuple[type[WireError], ...] = BadAnswer
    body: bytes = b""
    """What may come out at most before the error: it, or a beginning of it."""
    ends: bool = False
    method: bytes = b"POST"
    too_much_after: int | None = None
    """Up to here it is whole and good; the rest is too much."""


GOOD = (
    Good("length", head("200 OK", f"Content-Length: {len(JSON)}") + JSON, body=JSON),
    Good(
        "length, many headers",
        head(
            "200 OK",
            "Date: Sat, 21 Nov 2026 10:00:00 GMT",
            "Content-Type: application/json",
            f"content-length:{len(JSON)}",
            "Connection: keep-alive",
            "x-request-id:   req_1  ",
            "X-Empty:",
            "Set-Cookie: a=1",
            "Set-Cookie: b=2",
        )
        + JSON,
        body=JSON,
    ),
    Good("empty", head("200 OK", "Content-Length: 0")),
    Good("no reason", b"HTTP/1.1 429 \r\nContent-Length: 2\r\n\r\n{}", 429, b"{}"),
    Good(
        "chunked",
        head("200 OK", "Transfer-Encoding: chunked") + chunked(EVENTS, 20),
        body=EVENTS,
    ),
    Good(
        "one chunk, extensions",
        head("200 OK", "transfer-encoding: Chunked")
        + b'3E;a=b;c="d;e"\r\n'.replace(b"3E", b"%X" % len(EVENTS))
        + EVENTS
        + b"\r\n000\r\n\r\n",
        body=EVENTS,
    ),
    Good(
        "trailers",
        head("200 OK", "Transfer-Encoding: chunked", "Trailer: X-Sum")
        + chunked(EVENTS, 7, b"X-Sum: 12\r\nX-More: yes\r\n"),
        body=EVENTS,
    ),
    Good("chunked and empty", head("200 OK", "Transfer-Encoding: chunked") + b"0\r\n\r\n"),
    Good(
        "until the end",
        head("200 OK", "Content-Type: text/event-stream") + EVENTS,
        body=EVENTS,
        reusable=False,
        ends=True,
    ),
    Good("nothing until the end", head("200 OK"), reusable=False, ends=True),
    Good(
        "close",
        head("200 OK", "Connection: close", "Content-Length: 2") + b"{}",
        body=b"{}",
        reusable=False,
    ),
    Good(
        "close, chunked",
        head("200 OK", "Transfer-Encoding: chunked", "Connection: foo, Close") + chunked(b"ab", 1),
        body=b"ab",
        reusable=False,
    ),
    Good(
        "HTTP/1.0",
        b"HTTP/1.0 200 OK\r\nContent-Length: 2\r\n\r\n{}",
        body=b"{}",
        reusable=False,
    ),
    Good(
        "HTTP/1.0 until the end",
        b"HTTP/1.0 200 OK\r\n\r\n<html>",
        body=b"<html>",
        reusable=False,
        ends=True,
    ),
    Good("204", head("204 No Content"), 204),
    Good("304", head("304 Not Modified", "Content-Length: 999", 'ETag: "x"'), 304),
    Good("HEAD", head("200 OK", "Content-Length: 12345"), method=b"HEAD"),
    Good("HEAD, chunked", head("200 OK", "Transfer-Encoding: chunked"), method=b"HEAD"),
    Good(
        "interim answers",
        head("100 Continue")
        + head("103 Early Hints", "Link: </a>; rel=preload")
        + head("102 Processing")
        + head("200 OK", "Content-Length: 2")
        + b"{}",
        body=b"{}",
    ),
    Good(
        "an interim answer nobody knows",
        head("104 Upload Resumption", "Upload-Offset: 5")
        + head("200 OK", "Transfer-Encoding: chunked")
        + chunked(b"{}", 2),
        body=b"{}",
    ),
    Good(
        "gzip although asked not to",
        head("200 OK", "Content-Encoding: gzip", "Content-Length: 3") + b"\x1f\x8b\x08",
        body=b"\x1f\x8b\x08",
    ),
    Good(
        "an error with HTML",
        head("502 Bad Gateway", "Content-Type: text/html", "Content-Length: 6") + b"<html>",
        502,
        b"<html>",
    ),
)

OK = b"HTTP/1.1 200 OK\r\n"
CHUNKS = OK + b"Transfer-Encoding: chunked\r\n\r\n"

BAD = (
    Bad("nothing", b"", Lost, ends=True),
    Bad("half a status line", b"HTTP/1.1 20", Lost, ends=True),
    Bad("half a head", OK + b"Content-Le", Lost, ends=True),
    Bad("interim and no answer", head("100 Continue"), Lost, ends=True),
    Bad("short body", head("200 OK", "Content-Length: 10") + b"12345", Lost, b"12345", ends=True),
    Bad("no body", head("200 OK", "Content-Length: 10"), Lost, ends=True),
    Bad("half a chunk", CHUNKS + b"a\r\n12345", Lost, b"12345", ends=True),
    Bad("no last chunk", CHUNKS + b"5\r\n12345\r\n", Lost, b"12345", ends=True),
    Bad("half a last chunk", CHUNKS + b"5\r\n12345\r\n0\r\n", Lost, b"12345", ends=True),
    Bad("cut in a trailer", CHUNKS + b"5\r\n12345\r\n0\r\nX-Su", Lost, b"12345", ends=True),
    Bad("garbage", b"\x16\x03\x01 what is this\r\n\r\n"),
    Bad("version 0.9", b"HTTP/0.9 200 OK\r\nContent-Length: 1\r\n\r\nx"),
    Bad("version 2.0", b"HTTP/2.0 200 OK\r\nContent-Length: 1\r\n\r\nx"),
    Bad("status of two digits", b"HTTP/1.1 20 OK\r\n\r\n"),
    Bad("status 099", b"HTTP/1.1 099 OK\r\nContent-Length: 0\r\n\r\n"),
    Bad("status 700", b"HTTP/1.1 700 OK\r\nContent-Length: 0\r\n\r\n"),
    Bad("status 101", head("101 Switching Protocols", "Upgrade: x", "Connection: upgrade")),
    Bad("two lengths", OK + b"Content-Length: 1\r\nContent-Length: 2\r\n\r\nxx"),
    Bad("a list of lengths", OK + b"Content-Length: 1, 2\r\n\r\nxx"),
    Bad("negative length", OK + b"Content-Length: -1\r\n\r\nx"),
    Bad("hexadecimal length", OK + b"Content-Length: 0x1\r\n\r\nx"),
    Bad("endless length", OK + b"Content-Length: %d\r\n\r\nx" % 10**30),
    Bad("another coding", OK + b"Transfer-Encoding: gzip\r\n\r\nx"),
    Bad("two codings", OK + b"Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n"),
    Bad("chunked is not last", OK + b"Transfer-Encoding: chunked, x\r\n\r\n0\r\n\r\n"),
    Bad("a space in a name", OK + b"Content-Length : 1\r\n\r\nx"),
    Bad("no name", OK + b": x\r\nContent-Length: 0\r\n\r\n"),
    Bad("NUL in a value", OK + b"X: a\0b\r\nContent-Length: 0\r\n\r\n"),
    Bad("bad chunk size", CHUNKS + b"xyz\r\n"),
    Bad("negative chunk size", CHUNKS + b"-1\r\n"),
    Bad("chunk too long", CHUNKS + b"3\r\nabcdef\r\n0\r\n\r\n", body=b"abc"),
    Bad("a head of 200 KB", OK + b"X: " + b"a" * 200_000 + b"\r\n\r\n"),
    Bad("a head of many lines", OK + b"X-Y: abcdefgh\r\n" * 20_000 + b"\r\n"),
)

TWO = head("200 OK", "Content-Length: 2") + b"{}"
CHUNKED = CHUNKS + chunked(b"{}", 2)
LAST_CHUNKED = CHUNKED.replace(OK, OK + b"Connection: close\r\n")

BAD_FOR_OURS = (
    Bad("chunk size overflow", CHUNKS + b"f" * 17 + b"\r\n"),
    Bad("interim answers for ever", head("100 Continue") * 10_000),
    Bad("SSH", b"SSH-2.0-OpenSSH_9.6\r\n"),
    Bad("HTTP/0.9", b"<html>hello</html>\n", ends=True),
    Bad("bare line feeds", b"HTTP/1.1 200 OK\nContent-Length: 1\n\nx"),
    Bad("a folded header", OK + b"X: a\r\n b\r\nContent-Length: 0\r\n\r\n"),
    Bad("the same length twice", OK + b"Content-Length: 1\r\nContent-Length: 1\r\n\r\nx"),
    Bad("length and chunked", OK + b"Content-Length: 5\r\n" + CHUNKS[len(OK) :] + b"0\r\n\r\n"),
    Bad("chunked and length", CHUNKS[:-2] + b"Content-Length: 5\r\n\r\n" + b"0\r\n\r\n"),
    Bad("chunked twice", CHUNKS[:-2] + b"Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n"),
    Bad("chunked by HTTP/1.0", CHUNKS.replace(b"1.1", b"1.0") + b"0\r\n\r\n"),
    Bad("a line feed first", b"\n" + head("200 OK", "Content-Length: 0")),
    Bad("an empty line first", b"\r\n\r\n" + head("200 OK", "Content-Length: 0")),
    Bad("a head of 70 KB", OK + b"X: " + b"a" * 70_000 + b"\r\nContent-Length: 0\r\n\r\n"),
    Bad("chunk extensions without end", CHUNKS + b"5;" + b"a" * 1_000_000),
    Bad("trailers without end", CHUNKS + b"1\r\nx\r\n0\r\n" + b"X: y\r\n" * 20_000, body=b"x"),
    *(
        Bad(name, good + more, body=body, method=method, too_much_after=len(good))
        for name, good, more, body, method in (
            ("one byte too many", TWO, b"x", b"{}", b"POST"),
            ("a line too many", TWO, b"\r\n", b"{}", b"POST"),
            ("two answers at once", TWO, TWO, b"{}", b"POST"),
            ("two chunked answers", CHUNKED, CHUNKED, b"{}", b"POST"),
            ("too much behind the last", LAST_CHUNKED, b"HTTP/1.1 200", b"{}", b"POST"),
            ("a body for HEAD", TWO[:-2], b"{}", b"", b"HEAD"),
            ("a body for 204", head("204 No Content", "Content-Length: 2"), b"{}", b"", b"POST"),
        )
    ),
)
"""Ours is stricter than httpx2, which waits for more, accepts these, or drops what is too much."""
