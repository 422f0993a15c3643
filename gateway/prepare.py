"""What must be there before the gateway serves: the newest schema, and somebody to sign in as.

Safe to run on several machines at once: the database decides who migrates and who makes the first
user. Also the way of a command to the stores.
"""

import asyncio
import subprocess
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TypeVar

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

Store = TypeVar("Store")

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


def _opening(
    store: Callable[[AsyncEngine], Store],
) -> Callable[[GatewaySettings], AbstractAsyncContextManager[Store]]:
    """A way to a store on a database with the newest revision. Raises SettingsError, also for a
    database that is lost meanwhile."""

    @asynccontextmanager
    async def opened(settings: GatewaySettings) -> AsyncIterator[Store]:
        engine = make_engine(settings.database, pool_size=1)
        try:
            await require_head(engine)
            with reaching(settings.database):
                yield store(engine)
        finally:
            await engine.dispose()

    return opened


opened = _opening(AuthStore)
"""Users and tokens."""
opened_credentials = _opening(CredentialStore)
"""Decisions on provider keys and reports of them."""
opened_people = _opening(PeopleStore)
"""Users with their ways in."""
opened_passwords = _opening(PasswordStore)
"""Who comes in with a password."""
opened_switches = _opening(SwitchStore)
"""What admins switch at run time."""
opened_records = _opening(lambda engine: (RecordStore(engine), AuthStore(engine)))
"""Records, and whose they are."""
opened_traces = _opening(ErasureStore)
"""What there is of people."""


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
