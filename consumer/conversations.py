"""Which exchange an exchange goes on from: its parent, chosen by what was said.

The choice looks only at exchanges of the same user that began earlier (ids are UUIDv7), never at
the order in which records arrived. So the places of a set of records depend on that set alone.

    0  an explicit id fixes the conversation, the response that is replied to fixes the parent
    1  an earlier prompt and its answer are the beginning of this prompt
    2  an earlier prompt is: the client edited, dropped or never got the answer
       (of 1 and 2 the longer beginning; as long as each other, 1)
    3  one of the last four answers in this prompt was given to the same message: the beginning
       was dropped or summed up
    4  otherwise it begins a conversation

Pure. What a record's hashes are is in `consumer.linkable`, where candidates are found in
`consumer.candidates`.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import IntEnum
from typing import NamedTuple
from uuid import UUID

MOST_ALIKE = 32
"""Among how many equally good parents, the latest ones, the choice is made: some prompts are sent
by the ten thousand."""


class Link(IntEnum):
    """Why an exchange has its place."""

    ROOT = 0
    """It begins a conversation."""
    EXPLICIT = 1
    """An id says so; without a parent, it begins a branch of the conversation that the id names."""
    ANSWER = 2
    PROMPT = 3
    WINDOW = 4


class Pair(NamedTuple):
    """A message and the answer to it, within a prompt."""

    hash: bytes
    depth: int
    """Messages of the prompt up to and with the answer."""


@dataclass(frozen=True, slots=True)
class Offer:
    """An exchange as a possible parent of later ones."""

    id: UUID
    user_id: int
    token_id: int | None
    finished_at: datetime
    prompt: bytes
    """Node of its whole prompt."""
    answer: bytes | None
    """Node of prompt and answer."""
    pair: bytes | None
    upstream_id: bytes | None


@dataclass(frozen=True, slots=True)
class Exchange(Offer):
    """An exchange that wants its place."""

    started_at: datetime
    nodes: tuple[bytes, ...]
    """Of every beginning of its prompt, shortest first."""
    pairs: tuple[Pair, ...]
    """The last in the prompt, latest first."""
    hint: str | None
    reply_to: bytes | None
    """Whose `upstream_id` that would be."""

    @property
    def named(self) -> UUID | None:
        """The exchange whose conversation the hint means, if it is an id of ours."""
        return as_id(self.hint)


@dataclass(frozen=True, slots=True)
class Place:
    """Where an exchange belongs."""

    conversation_id: UUID
    parent_id: UUID | None
    link: Link
    shared_depth: int
    """Messages of its prompt that its parent had already, in its own prompt or as its answer."""


@dataclass(frozen=True, slots=True)
class Placed:
    """An exchange with its place."""

    exchange: Exchange
    place: Place
    parent_system: bytes | None
    """Hash of its parent's system messages."""


@dataclass(frozen=True, slots=True)
class Candidate:
    """A possible parent and the conversation that it is in."""

    offer: Offer
    conversation_id: UUID
    system: bytes | None = None
    """Hash of its system messages."""


def place(
    exchange: Exchange, candidates: Iterable[Candidate], conversation_id: UUID | None
) -> Place:
    """`conversation_id` is the one that the hint means, if there is a hint."""
    depths = {node: depth for depth, node in enumerate(exchange.nodes, 1)}
    best: _Claim | None = None
    claimants: list[Candidate] = []
    for candidate in candidates:
        if conversation_id not in (None, candidate.conversation_id):
            continue
        if (claim := _claim(exchange, depths, candidate.offer)) is None:
            continue
        if best is None or claim > best:
            best, claimants = claim, []
        if claim == best:
            claimants.append(candidate)
    if best is None:
        link = Link.EXPLICIT if conversation_id not in (None, exchange.id) else Link.ROOT
        return Place(conversation_id or exchange.id, None, link, 0)
    parent = _likeliest(exchange, claimants)
    return Place(parent.conversation_id, parent.offer.id, best.link, best.shared_depth)


class _Claim(NamedTuple):
    """How well an earlier exchange fits as the parent; the greatest is the best."""

    strength: int
    depth: int
    """Of pairs, how near to the end the answer stands."""
    preference: int
    link: Link
    shared_depth: int


def _claim(exchange: Exchange, depths: dict[bytes, int], offer: Offer) -> _Claim | None:
    if offer.id >= exchange.id or offer.user_id != exchange.user_id:
        return None
    if exchange.reply_to is not None and offer.upstream_id == exchange.reply_to:
        return _Claim(3, 0, 0, Link.EXPLICIT, 0)
    answered = depths.get(offer.answer, 0) if offer.answer else 0
    prompted = depths.get(offer.prompt, 0)
    if prompted == len(exchange.nodes):
        prompted = 0  # the same prompt again: a sibling
    if answered and answered >= prompted:
        return _Claim(2, answered, 1, Link.ANSWER, answered)
    if prompted:
        return _Claim(2, prompted, 0, Link.PROMPT, prompted)
    for pair in exchange.pairs:
        if offer.pair == pair.hash:
            return _Claim(1, pair.depth, 0, Link.WINDOW, pair.depth)
    return None


def _likeliest(exchange: Exchange, claimants: Sequence[Candidate]) -> Candidate:
    """Of equal claims: made with the same token, finished before this began, the latest."""
    latest = sorted(claimants, key=lambda c: c.offer.id, reverse=True)[:MOST_ALIKE]
    return max(
        latest,
        key=lambda c: (
            c.offer.token_id == exchange.token_id,
            c.offer.finished_at <= exchange.started_at,
            c.offer.id,
        ),
    )


def as_id(text: str | None) -> UUID | None:
    try:
        return UUID(text) if text and len(text) in (32, 36) else None
    except ValueError:
        return None
