"""A chat provider without a network: what the bot says is in a list, and fails as it is told."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field

from gateway.bots.bot import Listen
from gateway.bots.commands import Language
from gateway.bots.message import Delivery, Inbound, Message, Person, Received, plain


@dataclass
class FakeBot:
    """As strict as its port."""

    name: str = "fake"
    language: Language = "en"
    listen: Listen | None = None
    said: list[tuple[str, str, str]] = field(default_factory=list)
    """To whom or where (`alice`, or `group`), what, and under which mark."""
    failures: list[Exception] = field(default_factory=list)
    """What the next attempts to say something end in."""
    before_saying: Callable[[], None] = lambda: None
    hangs: asyncio.Event | None = None
    """Set as soon as it is asked to say something, which then never ends."""
    addressed: bool = True

    def receive(self, delivery: Delivery, now: float) -> Received:
        return Received(inbound=asked(delivery.body.decode()), keys=(str(now),))

    async def concerns(self, inbound: Inbound) -> bool:
        return self.addressed

    async def name_of(self, person: Person) -> str | None:
        return person.subject.title()

    async def answer(self, inbound: Inbound, message: Message, once: str) -> None:
        if self.hangs is not None:
            self.hangs.set()
            await asyncio.sleep(3600)
        self._say(inbound.person.subject if inbound.private else "group", message, once)

    async def tell(self, person: Person, message: Message, once: str) -> None:
        self._say(person.subject, message, once)

    async def check(self) -> str:
        return "accepted"

    def to(self, whom: str) -> list[str]:
        return [text for to, text, _ in self.said if to == whom]

    def _say(self, to: str, message: Message, once: str) -> None:
        self.before_saying()
        if self.failures:
            raise self.failures.pop(0)
        self.said.append((to, plain(message), once))


def asked(text: str, person: str = "alice", *, private: bool = True) -> Inbound:
    return Inbound(Person("fake", "T", person), text, private, {})
