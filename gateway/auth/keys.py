"""The life of access tokens as features ask for it: issue, list, revoke; block and unblock a user.

A change is committed, then takes effect in this process, then is told to the others. Whoever shows
keys or lets people order them comes here and to nothing below.
"""

import asyncio
from collections import deque
from collections.abc import Collection
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Never, Protocol

import structlog

from gateway.auth.people import AccessToken, Issued, User
from gateway.auth.principal import Principal, Role
from gateway.auth.principals import Announcements, Principals
from gateway.auth.standing import AnnouncementFailed, Change
from gateway.auth.store import AuthStore
from gateway.connections import answering
from gateway.errors import InvalidRequest

AGAIN_S = 0.5
"""Between tries to tell others, while Redis does not listen."""
MOST_UNTOLD = 1000

Whom = User | Principal

log = structlog.get_logger()


class Announcer(Announcements, Protocol):
    """Announcements that this process makes, too."""

    async def announce(self, change: Change) -> None:
        """Raises AnnouncementFailed."""
        ...


@dataclass(frozen=True, slots=True)
class KeyTerms:
    """What keys people may have: the settings TOKEN_DAYS, TOKEN_DAYS_MAX and TOKENS_PER_USER."""

    days: int
    most_days: int
    per_user: int


class KeyDesk:
    """Where access tokens are ordered and ended. Everything raises StoreUnavailable (503)."""

    def __init__(
        self,
        store: AuthStore,
        principals: Principals,
        terms: KeyTerms,
        announcer: Announcer | None = None,
        quick: AuthStore | None = None,
    ) -> None:
        """`quick`: a way to the same database for what must not wait behind orders."""
        self._store, self._announcer = store, announcer
        self._quick = quick or store
        self.principals, self.terms = principals, terms
        self._untold: deque[Change] = deque(maxlen=MOST_UNTOLD)

    async def issue(
        self,
        user: Whom,
        days: int | None = None,
        name: str | None = None,
        now: datetime | None = None,
        *,
        made_with: Principal | None = None,
        replacing: str | None = None,
    ) -> Issued:
        """A new access token of that user, shown this once; `days` from now on (TOKEN_DAYS).

        `made_with`: the token that asks; the new one ends when that does. `replacing`: a user who
        has as many as allowed loses the oldest token of this name, instead of being refused.

        Raises InvalidRequest (days, name, a blocked user), TooManyTokens (400), UnknownUser (404),
        RevokedToken (401).
        """
        days = self.terms.days if days is None else days
        if not 1 <= days <= self.terms.most_days:
            raise InvalidRequest(
                f"An access token lasts 1 to {self.terms.most_days} days.", param="days"
            )
        with answering():
            issued = await self._store.issue(
                _id(user),
                days,
                name,
                self.terms.per_user,
                now or datetime.now(UTC),
                made_with=made_with,
                replacing=replacing,
            )
        await self._spread(*(Change("token_revoked", id_) for id_ in issued.replaced))
        return issued

    async def own(
        self, user: Whom, *, before: int | None = None, limit: int | None = None
    ) -> list[AccessToken]:
        """What this user has ever had, newest first; `before` an id. Raises UnknownUser (404)."""
        with answering():
            return await self._store.tokens(_id(user), before=before, limit=limit)

    async def valid(self, user: Whom, now: datetime) -> list[AccessToken]:
        """Those that this user can use, newest first: as few as they may have, however many they
        have had. Raises UnknownUser (404)."""
        with answering():
            return await self._store.tokens(_id(user), valid_at=now)

    async def revoke(
        self, user: Whom | None, token_id: int, now: datetime | None = None
    ) -> AccessToken:
        """One of that user's (None: of anybody's), and what was made with it.

        Calls that are under way go on. Raises UnknownToken (404), for other people's too.
        """
        with answering():
            theirs = _id(user) if user else None
            revoked = await self._store.revoke(token_id, now or datetime.now(UTC), user_id=theirs)
            family = await self._store.family(token_id)
        await self._spread(*(Change("token_revoked", id_) for id_ in family))
        return revoked

    async def block(self, name: str, now: datetime | None = None) -> User:
        """Their tokens stop working and their calls under way are cut. Raises UnknownUser (404)."""
        with answering():
            user = await self._store.set_blocked(name, now or datetime.now(UTC))
        await self._spread(Change("user_blocked", user.id))
        return user

    async def unblock(self, name: str) -> User:
        """Raises UnknownUser (404)."""
        with answering():
            user = await self._store.set_blocked(name, None)
        await self._spread(Change("user_changed", user.id))
        return user

    async def give_role(self, name: str, role: Role) -> User:
        """Raises UnknownUser (404)."""
        with answering():
            user = await self._store.set_role(name, role)
        await self._spread(Change("user_changed", user.id))
        return user

    async def barred(self, user_ids: Collection[int]) -> list[int]:
        """Those of these users who are blocked or erased."""
        return await self._quick.barred(user_ids)

    async def changed(self, user_id: int) -> None:
        """Something else about a user did: what is known of their tokens is looked up anew."""
        await self._spread(Change("user_changed", user_id))

    async def run(self) -> Never:
        """Tell what could not be told at once; until cancelled."""
        while True:
            await asyncio.sleep(AGAIN_S)
            for _ in range(len(self._untold)):
                if not await self._tell(self._untold[0]):
                    break
                self._untold.popleft()

    async def _spread(self, *changes: Change) -> None:
        for change in changes:
            self.principals.apply(change)
            if self._untold or not await self._tell(change):
                self._untold.append(change)

    async def _tell(self, change: Change) -> bool:
        if self._announcer is None:
            return True
        try:
            await self._announcer.announce(change)
        except AnnouncementFailed as error:
            if not self._untold:
                log.warning("announcement_failed", change=change.kind, reason=str(error))
            return False
        return True


def _id(user: Whom) -> int:
    return user.id if isinstance(user, User) else user.user_id
