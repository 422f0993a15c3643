"""Read the bytes of an event stream after the fact, whole or cut.

Pure. Events end at a blank line and nowhere else. What the events mean is in `common.answers`; how
they are relayed while they come is the gateway's.
"""

from collections.abc import Iterator
from typing import Any, NamedTuple

from common.lenient import parse


class Event(NamedTuple):
    name: str
    """The `event:` field; empty where there was none."""
    data: dict[str, Any]


def looks_like_events(body: bytes) -> bool:
    return body.lstrip(b"\xef\xbb\xbf \r\n").startswith((b"data:", b"event:", b"id:", b":"))


def json_events(body: bytes) -> Iterator[Event]:
    """Events whose data is a JSON object; `[DONE]`, comments and broken ones are passed over."""
    text = body.removeprefix(b"\xef\xbb\xbf")
    if b"\r" in text:
        text = text.replace(b"\r\n", b"\n").replace(b"\r", b"\n")
    for block in text.split(b"\n\n"):
        yield from _read(block)


def _read(block: bytes) -> Iterator[Event]:
    name, data = "", []
    for line in block.split(b"\n"):
        field, _, value = line.partition(b":")
        if field == b"data":
            data.append(value.removeprefix(b" "))
        elif field == b"event":
            name = value.strip().decode("utf-8", "replace")
    if not data:
        return
    found = list(_objects([b"\n".join(data)])) or list(_objects(data))
    # each line on its own: senders that forget the blank line, whom line-based clients understand
    for payload in found:
        yield Event(name, payload)


def _objects(texts: list[bytes]) -> Iterator[dict[str, Any]]:
    for text in texts:
        try:
            value = parse(text)
        except ValueError:
            continue
        if isinstance(value, dict):
            yield value
