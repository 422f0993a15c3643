"""POST /v1/chat/completions of the demo."""

import json
from collections.abc import Iterator
from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from gateway.demo.calls import ToolCall, example, wanted_call
from gateway.demo.events import Event
from gateway.demo.text import (
    Written,
    demo_answer,
    pieces,
    plain,
    prompt_tokens,
    write,
)
from gateway.demo.wire import (
    PacedStream,
    choices_wanted,
    json_object,
    new_id,
    now,
    objects,
    required_model,
    usage_wanted,
)
from gateway.errors import InvalidRequest

Answer = Written | ToolCall


class Chat:
    """The endpoint; `pace_s` lies between two words of a stream."""

    def __init__(self, pace_s: float) -> None:
        self._pace_s = pace_s

    async def __call__(self, request: Request) -> Response:
        body = await json_object(request)
        model, messages = required_model(body), objects(body.get("messages"), "messages")
        if not messages:
            raise InvalidRequest("messages must hold at least one message.", param="messages")
        answers = _answers(body, messages)
        usage = _usage(messages, answers)
        head = {"id": new_id("chatcmpl-"), "created": now(), "model": model}
        if body.get("stream") is True:
            return PacedStream(_events(head, answers, usage, usage_wanted(body)), self._pace_s)
        choices = [_choice(index, answer) for index, answer in enumerate(answers)]
        return JSONResponse(
            {**head, "object": "chat.completion", "choices": choices, "usage": usage}
        )


def _answers(body: dict[str, Any], messages: list[dict[str, Any]]) -> list[Answer]:
    said = plain(messages[-1].get("content"))
    tools = objects(body.get("tools"), "tools")
    functions = [tool["function"] for tool in tools if isinstance(tool.get("function"), dict)]
    wanted = choices_wanted(body)
    if call := wanted_call(functions, body.get("tool_choice"), messages[-1], said):
        return [call] * wanted
    text = _text(body.get("response_format"), messages, said)
    limit = body.get("max_completion_tokens") or body.get("max_tokens")
    return [
        write(text if index == 0 else f"{text} (Choice {index + 1}.)", limit)
        for index in range(wanted)
    ]


def _text(wanted: object, messages: list[dict[str, Any]], said: str) -> str:
    """The answer in words, or as the JSON that `response_format` asks for."""
    answer = demo_answer(messages)
    if not isinstance(wanted, dict) or wanted.get("type") not in ("json_object", "json_schema"):
        return answer
    described = wanted.get("json_schema")
    if isinstance(described, dict):
        return json.dumps(example(described.get("schema"), answer), ensure_ascii=False)
    return json.dumps({"demo": answer}, ensure_ascii=False)


def _usage(messages: list[dict[str, Any]], answers: list[Answer]) -> dict[str, Any]:
    prompt = prompt_tokens(plain(message.get("content")) for message in messages) + 3
    completion = sum(answer.tokens for answer in answers)
    return {
        "prompt_tokens": prompt,
        "completion_tokens": completion,
        "total_tokens": prompt + completion,
        "prompt_tokens_details": {"cached_tokens": 0},
        "completion_tokens_details": {"reasoning_tokens": 0},
    }


def _finish_reason(answer: Answer) -> str:
    if isinstance(answer, ToolCall):
        return "tool_calls"
    return "length" if answer.cut else "stop"


def _choice(index: int, answer: Answer) -> dict[str, Any]:
    message: dict[str, Any] = {"role": "assistant", "content": None, "refusal": None}
    if isinstance(answer, ToolCall):
        function = {"name": answer.name, "arguments": answer.arguments}
        message["tool_calls"] = [{"id": new_id("call_"), "type": "function", "function": function}]
    else:
        message["content"] = answer.text
    return {
        "index": index,
        "message": message,
        "logprobs": None,
        "finish_reason": _finish_reason(answer),
    }


def _events(
    head: dict[str, Any], answers: list[Answer], usage: dict[str, Any], with_usage: bool
) -> Iterator[Event]:
    base = {**head, "object": "chat.completion.chunk"}
    silent = {"usage": None} if with_usage else {}
    for index, answer in enumerate(answers):
        for delta in _deltas(answer):
            yield Event({**base, "choices": [_delta(index, delta)], **silent}, paced=True)
        ended = _delta(index, {}, _finish_reason(answer))
        yield Event({**base, "choices": [ended], **silent})
    if with_usage:
        yield Event({**base, "choices": [], "usage": usage})
    yield Event(None)


def _delta(index: int, delta: dict[str, Any], finish_reason: str | None = None) -> dict[str, Any]:
    return {"index": index, "delta": delta, "logprobs": None, "finish_reason": finish_reason}


def _deltas(answer: Answer) -> Iterator[dict[str, Any]]:
    if isinstance(answer, Written):
        yield {"role": "assistant", "content": "", "refusal": None}
        for piece in answer.pieces:
            yield {"content": piece}
        return
    function = {"name": answer.name, "arguments": ""}
    call = {"index": 0, "id": new_id("call_"), "type": "function", "function": function}
    yield {"role": "assistant", "content": None, "tool_calls": [call]}
    for piece in pieces(answer.arguments):
        yield {"tool_calls": [{"index": 0, "function": {"arguments": piece}}]}
