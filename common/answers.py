"""Answers as clients would have got them without a stream: chunks put together, cut ones too.

Pure. Event syntax is in `common.sse`, the events of `/responses` in `common.response_events`, those
of sound and pictures in `common.media_events`. What an answer cost is the consumer's to say.
"""

from collections.abc import Iterable
from typing import Any

from common.lenient import healed, may_hold_surrogates, parse
from common.media_events import assemble_audio, assemble_images
from common.merging import Calls, Pieces, merge_calls, merge_delta, settled
from common.response_events import assemble_response
from common.sse import Event, json_events, looks_like_events

Answer = dict[str, Any]


def assemble(kind: str, content_type: str, body: bytes) -> Answer | None:
    """The answer in the endpoint's shape without a stream; None where the bytes hold none.

    An error that came in the stream is kept under `error`. Every string is valid Unicode.
    """
    streamed = "event-stream" in content_type.lower()
    answer = _from_events(kind, body) if streamed else _from_json(body)
    if answer is None:  # providers mislabel
        answer = _from_json(body) if streamed else _from_events(kind, body)
    if answer is None or not may_hold_surrogates(body):
        return answer
    try:
        cleaned: Answer = healed(answer)
    except ValueError:
        return None
    return cleaned


def _from_json(body: bytes) -> Answer | None:
    try:
        value = parse(body)
    except ValueError:
        return None
    return value if isinstance(value, dict) else None


def _from_events(kind: str, body: bytes) -> Answer | None:
    if kind not in _ASSEMBLERS or not looks_like_events(body):
        return None
    try:
        return _ASSEMBLERS[kind](json_events(body))
    except RecursionError:
        return None


def _assemble_chat(events: Iterable[Event]) -> Answer | None:
    return _assemble_choices("chat.completion", events)


def _assemble_completion(events: Iterable[Event]) -> Answer | None:
    return _assemble_choices("text_completion", events)


def _assemble_choices(name: str, events: Iterable[Event]) -> Answer | None:
    answer: Answer = {}
    choices: dict[int, Answer] = {}
    seen = False
    for event in events:
        seen = True
        if error := _error_in(event):
            answer["error"] = error
            continue
        _merge_envelope(answer, event.data)
        found = event.data.get("choices")
        for choice in found if isinstance(found, list) else ():
            if isinstance(choice, dict):
                _merge_choice(name, choices, choice)
    if not seen:
        return None
    answer["object"] = name
    answer["choices"] = [_finished(name, index, choices[index]) for index in sorted(choices)]
    return answer


def _error_in(event: Event) -> Any:
    """What is wrong, if the event says so; providers also send it without the wrapping object."""
    if error := event.data.get("error"):
        return error
    return event.data if event.name == "error" or event.data.get("type") == "error" else None


def _merge_envelope(answer: Answer, chunk: Answer) -> None:
    """Fields around the choices: the first real id and model, of the rest the last that is set."""
    for name, value in chunk.items():
        if name in _NOT_ENVELOPE or value is None:
            continue
        if name in ("id", "model", "created"):
            answer[name] = answer.get(name) or value
        else:
            answer[name] = value


_NOT_ENVELOPE = ("choices", "object", "obfuscation", "type")


def _merge_choice(name: str, choices: dict[int, Answer], piece: Answer) -> None:
    index = piece.get("index")
    choice = choices.setdefault(index if isinstance(index, int) else 0, {"finish_reason": None})
    for field, value in piece.items():
        if field == "text" and isinstance(value, str):
            choice.setdefault("text", Pieces()).append(value)
        elif field == "delta" and isinstance(value, dict):
            _merge_message(choice.setdefault("message", {}), value)
        elif field == "message" and isinstance(value, dict):
            choice["message"] = dict(value)  # the whole message, as some send it at the end
        elif field not in _DROPPED and value is not None:
            choice[field] = value


_DROPPED = ("index", "logprobs", "text", "delta", "message")


def _merge_message(message: Answer, delta: Answer) -> None:
    calls = delta.get("tool_calls")
    if isinstance(calls, list) and isinstance(message.get("tool_calls", Calls()), Calls):
        merge_calls(message.setdefault("tool_calls", Calls()), calls)
    merge_delta(message, {name: value for name, value in delta.items() if name != "tool_calls"})


def _finished(name: str, index: int, choice: Answer) -> Answer:
    if name == "text_completion":
        whole = {"index": index, "text": choice.pop("text", ""), "logprobs": None} | choice
    else:
        message = choice.pop("message", {})
        head = {"role": message.pop("role", None) or "assistant"}
        message = head | {"content": message.pop("content", None)} | message
        whole = {"index": index, "message": message} | choice
    result: Answer = settled(whole)
    return result


_ASSEMBLERS = {
    "chat": _assemble_chat,
    "completion": _assemble_completion,
    "response": assemble_response,
    "audio": assemble_audio,
    "images": assemble_images,
}
