"""What was said in an exchange: the bodies of a call, as messages in the shape of chat completions.

Pure. Which of these messages are the same is in `consumer.canon`; the pieces of a streamed answer
have been put together before (`common.answers`).
"""

import json
import unicodedata
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from consumer.canon import SYSTEM_ROLES, Message, plain_text

TITLE_CHARACTERS = 80


class Unreadable(ValueError):
    """The bodies hold no messages that could be understood."""


@dataclass(frozen=True, slots=True)
class Transcript:
    """One exchange in messages."""

    system: tuple[Message, ...]
    """Wherever in the prompt they stood: they say how to answer, not what was said."""
    messages: tuple[Message, ...]
    answer: Message | None
    """None: nothing was answered."""
    upstream_id: str | None = None
    """What a later call may name as `previous_response_id`."""
    reply_to: str | None = None
    """The `previous_response_id` of this one."""
    hint: str | None = None
    """The provider's own conversation that the request names."""

    @property
    def title(self) -> str:
        """The first words of the user, on one line."""
        of_user = (message for message in self.messages if message.get("role") == "user")
        texts = (_one_line(plain_text(message)) for message in (*of_user, *self.messages))
        return next((text for text in texts if text), "")


def transcript(kind: str, request: object, answer: dict[str, Any] | None) -> Transcript:
    """Raises Unreadable."""
    if not isinstance(request, dict):
        raise Unreadable("the request is no JSON object")
    if kind not in _READERS:
        raise Unreadable("calls of this kind are no conversation")
    return _READERS[kind](request, answer or {})


def _of_chat(request: dict[str, Any], answer: dict[str, Any]) -> Transcript:
    given = request.get("messages")
    if not isinstance(given, list) or not all(isinstance(message, dict) for message in given):
        raise Unreadable("`messages` is no list of objects")
    message = _first_choice(answer).get("message")
    return Transcript(*_apart(given), _said(message if isinstance(message, dict) else {}))


def _of_completion(request: dict[str, Any], answer: dict[str, Any]) -> Transcript:
    """A prompt is one user message; of several, each, and their answers are parts of one."""
    given = request.get("prompt")
    several = isinstance(given, list) and not all(isinstance(part, int) for part in given)
    prompts = given if several and isinstance(given, list) else [given]
    texts = [text for choice in _choices(answer) if isinstance(text := choice.get("text"), str)]
    content: Any = texts[0] if texts else None
    if several and len(texts) > 1:
        content = [{"type": "text", "text": text} for text in texts]
    messages = tuple({"role": "user", "content": _prompt(prompt)} for prompt in prompts)
    return Transcript((), messages, _said({"role": "assistant", "content": content}))


def _prompt(prompt: object) -> Any:
    return prompt if isinstance(prompt, str) else [{"type": "tokens", "tokens": prompt}]


def _of_response(request: dict[str, Any], answer: dict[str, Any]) -> Transcript:
    given = request.get("input")
    items = [{"role": "user", "content": given}] if isinstance(given, str) else given or []
    if not isinstance(items, list):
        raise Unreadable("`input` is neither a string nor a list")
    rules = request.get("instructions")
    rules = [{"role": "system", "content": rules}] if isinstance(rules, str) else rules or []
    output = answer.get("output")
    said = _messages(output) if isinstance(output, list) else []
    system, messages = _apart([*_messages(rules), *_messages(items)])
    return Transcript(
        system,
        messages,
        _said(said[-1]) if said else None,
        upstream_id=_name(answer.get("id")),
        reply_to=_name(request.get("previous_response_id")),
        hint=_name(request.get("conversation")),
    )


_READERS = {"chat": _of_chat, "completion": _of_completion, "response": _of_response}


def _choices(answer: dict[str, Any]) -> list[dict[str, Any]]:
    choices = answer.get("choices")
    found = choices if isinstance(choices, list) else []
    return [choice for choice in found if isinstance(choice, dict)]


def _first_choice(answer: dict[str, Any]) -> dict[str, Any]:
    return next(iter(_choices(answer)), {})


