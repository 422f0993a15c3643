"""What of a request is billed as its prompt, and how exactly that is known.

The rule for chat messages is published in OpenAI's cookbook ("How to count tokens with tiktoken").
Images, audio, files, hosted tools and what a provider keeps are estimates: no rule can be exact.
"""

from typing import Any

import msgspec

from consumer.tokens.models import ModelFacts
from consumer.tokens.text import Count, Tokenizer
from consumer.tokens.tools import count_functions, functions_of

_PER_CALL = 7
_REPLY = 3
_IMAGE, _LOW_IMAGE = 765, 85
"""A picture of four tiles, and one seen in low detail, to gpt-4o; others differ widely."""
_ESTIMATE = Count(0, exact=False)

Request = dict[str, Any]


class PromptCounter:
    """Counts the prompts of one model."""

    def __init__(self, tokenizer: Tokenizer, model: ModelFacts) -> None:
        self._tokenizer, self._model = tokenizer, model

    def count(self, kind: str, request: Request) -> Count:
        """`kind` is one of `common.record.KINDS`."""
        match kind:
            case "chat":
                count = self._chat(request)
            case "response":
                count = self._response(request)
            case "completion":
                count = self._texts(request.get("prompt") or "<")  # no prompt is one token
            case _:
                count = self._texts(request.get("input"))
        exact = self._model.known and (self._model.chat_rule or kind in ("completion", "embedding"))
        return count + Count(0, exact)

    def _chat(self, request: Request) -> Count:
        messages = request.get("messages")
        each = map(self._message, messages if isinstance(messages, list) else ())
        functions = request.get("functions")
        count = sum(each, Count(_REPLY)) + self._tools(request.get("tools"))
        if isinstance(functions, list):
            count += count_functions(self._tokenizer, functions, self._model.old_functions)
        return count + self._format(request.get("response_format"))

    def _response(self, request: Request) -> Count:
        count = Count(_REPLY) + self._tools(request.get("tools"))
        if instructions := request.get("instructions"):
            count += self._message({"role": "developer", "content": instructions})
        text = request.get("text")
        count += self._format(text.get("format") if isinstance(text, dict) else None)
        if any(request.get(kept) for kept in ("previous_response_id", "conversation", "prompt")):
            count += _ESTIMATE
        items = request.get("input")
        if isinstance(items, str):
            return count + self._message({"role": "user", "content": items})
        return sum(map(self._item, items if isinstance(items, list) else ()), count)

    def _item(self, item: Any) -> Count:
        """An input item of `/responses`: a message, or something only it has."""
        if not isinstance(item, dict) or "role" in item:
            return self._message(item)
        if item.get("type") == "function_call":
            return self._call(item)
        return self._content(item.get("output") or item.get("summary")) + _ESTIMATE

    def _message(self, message: Any) -> Count:
        if not isinstance(message, dict):
            return _ESTIMATE
        first = self._model.first_chat_format
        count = Count(4 if first else 3) + self._text(message.get("role"))
        count += self._content(message.get("content")) + self._text(message.get("refusal"))
        if "name" in message:
            count += self._text(message["name"]) + Count(-1 if first else 1)
        count = sum(map(self._call, _calls_of(message)), count)
        return count + Count(0, exact=message.get("role") not in ("tool", "function"))

    def _call(self, call: Any) -> Count:
        if not isinstance(call, dict):
            return _ESTIMATE
        text = self._text(call.get("name")) + self._text(call.get("arguments"))
        return text + Count(_PER_CALL, exact=False)

    def _content(self, content: Any) -> Count:
        if isinstance(content, list):
            return sum(map(self._part, content), Count())
        return self._text(content)

    def _part(self, part: Any) -> Count:
        if not isinstance(part, dict):
            return self._text(part)
        kind = part.get("type")
        if kind in ("text", "input_text", "output_text", "refusal"):
            return self._text(part.get("text") or part.get("refusal"))
        if kind in ("image_url", "input_image"):
            image = part.get("image_url")
            detail = (image if isinstance(image, dict) else part).get("detail")
            return Count(_LOW_IMAGE if detail == "low" else _IMAGE, exact=False)
        return _ESTIMATE

    def _tools(self, tools: Any) -> Count:
        functions, all_of_them = functions_of(tools)
        count = count_functions(self._tokenizer, functions, self._model.old_functions)
        return count + Count(0, all_of_them)

    def _format(self, wanted: Any) -> Count:
        """A JSON schema for the answer is put into the prompt, in a form that is not known."""
        if not isinstance(wanted, dict) or wanted.get("type") != "json_schema":
            return Count()
        return self._text(msgspec.json.encode(wanted).decode()) + _ESTIMATE

    def _texts(self, texts: Any) -> Count:
        """A string, token ids, or a list of either."""
        if not isinstance(texts, list):
            return self._text(texts)
        ids = sum(isinstance(text, int) for text in texts)
        lists = (text for text in texts if not isinstance(text, int))
        return sum(map(self._texts, lists), Count(ids))

    def _text(self, text: Any) -> Count:
        if isinstance(text, str):
            return self._tokenizer.count(text)
        return Count(0, exact=text is None)


def _calls_of(message: dict[str, Any]) -> list[Any]:
    calls = message.get("tool_calls")
    found = [call for call in calls if isinstance(call, dict)] if isinstance(calls, list) else []
    functions = [call.get("function", call) for call in found]
    return [*functions, message["function_call"]] if message.get("function_call") else functions
