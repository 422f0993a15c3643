"""What the bot does when it is asked: keys handed over, listed, taken back; usage told.

A key is shown once, to its owner alone. It is issued under the name of its job, so that whoever
does the job again, after a crash at any instant, finds what was issued before and takes it back
first: of one request, one key at most is left valid.
"""

from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import structlog

from gateway.auth.identities import Identity, IdentityStore
from gateway.auth.keys import KeyDesk
from gateway.auth.links import Links
from gateway.auth.people import AccessToken, Issued, User
from gateway.bots.answers import Answers, Key, Terms, Used
from gateway.bots.bot import Bot, ProviderFailed, ProviderRefused
from gateway.bots.commands import GetKey, Help, MyKeys, RevokeKey, Usage, understand
from gateway.bots.message import Click, Inbound, Message, Person
from gateway.bots.store import Expiring, Job
from gateway.errors import BlockedUser, ErasedUser, TooManyTokens, UnknownToken
from gateway.usage.report import UsageReport
from gateway.whose import Whose

SPANS_DAYS = (1, 7, 30)
"""Of which usage is told; all of them with today, in UTC as everywhere."""

log = structlog.get_logger()


class JobLost(Exception):
    """Another worker does this job now, since we seemed to be dead."""


@dataclass(frozen=True)
class Desk:
    """Carries out what people ask of bots. Everything raises StoreUnavailable (503)."""

    identities: IdentityStore
    keys: KeyDesk
    usage: UsageReport
    links: Links | None
    """Given where keys are handed over by link."""
    terms: Terms
    clock: Callable[[], datetime] = lambda: datetime.now(UTC)

    async def do(self, bot: Bot, job: Job, held: Callable[[], Awaitable[bool]]) -> None:
        """`held`: whether the job is still ours.

        Raises ProviderFailed, ProviderRefused, JobLost.
        """
        if isinstance(job.task, Expiring):
            reminder = Answers(bot.language, self.terms).reminder(job.task.key)
            await bot.tell(job.task.person, reminder, job.id)
        elif await bot.concerns(job.task):
            await _Request(self, bot, job, job.task, held).answer()

    async def apologise(self, bot: Bot, job: Job) -> None:
        """Say that it finally failed, nothing being left of what was tried.

        Raises ProviderFailed, ProviderRefused.
        """
        if not isinstance(job.task, Inbound):
            return
        with suppress(BlockedUser, ErasedUser):
            if (user := await self.identities.known(_identity(job.task.person))) is not None:
                await self.take_back(user, bot, job)
        asked = understand(job.task.text, bot.language)
        message = Answers(asked.language, self.terms).failed()
        await bot.answer(job.task, message, f"{job.id} sorry")

    async def take_back(self, user: User, bot: Bot, job: Job) -> None:
        """What an earlier attempt at this job has issued: nobody may have seen it."""
        now = self.clock()
        for token in await self.keys.valid(user, now):
            if token.name == key_name(bot, job):
                await self.keys.revoke(user, token.id, now)
                log.info("bot_key_taken_back", provider=bot.name, token_id=token.id)

    async def click(self, click: Click) -> Message:
        """What came of it. Only one's own keys can be revoked, whoever the message was for."""
        say = Answers(click.language, self.terms)
        try:
            user = await self.identities.known(_identity(click.person))
        except (BlockedUser, ErasedUser):
            return say.blocked()
        if user is None or click.op != "revoke":
            return say.unknown_key(click.id)
        return await self.revoke(user, click.id, say)

    async def revoke(self, user: User, id: int, say: Answers) -> Message:
        try:
            revoked = await self.keys.revoke(user, id, self.clock())
        except UnknownToken:
            return say.unknown_key(id)
        return say.revoked(revoked.id, revoked.hint)

    async def spans(self, user: User) -> list[list[Used]]:
        today = self.clock().astimezone(UTC).date()
        return [
            [
                Used(row.group["model"], row.counts)
                for row in await self.usage.usage(
                    Whose(user.id), today - timedelta(days=days - 1), today, ("model",)
                )
            ]
            for days in SPANS_DAYS
        ]


