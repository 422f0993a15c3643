"""Preparing what a consumer may have died of, without dying of it for ever.

RabbitMQ counts deliveries, and sets a message aside that nobody survives. The local wire has nobody
who counts: so what is being prepared is written down first, and found there by the next consumer.
"""

from contextlib import suppress
from pathlib import Path

import msgspec

from consumer.decode import BadRecord
from consumer.prepare import PreparedRecord, Preparer
from consumer.usage import Meter

MOST_DEATHS = 3


class CarefulPreparer(Preparer):
    """Keeps a file that names the record in its hands, and how many consumers died with it there.
    One at a time uses it."""

    def __init__(self, meter: Meter, path: Path) -> None:
        super().__init__(meter)
        self._path = path
        self._deaths = _read(path)

    def prepare(self, frames: bytes) -> PreparedRecord:
        """Raises BadRecord, also for one that too many have died of; NewerRecord."""
        record_id = frames[9:25]  # where a frame has it
        deaths = self._deaths.get(record_id.hex(), 0)
        if deaths >= MOST_DEATHS:
            self._forget(record_id)
            raise BadRecord(record_id.ljust(16, b"\0"), f"{deaths} consumers died of it")
        self._deaths[record_id.hex()] = deaths + 1
        self._write()
        try:
            prepared = super().prepare(frames)
        except Exception:
            self._forget(record_id)
            raise
        self._forget(record_id)
        return prepared

    def _forget(self, record_id: bytes) -> None:
        self._deaths.pop(record_id.hex(), None)
        self._write()

    def _write(self) -> None:
        with suppress(OSError):  # a full disk must not keep records from being stored
            if self._deaths:
                self._path.write_bytes(msgspec.json.encode(self._deaths))
            else:
                self._path.unlink(missing_ok=True)


def _read(path: Path) -> dict[str, int]:
    """Empty where there is nothing that can be read."""
    try:
        return msgspec.json.decode(path.read_bytes(), type=dict[str, int])
    except (OSError, msgspec.DecodeError):
        return {}
