"""Reading a client's body: JSON whole, uploads piece by piece; both by count, not by their word."""

from collections.abc import AsyncIterator, Mapping
from hashlib import sha256

from starlette.types import Receive

from gateway.errors import InvalidRequest, TooLarge
from gateway.proxy.form import Form
from gateway.proxy.load import Share
from gateway.proxy.ownership import STATEFUL
from gateway.proxy.paths import Target
from gateway.proxy.sink import ClientGone, HttpSink

MAX_JSON_BYTES = 32 * 1024 * 1024
MAX_UPLOAD_BYTES = 512 * 1024 * 1024
LOOK_AHEAD_BYTES = 64 * 1024
"""Of a form, before a credential is chosen for it."""
_SMALL_DIGITS = 5
"""What is announced in so many is as good as here."""


JSON_KINDS = frozenset({"chat", "completion", "response", "embedding"})
"""Their bodies are JSON whatever they say they are: `curl -d` calls everything a form."""


def is_upload(headers: Mapping[bytes, bytes], method: str, target: Target) -> bool:
    """Anything that says it is something else than JSON, where it may be.

    Where ids have owners that is a form only: who read JSON in anything else would read what
    nobody has checked.
    """
    if method not in ("POST", "PUT", "PATCH") or target.kind in JSON_KINDS:
        return False
    said = headers.get(b"content-type", b"").strip().lower()
    if not said or b"json" in said or said.startswith(_SAID_OF_ANYTHING):
        return False
    return said.startswith(b"multipart/") or target.group not in STATEFUL


_SAID_OF_ANYTHING = (b"application/x-www-form-urlencoded", b"text/plain")


def refuse_encoded(headers: Mapping[bytes, bytes]) -> None:
    """Raises InvalidRequest (400): what was checked must be what is sent."""
    if headers.get(b"content-encoding", b"identity").strip().lower() not in (b"identity", b""):
        raise InvalidRequest("A compressed body is not understood. Send it plain.")


async def read_whole(receive: Receive, share: Share, announced: bytes) -> bytes:
    """`announced`: its `content-length`. Raises TooLarge (413), Overloaded (503), ClientGone."""
    if len(announced) > _SMALL_DIGITS and announced.isdigit():
        share.foresee(min(int(announced[:20]), MAX_JSON_BYTES))
    message = await receive()
    body: bytes = message.get("body", b"")
    share.hold(len(body))
    if not message.get("more_body") and message["type"] == "http.request":
        return _within(body)
    pieces = [body]
    size = len(body)
    while message["type"] == "http.request" and message.get("more_body"):
        message = await receive()
        pieces.append(message.get("body", b""))
        share.hold(len(pieces[-1]))
        size += len(pieces[-1])
        if size > MAX_JSON_BYTES:
            break
    if message["type"] == "http.disconnect":
        raise ClientGone
    return _within(b"".join(pieces))


def _within(body: bytes) -> bytes:
    if len(body) > MAX_JSON_BYTES:
        raise TooLarge(f"A JSON body may have {MAX_JSON_BYTES} bytes at most.")
    return body


class Upload:
    """A body that is passed on as it arrives; counted and hashed, not kept."""

    def __init__(self, receive: Receive, sink: HttpSink, form: Form | None = None) -> None:
        self._receive, self._sink, self._form = receive, sink, form
        self._digest = sha256()
        self._more = True
        self._head = b""
        self._ids = 0
        self.size_bytes = 0

    @property
    def sha256(self) -> bytes:
        return self._digest.digest()

    async def look_ahead(self) -> None:
        """Of a form, to see what its fields name; they come first, as a rule.

        Raises InvalidRequest or AmbiguousBody (400), ClientGone.
        """
        while self._form is not None and self._more and len(self._head) < LOOK_AHEAD_BYTES:
            piece = await self._next()
            self._form.feed(piece)
            self._head += piece
            self._ids = len(self._form.ids)

    async def pieces(self) -> AsyncIterator[bytes]:
        """Raises TooLarge (413), InvalidRequest or AmbiguousBody (400), ClientGone."""
        piece, self._head = self._head, b""
        while True:
            if piece:
                self.size_bytes += len(piece)
                if self.size_bytes > MAX_UPLOAD_BYTES:
                    raise TooLarge(f"An upload may have {MAX_UPLOAD_BYTES} bytes at most.")
                self._digest.update(piece)
                yield piece
            if not self._more:
                break
            piece = await self._next()
            self._check(piece)
        self._sink.watch()

    def _check(self, piece: bytes) -> None:
        if self._form is None:
            return
        self._form.feed(piece)
        if len(self._form.ids) > self._ids:  # by now the call is on its way to some account
            raise InvalidRequest("In a form, fields that name ids must come before large files.")

    async def _next(self) -> bytes:
        message = await self._receive()
        if message["type"] == "http.disconnect":
            self._sink.gone = True
            raise ClientGone
        self._more = message.get("more_body", False)
        body: bytes = message.get("body", b"")
        return body
