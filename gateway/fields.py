"""The JSON bodies of the gateway's own endpoints, checked. Pure.

Nothing but the known fields is taken, and none twice: what is ignored could be meant, and what is
taken unseen could be a role.
"""

import json
from collections.abc import Collection
from typing import Any

from gateway.errors import InvalidJSON, InvalidRequest


class Fields:
    """The members of one JSON object."""

    def __init__(self, body: bytes, known: Collection[str]) -> None:
        """Raises InvalidRequest (400), as everything here does. No body at all has no members."""
        try:
            value = json.loads(body, object_pairs_hook=_once) if body else {}
        except (ValueError, RecursionError):
            raise InvalidJSON() from None
        if not isinstance(value, dict):
            raise InvalidRequest("The body must be a JSON object.")
        if unknown := [name for name in value if name not in known]:
            raise _refused(
                unknown[0][:64], f"is not known here; there are: {', '.join(known) or 'none'}"
            )
        self._values = value

    def __contains__(self, name: str) -> bool:
        return name in self._values

    def text(self, name: str, most: int) -> str | None:
        """At most so many characters. None: not given, or null."""
        value = self._values.get(name)
        if value is None:
            return None
        if not isinstance(value, str) or len(value) > most or "\0" in value or not _writable(value):
            raise _refused(name, f"must be a text of at most {most} characters")
        return value

    def needed(self, name: str, most: int) -> str:
        """As `text`, and not blank."""
        value = self.text(name, most)
        if value is None or not value.strip():
            raise _refused(name, "is needed")
        return value

    def whole(self, name: str) -> int | None:
        value = self._values.get(name)
        if value is not None and (type(value) is not int or abs(value) > 2**31):
            raise _refused(name, "must be a whole number")
        return value

    def truth(self, name: str) -> bool | None:
        value = self._values.get(name)
        if value is not None and type(value) is not bool:
            raise _refused(name, "must be true or false")
        return value

    def one_of(self, name: str, known: Collection[str]) -> str | None:
        value = self._values.get(name)
        if value is not None and value not in list(known):
            raise _refused(name, f"must be one of {', '.join(known)}")
        return value


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise InvalidRequest("A field is given twice.")
    return found


def _writable(text: str) -> bool:
    """No half of a surrogate pair, which no database takes."""
    return not any("\ud800" <= letter <= "\udfff" for letter in text)


def _refused(name: str, what: str) -> InvalidRequest:
    return InvalidRequest(f"The field `{name}` {what}.", param=name)
