"""Whose a stateful resource is: which ids a call names, and which its answer makes. Pure.

Files, stored responses, batches and the like live at one provider account, and belong to the user
whose call made them. The ids and their owners are kept by `store`.
"""

import json
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from common.foreign_json import json_object
from gateway.errors import EndpointRefused, InvalidJSON, InvalidRequest, MethodNotAllowed
from gateway.proxy.items import items_made
from gateway.proxy.outline import DISGUISE, text, value_end

STATEFUL = frozenset(
    """assistants batches chatkit containers conversations evals files fine-tunes fine_tuning
    responses skills threads uploads vector_stores videos""".split()
)
"""Endpoint groups whose ids live at a provider account."""

STICKY = STATEFUL - {"responses"}
"""Groups in which a user's things should come together at one account."""

_COLLECTIONS: dict[tuple[str, ...], int] = {
    ("chat", "completions"): 2,
    ("chatkit", "sessions"): 2,
    ("chatkit", "threads"): 2,
    ("fine_tuning", "jobs"): 2,
}
"""Collections that are not their group's first segment: how many segments stand before the id."""

_VERBS = frozenset({"compact", "input_tokens", "runs", "alpha", "checkpoints"})
"""Where an id would stand, and none is: `/responses/compact`, `/threads/runs`."""

REFERENCES = frozenset(
    """assistant_id batch_id container container_id conversation eval_id file_id file_ids
    input_file_id previous_response_id skill_id thread_id training_file upload_id validation_file
    vector_store_id vector_store_ids""".split()
)
_REFERENCE = re.compile(
    rb'"(?=[abcefipstuv])(' + "|".join(sorted(REFERENCES | {"id"})).encode() + rb')"[ \t\r\n]*:'
    rb"[ \t\r\n]*"
)
"""A reference and its colon; in a string there are backslashes before the quotes."""
MOST_IDS = 5000
_QUOTE = 0x22


@dataclass(frozen=True, slots=True)
class Owner:
    """Where a resource lives, and whose it is."""

    upstream: str
    account: str
    user_id: int


def refuse_shared(method: str, path: str, allowed: frozenset[str]) -> None:
    """Raises EndpointRefused (403) or MethodNotAllowed (405) for what would show or change other
    people's things."""
    group = path.split("/", 2)[1]
    if group in ("organization", "projects") and group not in allowed:
        raise EndpointRefused(
            f"/{group} shows what belongs to everybody; an administrator must allow it"
            f" (ALLOWED_ENDPOINTS={group})."
        )
    if group == "models" and method not in ("GET", "HEAD"):
        raise MethodNotAllowed("Models are shared: here they can only be read.")
    if method in ("GET", "HEAD") and is_collection(path) and "lists" not in allowed:
        raise EndpointRefused(
            "Lists show other people's things at the provider; an administrator must allow them"
            " (ALLOWED_ENDPOINTS=lists)."
        )


def is_collection(path: str) -> bool:
    """`/files` is, `/files/file-1` is not, `/chat/completions` is for GET."""
    segments = tuple(path.strip("/").split("/"))
    return segments in _COLLECTIONS or (len(segments) == 1 and segments[0] in STATEFUL)


def id_in_path(path: str) -> str | None:
    """The id of the resource that a path is about; what hangs below it belongs to it."""
    segments = path.strip("/").split("/")
    at = _COLLECTIONS.get(tuple(segments[:2]), 1 if segments[0] in STATEFUL else 0)
    if at == 0 or len(segments) <= at or segments[at] in _VERBS:
        return None
    return segments[at]


def ids_in_body(body: bytes, group: str) -> list[str]:
    """Every id that stands where a reference may stand, wherever in the JSON, however spelled.

    Raises InvalidJSON or InvalidRequest (400). Repeated members are all heeded: which of them the
    provider believes is not known here.
    """
    names = REFERENCES | {"id"} if group in STATEFUL else REFERENCES
    found = _parsed_ids(body, names) if DISGUISE.search(body) else _seen_ids(body, names)
    if len(found) > MOST_IDS:
        raise InvalidRequest(f"A body may name {MOST_IDS} ids at most.")
    return found


def _seen_ids(body: bytes, names: frozenset[str]) -> list[str]:
    """As `_parsed_ids`, for a body of which no name is disguised: it is looked at where they are.

    Values that enclose each other could make that long."""
    found: list[str] = []
    looked_at_bytes = 0
    for reference in _REFERENCE.finditer(body):
        if reference[1].decode() not in names:
            continue
        start = reference.end()
        end = value_end(body, start)
        looked_at_bytes += end - start
        if looked_at_bytes > len(body):
            return _parsed_ids(body, names)
        if body[start] == _QUOTE:
            found.append(text(body[start:end]))
        elif body[start] in b"{[":
            found.extend(_ids_of(_parsed(body[start:end], _Members)))
    return found


def _parsed_ids(body: bytes, names: frozenset[str]) -> list[str]:
    found: list[str] = []

    def members(pairs: list[tuple[str, Any]]) -> "_Members":
        for name, value in pairs:
            if name in names:
                found.extend(_ids_of(value))
        return _Members(pairs)

    _parsed(body, members)
    return found


def _parsed(body: bytes, members: Callable[[list[tuple[str, Any]]], "_Members"]) -> Any:
    try:
        return json.loads(body, object_pairs_hook=members)
    except (ValueError, RecursionError):
        raise InvalidJSON() from None


class _Members(list[tuple[str, Any]]):
    """A JSON object with every member it was given, repeated ones too."""


def _ids_of(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, _Members):
        yield from (inner for name, inner in value if name == "id" and isinstance(inner, str))
    elif isinstance(value, list):
        yield from (inner for inner in value if isinstance(inner, str))


def makes(method: str, path: str, store: bool | None) -> bool:
    """Whether the answer may name new resources that must be remembered."""
    group = path.split("/", 2)[1]
    if path == "/responses":
        return method == "POST" and store is not False
    if path == "/chat/completions":
        return store is True
    return group in STATEFUL and (method == "POST" or group in ("batches", "fine_tuning"))


def ids_made(answer: bytes) -> list[str]:
    """Ids that a JSON answer names: its own, and of what was made on the way."""
    return [made for made in _ids(json_object(answer)) if isinstance(made, str) and made]


def _ids(value: Any) -> Iterator[Any]:
    if not isinstance(value, dict):
        return
    inner = value.get("response")
    if isinstance(inner, dict):  # the first event of a streamed response
        yield inner.get("id")
    for key in ("id", "thread_id", "output_file_id", "error_file_id"):
        yield value.get(key)
    made = value.get("file")  # of a completed upload
    if isinstance(made, dict):
        yield made.get("id")
    results = value.get("result_files")
    yield from results if isinstance(results, list) else ()
    yield from items_made(value)
