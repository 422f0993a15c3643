"""What the demo says: clearly labelled answers made from the question, and their token counts.

Pure; a demo token is a piece of text of at most twelve characters, with the blanks before it.
"""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

_PIECE = re.compile(r"\s*\S{1,12}|\s+")
_QUOTED_CHARACTERS = 200


def pieces(text: str) -> list[str]:
    """The text cut into demo tokens; joined they are the text again."""
    return _PIECE.findall(text)


def count_tokens(text: str) -> int:
    return len(pieces(text))


def plain(content: object) -> str:
    """The text of a message's content: a string, or the text parts of a list."""
    if isinstance(content, str):
        return content
    if not isinstance(content, list):
        return ""
    texts = (part.get("text") for part in content if isinstance(part, dict))
    return "\n".join(text for text in texts if isinstance(text, str))


def quoted(text: str) -> str:
    """The head of somebody's words, on one line."""
    line = " ".join(text.split())
    return f"“{line[:_QUOTED_CHARACTERS]}…”" if len(line) > _QUOTED_CHARACTERS else f"“{line}”"


def demo_answer(messages: Sequence[dict[str, Any]]) -> str:
    """The answer to the last message, with the number of the turn so that chats look alive."""
    turn = sum(message.get("role") == "user" for message in messages)
    last = messages[-1] if messages else {}
    said = plain(last.get("content"))
    if last.get("role") == "tool":
        return f"This is a demo answer: no model was asked. Your tool said {quoted(said)}."
    start = f"This is a demo answer to {quoted(said)}: no model was asked."
    return start if turn < 2 else f"{start} It is turn {turn} of this conversation."


@dataclass(frozen=True, slots=True)
class Written:
    """An answer's text as far as the asked-for length lets it go."""

    pieces: tuple[str, ...]
    cut: bool

    @property
    def text(self) -> str:
        return "".join(self.pieces)

    @property
    def tokens(self) -> int:
        return len(self.pieces)


def write(text: str, max_tokens: object) -> Written:
    """`max_tokens`: as the caller gave it; anything but a positive number is no limit."""
    whole = pieces(text)
    limit = max_tokens if isinstance(max_tokens, int) and max_tokens > 0 else len(whole)
    return Written(tuple(whole[:limit]), cut=limit < len(whole))


def prompt_tokens(texts: Iterable[str]) -> int:
    """Three more for each message, as chat models count them."""
    return sum(count_tokens(text) + 3 for text in texts)
