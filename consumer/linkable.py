"""What a stored record brings to linking: its exchange, and the messages that it is made of.

Pure. Its parent is chosen in `consumer.conversations`; the database is in `consumer.link_store`.
"""

import json
import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from hashlib import sha256
from typing import Any, NamedTuple
from uuid import UUID

import msgspec

from common.answers import assemble
from common.lenient import healed, may_hold_surrogates, parse
from consumer.bodies import MESSAGES_WORTH_BYTES, packed, unpacked
from consumer.canon import (
    Message,
    chain,
    message_hash,
    node_hash,
    pair_hash,
    root_hash,
    system_hash,
)
from consumer.conversations import Exchange, Pair, as_id
from consumer.transcripts import Transcript, Unreadable, transcript

WINDOW_PAIRS = 4
HINT_CHARACTERS = 200


@dataclass(frozen=True, slots=True)
class StoredRecord:
    """The columns of a record that linking reads."""

    id: UUID
    user_id: int
    token_id: int | None
    kind: str
    conversation_hint: str | None
    started_at: datetime
    finished_at: datetime
    request: bytes | None
    response_type: str
    response: bytes | None
    codec: int


class Parsed(NamedTuple):
    """A record's bodies, understood: as `common.lenient.parse` and `common.answers.assemble` do."""

    request: Any
    answer: dict[str, Any] | None


@dataclass(frozen=True, slots=True)
class Content:
    """A message, or the system messages of one prompt, by its hash."""

    hash: bytes
    body: Message | tuple[Message, ...]

    def packed(self) -> tuple[bytes, int]:
        """JSON and its codec: 1 (zlib) where that pays, else 0."""
        try:
            body = msgspec.json.encode(self.body)
        except OverflowError:  # integers beyond 64 bits
            body = json.dumps(self.body).encode()
        [small], codec = packed(body, worth_bytes=MESSAGES_WORTH_BYTES)
        return small, codec


@dataclass(frozen=True, slots=True)
class Linkable:
    """An exchange with everything that must be stored with it."""

    exchange: Exchange
    root: bytes
    prompt: tuple[Content, ...]
    answer: Content | None
    system: Content | None
    said: Transcript

    @property
    def title(self) -> str:
        return self.said.title

    def nodes(self, known: int) -> Iterator[tuple[bytes, bytes, bytes, int]]:
        """(node, its parent, the message's hash, depth), behind the first `known` ones."""
        nodes = self.exchange.nodes
        for index in range(known, len(nodes)):
            parent = nodes[index - 1] if index else self.root
            yield nodes[index], parent, self.prompt[index].hash, index + 1

    def contents(self, known: int, with_system: bool) -> Iterator[Content]:
        yield from self.prompt[known:]
        if self.answer:
            yield self.answer
        if self.system and with_system:
            yield self.system


_NOT_UNDERSTOOD = (
    ValueError,
    TypeError,
    AttributeError,
    LookupError,
    OverflowError,
    RecursionError,
    zlib.error,
)
"""Whatever strange bodies can raise: they must not hold up other people's."""


def linkable(record: StoredRecord, parsed: Parsed | None = None) -> Linkable:
    """`parsed`: its bodies, where somebody knows them already.

    Raises Unreadable, also for bodies that look like an attack on the reader."""
    try:
        request, answer = parsed or _parsed(record)
        return _hashed(record, transcript(record.kind, request, answer))
    except _NOT_UNDERSTOOD as error:
        raise Unreadable(
            str(error) if isinstance(error, Unreadable) else type(error).__name__
        ) from None


def _parsed(record: StoredRecord) -> Parsed:
    request = unpacked(record.request, record.codec)
    if not request:
        raise Unreadable("the request was not kept")
    asked = parse(request)
    if may_hold_surrogates(request):
        asked = healed(asked)
    response = unpacked(record.response, record.codec)
    answer = assemble(record.kind, record.response_type, response) if response else None
    return Parsed(asked, answer)


def _hashed(record: StoredRecord, said: Transcript) -> Linkable:
    root = root_hash(record.user_id)
    prompt = tuple(Content(message_hash(root, message), message) for message in said.messages)
    answer = Content(message_hash(root, said.answer), said.answer) if said.answer else None
    system = Content(system_hash(root, said.system), said.system) if said.system else None
    nodes = chain(root, (content.hash for content in prompt))
    tip = nodes[-1] if nodes else root
    exchange = Exchange(
        id=record.id,
        user_id=record.user_id,
        token_id=record.token_id,
        finished_at=record.finished_at,
        prompt=tip,
        answer=node_hash(tip, answer.hash) if answer else None,
        pair=pair_hash(root, prompt[-1].hash, answer.hash) if answer and prompt else None,
        upstream_id=_upstream_hash(said.upstream_id),
        started_at=record.started_at,
        nodes=nodes,
        pairs=_last_pairs(root, prompt),
        hint=_tidy_hint(record.conversation_hint or said.hint),
        reply_to=_upstream_hash(said.reply_to),
    )
    return Linkable(exchange, root, prompt, answer, system, said)


def _last_pairs(root: bytes, prompt: Sequence[Content]) -> tuple[Pair, ...]:
    pairs: list[Pair] = []
    for end in range(len(prompt) - 1, 0, -1):
        if _by_model(prompt[end]) and not _by_model(prompt[end - 1]):
            pairs.append(Pair(pair_hash(root, prompt[end - 1].hash, prompt[end].hash), end + 1))
        if len(pairs) == WINDOW_PAIRS:
            break
    return tuple(pairs)


def _by_model(content: Content) -> bool:
    return isinstance(content.body, dict) and content.body.get("role") == "assistant"


def _upstream_hash(upstream_id: str | None) -> bytes | None:
    """So that no id, whatever its length and alphabet, can harm an index."""
    return sha256(upstream_id.encode()).digest() if upstream_id else None


def _tidy_hint(hint: str | None) -> str | None:
    """One spelling per name, and none that a database could not index."""
    text = (hint or "").replace("\0", "").strip()
    if (named := as_id(text)) is not None:
        return str(named)
    if len(text) > HINT_CHARACTERS:
        return "sha256:" + sha256(text.encode()).hexdigest()
    return text or None
