"""Apply the migrations: the only importer of Alembic besides migrations/.

Alembic is heavy, so nothing on the way to serving imports this module; `gateway.prepare` starts
`python -m gateway.migration` when the stored revision is not the head.
"""

import asyncio
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.script.revision import ResolutionError
from alembic.util import CommandError
from sqlalchemy import Connection, text
from sqlalchemy.engine import URL, make_url

import migrations
from common.database import make_engine, reaching
from common.schema import REVISIONS, require_known
from common.settings import SettingsError

LOCK = 0x6F_67_77_00_00_01
"""Number of the advisory lock under which one process at a time migrates a Postgres."""
PATIENCE_S = 600
"""How long another process's migration is waited for."""


def configuration() -> Config:
    config = Config()
    config.set_main_option("script_location", str(Path(migrations.__file__).parent))
    return config


def migrate(url: URL, revision: str = "head") -> None:
    """Upgrade to `revision`; nothing happens if it is reached already.

    Raises SchemaUnknown, DatabaseUnreachable, SettingsError for a revision that does not exist.
    """
    asyncio.run(_apply(url, lambda config: command.upgrade(config, revision)))


def downgrade(url: URL, revision: str) -> None:
    """Back to `revision` (`base`: before the first). Raises as `migrate` does."""
    asyncio.run(_apply(url, lambda config: command.downgrade(config, revision)))


async def _apply(url: URL, act: Callable[[Config], None]) -> None:
    engine = make_engine(url, pool_size=1, wait_s=PATIENCE_S)
    try:
        await require_known(engine)
        with reaching(url):
            async with engine.begin() as connection:
                await connection.run_sync(_locked, act)
    finally:
        await engine.dispose()


def _locked(connection: Connection, act: Callable[[Config], None]) -> None:
    if connection.dialect.name == "postgresql":  # SQLite's write lock is held already
        connection.execute(text("SELECT pg_advisory_xact_lock(:lock)"), {"lock": LOCK})
    config = configuration()
    config.attributes["connection"] = connection
    try:
        act(config)
    except (CommandError, ResolutionError) as error:
        raise SettingsError(
            f"The database cannot be migrated: {error}. Revisions are {', '.join(REVISIONS)},"
            " `head` and `base`."
        ) from None


def main(arguments: Sequence[str]) -> int:
    """`[--down REV]`: migrate the database whose address comes on standard input, where no `ps`
    shows it. What is refused is said on standard output."""
    url = make_url(sys.stdin.read().strip())
    try:
        if arguments[:1] == ["--down"]:
            downgrade(url, arguments[1])
        else:
            migrate(url)
    except SettingsError as error:
        sys.stdout.write(f"{error}\n")
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
