"""What of an answer is billed as its completion, and how exactly that is known.

Answers are in the shape that `common.answers.assemble` gives them.
"""

from typing import Any

from consumer.tokens.models import ModelFacts
from consumer.tokens.text import Count, Tokenizer

_PER_CALL, _PER_PARALLEL_CALL = 7, 11
"""Beside a call's name and arguments; seen exactly so for one call, and for two."""
_PER_REFUSAL = 1
_ESTIMATE = Count(0, exact=False)

Answer = dict[str, Any]


class CompletionCounter:
    """Counts the answers of one model."""

    def __init__(self, tokenizer: Tokenizer, model: ModelFacts) -> None:
        self._tokenizer, self._model = tokenizer, model

    def count(self, kind: str, answer: Answer) -> Count:
        """`kind` is one of `common.record.KINDS`."""
        match kind:
            case "chat":
                messages = (choice.get("message") for choice in _dicts(answer.get("choices")))
                count = sum(map(self._message, messages), Count())
            case "completion":
                texts = (choice.get("text") for choice in _dicts(answer.get("choices")))
                count = sum(map(self._text, texts), Count())
            case "response":
                count = self._items(_dicts(answer.get("output")))
            case _:
                return Count()
        return count + Count(0, self._model.known and not self._model.hidden_reasoning)

    def reasoning(self, kind: str, answer: Answer) -> int | None:
        """Tokens of reasoning that can be seen; None: there is none."""
        if kind != "chat":
            return None
        messages = (choice.get("message") for choice in _dicts(answer.get("choices")))
        texts = [_reasoning_of(message) for message in messages if isinstance(message, dict)]
        return sum(self._text(text).tokens for text in texts if text) if any(texts) else None

    def _message(self, message: Any) -> Count:
        if not isinstance(message, dict):
            return Count()
        count = self._content(message.get("content")) + self._refusal(message.get("refusal"))
        if reasoning := _reasoning_of(message):
            count += self._text(reasoning) + _ESTIMATE
        calls = [call.get("function", call) for call in _dicts(message.get("tool_calls"))]
        if isinstance(message.get("function_call"), dict):
            calls.append(message["function_call"])
        return count + self._calls(calls) + Count(0, exact=not message.get("audio"))

    def _items(self, items: list[Answer]) -> Count:
        count = Count()
        for item in items:
            count += self._content(item.get("content")) + self._content(item.get("summary"))
            count += Count(0, exact=item.get("type") in ("message", "function_call"))
        return count + self._calls([each for each in items if each.get("type") == "function_call"])

    def _calls(self, calls: list[Any]) -> Count:
        count = Count()
        for call in calls:
            if isinstance(call, dict):
                count += self._text(call.get("name")) + self._text(call.get("arguments"))
        if len(calls) < 2:
            return count + Count(_PER_CALL * len(calls))
        return count + Count(_PER_PARALLEL_CALL * len(calls), exact=False)

    def _content(self, content: Any) -> Count:
        if not isinstance(content, list):
            return self._text(content)
        count = Count()
        for part in _dicts(content):
            count += self._text(part.get("text")) + self._refusal(part.get("refusal"))
        return count

    def _refusal(self, refusal: Any) -> Count:
        return self._text(refusal) + Count(_PER_REFUSAL) if refusal else Count()

    def _text(self, text: Any) -> Count:
        return self._tokenizer.count(text) if isinstance(text, str) else Count()


def _reasoning_of(message: Answer) -> Any:
    return message.get("reasoning_content") or message.get("reasoning")


def _dicts(values: Any) -> list[Answer]:
    return (
        [value for value in values if isinstance(value, dict)] if isinstance(values, list) else []
    )
