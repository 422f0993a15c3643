"""POST /v1/completions of the demo: prompts as text, as several texts, or as tokens."""

from collections.abc import Iterator, Sequence
from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from gateway.demo.events import Event
from gateway.demo.inputs import Input, inputs
from gateway.demo.text import Written, quoted, write
from gateway.demo.wire import (
    PacedStream,
    choices_wanted,
    json_object,
    new_id,
    now,
    required_model,
    usage_wanted,
)


class Completions:
    """The endpoint; `pace_s` lies between two words of a stream."""

    def __init__(self, pace_s: float) -> None:
        self._pace_s = pace_s

    async def __call__(self, request: Request) -> Response:
        body = await json_object(request)
        model, prompts = required_model(body), inputs(body.get("prompt", ""), "prompt")
        answers = _answers(body, prompts)
        usage = _usage(prompts, answers)
        head = {
            "id": new_id("cmpl-"),
            "object": "text_completion",
            "created": now(),
            "model": model,
        }
        if body.get("stream") is True:
            return PacedStream(_events(head, answers, usage, usage_wanted(body)), self._pace_s)
        choices = [_choice(i, answer.text, _reason(answer)) for i, answer in enumerate(answers)]
        return JSONResponse({**head, "choices": choices, "usage": usage})


def _answers(body: dict[str, Any], prompts: Sequence[Input]) -> list[Written]:
    """`n` of them for each prompt, in the prompts' order."""
    return [
        write(
            f"{prompt.text if body.get('echo') is True else ''}"
            f" This is a demo answer to {quoted(prompt.text)}: no model was asked."
            f"{f' (Choice {number + 1}.)' if number else ''}",
            body.get("max_tokens"),
        )
        for prompt in prompts
        for number in range(choices_wanted(body))
    ]


def _usage(prompts: Sequence[Input], answers: Sequence[Written]) -> dict[str, int]:
    prompt = sum(prompt.tokens for prompt in prompts)
    completion = sum(answer.tokens for answer in answers)
    return {
        "prompt_tokens": prompt,
        "completion_tokens": completion,
        "total_tokens": prompt + completion,
    }


def _reason(answer: Written) -> str:
    return "length" if answer.cut else "stop"


def _choice(index: int, text: str, finish_reason: str | None) -> dict[str, Any]:
    return {"text": text, "index": index, "logprobs": None, "finish_reason": finish_reason}


def _events(
    head: dict[str, Any], answers: Sequence[Written], usage: dict[str, int], with_usage: bool
) -> Iterator[Event]:
    silent = {"usage": None} if with_usage else {}
    for index, answer in enumerate(answers):
        for piece in answer.pieces:
            yield Event({**head, "choices": [_choice(index, piece, None)], **silent}, paced=True)
        yield Event({**head, "choices": [_choice(index, "", _reason(answer))], **silent})
    if with_usage:
        yield Event({**head, "choices": [], "usage": usage})
    yield Event(None)
