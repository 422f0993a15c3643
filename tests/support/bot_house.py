"""The bot's own parts on a real database, with a provider that is a list."""

import re
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

from sqlalchemy import func, select
from sqlalchemy.engine import make_url
from sqlalchemy.ext.asyncio import AsyncEngine

from common.database import make_engine
from common.tables import access_tokens, bot_jobs
from gateway.auth.identities import IdentityStore
from gateway.auth.keys import KeyDesk, KeyTerms
from gateway.auth.links import Links
from gateway.auth.principals import Principals
from gateway.auth.store import AuthStore
from gateway.bots.answers import Terms
from gateway.bots.desk import Desk
from gateway.bots.intake import Intake
from gateway.bots.jobs import Jobs
from gateway.bots.message import Inbound, Received
from gateway.bots.store import BotStore
from gateway.usage.store import UsageStore
from tests.support.fake_bot import FakeBot, asked

NOON = datetime(2026, 12, 1, 12, tzinfo=UTC)


@dataclass
class BotHouse:
    """One process of the gateway, as far as bots go; `beside` makes another on the same database.

    Jobs are done one after the other by `work`, whatever their claims are: the clock moves on.
    """

    engine: AsyncEngine
    links: bool = False
    owner: str = "one"
    now: datetime = NOON
    bot: FakeBot = field(default_factory=FakeBot)
    events: int = 0

    def __post_init__(self) -> None:
        people = AuthStore(self.engine)
        self.store = BotStore(self.engine)
        self.keys = KeyDesk(people, Principals(people), KeyTerms(10, 90, 3))
        self.identities = IdentityStore(self.engine)
        links = Links(self.engine, self.keys, "http://gw.example") if self.links else None
        terms = Terms(10, 90, 3, "http://gw.example/v1")
        usage = UsageStore(self.engine)
        self.desk = Desk(self.identities, self.keys, usage, links, terms, self.clock)
        self.jobs = Jobs(self.store, self.desk, self.bots, self.owner, clock=self.clock)
        self.intake = Intake(self.store, self.desk, self.jobs.wake, self.clock)

    @property
    def bots(self) -> Mapping[str, FakeBot]:
        return {self.bot.name: self.bot}

    def clock(self) -> datetime:
        return self.now

    def beside(self) -> "BotHouse":
        return BotHouse(self.engine, self.links, "two", self.now, self.bot)

    async def take(self, inbound: Inbound, *keys: str) -> None:
        self.events += 1
        await self.intake.take(
            self.bot, Received(inbound=inbound, keys=keys or (f"{self.owner} {self.events}",))
        )

    async def take_again(self) -> None:
        """The last event, once more."""
        self.events -= 1
        await self.take(asked("help"))

    async def ask(self, text: str, person: str = "alice", *, private: bool = True) -> str:
        """What the bot says in the end, there where it was asked."""
        await self.take(asked(text, person, private=private))
        await self.work()
        return self.bot.to(person if private else "group")[-1]

    async def work(self) -> None:
        """All jobs that are due now, once."""
        for job in await self.store.claim(self.owner, 100, self.now):
            await self.jobs._work(job)

    async def finish(self, most: int = 20) -> None:
        """All jobs, however often they fail, the clock moved on in between."""
        for _ in range(most):
            await self.work()
            self.now += timedelta(minutes=10)

    async def waiting(self) -> int:
        async with self.engine.connect() as connection:
            count = await connection.scalar(select(func.count()).select_from(bot_jobs))
        return count or 0

    async def live_keys(self) -> list[str]:
        """Hints of all valid keys of everybody."""
        valid = (access_tokens.c.revoked_at.is_(None), access_tokens.c.expires_at > self.now)
        async with self.engine.connect() as connection:
            return list(await connection.scalars(select(access_tokens.c.hint).where(*valid)))


def key_in(text: str) -> str:
    found = re.search(r"ogw_[0-9A-Za-z]{49}", text)
    assert found is not None, text
    return found[0]


@asynccontextmanager
async def bot_house(database_url: str, *, links: bool = False) -> AsyncIterator[BotHouse]:
    engine = make_engine(make_url(database_url))
    try:
        yield BotHouse(engine, links)
    finally:
        await engine.dispose()
