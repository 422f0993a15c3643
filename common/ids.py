"""Record ids by time: a UUIDv7 begins with its milliseconds since the epoch. Pure.

https://www.rfc-editor.org/rfc/rfc9562#section-5.7
"""

from datetime import UTC, datetime, timedelta
from uuid import UUID

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MOST_MS = 2**48 - 1
NOBODY = UUID(int=0)
"""Stands for an id that could not be read."""


def first_id(moment: datetime) -> UUID:
    """Not above any id of that time, above every earlier one."""
    milliseconds = (moment - _EPOCH) // timedelta(milliseconds=1)
    return UUID(int=min(max(milliseconds, 0), _MOST_MS) << 80)


def moment_of(id: UUID) -> datetime | None:
    """When it was made, to the millisecond; None: beyond what a date can say."""
    try:
        return _EPOCH + timedelta(milliseconds=id.int >> 80)
    except OverflowError:
        return None
