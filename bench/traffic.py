"""What is asked and what is answered, byte for byte. Pure.

A question says itself how it wants to be answered, so that any gateway can stand between:
`{"rate": 50, "chunks": 200}` in the model's name would not pass all of them, in the text it does.
"""

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

MODEL = "bench-model"
TICK = b"tick "
"""In every content chunk, followed by the moment when it was written, in seconds."""

_NUMBER = "%012d"
_PLAN = re.compile(rb"at (\d+(?:\.\d+)?) chunks/s, (\d+) chunks")
_SENTENCE = (
    "Please compare the two proposals below and say which of them you would choose, and why. "
)


@dataclass(frozen=True, slots=True)
class Plan:
    """How a stream is to come: its chunks, and how many of them a second."""

    rate: float
    chunks: int


@dataclass(frozen=True, slots=True)
class Question:
    """A request in two parts, with twelve digits between them: no two calls ask the same."""

    before: bytes
    after: bytes

    def numbered(self, number: int) -> bytes:
        return self.before + (_NUMBER % number).encode() + self.after


def question(
    host: str,
    path: str,
    headers: Mapping[str, str],
    *,
    model: str = MODEL,
    body_bytes: int = 600,
    plan: Plan | None = None,
) -> Question:
    """A chat call of about so many bytes of JSON; with a plan, one that asks for a stream."""
    wish = f"Stream it at {plan.rate:g} chunks/s, {plan.chunks} chunks. " if plan else ""
    fields = {
        "model": model,
        "messages": [
            {"role": "system", "content": "You are a helpful assistant."},
            {"role": "user", "content": f"Case {_NUMBER % 0}. {wish}"},
        ],
        "stream": plan is not None,
    }
    missing = body_bytes - len(json.dumps(fields))
    filling = (_SENTENCE * (missing // len(_SENTENCE) + 1))[: max(0, missing)]
    fields["messages"][1]["content"] += filling  # type: ignore[index]
    body = json.dumps(fields).encode()
    lines = {"Host": host, "Content-Type": "application/json", **headers}
    head = "".join(f"{name}: {value}\r\n" for name, value in lines.items())
    start = f"POST {path} HTTP/1.1\r\n{head}Content-Length: {len(body)}\r\n\r\n".encode()
    before, _, after = (start + body).partition((_NUMBER % 0).encode())
    return Question(before, after)


def plan_of(body: bytes) -> Plan | None:
    """How the question wants to be answered; None: whole, at once."""
    found = _PLAN.search(body)
    return Plan(float(found[1]), int(found[2])) if found else None


_TEXT = (
    "Both proposals would work; the second one is cheaper to run, because it keeps less state and"
    " can be restarted at any time without losing what was already accepted. "
)
_USAGE = {"prompt_tokens": 132, "completion_tokens": 148, "total_tokens": 280}


def answer(size_bytes: int = 1000) -> bytes:
    """A chat completion of about so many bytes, with its head."""
    fields = {
        "id": "chatcmpl-bench",
        "object": "chat.completion",
        "created": 1_700_000_000,
        "model": MODEL,
        "choices": [
            {
                "index": 0,
                "message": {"role": "assistant", "content": "", "refusal": None},
                "logprobs": None,
                "finish_reason": "stop",
            }
        ],
        "usage": _USAGE,
        "system_fingerprint": "fp_bench",
    }
    missing = size_bytes - len(json.dumps(fields))
    content = (_TEXT * (missing // len(_TEXT) + 1))[: max(0, missing)]
    fields["choices"][0]["message"]["content"] = content  # type: ignore[index]
    return whole(fields)


def whole(fields: object) -> bytes:
    """A JSON answer with its head."""
    body = json.dumps(fields).encode()
    return (
        b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n"
        % len(body)
    ) + body


STREAM_HEAD = (
    b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream; charset=utf-8\r\n"
    b"Cache-Control: no-cache\r\nTransfer-Encoding: chunked\r\n\r\n"
)


def content_event(moment: float) -> bytes:
    """One content chunk, framed; its moment is a number of fixed width."""
    return _CONTENT_BEFORE + b"%017.6f" % moment + _CONTENT_AFTER


def closing_events(*, usage: bool) -> bytes:
    """What follows the last content: the finish, the usage if it was asked for, the end."""
    return b"".join(_framed(event) for event in _closing(usage)) + b"0\r\n\r\n"


def _closing(usage: bool) -> Iterator[bytes]:
    yield _event([{"index": 0, "delta": {}, "finish_reason": "stop"}])
    if usage:
        yield _event([], usage=_USAGE)
    yield b"data: [DONE]\n\n"


def _event(choices: list[object], **more: object) -> bytes:
    fields = {
        "id": "chatcmpl-bench",
        "object": "chat.completion.chunk",
        "created": 1_700_000_000,
        "model": MODEL,
        "system_fingerprint": "fp_bench",
        "choices": choices,
        **more,
    }
    return b"data: %b\n\n" % json.dumps(fields).encode()


def _framed(piece: bytes) -> bytes:
    return b"%x\r\n%b\r\n" % (len(piece), piece)


_CONTENT_BEFORE, _, _CONTENT_AFTER = _framed(
    _event([{"index": 0, "delta": {"content": f"tick {0:017.6f}"}, "finish_reason": None}])
).partition(b"%017.6f" % 0)
