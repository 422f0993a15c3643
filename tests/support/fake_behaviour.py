"""How the fake upstream misbehaves, and for which calls. Plain data, so that it travels as JSON."""

import json
from typing import Any, Literal

import msgspec


class Behaviour(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Departures from a plain, quick, right answer."""

    status: int = 200
    body: str | None = None
    """Sent as it is, in place of an answer."""
    content_type: str = "application/json"
    """Of `body`."""
    headers: dict[str, str] = {}
    delay_head_s: float = 0
    delay_chunk_s: float = 0
    """Before every event of a stream but the first."""
    cut_after: int | None = None
    """Events of a stream, or bytes of another answer, after which `cut` happens. 0 and a plain
    answer: before the head."""
    cut: Literal["close", "reset", "hang"] = "close"
    text: str | None = None
    """The answer's text, in place of one made from the question."""
    refusal: str | None = None
    usage: bool = True
    """Whether usage is reported where it was asked for or goes without saying."""
    usage_unasked: bool = False
    """Streams end in a usage chunk even if nobody asked."""
    extra: dict[str, Any] = {}
    """Unknown fields, put into the answer or into every chunk."""
    newline: str = "\n"
    """Line end of server-sent events."""
    content_length_off: int = 0
    """Added to the length that the head of a plain answer declares."""
    split_every: int | None = None
    """Bytes per write of a stream, whatever the bounds of its events."""
    done: bool = True
    """Whether a stream ends in `[DONE]`."""


class Rule(msgspec.Struct, kw_only=True, omit_defaults=True):
    """A behaviour for the calls that match; None matches every call."""

    behaviour: Behaviour
    key: str | None = None
    model: str | None = None
    path: str | None = None
    """Below `/v1`: `/chat/completions`."""
    times: int | None = None
    """How many calls it holds for; None: every one."""

    def matches(self, key: str | None, model: str | None, path: str) -> bool:
        wanted = ((self.key, key), (self.model, model), (self.path, path))
        return self.times != 0 and all(rule in (None, given) for rule, given in wanted)


def error(status: int, code: str, message: str, kind: str = "invalid_request_error") -> Behaviour:
    """An error in OpenAI's shape."""
    described = {"message": message, "type": kind, "param": None, "code": code}
    return Behaviour(status=status, body=json.dumps({"error": described}))


BAD_KEY = error(401, "invalid_api_key", "Incorrect API key provided: sk-fake***key.")
QUOTA_SPENT = error(
    429, "credit_balance_exhausted", "You exceeded your current quota.", "insufficient_quota"
)
SERVER_ERROR = error(500, "server_error", "The server had an error.", "server_error")
HTML_ERROR = Behaviour(
    status=502, body="<html><body>Bad gateway</body></html>", content_type="text/html"
)
HANGING = Behaviour(cut_after=0, cut="hang")
RESETTING = Behaviour(cut_after=0, cut="reset")


def rate_limited(retry_after: str | None = None) -> Behaviour:
    limited = error(429, "rate_limit_exceeded", "Rate limit reached.", "requests")
    headers = {} if retry_after is None else {"retry-after": retry_after}
    return msgspec.structs.replace(limited, headers=headers)
