"""The outline of a JSON object: its top-level keys and where their values stand.

It finds its way by quotes and brackets alone; what is inside a value, others judge. Pure.
"""

import json
import re
from dataclasses import dataclass
from typing import Any, NamedTuple

from gateway.errors import InvalidJSON

MAX_DEPTH = 100


class Member(NamedTuple):
    """One top-level member: its key, and where its value stands."""

    key: str
    start: int
    end: int


@dataclass(frozen=True, slots=True)
class Outline:
    """The outline of a JSON object."""

    members: tuple[Member, ...]
    opening: int
    """Where the object's `{` is."""


def _no_constant(name: str) -> None:
    raise ValueError(f"{name} is not JSON")


tolerant = json.JSONDecoder(parse_constant=_no_constant)
"""Takes lone surrogates, which are legal in a prompt."""


_SPACE = re.compile(rb"[ \t\r\n]*")
_STRING_REST = re.compile(rb'[^"\\]*(?:\\.[^"\\]*)*"', re.DOTALL)
_STRUCTURAL = re.compile(rb'["\[\]{}]')
_SCALAR = re.compile(rb"[-+.\w]+")


def scan(body: bytes) -> Outline:
    """Top-level members and nesting. Raises InvalidJSON, also beyond MAX_DEPTH."""
    opening = _after_space(body, 0)
    if body[opening : opening + 1] != b"{":
        raise InvalidJSON("The body must be a JSON object.")
    members: list[Member] = []
    at = _after_space(body, opening + 1)
    more = body[at : at + 1] != b"}"
    while more:
        member = _member(body, at)
        members.append(member)
        at = _after_space(body, member.end)
        more = body[at : at + 1] == b","
        at = _after_space(body, at + 1) if more else at
    if body[at : at + 1] != b"}" or _after_space(body, at + 1) != len(body):
        raise InvalidJSON()
    return Outline(tuple(members), opening)


def _member(body: bytes, at: int) -> Member:
    if body[at : at + 1] != b'"':
        raise InvalidJSON()
    key_end = _string_end(body, at + 1)
    colon = _after_space(body, key_end)
    if body[colon : colon + 1] != b":":
        raise InvalidJSON()
    start = _after_space(body, colon + 1)
    return Member(_text(body[at:key_end]), start, _value_end(body, start))


def _after_space(body: bytes, at: int) -> int:
    match = _SPACE.match(body, at)
    return match.end() if match else at


def _string_end(body: bytes, at: int) -> int:
    """Behind the closing quote of a string whose first character is at `at`."""
    quote = body.find(b'"', at)
    if quote >= 0 and body.find(b"\\", at, quote) < 0:
        return quote + 1
    match = _STRING_REST.match(body, at)
    if match is None:
        raise InvalidJSON()
    return match.end()


def _value_end(body: bytes, at: int) -> int:
    first = body[at : at + 1]
    if first == b'"':
        return _string_end(body, at + 1)
    if first not in (b"{", b"["):
        match = _SCALAR.match(body, at)
        if match is None:
            raise InvalidJSON()
        return match.end()
    open_: list[int] = []
    while match := _STRUCTURAL.search(body, at):
        at = match.end()
        character = body[match.start()]
        if character == 0x22:
            at = _string_end(body, at)
        elif character in b"{[":
            open_.append(character + 2)  # in ASCII the closing bracket is two further on
            if len(open_) >= MAX_DEPTH:
                raise InvalidJSON(f"The body is nested more than {MAX_DEPTH} deep.")
        elif not open_ or open_.pop() != character:
            raise InvalidJSON()
        elif not open_:
            return at
    raise InvalidJSON()


def _text(quoted: bytes) -> str:
    try:
        value: Any = tolerant.decode(quoted.decode("utf-8", "surrogatepass"))
    except ValueError:
        raise InvalidJSON() from None
    return str(value)
