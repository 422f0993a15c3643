"""Small worlds of calls in which nearly everything collides, for properties of linking."""

import zlib
from itertools import pairwise
from typing import Any, NamedTuple

from hypothesis import strategies as st

from tests.support.talking import Message, Talk, assistant, call_at, user

questions = st.sampled_from(["a", "b"]).map(user)
answers = st.sampled_from(["x", "y"]).map(assistant)


class World(NamedTuple):
    """Rows of `records` of users 1 and 2, in batches, in the order of their arrival."""

    batches: list[list[dict[str, Any]]]

    def __repr__(self) -> str:
        return "\n".join(f"batch {n}:\n{_told(batch)}" for n, batch in enumerate(self.batches))


def _told(batch: list[dict[str, Any]]) -> str:
    shown = ("user_id", "token_id", "conversation_hint")
    return "\n".join(
        f"  {row['id']} {[row[name] for name in shown]}"
        f" {zlib.decompress(row['request'])!r} {zlib.decompress(row['response'])!r}"
        for row in batch
    )


@st.composite
def prompts(draw: st.DrawFn) -> list[Message]:
    """Turns, now and then two of one side in a row."""
    turns: list[Message] = []
    for _ in range(draw(st.integers(0, 4))):
        turns += draw(st.sampled_from([[0, 1], [0, 1], [0, 1], [0], [1]]).flatmap(_turn))
    return [*turns, draw(questions)]


def _turn(sides: list[int]) -> st.SearchStrategy[list[Message]]:
    return st.tuples(*([questions, answers][side] for side in sides)).map(list)


@st.composite
def worlds(draw: st.DrawFn, most: int = 9) -> World:
    talks = [Talk(1), Talk(2)]
    seconds = list(range(draw(st.integers(1, most))))
    for second in seconds:
        talk = draw(st.sampled_from([talks[0], talks[0], talks[0], talks[1]]))
        _call(draw, talk, second, seconds)
    arrived = draw(st.permutations([row for talk in talks for row in talk.rows]))
    size = len(arrived)
    cuts = sorted(draw(st.sets(st.integers(1, size), max_size=size)) | {0, size})
    return World([arrived[start:end] for start, end in pairwise(cuts)])


def _call(draw: st.DrawFn, talk: Talk, second: int, seconds: list[int]) -> None:
    named = st.sampled_from(seconds).map(lambda other: str(call_at(other)))
    hint = draw(st.sampled_from([None, None, None, "tab", "tab", "window", "named"]))
    more: dict[str, Any] = {
        "at": second,
        "token_id": draw(st.sampled_from([1, 2])),
        "took": draw(st.sampled_from([0.5, 3.0])),
        "conversation_hint": draw(named) if hint == "named" else hint,
    }
    prompt = draw(prompts())
    if draw(st.integers(0, 3)):
        talk.chat(prompt, draw(st.sampled_from(["x", "x", "y", None])), **more)
        return
    ids = st.sampled_from(["r1", "r2"])
    request = {"input": prompt, "previous_response_id": draw(st.none() | ids)}
    talk.respond(request, draw(st.sampled_from(["x", "y"])), draw(ids), **more)
