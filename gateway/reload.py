"""gateway.toml while the gateway runs: looked at each second, and at once when asked.

What it says then is handed on; what it may say is in `gateway.gateway_toml`. The environment is
read at the start and never again.
"""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Never

import structlog
from anyio import Event, move_on_after

from common.settings import SettingsError
from gateway.upstream.credential import Credential

log = structlog.get_logger()

EVERY_S = 1.0

Fingerprint = tuple[int, int, int]
"""What changes when a file does: its inode, size and time of change."""


class Reload:
    """What one worker has read of gateway.toml, and whether that is still what it says.

    `read` gives the credentials that it means now, or raises SettingsError; `apply` is told of
    those that differ from the last ones. What cannot be used changes nothing.
    """

    def __init__(
        self,
        path: Path,
        current: Sequence[Credential],
        read: Callable[[], Sequence[Credential]],
        apply: Callable[[Sequence[Credential]], None],
    ) -> None:
        self._path, self._current, self._read, self._apply = path, current, read, apply
        self._seen: Fingerprint | None = None
        self._asked = Event()

    def ask(self) -> None:
        """Read it again, whether or not it seems to have changed."""
        self._asked.set()

    async def run(self) -> Never:
        """Until cancelled. The first look reads: the settings may be older than this worker."""
        while True:
            self.look()
            with move_on_after(EVERY_S):
                await self._asked.wait()

    def look(self) -> None:
        asked = self._asked.is_set()
        if asked:
            self._asked = Event()
        seen = self._fingerprint()
        if seen == self._seen and not asked:
            return
        gone, self._seen = seen is None and self._seen is not None, seen
        if gone:
            log.error("upstreams_refused", reason=f"{self._path} is gone; put it back.")
        elif seen is not None:
            self._take(asked)

    def _take(self, asked: bool) -> None:
        try:
            found = self._read()
        except SettingsError as refusal:
            log.error("upstreams_refused", reason=str(refusal))
            return
        was, now = ({c.id: c for c in those} for those in (self._current, found))
        if list(now.values()) == list(was.values()) and not asked:
            return
        self._current = found
        self._apply(found)
        log.info(
            "upstreams_reloaded",
            added=[id_ for id_ in now if id_ not in was],
            removed=[id_ for id_ in was if id_ not in now],
            changed=[id_ for id_ in now if id_ in was and now[id_] != was[id_]],
        )

    def _fingerprint(self) -> Fingerprint | None:
        """None: there is no such file."""
        try:
            found = self._path.stat()
        except OSError:
            return None
        return found.st_ino, found.st_size, found.st_mtime_ns
