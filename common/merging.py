"""Merge the deltas of a stream into the value that they spell.

Pure. Strings grow as lists of pieces and are joined once, so that a long answer in small pieces
costs no more than its length.
"""

from typing import Any

_WHOLE = ("role", "id", "type", "index", "object", "name", "format", "signature", "encoding")
"""Fields that are sent whole, whether once or with every piece."""


class Pieces(list[str]):
    """A string that is still growing."""


class Calls(dict[int, dict[str, Any]]):
    """Tool calls that are still growing, by their place."""


def merge_delta(into: dict[str, Any], delta: dict[str, Any]) -> None:
    for name, value in delta.items():
        if value is not None:
            into[name] = _merged(name, into.get(name), value)
        else:
            into.setdefault(name, None)


def merge_calls(calls: Calls, deltas: list[Any]) -> None:
    """Tool calls by `index`; where a sender leaves it out, an id begins the next call."""
    for delta in deltas:
        if isinstance(delta, dict):
            call = calls.setdefault(_place(calls, delta), {})
            merge_delta(call, {name: value for name, value in delta.items() if name != "index"})


def settled(value: Any) -> Any:
    """The value with every string joined and every set of calls a list."""
    match value:
        case Pieces():
            return "".join(value)
        case Calls():
            return [settled(value[place]) for place in sorted(value)]
        case list():
            return [settled(item) for item in value]
        case dict():
            return {name: settled(item) for name, item in value.items()}
    return value


def _place(calls: Calls, delta: dict[str, Any]) -> int:
    place = delta.get("index")
    if isinstance(place, int):
        return place
    last = max(calls, default=-1)
    known = calls[last].get("id") if calls else None
    begins = not calls or (delta.get("id") and known and delta["id"] != known)
    return last + 1 if begins else last


def _merged(name: str, known: Any, value: Any) -> Any:
    match value:
        case str() if name in _WHOLE:
            return known or value
        case str():
            pieces = known if isinstance(known, Pieces) else Pieces()
            pieces.append(value)
            return pieces
        case dict():
            inner = known if isinstance(known, dict) else {}
            merge_delta(inner, value)
            return inner
        case list() if isinstance(known, list) and not isinstance(known, Pieces):
            known.extend(value)
            return known
    return value
