"""What must be there before the gateway serves: the newest schema, and somebody to sign in as.

Safe to run on several machines at once: the database decides who migrates and who makes the first
user. Also the way of a command to the stores.
"""

import asyncio
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime

from sqlalchemy.engine import URL
from sqlalchemy.ext.asyncio import AsyncEngine

from common.database import make_engine, reaching
from common.schema import HEAD, require_head, require_known
from common.settings import SettingsError
from gateway.accounts.store import PeopleStore
from gateway.accounts.store_passwords import PasswordStore
from gateway.accounts.store_switches import SwitchStore
from gateway.admin.store import CredentialStore
from gateway.auth.store import AuthStore
from gateway.conversations.store_records import RecordStore
from gateway.erasure.store import ErasureStore
from gateway.settings import GatewaySettings
from gateway.signin.making import refuse_unusable

FIRST_USER = "admin"
FIRST_TOKEN = "first"  # noqa: S105 - its name


@dataclass(frozen=True, slots=True)
class Prepared:
    """What preparing has changed."""

    migrated: bool
    first_token: str | None
    """Of the user `admin`, made just now; to be shown once."""


def prepare(settings: GatewaySettings, show_token: bool) -> Prepared:
    """Bring the database to the newest revision, and make the user `admin` if there is none.

    `show_token`: the new user's first access token will be shown; otherwise none is issued.
    Raises SettingsError: unreachable database, one of an unknown newer revision, a login provider
    whose settings cannot be used.
    """
    refuse_unusable(settings)
    migrated = asyncio.run(_revision(settings.database)) != HEAD
    if migrated:
        apply_migrations(settings.database)
    return Prepared(migrated, asyncio.run(_first_token(settings, show_token)))


def apply_migrations(url: URL, down: str | None = None) -> None:
    """In a process of its own: the serving ones need not carry Alembic. Raises SettingsError."""
    command = [sys.executable, "-m", "gateway.migration", *(["--down", down] if down else [])]
    done = subprocess.run(  # noqa: S603 - our own module; the address goes where `ps` cannot see it
        command,
        input=url.render_as_string(hide_password=False),
        stdout=subprocess.PIPE,
        text=True,
        check=False,
    )
    if done.returncode:
        raise SettingsError(
            done.stdout.strip()
            or "The database of DATABASE_URL could not be migrated; the lines above say why."
        )


@asynccontextmanager
async def opened(settings: GatewaySettings) -> AsyncIterator[AuthStore]:
    """Users and tokens, of a database with the newest revision. Raises SettingsError."""
    async with _connected(settings) as engine:
        yield AuthStore(engine)


@asynccontextmanager
async def opened_credentials(settings: GatewaySettings) -> AsyncIterator[CredentialStore]:
    """Decisions on provider keys and reports of them, likewise. Raises SettingsError."""
    async with _connected(settings) as engine:
        yield CredentialStore(engine)


@asynccontextmanager
async def opened_people(settings: GatewaySettings) -> AsyncIterator[PeopleStore]:
    """Users with their ways in, likewise. Raises SettingsError."""
    async with _connected(settings) as engine:
        yield PeopleStore(engine)


@asynccontextmanager
async def opened_passwords(settings: GatewaySettings) -> AsyncIterator[PasswordStore]:
    """Who comes in with a password, likewise. Raises SettingsError."""
    async with _connected(settings) as engine:
        yield PasswordStore(engine)


@asynccontextmanager
async def opened_switches(settings: GatewaySettings) -> AsyncIterator[SwitchStore]:
    """What admins switch at run time, likewise. Raises SettingsError."""
    async with _connected(settings) as engine:
        yield SwitchStore(engine)


@asynccontextmanager
async def opened_records(
    settings: GatewaySettings,
) -> AsyncIterator[tuple[RecordStore, AuthStore]]:
    """Records, and whose they are, likewise. Raises SettingsError."""
    async with _connected(settings) as engine:
        yield RecordStore(engine), AuthStore(engine)


@asynccontextmanager
async def opened_traces(settings: GatewaySettings) -> AsyncIterator[ErasureStore]:
    """What there is of people, likewise. Raises SettingsError."""
    async with _connected(settings) as engine:
        yield ErasureStore(engine)


@asynccontextmanager
async def _connected(settings: GatewaySettings) -> AsyncIterator[AsyncEngine]:
    engine = make_engine(settings.database, pool_size=1)
    try:
        await require_head(engine)
        with reaching(settings.database):
            yield engine
    finally:
        await engine.dispose()


async def _revision(url: URL) -> str | None:
    engine = make_engine(url, pool_size=1)
    try:
        return await require_known(engine)
    finally:
        await engine.dispose()


async def _first_token(settings: GatewaySettings, show_token: bool) -> str | None:
    now = datetime.now(UTC)
    async with opened(settings) as store:
        if await store.first_user(FIRST_USER, now) is None or not show_token:
            return None
        issued = await store.issue(
            FIRST_USER, settings.token_days, FIRST_TOKEN, settings.tokens_per_user, now
        )
        return issued.token
