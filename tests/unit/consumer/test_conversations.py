"""The choice of the parent, case by case; whole worlds of it are in the linker's tests."""

from collections.abc import Iterable
from typing import Any
from uuid import UUID

import pytest
from hypothesis import given

from consumer.conversations import MOST_ALIKE, Exchange, Link
from consumer.linkable import as_id
from tests.support.talking import (
    Message,
    Talk,
    as_linkable,
    assistant,
    expected_places,
    user,
)
from tests.support.worlds import World, worlds


def exchanges(*talks: Talk) -> list[Exchange]:
    return [as_linkable(row).exchange for talk in talks for row in talk.rows]


def turns(*texts: str) -> list[Message]:
    """A user and a model in turn."""
    return [(assistant if n % 2 else user)(text) for n, text in enumerate(texts)]


def parents(talk: Talk) -> dict[UUID, UUID | None]:
    return {id: place.parent_id for id, place in expected_places(exchanges(talk)).items()}


def test_longest_beginning_wins_and_an_answer_beats_a_prompt_of_its_length() -> None:
    talk = Talk()
    talk.chat(turns("a"), "x")
    longer = talk.chat(turns("a", "x", "b"), "y")
    last = talk.chat(turns("a", "x", "b", "edited", "c"))
    assert parents(talk)[last] == longer
    talk = Talk()
    first = talk.chat(turns("a"), "x")
    prefilled = talk.chat(turns("a", "x"), " and more")
    after = talk.chat(turns("a", "x", "b"))
    found = expected_places(exchanges(talk))
    assert (found[prefilled].parent_id, found[prefilled].link) == (first, Link.ANSWER)
    assert (found[after].parent_id, found[after].link) == (first, Link.ANSWER)


@pytest.mark.parametrize(
    ("first", "second", "chosen"),
    [
        ({"token_id": 1}, {"token_id": 2}, 0),
        ({"took": 0.5}, {"took": 60}, 0),
        ({"token_id": 1, "took": 60}, {"token_id": 2}, 0),
        ({}, {}, 1),
    ],
    ids=["same token", "finished before", "token before time", "latest"],
)
def test_of_equal_parents_the_likeliest_is_chosen(first: Any, second: Any, chosen: int) -> None:
    talk = Talk()
    ids = [talk.chat(turns("a"), "x", **first), talk.chat(turns("a"), "x", **second)]
    last = talk.chat(turns("a", "x", "b"), token_id=1)
    assert parents(talk)[last] == ids[chosen]


def test_only_the_latest_of_very_many_are_looked_at() -> None:
    talk = Talk()
    talk.chat(turns("a"), "x", token_id=2)
    ids = [talk.chat(turns("a"), "x", token_id=1) for _ in range(MOST_ALIKE)]
    last = talk.chat(turns("a", "x", "b"), token_id=2)
    assert parents(talk)[last] == ids[-1]


def test_nobody_goes_on_from_what_began_later() -> None:
    talk = Talk()
    quoted = talk.chat(turns("a", "x", "b"), "y")
    later = talk.chat(turns("a"), "x")
    assert parents(talk) == {quoted: None, later: None}


def test_identical_openers_stay_apart() -> None:
    talk, other = Talk(), Talk(2, second=10)
    ids = [talk.chat(turns("Hello!"), "Hi!") for _ in range(2)] + [other.chat(turns("Hello!"))]
    found = expected_places(exchanges(talk, other))
    assert [found[id].conversation_id for id in ids] == ids


def test_pair_nearest_to_the_end_is_taken_from_the_last_four() -> None:
    talk = Talk()
    pairs = [talk.chat(turns(f"q{n}"), f"a{n}") for n in range(6)]
    said = [text for n in range(6) for text in (f"q{n}", f"a{n}")]
    window = talk.chat(turns("summary", "ok", *said[:10], "next"))
    found = expected_places(exchanges(talk))[window]
    assert (found.parent_id, found.link, found.shared_depth) == (pairs[4], Link.WINDOW, 12)
    tail = talk.chat(turns("summary", "ok", *said[:2], *["p", "q"] * 4, "next"))
    assert parents(talk)[tail] is None


@pytest.mark.parametrize(
    ("hint", "tidied"),
    [
        (" tab-1\0 ", "tab-1"),
        ("", None),
        ("01A1FB67-1be8-7000-8000-000000000001", "01a1fb67-1be8-7000-8000-000000000001"),
        ("01a1fb671be870008000000000000001", "01a1fb67-1be8-7000-8000-000000000001"),
    ],
)
def test_hints_have_one_spelling(hint: str, tidied: str | None) -> None:
    talk = Talk()
    talk.chat(turns("a"), conversation_hint=hint)
    [exchange] = exchanges(talk)
    assert exchange.hint == tidied
    assert exchange.named == as_id(tidied)


def test_hint_of_any_length_is_kept_apart_from_others() -> None:
    talk = Talk()
    for end in "ab":
        talk.chat(turns("a"), conversation_hint="x" * 5000 + end)
    one, other = (exchange.hint for exchange in exchanges(talk))
    assert one and other and one != other
    assert max(len(one), len(other)) < 100


@given(worlds())
def test_conversations_are_trees_of_one_user(world: World) -> None:
    every = {one.id: one for one in exchanges_of(world)}
    places = expected_places(every.values())
    for id, place in places.items():
        exchange = every[id]
        if place.parent_id is None:
            assert place.link in (Link.ROOT, Link.EXPLICIT)
            assert (place.link is Link.ROOT) == (place.conversation_id == id)
        else:
            parent = every[place.parent_id]
            assert parent.id < id
            assert parent.user_id == exchange.user_id
            assert places[parent.id].conversation_id == place.conversation_id
            assert 0 <= place.shared_depth <= len(exchange.nodes)
        assert every[place.conversation_id].user_id == exchange.user_id
        if exchange.hint is None and place.parent_id is None:
            assert place.conversation_id == id, "without a hint, one root to a conversation"


@given(worlds())
def test_same_hint_is_the_same_conversation(world: World) -> None:
    every = exchanges_of(world)
    places = expected_places(every)
    for one in every:
        for other in every:
            if (one.user_id, one.hint) == (other.user_id, other.hint) and one.hint == "tab":
                assert places[one.id].conversation_id == places[other.id].conversation_id


def exchanges_of(world: World) -> list[Exchange]:
    rows: Iterable[dict[str, Any]] = (row for batch in world.batches for row in batch)
    return [as_linkable(row).exchange for row in rows]
