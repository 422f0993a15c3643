"""What an exchange used: as the upstream reported it, else counted from what travelled.

Only the rank files are loaded for it, when first needed. Rolling usage up is the store's.
"""

from typing import Any, Literal, NamedTuple

from common.lenient import parse
from common.record import KINDS, Begin, End
from consumer.tokens.completions import CompletionCounter
from consumer.tokens.encodings import Encodings
from consumer.tokens.models import facts_of
from consumer.tokens.prompts import PromptCounter
from consumer.tokens.text import Count, Tokenizer

_MOST_TOKENS = 10**12
"""More than that is no report but nonsense."""
_REPORTING = (*KINDS, "images", "audio", "compaction")
"""Kinds whose `usage`, if there is one, is of this call; elsewhere it can be of an earlier one."""


Source = Literal["reported", "counted", "estimated"]


class Usage(NamedTuple):
    prompt_tokens: int
    completion_tokens: int
    cached_tokens: int | None
    """Part of the prompt; None: not said."""
    reasoning_tokens: int | None
    """Part of the completion; None: not said."""
    source: Source


class Meter:
    """Finds or counts the usage of calls."""

    def __init__(self, encodings: Encodings) -> None:
        self._encodings = encodings

    def usage_of(
        self, begin: Begin, end: End, request: Any, answer: dict[str, Any] | None
    ) -> Usage | None:
        """`request` parsed, None where it is no JSON. None: there is nothing to count."""
        if begin.method == "POST" and begin.kind in _REPORTING:
            for usage in (_hidden(end), (answer or {}).get("usage")):
                if found := reported(usage, begin.kind):
                    return found
        if not _has_something_to_count(begin, end, answer):
            return None
        try:
            return self._counted(begin, request if isinstance(request, dict) else None, answer)
        except RecursionError:  # nested so deep that it cannot be walked
            return Usage(len(begin.request) // 4, 0, None, None, "estimated")

    def _counted(
        self, begin: Begin, request: dict[str, Any] | None, answer: dict[str, Any] | None
    ) -> Usage:
        model = facts_of(_model(begin, answer))
        tokenizer = Tokenizer(self._encodings.get(model.encoding))
        completions = CompletionCounter(tokenizer, model)
        prompt, completion, reasoning = Count(0, exact=False), Count(), None
        if request is not None:
            prompt = PromptCounter(tokenizer, model).count(begin.kind, request)
            completion += Count(0, exact=not _answers_hidden(request))
        if answer is not None:
            completion += completions.count(begin.kind, answer)
            reasoning = completions.reasoning(begin.kind, answer)
        exact = prompt.exact and completion.exact
        source: Source = "counted" if exact else "estimated"
        return Usage(prompt.tokens, completion.tokens, None, reasoning, source)


def reported(usage: Any, kind: str) -> Usage | None:
    """From the `usage` of any of the endpoints; None where it does not say. 0 is an answer."""
    if not isinstance(usage, dict):
        return None
    prompt = _number(usage, "prompt_tokens", "input_tokens")
    completion = _number(usage, "completion_tokens", "output_tokens")
    total = _number(usage, "total_tokens")
    if completion is None and prompt is not None and total is not None:
        completion = max(0, total - prompt)
    if completion is None and kind == "embedding":
        completion = 0
    if prompt is None or completion is None:
        return None
    of_prompt = _inner(usage, "prompt_tokens_details", "input_tokens_details")
    of_completion = _inner(usage, "completion_tokens_details", "output_tokens_details")
    cached = _number(of_prompt, "cached_tokens")
    if cached is None:
        cached = _number(usage, "prompt_cache_hit_tokens")  # DeepSeek's name for it
    reasoning = _number(of_completion, "reasoning_tokens")
    return Usage(prompt, completion, cached, reasoning, "reported")


def _hidden(end: End) -> Any:
    try:
        return parse(end.usage) if end.usage else None
    except ValueError:
        return None


def _has_something_to_count(begin: Begin, end: End, answer: dict[str, Any] | None) -> bool:
    told = end.http_status is not None and 200 <= end.http_status < 300
    # a gateway that was killed had no time to say what it told, but what it relayed is here
    killed = end.http_status is None and end.status == "interrupted" and answer is not None
    answered = told or killed
    return begin.kind in KINDS and answered and end.status != "upstream_error"


def _answers_hidden(request: dict[str, Any]) -> bool:
    """More was written than is shown (`best_of`), or something is shown that was not (`echo`)."""
    return bool(request.get("echo")) or request.get("best_of", 1) not in (None, 1)


def _model(begin: Begin, answer: dict[str, Any] | None) -> str:
    """The name in the answer is the model's own, where the table knows it."""
    used = (answer or {}).get("model")
    if isinstance(used, str) and facts_of(used).known:
        return used
    return begin.model or (used if isinstance(used, str) else "")


def _inner(usage: dict[str, Any], *names: str) -> dict[str, Any]:
    return next((usage[name] for name in names if isinstance(usage.get(name), dict)), {})


def _number(of: dict[str, Any], *names: str) -> int | None:
    for name in names:
        value = of.get(name)
        if isinstance(value, float) and value.is_integer():
            value = int(value)
        if isinstance(value, int) and not isinstance(value, bool) and 0 <= value <= _MOST_TOKENS:
            return value
    return None
