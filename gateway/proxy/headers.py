"""Which headers travel: allow-lists both ways, and the gateway's own. Pure."""

from collections.abc import Iterable, Mapping

from gateway.errors import InvalidRequest

Headers = list[tuple[bytes, bytes]]

TO_UPSTREAM = frozenset(
    {
        b"accept",
        b"content-type",
        b"idempotency-key",
        b"openai-beta",
        b"range",
        b"x-client-request-id",
    }
)
"""Nothing else of a client's reaches the provider: no key, cookie, organisation or address."""

TO_CLIENT = frozenset(
    {
        b"accept-ranges",
        b"content-disposition",
        b"content-encoding",
        b"content-language",
        b"content-range",
        b"content-type",
        b"etag",
        b"last-modified",
        b"openai-model",
        b"openai-processing-ms",
        b"openai-version",
    }
)
"""Nothing that speaks of the one key used (rate limits, organisation) or sets cookies."""

_ABOUT_CALL = (b"openai-", b"x-")
_ALWAYS = [(b"accept-encoding", b"identity"), (b"user-agent", b"openai-gateway")]
HINT_HEADERS = (
    b"x-conversation-id",
    b"x-openwebui-chat-id",
    b"helicone-session-id",
    b"x-session-id",
    b"session-id",
)
"""How clients name their conversations, first come first served."""

LEGACY_AGENT = b"OpenAI/v1 PythonBindings/"
"""The 0.x SDKs, which take 409 for "try again at once"."""


def to_upstream(headers: Iterable[tuple[bytes, bytes]], *, as_json: bool = False) -> Headers:
    """`as_json`: the body is JSON, whatever the client calls it."""
    allowed = [(name, value) for name, value in headers if name in TO_UPSTREAM]
    if as_json:
        allowed = [header for header in allowed if header[0] != b"content-type"]
        allowed.append((b"content-type", b"application/json"))
    return allowed + _ALWAYS


def to_client(headers: Iterable[tuple[bytes, bytes]]) -> Headers:
    """Of an upstream's answer; its request id is kept under another name."""
    relayed = []
    for name, value in headers:
        if name in TO_CLIENT:
            relayed.append((name, value))
        elif name == b"x-request-id":
            relayed.append((b"x-upstream-request-id", value))
    return relayed


def of_error(headers: Iterable[tuple[bytes, bytes]]) -> Headers:
    """Of an upstream's error, whose body is told anew: nothing that describes the old body."""
    return [(name, value) for name, value in to_client(headers) if name.startswith(_ABOUT_CALL)]


def identity(record_id: bytes) -> Headers:
    """The record's id under the names that new and old SDKs read."""
    return [(b"x-request-id", record_id), (b"request-id", record_id)]


def first(headers: Iterable[tuple[bytes, bytes]], wanted: bytes) -> bytes | None:
    for name, value in headers:
        if name == wanted:
            return value
    return None


def conversation_hint(headers: Mapping[bytes, bytes]) -> str | None:
    """At most 200 characters, as such ids are elsewhere. Raises InvalidRequest (400) beyond."""
    if headers.keys().isdisjoint(HINT_HEADERS):
        return None
    for wanted in HINT_HEADERS:
        if value := headers.get(wanted):
            text = value.decode("latin-1").strip()
            if len(text) > 200 or not text.isprintable():
                name = wanted.decode()
                raise InvalidRequest(
                    f"{name} must be at most 200 printable characters.", param=name
                )
            return text or None
    return None
