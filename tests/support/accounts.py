"""Accounts over a real database, without programs: the desk for keys, and the routes."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field

import httpx2
from sqlalchemy.engine import make_url
from sqlalchemy.ext.asyncio import AsyncEngine
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response

from common.database import make_engine
from gateway.accounts import endpoints_keys, endpoints_registration, endpoints_users
from gateway.accounts.passwords import Passwords
from gateway.accounts.registration import Registration
from gateway.accounts.store import PeopleStore
from gateway.accounts.store_passwords import PasswordStore
from gateway.accounts.store_rates import RateStore
from gateway.accounts.store_switches import SwitchStore
from gateway.auth.cache import NONE, Coverage
from gateway.auth.identities import IdentityStore
from gateway.auth.keys import KeyDesk, KeyTerms
from gateway.auth.principals import Principals
from gateway.auth.standing import AnnouncementFailed, Change
from gateway.auth.store import AuthStore
from gateway.errors import GatewayError

TERMS = KeyTerms(days=10, most_days=90, per_user=3)


@dataclass
class Announced:
    """A channel to others that may be deaf: the fake of `RedisAnnouncements`."""

    changes: list[Change] = field(default_factory=list)
    deaf: bool = False
    coverage: Coverage = NONE

    async def announce(self, change: Change) -> None:
        if self.deaf:
            raise AnnouncementFailed("deaf")
        self.changes.append(change)

    async def run(self, heard: object) -> None:
        raise NotImplementedError


@dataclass
class Accounts:
    """One worker's accounts."""

    engine: AsyncEngine
    announced: Announced
    principals: Principals
    store: AuthStore
    keys: KeyDesk
    identities: IdentityStore
    switches: SwitchStore
    client: httpx2.AsyncClient


@asynccontextmanager
async def accounts(database_url: str) -> AsyncIterator[Accounts]:
    engine, announced = make_engine(make_url(database_url)), Announced()
    store = AuthStore(engine)
    principals = Principals(store)
    keys = KeyDesk(store, principals, TERMS, announced)
    switches = SwitchStore(engine)
    registration = Registration(
        keys, switches, PasswordStore(engine), RateStore(engine), Passwords()
    )
    app = Starlette(
        routes=[
            *endpoints_keys.routes(principals, keys),
            *endpoints_users.routes(principals, keys, PeopleStore(engine)),
            *endpoints_registration.routes(principals, registration, switches, ()),
        ],
        exception_handlers={GatewayError: _told},
    )
    transport = httpx2.ASGITransport(app)
    looking_up = _looking_up(principals)
    async with looking_up, httpx2.AsyncClient(transport=transport, base_url="http://g") as client:
        identities = IdentityStore(engine)
        yield Accounts(engine, announced, principals, store, keys, identities, switches, client)
    await engine.dispose()


@asynccontextmanager
async def _looking_up(principals: Principals) -> AsyncIterator[None]:
    running = asyncio.create_task(principals.run())
    try:
        yield
    finally:
        running.cancel()
        with suppress(asyncio.CancelledError):
            await running


async def _told(_request: Request, error: Exception) -> Response:
    assert isinstance(error, GatewayError)
    headers = {name.decode(): value.decode() for name, value in error.headers()}
    return Response(error.body(), error.status, headers, "application/json")


def bearer(token: str) -> dict[str, str]:
    return {"authorization": f"Bearer {token}"}
