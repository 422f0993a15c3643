"""Count the tokens of a string, whatever it holds.

Which strings of a call are counted is in `prompts`, `tools` and `completions`.
"""

from dataclasses import dataclass

import tiktoken

SLICE_CHARACTERS = 16_384
"""Longer pieces can exhaust the tokenizer's stack; cutting there misjudges 0.02 % of the tokens."""
CAP_CHARACTERS = 4_000_000
SAMPLES = 16


@dataclass(frozen=True, slots=True)
class Count:
    tokens: int = 0
    exact: bool = True
    """By a rule known to agree with what providers bill."""

    def __add__(self, other: "Count") -> "Count":
        return Count(self.tokens + other.tokens, self.exact and other.exact)


class Tokenizer:
    """Counts text in one encoding."""

    def __init__(self, encoding: tiktoken.Encoding) -> None:
        self._encoding = encoding

    def count(self, text: str) -> Count:
        starts = range(0, len(text), SLICE_CHARACTERS)
        if len(text) <= CAP_CHARACTERS:
            return sum((self._count(text, start) for start in starts), Count())
        step = (len(text) - SLICE_CHARACTERS) // (SAMPLES - 1)
        sampled = sum((self._count(text, n * step) for n in range(SAMPLES)), Count())
        return Count(sampled.tokens * len(text) // (SAMPLES * SLICE_CHARACTERS), exact=False)

    def _count(self, text: str, start: int) -> Count:
        piece = text[start : start + SLICE_CHARACTERS]
        try:
            return Count(len(self._encoding.encode_ordinary(piece)))
        except BaseException as error:  # the tokenizer's panics are no Exception
            if type(error).__name__ != "PanicException":
                raise
            return Count(len(piece.encode("utf-8", "replace")) // 4, exact=False)
