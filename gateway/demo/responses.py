"""POST /v1/responses of the demo: an answer in words, or a function call.

Nothing is kept: `previous_response_id` is accepted, what it stands for is not remembered.
"""

from collections.abc import Iterator
from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from gateway.demo.calls import ToolCall, wanted_call
from gateway.demo.response_events import events
from gateway.demo.text import Written, demo_answer, plain, prompt_tokens, write
from gateway.demo.wire import PacedStream, json_object, new_id, now, objects, required_model
from gateway.errors import InvalidRequest


class Responses:
    """The endpoint; `pace_s` lies between two words of a stream."""

    def __init__(self, pace_s: float) -> None:
        self._pace_s = pace_s

    async def __call__(self, request: Request) -> Response:
        body = await json_object(request)
        model, messages = required_model(body), list(_messages(body))
        answer = _answer(body, messages)
        begun = _begun(body, model)
        ended = _ended(begun, answer, _usage(body, messages, answer))
        if body.get("stream") is True:
            return PacedStream(events(begun, ended), self._pace_s)
        return JSONResponse(ended)


def _messages(body: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """The input as chat messages. Raises InvalidRequest (400)."""
    given = body.get("input")
    if isinstance(given, str):
        yield {"role": "user", "content": given}
        return
    for item in objects(given, "input"):
        if item.get("type") == "function_call_output":
            yield {"role": "tool", "content": item.get("output")}
        elif "role" in item:
            yield item
    if given is None and not body.get("previous_response_id"):
        raise InvalidRequest("You must provide an input.", param="input")


def _answer(body: dict[str, Any], messages: list[dict[str, Any]]) -> Written | ToolCall:
    last = messages[-1] if messages else {}
    functions = [
        tool for tool in objects(body.get("tools"), "tools") if tool.get("type") == "function"
    ]
    call = wanted_call(functions, body.get("tool_choice"), last, plain(last.get("content")))
    return call or write(demo_answer(messages), body.get("max_output_tokens"))


def _begun(body: dict[str, Any], model: str) -> dict[str, Any]:
    """The response as it is before there is an answer."""
    asked: dict[str, Any] = {
        "instructions": None,
        "max_output_tokens": None,
        "metadata": {},
        "parallel_tool_calls": True,
        "previous_response_id": None,
        "reasoning": {"effort": None, "summary": None},
        "store": True,
        "temperature": 1.0,
        "text": {"format": {"type": "text"}},
        "tool_choice": "auto",
        "tools": [],
        "top_p": 1.0,
        "truncation": "disabled",
        "user": None,
    }
    return {
        "id": new_id("resp_"),
        "object": "response",
        "created_at": now(),
        "status": "in_progress",
        "error": None,
        "incomplete_details": None,
        "model": model,
        "output": [],
        "usage": None,
        **asked,
        **{name: value for name, value in body.items() if name in asked},
    }


def _ended(
    begun: dict[str, Any], answer: Written | ToolCall, usage: dict[str, Any]
) -> dict[str, Any]:
    cut = isinstance(answer, Written) and answer.cut
    return {
        **begun,
        "status": "incomplete" if cut else "completed",
        "incomplete_details": {"reason": "max_output_tokens"} if cut else None,
        "output": [_item(answer)],
        "usage": usage,
    }


def _item(answer: Written | ToolCall) -> dict[str, Any]:
    if isinstance(answer, ToolCall):
        return {
            "id": new_id("fc_"),
            "type": "function_call",
            "status": "completed",
            "call_id": new_id("call_"),
            "name": answer.name,
            "arguments": answer.arguments,
        }
    return {
        "id": new_id("msg_"),
        "type": "message",
        "status": "incomplete" if answer.cut else "completed",
        "role": "assistant",
        "content": [
            {"type": "output_text", "text": answer.text, "annotations": [], "logprobs": []}
        ],
    }


def _usage(
    body: dict[str, Any], messages: list[dict[str, Any]], answer: Written | ToolCall
) -> dict[str, Any]:
    said = [plain(message.get("content")) for message in messages]
    prompt = prompt_tokens([*said, plain(body.get("instructions"))])
    return {
        "input_tokens": prompt,
        "input_tokens_details": {"cached_tokens": 0, "cache_write_tokens": 0},
        "output_tokens": answer.tokens,
        "output_tokens_details": {"reasoning_tokens": 0},
        "total_tokens": prompt + answer.tokens,
    }
