"""A connection to SQLite that a cancelled call cannot keep open.

SQLAlchemy closes the connection of a cancelled call behind a shield, and stops its thread if it is
cancelled again. The close then stops a second time, at a thread that has gone, and waits for ever:
the process would never exit. Here, a second stop has nothing to wait for.
"""

import asyncio
import sqlite3
from typing import Any

import aiosqlite

_ROWS_AT_ONCE = 64


class StoppedOnce(aiosqlite.Connection):
    """As its base, but stopping it again returns at once."""

    def __init__(self, path: str, **options: Any) -> None:
        super().__init__(lambda: sqlite3.connect(path, **options), _ROWS_AT_ONCE)
        self._thread.daemon = True

    def stop(self) -> asyncio.Future[Any] | None:
        return super().stop() if self._running else None
