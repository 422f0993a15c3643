"""Made-up people in conversation with models: records as gateways send them, in the order of time.

The same seed makes the same talks. Where they go is not here.
"""

import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from random import Random

from common.frames import FrameKind, encode_frame
from common.record import SCHEMA_VERSION, Attempt, Begin, End, encode

QUESTION_BYTES, ANSWER_BYTES = 600, 1000
MODEL = "gpt-4o-mini"
_STEP = timedelta(milliseconds=5)
_PEOPLE = 500
_TABS = 3
"""Open conversations per person."""
_GOES_ON = 0.7
"""How often an exchange is followed by another in its conversation."""
_CHUNKS = 50
_SYSTEM = {"role": "system", "content": "You are a helpful assistant. Be brief, be kind."}


@dataclass(slots=True)
class _Tab:
    said: list[dict[str, str]] = field(default_factory=list)


class Talks:
    """Endless; each exchange is one record of about a question and an answer, and its history."""

    def __init__(self, seed: int, *, streamed: bool = False) -> None:
        self._random = Random(seed)
        self._streamed = streamed
        self._words = [self._word() for _ in range(4000)]
        self._tabs = [[_Tab() for _ in range(_TABS)] for _ in range(_PEOPLE)]

    def records(self, count: int) -> Iterator[tuple[bytes, bytes]]:
        """(id, frames), as `common.message.pack` takes them."""
        moment = datetime.now(UTC) - count * _STEP
        for _ in range(count):
            moment += _STEP
            yield self._record(moment)

    def _record(self, moment: datetime) -> tuple[bytes, bytes]:
        person = self._random.randrange(_PEOPLE)
        tab = self._random.choice(self._tabs[person])
        tab.said.append({"role": "user", "content": self._text(QUESTION_BYTES)})
        request = {"model": MODEL, "messages": [_SYSTEM, *tab.said], "stream": self._streamed}
        answer = self._text(ANSWER_BYTES)
        record_id = self._id(moment)
        began_us = int(moment.timestamp() * 1_000_000)
        first = Begin(
            id=record_id,
            version=SCHEMA_VERSION,
            kind="chat",
            method="POST",
            path="/chat/completions",
            user_id=person + 1,
            token_id=person + 1,
            client_address="10.0.0.1",
            model=MODEL,
            streamed=self._streamed,
            started_at_us=began_us,
            request=json.dumps(request).encode(),
        )
        body = self._events(answer) if self._streamed else self._whole(answer)
        last = End(
            status="complete",
            http_status=200,
            attempts=(Attempt("openai", "key-0", 0.8, 200),),
            upstream="openai",
            first_byte_at_us=began_us + 300_000,
            finished_at_us=began_us + 900_000,
            response_type="text/event-stream" if self._streamed else "application/json",
            response=body,
            usage=json.dumps(_usage(request)).encode() if self._streamed else None,
        )
        tab.said.append({"role": "assistant", "content": answer})
        if self._random.random() > _GOES_ON:
            tab.said.clear()
        frames = encode_frame(FrameKind.BEGIN, record_id, encode(first))
        return record_id, frames + encode_frame(FrameKind.END, record_id, encode(last))

    def _whole(self, text: str) -> bytes:
        message = {"role": "assistant", "content": text, "refusal": None}
        choice = {"index": 0, "message": message, "logprobs": None, "finish_reason": "stop"}
        body: dict[str, object] = {"id": f"chatcmpl-{self._random.random()}"}
        body["object"] = "chat.completion"
        body |= {"created": 1_700_000_000, "model": MODEL, "choices": [choice]}
        return json.dumps(body | {"usage": _usage(text)}).encode()

    def _events(self, text: str) -> bytes:
        id = f"chatcmpl-{self._random.random()}"
        size = len(text) // _CHUNKS + 1
        pieces = [{"content": text[n : n + size]} for n in range(0, len(text), size)]
        chunks = []
        for delta in [{"role": "assistant", "content": ""}, *pieces, {}]:
            choice = {"index": 0, "delta": delta, "finish_reason": None if delta else "stop"}
            chunk: dict[str, object] = {
                "id": id,
                "object": "chat.completion.chunk",
                "created": 1_700_000_000,
            }
            chunk |= {"model": MODEL, "choices": [choice]}
            chunks.append(f"data: {json.dumps(chunk)}\n\n")
        return "".join([*chunks, "data: [DONE]\n\n"]).encode()

    def _id(self, moment: datetime) -> bytes:
        """A UUIDv7 of that moment."""
        milliseconds = int(moment.timestamp() * 1000)
        number = milliseconds << 80 | 7 << 76 | 2 << 62
        noise = self._random.getrandbits(62) | self._random.getrandbits(12) << 64
        return (number | noise).to_bytes(16, "big")

    def _text(self, size_bytes: int) -> str:
        return " ".join(self._random.choices(self._words, k=size_bytes // 7))

    def _word(self) -> str:
        letters = "eeeettaaooiinnsshhrrdllcumwfgypbvk"
        return "".join(self._random.choices(letters, k=self._random.randint(2, 10)))


def _usage(of: object) -> dict[str, int]:
    prompt, completion = len(str(of)) // 4, ANSWER_BYTES // 4
    total = prompt + completion
    return {"prompt_tokens": prompt, "completion_tokens": completion, "total_tokens": total}
