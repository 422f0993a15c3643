"""Where messages come from: the port. Its adapters are in `consumer.sources`."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Protocol

from anyio.streams.memory import MemoryObjectSendStream

from common.settings import SettingsError


class SourceUnavailable(SettingsError):
    """Messages cannot be had from there; the message names the setting and the remedy."""


@dataclass(frozen=True, slots=True)
class Delivery:
    """One message, which stays its sender's until it is acknowledged."""

    body: bytes
    redelivered: bool
    """It may have been here before, and a consumer may have died of it."""
    ack: Callable[[], Awaitable[None]]
    """Everything in it is stored. Never raises: an acknowledgement that is lost means that the
    message comes again."""


class Source(Protocol):
    """An async stream of deliveries."""

    async def open(self) -> None:
        """Once, before `run`. Raises SourceUnavailable."""
        ...

    async def run(self, inbox: MemoryObjectSendStream[Delivery]) -> None:
        """Deliver until cancelled, connecting again whenever the connection is lost.

        Acknowledgements are possible for as long as it runs.
        """
        ...
