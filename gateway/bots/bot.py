"""What a chat provider must be able to do, and how it fails. Providers are in `providers/`."""

from collections.abc import Awaitable, Callable
from typing import Protocol

from gateway.bots.commands import Language
from gateway.bots.message import Delivery, Inbound, Message, Person, Received

Deliver = Callable[[Received], Awaitable[bytes]]
"""Takes in what a long connection has received; what it returns is the reply.

Raises StoreUnavailable: it must come again."""

Listen = Callable[[Deliver], Awaitable[None]]
"""Keeps a connection to the provider, until cancelled."""


class ProviderFailed(Exception):
    """A provider could not be reached, or kept failing; it may work later."""


class ProviderRefused(Exception):
    """A provider will not do this however often it is asked: the person cannot be reached, a
    permission is missing, the bot is switched off."""


class Bot(Protocol):
    """One provider, as the rest of the bot uses it.

    Whatever calls the provider raises ProviderFailed after tries of its own, or ProviderRefused.
    """

    @property
    def name(self) -> str:
        """As in the bot's address, and in identities."""
        ...

    @property
    def language(self) -> Language:
        """For people who have not shown theirs."""
        ...

    def receive(self, delivery: Delivery, now: float) -> Received:
        """Believe a delivery, or not: `now` in seconds since the epoch.

        Raises UnverifiedEvent, StaleEvent (401), MalformedEvent (400).
        """
        ...

    async def concerns(self, inbound: Inbound) -> bool:
        """Whether the bot is spoken to; in a group not everything is meant for it."""
        ...

    async def name_of(self, person: Person) -> str | None:
        """How the provider calls her; None: it does not say."""
        ...

    async def answer(self, inbound: Inbound, message: Message, once: str) -> None:
        """Where she wrote. `once`: as often as this is tried, it is said once, where the provider
        can tell."""
        ...

    async def tell(self, person: Person, message: Message, once: str) -> None:
        """To her alone."""
        ...

    @property
    def listen(self) -> Listen | None:
        """Where deliveries come over a connection that the gateway makes; None: they come by
        themselves, to the endpoint."""
        ...

    async def check(self) -> str:
        """For `gateway doctor`: as whom the provider knows us."""
        ...