class _Request:
    """One message that is being answered."""

    def __init__(
        self,
        desk: Desk,
        bot: Bot,
        job: Job,
        inbound: Inbound,
        held: Callable[[], Awaitable[bool]],
    ) -> None:
        self._desk, self._bot, self._job, self._inbound, self._held = desk, bot, job, inbound, held
        self._asked = understand(inbound.text, bot.language)
        self._say = Answers(self._asked.language, desk.terms)

    async def answer(self) -> None:
        if isinstance(self._asked.command, Help):
            await self._reply(self._say.help())
            return
        try:
            user = await self._user()
        except (BlockedUser, ErasedUser):
            await self._reply(self._say.blocked())
            return
        await self._carry_out(user)

    async def _carry_out(self, user: User) -> None:
        match self._asked.command:
            case GetKey(days):
                await self._get_key(user, self._desk.terms.days if days is None else days)
            case MyKeys():
                await self._confide(self._say.keys(await self._valid(user)))
            case RevokeKey(None):
                await self._reply(self._say.which_key())
            case RevokeKey(int(id)):
                await self._confide(await self._desk.revoke(user, id, self._say))
            case Usage():
                await self._confide(self._say.usage(await self._desk.spans(user)))

    async def _user(self) -> User:
        """Whoever writes for the first time becomes a user, by the name the provider gives."""
        desk, person = self._desk, self._inbound.person
        identity = _identity(person)
        if (known := await desk.identities.known(identity)) is not None:
            return known
        name = None
        with suppress(ProviderFailed, ProviderRefused):
            name = await self._bot.name_of(person)
        name = name or f"{self._bot.name} {person.subject[-6:]}"
        return await desk.identities.person(identity, name, desk.clock())

    async def _get_key(self, user: User, days: int) -> None:
        desk = self._desk
        if not 1 <= days <= desk.terms.days_max:
            await self._reply(self._say.wrong_days())
        elif desk.links is not None:
            url = await desk.links.create(user, days, desk.clock())
            await self._confide(self._say.link(url))
        else:
            await self._hand_over(user, days)

    async def _hand_over(self, user: User, days: int) -> None:
        """Whatever prevents that the key is shown takes it back."""
        desk, bot, job = self._desk, self._bot, self._job
        if job.attempts > 1:
            await self._still_ours()  # else it might be another worker's key that is taken back
            await desk.take_back(user, bot, job)
        try:
            issued = await desk.keys.issue(user, days, key_name(bot, job), desk.clock())
        except TooManyTokens:
            await self._reply(self._say.too_many())
            return
        try:
            sent = await self._show(issued)
        except Exception:  # however it failed, it is not for nobody to have
            await desk.keys.revoke(user, issued.id, desk.clock())
            raise
        if sent:
            log.info("bot_key_sent", provider=bot.name, user=user.name, token_id=issued.id)
        else:
            await desk.keys.revoke(user, issued.id, desk.clock())

    async def _show(self, issued: Issued) -> bool:
        """Whether she has got it. Raises JobLost, and as `_confide`."""
        await self._still_ours()
        again = self._job.attempts > 1
        message = self._say.key(issued.id, issued.token, issued.expires_at, again=again)
        return await self._confide(message, f"{self._job.id} {issued.id}")

    async def _still_ours(self) -> None:
        """Raises JobLost."""
        if not await self._held():
            raise JobLost

    async def _valid(self, user: User) -> list[Key]:
        return [_key(token) for token in await self._desk.keys.valid(user, self._desk.clock())]

    async def _confide(self, message: Message, once: str = "") -> bool:
        """For her alone: in a group, only that it was sent is said. Whether she has got it.

        Raises ProviderFailed, ProviderRefused: then she has not.
        """
        once = once or self._job.id
        if self._inbound.private or not message.good:
            await self._bot.answer(self._inbound, message, once)
            return True
        try:
            await self._bot.tell(self._inbound.person, message, once)
        except ProviderRefused as refused:
            log.warning("bot_person_not_reached", provider=self._bot.name, reason=str(refused))
            await self._reply(self._say.not_reached(), "not reached")
            return False
        with suppress(ProviderFailed, ProviderRefused):  # she has it
            await self._reply(self._say.sent_privately(), "sent")
        return True

    async def _reply(self, message: Message, part: str = "") -> None:
        await self._bot.answer(self._inbound, message, f"{self._job.id} {part}")


def key_name(bot: Bot, job: Job) -> str:
    """By which a key is found again that an earlier attempt has issued."""
    return f"{bot.name} {job.id[-8:]}"


def _identity(person: Person) -> Identity:
    return Identity(person.provider, person.tenant_key, person.subject)


def _key(token: AccessToken) -> Key:
    return Key(token.id, token.hint, token.name or "", token.expires_at, token.last_used_at)
