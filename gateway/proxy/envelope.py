"""The few top-level fields of a JSON body that the gateway acts on, and setting them in place.

The body itself is never rebuilt: what the client wrote is what is sent, but for the bytes of a
field that the gateway sets. Pure.
"""

import msgspec

from gateway.errors import AmbiguousBody, InvalidJSON, InvalidRequest
from gateway.proxy.outline import MAX_DEPTH, Outline, scan, tolerant

INLINE_BYTES = 64 * 1024
"""Up to this a body is parsed on the event loop; beyond, `read_large` scans it on a thread."""

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
        value = msgspec.json.decode(options)
        return isinstance(value, dict) and value.get("include_usage") is True


_decoder = msgspec.json.Decoder(Fields)
_QUOTED = tuple(f'"{name}"'.encode() for name in ACTED_ON)


def read(body: bytes) -> Fields:
    """Raises InvalidJSON, AmbiguousBody, InvalidRequest (all 400)."""
    suspicious = _is_suspicious(body)
    outline = scan(body) if suspicious else None
    try:
        fields = _decoder.decode(body)
    except msgspec.ValidationError as error:
        raise _wrong_type(error) from None
    except (msgspec.DecodeError, RecursionError):
        return _read_odd(body)
    if outline is not None:
        _refuse_ambiguous(outline)
    return fields


def read_large(body: bytes) -> Fields:
    """As `read`, from the outline alone: in Python, so that a thread of it lets others run.

    What stands inside the values is left to the upstream to judge.
    """
    outline = scan(body)
    _refuse_ambiguous(outline)
    members = {
        member.key: msgspec.Raw(body[member.start : member.end])
        for member in outline.members
        if member.key in ACTED_ON
    }
    try:
        return _decoder.decode(msgspec.json.encode(members))
    except msgspec.ValidationError as error:
        raise _wrong_type(error) from None
    except msgspec.DecodeError:
        raise InvalidJSON() from None


def _read_odd(body: bytes) -> Fields:
    """Legal JSON that the fast parser refuses: lone surrogates. Everything else is broken."""
    fields = read_large(body)
    try:
        tolerant.decode(body.decode())
    except (ValueError, RecursionError):
        raise InvalidJSON() from None
    return fields


def _is_suspicious(body: bytes) -> bool:
    """Whether a cheap look cannot rule out a repeated or disguised key, or depth."""
    if body.count(b"{") + body.count(b"[") > MAX_DEPTH or b"\\u00" in body:
        return True
    lowered = body.lower()
    for name in _QUOTED:
        times = lowered.count(name)
        if times > 1 or (times == 1 and name not in body):
            return True
    return False


def _refuse_ambiguous(outline: Outline) -> None:
    seen = set()
    for key in (member.key for member in outline.members):
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
    if not place:
        return InvalidRequest("The body must be a JSON object.")
    name = place.rstrip("`")
    return InvalidRequest(f"{name}: {text.lower()}.", param=name)


def with_member(body: bytes, name: str, value: bytes) -> bytes:
    """The body with that top-level member set to the JSON `value`; all other bytes as they were."""
    outline = scan(body)
    for member in outline.members:
        if member.key == name:
            return body[: member.start] + value + body[member.end :]
    first = b'{"' + name.encode() + b'":' + value + (b"," if outline.members else b"")
    return body[: outline.opening] + first + body[outline.opening + 1 :]


def asking_for_usage(body: bytes, stream_options: bytes) -> bytes:
    """The body with `stream_options.include_usage` true; `stream_options`: what it says so far."""
    if stream_options in (b"", b"null"):
        if stream_options == b"" and body[:1] == b"{":
            return b'{"stream_options":{"include_usage":true},' + body[1:]
        return with_member(body, "stream_options", b'{"include_usage":true}')
    return with_member(
        body, "stream_options", with_member(stream_options, "include_usage", b"true")
    )
