"""What the fake upstream says: right answers of each endpoint, whole or as a list of events. Pure.

Texts name a number, so that no two answers are alike, and the question, so that people can read
them. Usage is made from lengths: tests compare it with what the gateway has stored.
"""

import base64
import json
import struct
from dataclasses import dataclass
from typing import Any

from tests.support.fake_behaviour import Behaviour

Json = dict[str, Any]


@dataclass(frozen=True)
class Said:
    """An answer: the whole of it, and the events that it is when streamed."""

    whole: Json
    events: tuple[tuple[str | None, Json | None], ...] = ()
    """Name and data of each; no data: `[DONE]`."""
    usage: Json | None = None
    """As the upstream counted it, reported or not."""


def _text_of(content: object) -> str:
    if isinstance(content, list):
        return " ".join(str(part.get("text", "")) for part in content if isinstance(part, dict))
    return content if isinstance(content, str) else json.dumps(content)


def _usage(prompt: object, completion: object) -> Json:
    prompt_tokens = len(json.dumps(prompt)) // 4 + 1
    completion_tokens = len(json.dumps(completion)) // 4 + 1
    return {
        "prompt_tokens": prompt_tokens,
        "completion_tokens": completion_tokens,
        "total_tokens": prompt_tokens + completion_tokens,
        "prompt_tokens_details": {"cached_tokens": prompt_tokens // 2},
        "completion_tokens_details": {"reasoning_tokens": completion_tokens // 3},
    }


def _words(text: str) -> list[str]:
    """Joined they are the text again."""
    head, *rest = text.split(" ")
    return [head, *(f" {word}" for word in rest)]


def _asked_usage(body: Json, behaviour: Behaviour) -> bool:
    options = body.get("stream_options") or {}
    return behaviour.usage and (options.get("include_usage") is True or behaviour.usage_unasked)


def chat(body: Json, number: int, behaviour: Behaviour) -> Said:
    messages = [
        _chat_message(body, number, index, behaviour) for index in range(body.get("n") or 1)
    ]
    usage = _usage(body["messages"], messages)
    head = {"id": f"chatcmpl-{number}", "created": 1_780_000_000 + number, "model": body["model"]}
    choices = [
        {"index": index, "message": message, "logprobs": None, "finish_reason": _reason(message)}
        for index, message in enumerate(messages)
    ]
    whole = {**head, "object": "chat.completion", "choices": choices, **behaviour.extra}
    if behaviour.usage:
        whole["usage"] = usage
    base = {**head, "object": "chat.completion.chunk", **behaviour.extra}
    return Said(whole, _chat_events(base, messages, _asked_usage(body, behaviour), usage), usage)


def _reason(message: Json) -> str:
    return "tool_calls" if "tool_calls" in message else "stop"


def _chat_message(body: Json, number: int, index: int, behaviour: Behaviour) -> Json:
    """A tool is called in answer to a user's question, never in answer to a tool."""
    last = body["messages"][-1] if body["messages"] else {}
    message: Json = {"role": "assistant", "content": None, "refusal": behaviour.refusal}
    if body.get("tools") and last.get("role") == "user":
        function = {"name": body["tools"][0]["function"]["name"], "arguments": '{"city": "Ulm"}'}
        calls = [{"id": f"call_{number}_{index}", "type": "function", "function": function}]
        return {**message, "tool_calls": calls}
    if behaviour.refusal is None:
        text = behaviour.text
        message["content"] = (
            f"Answer {number}.{index} to: {_text_of(last.get('content'))}" if text is None else text
        )
    return message


def _chat_events(
    base: Json, messages: list[Json], with_usage: bool, usage: Json
) -> tuple[tuple[str | None, Json | None], ...]:
    silent = {"usage": None} if with_usage else {}
    chunks = [
        {**base, "choices": [{"index": index, "delta": delta, "finish_reason": reason}], **silent}
        for index, message in enumerate(messages)
        for delta, reason in [*((d, None) for d in _chat_deltas(message)), ({}, _reason(message))]
    ]
    if with_usage:
        chunks.append({**base, "choices": [], "usage": usage})
    return (*((None, chunk) for chunk in chunks), (None, None))


def _chat_deltas(message: Json) -> list[Json]:
    if "tool_calls" in message:
        [call] = message["tool_calls"]
        begun = {**call, "index": 0, "function": {**call["function"], "arguments": ""}}
        arguments = call["function"]["arguments"]
        return [{"role": "assistant", "content": None, "tool_calls": [begun]}] + [
            {"tool_calls": [{"index": 0, "function": {"arguments": part}}]}
            for part in (arguments[:5], arguments[5:])
        ]
    if message["refusal"] is not None:
        return [{"role": "assistant", "content": None}] + [
            {"refusal": word} for word in _words(message["refusal"])
        ]
    return [{"role": "assistant", "content": ""}] + [
        {"content": word} for word in _words(message["content"])
    ]


def completion(body: Json, number: int, behaviour: Behaviour) -> Said:
    prompt = body.get("prompt", "")
    text = f"Answer {number} to: {_text_of(prompt)}" if behaviour.text is None else behaviour.text
    usage = _usage(prompt, text)
    head = {
        "id": f"cmpl-{number}",
        "object": "text_completion",
        "created": 1_780_000_000 + number,
        "model": body["model"],
        **behaviour.extra,
    }
    choice = {"index": 0, "text": text, "logprobs": None, "finish_reason": "stop"}
    whole = {**head, "choices": [choice]}
    if behaviour.usage:
        whole["usage"] = usage
    with_usage = _asked_usage(body, behaviour)
    silent = {"usage": None} if with_usage else {}
    parts = [(word, None) for word in _words(text)] + [("", "stop")]
    chunks: list[tuple[str | None, Json | None]] = [
        (None, {**head, "choices": [{**choice, "text": t, "finish_reason": r}], **silent})
        for t, r in parts
    ]
    if with_usage:
        chunks.append((None, {**head, "choices": [], "usage": usage}))
    return Said(whole, (*chunks, (None, None)), usage)


def embeddings(body: Json, number: int, behaviour: Behaviour) -> Said:
    given = body["input"]
    one = isinstance(given, str) or (given and isinstance(given[0], int))
    data = [
        {"object": "embedding", "index": index, "embedding": _vector(body, item)}
        for index, item in enumerate([given] if one else given)
    ]
    tokens = _usage(given, "")["prompt_tokens"]
    usage = {"prompt_tokens": tokens, "total_tokens": tokens}
    whole = {"object": "list", "data": data, "model": body["model"], **behaviour.extra}
    return Said({**whole, "usage": usage} if behaviour.usage else whole, usage=usage)


def _vector(body: Json, item: object) -> object:
    floats = [float(len(json.dumps(item))), 0.5, -0.25][: body.get("dimensions") or 3]
    if body.get("encoding_format") != "base64":
        return floats
    return base64.b64encode(struct.pack(f"<{len(floats)}f", *floats)).decode()


def response(body: Json, number: int, behaviour: Behaviour) -> Said:
    given = body.get("input", "")
    last = given if isinstance(given, str) else (given[-1] if given else {}).get("content", "")
    text = f"Answer {number} to: {_text_of(last)}" if behaviour.text is None else behaviour.text
    counted = _usage(given, text)
    usage = {
        "input_tokens": counted["prompt_tokens"],
        "input_tokens_details": {"cached_tokens": counted["prompt_tokens"] // 2},
        "output_tokens": counted["completion_tokens"],
        "output_tokens_details": {"reasoning_tokens": counted["completion_tokens"] // 3},
        "total_tokens": counted["total_tokens"],
    }
    part = {"type": "output_text", "text": text, "annotations": []}
    item = {
        "id": f"msg_{number}",
        "type": "message",
        "role": "assistant",
        "status": "completed",
        "content": [part],
    }
    whole = {
        "id": f"resp_{number}",
        "object": "response",
        "created_at": 1_780_000_000 + number,
        "model": body["model"],
        "status": "completed",
        "output": [item],
        "parallel_tool_calls": True,
        "tool_choice": "auto",
        "tools": [],
        "previous_response_id": body.get("previous_response_id"),
        "usage": usage if behaviour.usage else None,
        **behaviour.extra,
    }
    return Said(whole, _response_events(whole, item, part), usage)


def _response_events(whole: Json, item: Json, part: Json) -> tuple[tuple[str, Json], ...]:
    begun = {**whole, "status": "in_progress", "output": [], "usage": None}
    place = {"output_index": 0, "item_id": item["id"], "content_index": 0}
    opened = {**item, "status": "in_progress", "content": []}
    steps: list[tuple[str, Json]] = [
        ("response.created", {"response": begun}),
        ("response.in_progress", {"response": begun}),
        ("response.output_item.added", {"output_index": 0, "item": opened}),
        ("response.content_part.added", {**place, "part": {**part, "text": ""}}),
        *(
            ("response.output_text.delta", {**place, "delta": word, "logprobs": []})
            for word in _words(part["text"])
        ),
        ("response.output_text.done", {**place, "text": part["text"], "logprobs": []}),
        ("response.content_part.done", {**place, "part": part}),
        ("response.output_item.done", {"output_index": 0, "item": item}),
        ("response.completed", {"response": whole}),
    ]
    return tuple(
        (name, {"type": name, "sequence_number": number, **data})
        for number, (name, data) in enumerate(steps)
    )
