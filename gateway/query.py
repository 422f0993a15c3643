"""The query parameters of the gateway's own endpoints, checked. Pure.

Whatever is unknown, given twice or cannot be understood is refused by name: a filter that is
silently ignored shows more than was asked for.
"""

from collections.abc import Collection, Iterable
from datetime import UTC, date, datetime, timedelta
from uuid import UUID

from gateway.errors import InvalidRequest

EARLIEST = datetime(1970, 1, 1, tzinfo=UTC)
MOST_CHARACTERS = 256


class Query:
    """The parameters of one request."""

    def __init__(self, given: Iterable[tuple[str, str]], known: Collection[str]) -> None:
        """Raises InvalidRequest (400), as everything here does."""
        self._values: dict[str, str] = {}
        for name, value in given:
            if name not in known:
                listed = ", ".join(known) if known else "none"
                raise _refused(name[:MOST_CHARACTERS], f"is not known here; there are: {listed}")
            if name in self._values:
                raise _refused(name, "is given twice")
            if len(value) > MOST_CHARACTERS or "\0" in value:
                raise _refused(name, "cannot be that")
            self._values[name] = value

    def text(self, name: str) -> str | None:
        """None: not given, or empty."""
        return self._values.get(name) or None

    def choices(self, name: str, known: Collection[str]) -> tuple[str, ...]:
        """Comma-separated; all that are known where nothing is given."""
        text = self.text(name)
        if text is None:
            return tuple(known)
        chosen = {part.strip() for part in text.split(",")}
        if chosen - set(known):
            raise _refused(name, f"takes {', '.join(known)}, comma-separated")
        return tuple(one for one in known if one in chosen)

    def one_of(self, name: str, known: Collection[str]) -> str | None:
        text = self.text(name)
        if text is not None and text not in known:
            raise _refused(name, f"must be one of {', '.join(known)}")
        return text

    def whole(self, name: str, least: int, most: int, default: int) -> int:
        text = self.text(name)
        if text is None:
            return default
        if not (text.isascii() and text.isdigit() and len(text) < 10):
            raise _refused(name, f"must be a whole number from {least} to {most}")
        if not least <= int(text) <= most:
            raise _refused(name, f"must be from {least} to {most}")
        return int(text)

    def id(self, name: str) -> UUID | None:
        text = self.text(name)
        if text is None:
            return None
        if (found := as_id(text)) is None:
            raise _refused(name, "must be an id")
        return found

    def day(self, name: str) -> date | None:
        text = self.text(name)
        try:
            return None if text is None else date.fromisoformat(text)
        except ValueError:
            raise _refused(name, "must be a date, such as 2026-11-21") from None

    def moment(self, name: str) -> datetime | None:
        """Unix seconds, or ISO 8601; without a zone it is UTC."""
        text = self.text(name)
        if text is None:
            return None
        try:
            # a `+` that was not escaped arrives as a blank
            found = _unix(text) or datetime.fromisoformat(text.replace(" ", "+"))
            return found.astimezone(UTC) if found.tzinfo else found.replace(tzinfo=UTC)
        except (ValueError, OverflowError):
            example = "must be a time, such as 2026-11-21T08:00:00Z or 1795248000"
            raise _refused(name, example) from None


def in_order(begin: datetime | date | None, end: datetime | date | None) -> None:
    """Of the parameters `from` and `to`. Raises InvalidRequest (400)."""
    if begin is not None and end is not None and begin > end:
        raise _refused("to", "lies before `from`")


def as_id(text: str) -> UUID | None:
    """The id in the one form in which it is shown; None: it is none."""
    try:
        found = UUID(text)
    except ValueError:
        return None
    return found if str(found) == text.lower() else None


def _unix(text: str) -> datetime | None:
    whole, _, part = text.partition(".")
    if not (whole.isascii() and whole.isdigit() and (part.isdigit() or not part)):
        return None
    return EARLIEST + timedelta(seconds=float(text)) if len(whole) != 8 else None


def _refused(name: str, what: str) -> InvalidRequest:
    return InvalidRequest(f"The parameter `{name}` {what}.", param=name)
