"""What a message holds, prepared for the store; whatever is wrong with one record stays with it.

Runs in a thread. When it is acknowledged is the worker's.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field

import structlog

from common.message import BadMessage, Part, unpack
from consumer.decode import BadRecord, NewerRecord
from consumer.prepare import PreparedRecord, Preparer
from consumer.rejected import Rejected
from consumer.withheld import keepable

Unit = bytes | Part | Rejected
"""The frames of one record, a part of one, or what could not be read at all."""

_MOST_PARTS = 65_536
"""A record of more parts is a damaged message."""

log = structlog.get_logger()


@dataclass(slots=True)
class Prepared:
    """What came of some units."""

    records: list[PreparedRecord] = field(default_factory=list)
    rejected: list[Rejected] = field(default_factory=list)
    parts: list[Part] = field(default_factory=list)
    newer: NewerRecord | None = None
    """One of the records is of a newer version, so their message cannot be acknowledged."""


def units_of(body: bytes) -> list[Unit]:
    try:
        content = unpack(body)
    except BadMessage as error:
        return [Rejected(bytes(16), f"no message: {error}", body)]
    if not isinstance(content, Part):
        return list(content.records)
    if content.count > _MOST_PARTS:
        return [Rejected(content.record_id, f"no message: {content.count} parts", body)]
    return [content]


def prepare(preparer: Preparer, units: Iterable[Unit]) -> Prepared:
    prepared = Prepared()
    for unit in units:
        if isinstance(unit, Part):
            prepared.parts.append(unit)
        elif isinstance(unit, Rejected):
            prepared.rejected.append(unit)
        else:
            _prepare(preparer, unit, prepared)
    return prepared


def _prepare(preparer: Preparer, frames: bytes, prepared: Prepared) -> None:
    try:
        prepared.records.append(preparer.prepare(frames))
    except NewerRecord as error:
        prepared.newer = error
    except BadRecord as error:
        prepared.rejected.append(Rejected(error.record_id, str(error), keepable(frames)))
    except Exception as error:  # a mistake of ours costs one record its place, not all of them
        log.error("record_not_understood", exc_info=error)
        record_id = frames[9:25].ljust(16, b"\0")  # where a frame has it
        prepared.rejected.append(
            Rejected(record_id, f"our mistake: {type(error).__name__}", keepable(frames))
        )