def _said(message: Message) -> Message | None:
    """The message, unless it is empty: an answer that broke off before its first word."""
    substance = ("content", "tool_calls", "function_call", "audio", "refusal")
    if not any(message.get(name) for name in substance):
        return None
    return {"role": "assistant"} | message


def _apart(messages: Iterable[Message]) -> tuple[tuple[Message, ...], tuple[Message, ...]]:
    system: list[Message] = []
    others: list[Message] = []
    for message in messages:
        (system if message.get("role") in SYSTEM_ROLES else others).append(message)
    return tuple(system), tuple(others)


def _name(value: object) -> str | None:
    """An id, given as such or as the object that has it."""
    if isinstance(value, dict):
        value = value.get("id")
    return value if isinstance(value, str) and value else None


def _messages(items: Iterable[Any]) -> list[Message]:
    """Items of `/responses`: what the model said between two others' words is one message.

    Its reasoning, and the calls of tools that the provider ran itself, are not part of what was
    said: clients leave them out as they please.
    """
    messages: list[Message] = []
    turn = _Turn()
    for item in items:
        if not isinstance(item, dict):
            raise Unreadable("an item is no object")
        if turn.takes(item):
            continue
        if message := _from_others(item):
            turn.end(messages)
            messages.append(message)
    turn.end(messages)
    return messages


class _Turn:
    """What the model has said since somebody else spoke."""

    def __init__(self) -> None:
        self._parts: list[Any] = []
        self._calls: list[Any] = []

    def takes(self, item: dict[str, Any]) -> bool:
        if item.get("role") == "assistant":
            content = item.get("content")
            self._parts += content if isinstance(content, list) else _text_parts(content)
            return True
        kind = str(item.get("type"))
        if kind.endswith("_call") and item.get("call_id"):
            self._calls.append(_call(kind, item))
            return True
        return False

    def end(self, messages: list[Message]) -> None:
        if self._parts or self._calls:
            message = {"role": "assistant", "content": _joined(self._parts)}
            messages.append(message | ({"tool_calls": self._calls} if self._calls else {}))
        self._parts, self._calls = [], []


def _from_others(item: dict[str, Any]) -> Message | None:
    if "role" in item:
        return {name: value for name, value in item.items() if name in _OF_MESSAGE}
    if str(item.get("type")).endswith("_output") and item.get("call_id"):
        return {"role": "tool", "tool_call_id": item["call_id"], "content": item.get("output")}
    return None


_OF_MESSAGE = ("role", "content", "name")


def _call(kind: str, item: dict[str, Any]) -> dict[str, Any]:
    call_id = item["call_id"]
    if kind == "custom_tool_call":
        custom = {"name": item.get("name"), "input": item.get("input")}
        return {"id": call_id, "type": "custom", "custom": custom}
    if kind == "function_call":
        function = {"name": item.get("name"), "arguments": item.get("arguments")}
    else:
        done = {name: value for name, value in item.items() if name not in _FORM}
        function = {"name": kind, "arguments": json.dumps(done, sort_keys=True)}
    return {"id": call_id, "type": "function", "function": function}


_FORM = ("id", "call_id", "type", "status")


def _text_parts(text: object) -> list[Any]:
    return [] if text is None else [{"type": "text", "text": text}]


def _joined(parts: list[Any]) -> Any:
    """One piece of text as a string, as chat completions would have it."""
    match parts:
        case []:
            return None
        case [{"type": "text" | "output_text", "text": str(text)}]:
            return text
    return parts


def _one_line(text: str) -> str:
    """Safe to show anywhere: neither line ends nor control or direction characters."""
    shown = " ".join(text[: 8 * TITLE_CHARACTERS].split())
    if not shown.isprintable():
        shown = "".join(c for c in shown if unicodedata.category(c)[0] != "C").strip()
    if len(shown) <= TITLE_CHARACTERS:
        return shown
    return shown[: TITLE_CHARACTERS - 1].rstrip() + "…"
