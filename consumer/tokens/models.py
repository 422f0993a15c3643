"""Which encoding a model has, and how sure we are of its counts.

By tiktoken's own tables. Prices are not here.
"""

from typing import NamedTuple

from tiktoken.model import MODEL_PREFIX_TO_ENCODING, MODEL_TO_ENCODING

_SAME_RANKS = {"o200k_harmony": "o200k_base", "p50k_edit": "p50k_base", "gpt2": "r50k_base"}
_CHAT_RULE = ("gpt-3.5", "gpt-35", "gpt-4", "chatgpt-4o")
"""Models for which the published rule of counting chat prompts was seen to hold."""
_HIDDEN_REASONING = ("o1", "o3", "o4", "gpt-5", "gpt-oss")
"""Models that are billed for reasoning nobody sees."""


class ModelFacts(NamedTuple):
    encoding: str
    known: bool
    """False: the encoding is a guess."""
    chat_rule: bool
    hidden_reasoning: bool
    old_functions: bool
    """Its function definitions cost more: those before gpt-4o."""
    first_chat_format: bool
    """gpt-3.5-turbo-0301, which framed messages in another way."""


def facts_of(model: str) -> ModelFacts:
    """`org/model`, as resellers name them, is `model`."""
    name = model.rsplit("/", 1)[-1]
    family = name.removeprefix("ft:")
    encoding = _encoding_of(name)
    return ModelFacts(
        encoding or "o200k_base",
        known=encoding is not None,
        chat_rule=family.startswith(_CHAT_RULE),
        hidden_reasoning=family.startswith(_HIDDEN_REASONING),
        old_functions=encoding == "cl100k_base",
        first_chat_format=name == "gpt-3.5-turbo-0301",
    )


def _encoding_of(name: str) -> str | None:
    encoding = MODEL_TO_ENCODING.get(name)
    if encoding is None:
        by_prefix = MODEL_PREFIX_TO_ENCODING.items()
        encoding = next((e for prefix, e in by_prefix if name.startswith(prefix)), None)
    return _SAME_RANKS.get(encoding, encoding) if encoding else None
