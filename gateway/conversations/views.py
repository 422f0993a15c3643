"""Records and conversations as they are read back. Pure; their JSON is in `rendering`."""

from dataclasses import dataclass, field
from datetime import datetime
from uuid import UUID


@dataclass(frozen=True, slots=True)
class Usage:
    """Token counts of one exchange, and who counted: `reported`, `counted` or `estimated`."""

    prompt_tokens: int
    completion_tokens: int
    cached_tokens: int
    reasoning_tokens: int
    source: str


@dataclass(frozen=True, slots=True)
class Record:
    """A record without its bodies."""

    id: UUID
    kind: str
    model: str | None
    model_used: str | None
    status: str
    http_status: int | None
    conversation_id: UUID | None
    parent_id: UUID | None
    user: str
    created_at: datetime
    attempts: str
    """JSON."""
    usage: Usage | None


@dataclass(frozen=True, slots=True)
class Body:
    """What travelled one way, as it is stored."""

    content_type: str
    packed: bytes | None
    """None: it was not kept."""
    codec: int
    size_bytes: int
    sha256: bytes | None
    """Of what was not kept whole."""


@dataclass(frozen=True, slots=True)
class RecordFilter:
    """Which records a list shows; None: all of them."""

    kind: str | None = None
    model: str | None = None
    status: str | None = None
    begin: datetime | None = None
    end: datetime | None = None
    conversation_id: UUID | None = None


@dataclass(frozen=True, slots=True)
class Stored:
    """JSON in a table, and how it is packed."""

    body: bytes
    codec: int


@dataclass(frozen=True, slots=True)
class Exchange:
    """One call in its conversation: what it added, and the answer."""

    id: UUID
    parent_id: UUID | None
    created_at: datetime
    model: str | None
    model_used: str | None
    status: str | None
    usage: Usage | None
    system: Stored | None
    """Array of system messages, where they are not the parent's."""
    messages: list[Stored] = field(default_factory=list)
    answer: Stored | None = None


@dataclass(frozen=True, slots=True)
class Conversation:
    """A conversation without its exchanges."""

    id: UUID
    user: str
    title: str
    created_at: datetime
    updated_at: datetime
    exchange_count: int
