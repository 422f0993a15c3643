"""A dead worker's spool in the hands of a living one: published from where it lies, then deleted.

Nothing is ever written to its segments. Should the adopter die too, the next one finds the same
records again; the consumer knows a record that it has.
"""

import os
from contextlib import suppress
from pathlib import Path

import structlog

from gateway.recording.backlog import Backlog
from gateway.recording.locks import living_or_dead, try_lock
from gateway.recording.recovery import Damage, Left, interrupted, recover
from gateway.recording.segments import Segments

log = structlog.get_logger()

DAMAGED = ".damaged"


class Adopted:
    """One dead worker's directory, and what of it is not confirmed."""

    def __init__(self, directory: Path, lock: int, left: Left) -> None:
        self.lock = lock
        self.segments = Segments(directory)
        self.backlog = Backlog(self.segments)
        self.died_at_us = left.died_at_us
        self.unfinished = {record_id for record_id, f in left.records.items() if not f.ended}
        for segment in left.segments:
            self.segments.add(segment)
        for record_id, found in left.records.items():
            self.segments.hold(found.pieces)
            self.backlog.add(record_id, found.pieces)

    def finish(self, record_id: bytes, frames: bytes) -> bytes:
        """With an end, if its worker died before writing one."""
        if record_id in self.unfinished:
            return frames + interrupted(frames, self.died_at_us)
        return frames


def adopt_all(parent: Path) -> list[Adopted]:
    """Every directory whose worker is dead. Blocks: reads all of them."""
    adopted = []
    try:
        directories = living_or_dead(parent)
    except OSError as error:
        log.error("spool_unreadable", directory=str(parent), error=str(error))
        return []
    for directory in directories:
        if (lock := try_lock(directory)) is not None:
            try:
                adopted.append(_adopt(directory, lock))
            except OSError as error:
                os.close(lock)
                log.error("spool_unreadable", directory=directory.name, error=str(error))
    return adopted


def _adopt(directory: Path, lock: int) -> Adopted:
    left = recover(directory)
    for damage in left.damages:
        _set_aside(damage)
    adopted = Adopted(directory, lock, left)
    if left.records:
        log.info(
            "spool_adopted",
            directory=directory.name,
            records=len(left.records),
            interrupted=len(adopted.unfinished),
            size_bytes=adopted.segments.size_bytes,
        )
    return adopted


def _set_aside(damage: Damage) -> None:
    """What cannot be read is kept beside the spools for whoever wants to look."""
    place = damage.path.parent.parent / DAMAGED
    copy = place / f"{damage.path.parent.name}-{damage.path.stem}-{damage.offset}"
    if damage.size_bytes:
        with suppress(OSError):
            place.mkdir(mode=0o700, exist_ok=True)
            with damage.path.open("rb") as file:
                file.seek(damage.offset)
                copy.write_bytes(file.read())
    log.error(
        "spool_damaged",
        segment=f"{damage.path.parent.name}/{damage.path.name}",
        offset=damage.offset,
        unreadable_bytes=damage.size_bytes,
        kept_as=str(copy) if copy.exists() else None,
    )
