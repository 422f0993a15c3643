"""What goes between a chat provider and the rest of the bot. Plain data, pure.

A provider turns what it receives into a `Received`, and a `Message` into what it sends.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

from gateway.bots.commands import Language


@dataclass(frozen=True, slots=True)
class Delivery:
    """A request of a provider to `/bots/{provider}/events`, before anything of it is believed."""

    headers: Mapping[str, str]
    """Names in lower case."""
    body: bytes


@dataclass(frozen=True, slots=True)
class Person:
    """Who writes, as the provider knows her: the three parts of an identity."""

    provider: str
    tenant_key: str
    subject: str


@dataclass(frozen=True, slots=True)
class Inbound:
    """A message to the bot. Stored as JSON until it has been dealt with."""

    person: Person
    text: str
    """Empty where it was no text: an image, a file, …"""
    private: bool
    """Whether nobody else sees the answer."""
    context: Mapping[str, str]
    """What the provider needs to answer: ids, an address. Nobody else looks into it."""


@dataclass(frozen=True, slots=True)
class Click:
    """A press of a button below one of our messages. Whoever pressed it may be anybody."""

    person: Person
    op: str
    id: int
    """Of the access token that the button is about."""
    language: Language
    reply: Callable[["Message"], bytes]
    """What the provider wants to hear of it at once, from what came of it."""


@dataclass(frozen=True, slots=True)
class Received:
    """What a delivery turned out to be; all of it is authentic."""

    reply: bytes = b"{}"
    """What the provider wants to be answered with, as JSON."""
    keys: tuple[str, ...] = ()
    """By these a repetition is known: one of them seen before is enough."""
    inbound: Inbound | None = None
    click: Click | None = None
    ignored: str = ""
    """Why there is nothing to do, if there is not."""


@dataclass(frozen=True, slots=True)
class Button:
    """Below a message, where the provider has buttons. Pressing it is a `Click`."""

    label: str
    op: Literal["revoke"]
    id: int
    confirm: str
    """Asked before it is taken seriously."""


@dataclass(frozen=True, slots=True)
class Message:
    """What the bot says: a title, paragraphs, buttons.

    Paragraphs are plain text in which `**` marks what is strong and a grave accent what is code,
    as the providers' own marks have it; one beginning with three of them is a block of code.
    """

    title: str
    paragraphs: Sequence[str]
    language: Language
    buttons: Sequence[Button] = field(default=())
    good: bool = True
    """False: something was refused or failed."""


def plain(message: Message) -> str:
    """For providers, and messages, without marks and buttons."""
    paragraphs = (paragraph.strip("`").strip() for paragraph in message.paragraphs)
    text = "\n\n".join([message.title, *paragraphs])
    return text.replace("**", "").replace("`", "")
