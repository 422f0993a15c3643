"""Inputs of completions and embeddings: a text, tokens, or a list of either. Pure."""

from dataclasses import dataclass

from gateway.demo.text import count_tokens
from gateway.errors import InvalidRequest


@dataclass(frozen=True, slots=True)
class Input:
    """One text, or tokens written out as their numbers: the demo cannot read them."""

    text: str
    tokens: int


def inputs(value: object, param: str) -> list[Input]:
    """Every input in its order. Raises InvalidRequest (400)."""
    if isinstance(value, str):
        return [Input(value, count_tokens(value))]
    if isinstance(value, list) and value:
        if all(_is_token(item) for item in value):
            return [_of_tokens(value)]
        if all(isinstance(item, str) for item in value):
            return [Input(item, count_tokens(item)) for item in value]
        if all(isinstance(item, list) and item and all(map(_is_token, item)) for item in value):
            return [_of_tokens(item) for item in value]
    raise InvalidRequest(
        f"{param} must be a text, a list of texts, or one or more lists of token numbers.",
        param=param,
    )


def _is_token(item: object) -> bool:
    return isinstance(item, int) and not isinstance(item, bool)


def _of_tokens(tokens: list[int]) -> Input:
    return Input(" ".join(map(str, tokens)), len(tokens))
