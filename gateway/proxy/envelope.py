"""The few top-level fields of a JSON body that the gateway acts on, and setting them in place.

The body itself is never rebuilt: what the client wrote is what is sent, but for the bytes of a
field that the gateway sets. Pure.
"""

import re
from collections.abc import Mapping

import msgspec

from common.foreign_json import UNREADABLE, json_object
from gateway.errors import AmbiguousBody, InvalidJSON, InvalidRequest
from gateway.proxy.outline import (
    DISGUISE,
    Outline,
    members_of,
    outline,
    refuse_deep,
    scan,
    tolerant,
)

INLINE_BYTES = 128 * 1024
"""Up to this a body is read on the event loop, in a fraction of a millisecond; beyond, on a
thread."""
_PARSED_BYTES = 4 * 1024 * 1024
"""Up to this by a parser in C, which lets no other thread run meanwhile."""
_SHORT_BYTES = 4096

ACTED_ON = ("model", "stream", "stream_options", "store")


class Fields(msgspec.Struct):
    """What a body asks for, as far as the gateway cares."""

    model: str | None = None
    stream: bool | None = None
    stream_options: msgspec.Raw = msgspec.Raw(b"")
    store: bool | None = None

    @property
    def wants_usage(self) -> bool:
        """Whether the client itself asked for a usage chunk."""
        options = bytes(self.stream_options)
        if b"include_usage" not in options:
            return False
        return (json_object(options) or {}).get("include_usage") is True


_decoder = msgspec.json.Decoder(Fields)
_ANY_CASE = re.compile(rb'"(?:model|stream|stream_options|store)"', re.IGNORECASE)


def read(body: bytes) -> Fields:
    """Raises InvalidJSON, AmbiguousBody, InvalidRequest (all 400)."""
    if len(body) > _PARSED_BYTES:
        return read_large(body)
    try:
        values = members_of(body)
    except msgspec.ValidationError:
        raise InvalidJSON("The body must be a JSON object.") from None
    except UNREADABLE:
        return _read_odd(body)
    refuse_deep(body)
    acted_on = {name: values[name] for name in ACTED_ON if name in values}
    if not _is_plain(body, len(acted_on)):
        _refuse_ambiguous(outline(body, values))
    return _fields(acted_on)


def read_large(body: bytes) -> Fields:
    """As `read`, from the outline alone: in Python, so that a thread of it lets others run.

    What stands inside the values is left to the upstream to judge.
    """
    found = scan(body)
    _refuse_ambiguous(found)
    return _fields(
        {
            member.key: msgspec.Raw(body[member.start : member.end])
            for member in found.members
            if member.key in ACTED_ON
        }
    )


def _fields(values: Mapping[str, msgspec.Raw]) -> Fields:
    try:
        return _decoder.decode(msgspec.json.encode(values))
    except msgspec.ValidationError as error:
        raise _wrong_type(error) from None
    except UNREADABLE:
        raise InvalidJSON() from None


def _read_odd(body: bytes) -> Fields:
    """Legal JSON that the fast parser refuses: lone surrogates. Everything else is broken."""
    fields = read_large(body)
    try:
        tolerant.decode(body.decode())
    except (ValueError, RecursionError):
        raise InvalidJSON() from None
    return fields


def _is_plain(body: bytes, acted_on: int) -> bool:
    """Whether a look that is cheaper for short bodies shows that every key that is acted on stands
    there once, as it should be written."""
    return (
        len(body) <= _SHORT_BYTES
        and len(_ANY_CASE.findall(body)) == acted_on
        and not DISGUISE.search(body)
    )


def _refuse_ambiguous(found: Outline) -> None:
    seen = set()
    for key in (member.key for member in found.members):
        name = key.lower()
        if name not in ACTED_ON:
            continue
        if key != name:
            raise AmbiguousBody(f"The field {key!r} must be written {name!r}.", param=name)
        if name in seen:
            raise AmbiguousBody(f"The field {name!r} is given twice.", param=name)
        seen.add(name)


def _wrong_type(error: msgspec.ValidationError) -> InvalidRequest:
    text, _, place = str(error).partition(" - at `$.")
    name = place.rstrip("`")
    return InvalidRequest(f"{name}: {text.lower()}.", param=name)


def with_member(body: bytes, name: str, value: bytes) -> bytes:
    """The body with that top-level member set to the JSON `value`; all other bytes as they were."""
    found = outline(body)
    for member in found.members:
        if member.key == name:
            return body[: member.start] + value + body[member.end :]
    first = b'{"' + name.encode() + b'":' + value + (b"," if found.members else b"")
    return body[: found.opening] + first + body[found.opening + 1 :]


def asking_for_usage(body: bytes, stream_options: bytes) -> bytes:
    """The body with `stream_options.include_usage` true; `stream_options`: what it says so far."""
    if stream_options in (b"", b"null"):
        if stream_options == b"" and body[:1] == b"{":
            return b'{"stream_options":{"include_usage":true},' + body[1:]
        return with_member(body, "stream_options", b'{"include_usage":true}')
    return with_member(
        body, "stream_options", with_member(stream_options, "include_usage", b"true")
    )
