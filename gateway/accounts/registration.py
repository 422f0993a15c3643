"""Users without a directory: an e-mail address and a password, while an admin lets people in.

An unknown address, a wrong password: the same answer, after the same work. Tries are counted before
anything is looked up; one that succeeds does not count.
"""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from ipaddress import IPv6Address, ip_address

import structlog

from gateway.accounts.email import normalised, usable_password
from gateway.accounts.passwords import Passwords
from gateway.accounts.store_passwords import PasswordStore
from gateway.accounts.store_rates import Rate, RateStore
from gateway.accounts.store_switches import SwitchStore
from gateway.accounts.switches import REGISTRATION
from gateway.auth.keys import KeyDesk
from gateway.auth.people import Issued, User
from gateway.errors import GatewayError, RegistrationClosed, WrongLogin

KEY_NAME = "login"
"""Of the access tokens that are issued here; the oldest makes room for the newest."""
LOGINS, LOGINS_PER_ADDRESS, LOGIN_WINDOW = 10, 60, timedelta(minutes=10)
"""Failed ones, of one e-mail address and from one network address."""
REGISTRATIONS_PER_ADDRESS, REGISTRATION_WINDOW = 30, timedelta(hours=1)

log = structlog.get_logger()


class Registration:
    """`opened` and `used` raise RegistrationClosed (403), the others InvalidRequest (400),
    TooManyTries (429) and Overloaded (503); all of them StoreUnavailable (503)."""

    def __init__(
        self,
        keys: KeyDesk,
        switches: SwitchStore,
        people: PasswordStore,
        rates: RateStore,
        passwords: Passwords,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self._keys, self._switches, self._people = keys, switches, people
        self._rates, self._passwords, self._now = rates, passwords, now

    async def opened(self) -> None:
        """Whether people may register; asked before anything of a request is read."""
        if not await self._switches.enabled(REGISTRATION):
            raise RegistrationClosed

    async def used(self) -> None:
        """Whether they may log in: as long as anybody could have a password."""
        if not (await self._switches.enabled(REGISTRATION) or await self._people.any()):
            raise RegistrationClosed

    async def register(
        self, email: str, password: str, name: str | None, address: str
    ) -> tuple[User, Issued]:
        """A new user, always a member, and a first access token. Raises EmailTaken (400)."""
        email = normalised(email)
        password = usable_password(password, email)
        most, window = REGISTRATIONS_PER_ADDRESS, REGISTRATION_WINDOW
        await self._rates.take([Rate("register", _network(address), most, window)], self._now())
        hashed = await self._passwords.hash(password)
        called = name or email.partition("@")[0]
        user = await self._people.add(email, hashed, called, self._now())
        log.info("user_registered", user_id=user.id)
        return user, await self._keys.issue(user, name=KEY_NAME)

    async def login(self, email: str, password: str, address: str) -> tuple[User, Issued]:
        """Raises WrongLogin, BlockedUser, ErasedUser (401)."""
        email = normalised(email)
        tries = [
            Rate("login", email, LOGINS, LOGIN_WINDOW),
            Rate("login", _network(address), LOGINS_PER_ADDRESS, LOGIN_WINDOW),
        ]
        await self._rates.take(tries, self._now())
        found = await self._people.find(email)
        stored = found.hash if found else None
        password = _as_hashed(password, email)
        if not await self._passwords.verify(stored, password) or found is None:
            log.info("login_failed", address=address)
            raise WrongLogin
        await self._rates.give_back(tries)
        user = found.admitted()
        return user, await self._keys.issue(user, name=KEY_NAME, replacing=KEY_NAME)


def _as_hashed(password: str, email: str) -> str:
    """One that could never have been taken is as wrong as any other."""
    try:
        return usable_password(password, email)
    except GatewayError:
        return ""


def _network(address: str) -> str:
    """Whoever has an IPv6 address has 2⁶⁴ of them."""
    try:
        parsed = ip_address(address)
    except ValueError:
        return address
    if isinstance(parsed, IPv6Address):
        return str(IPv6Address(int(parsed) >> 64 << 64))
    return str(parsed)
