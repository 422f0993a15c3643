"""The canonical form of a message, and the hashes made of it.

Two messages have one canonical form if they say the same: clients send back an answer with other
line ends, in parts instead of a string, with arguments in another order, without its annotations.

Pure. What the messages of a request are is in `consumer.transcripts`; which hashes make a
conversation is in `consumer.conversations`.
"""

import base64
import binascii
import hashlib
import json
import struct
from collections.abc import Iterable, Sequence
from typing import Any

import msgspec

Message = dict[str, Any]
"""A message in the shape of chat completions."""

CANON_VERSION = 1
"""Stored with every exchange; another canonical form is another version, and wants a `relink`."""

SYSTEM_ROLES = ("system", "developer")


def digest(*parts: bytes) -> bytes:
    """SHA-256 over the parts, behind their lengths: no two lists of parts look alike."""
    head = struct.pack(f">{len(parts) + 1}Q", len(parts), *map(len, parts))
    return hashlib.sha256(head + b"".join(parts)).digest()


def root_hash(user_id: int) -> bytes:
    """The empty list of messages of one user; whatever grows from it is that user's alone."""
    return digest(b"root", b"%d" % user_id)


def message_hash(root: bytes, message: Message) -> bytes:
    return digest(b"msg", root, _written(canonical(message)))


def system_hash(root: bytes, messages: Sequence[Message]) -> bytes:
    return digest(b"system", root, *(_written(canonical(message)) for message in messages))


def node_hash(parent: bytes, message: bytes) -> bytes:
    """Of two digests; made so often that its unchanging head is made once."""
    return hashlib.sha256(_NODE + parent + message).digest()


_NODE = struct.pack(">4Q", 3, len(b"node"), 32, 32) + b"node"
"""What `digest(b"node", …)` puts before two digests."""


def pair_hash(root: bytes, question: bytes, answer: bytes) -> bytes:
    """Of one message and the answer to it, wherever in a conversation they stand."""
    return digest(b"pair", root, question, answer)


def chain(root: bytes, messages: Iterable[bytes]) -> tuple[bytes, ...]:
    """The node of every beginning of the list, shortest first."""
    nodes = []
    node = root
    for message in messages:
        node = node_hash(node, message)
        nodes.append(node)
    return tuple(nodes)


def canonical(message: Message) -> list[Any]:
    """Role, parts, tool calls, id of the call that is answered, name."""
    return [
        _role(message.get("role")),
        [*_parts(message.get("content")), *_spoken(message.get("audio"))],
        _calls(message),
        message.get("tool_call_id") or None,
        message.get("name") or None,
    ]


def plain_text(message: Message) -> str:
    """The words of a message, without whatever else it holds."""
    texts = [part[1] for part in _parts(message.get("content")) if part[0] == "text"]
    return "\n".join(texts)


def _role(role: object) -> object:
    if role in SYSTEM_ROLES:
        return "system"
    return "tool" if role == "function" else role


def _parts(content: object) -> list[list[Any]]:
    match content:
        case str():
            found = [_text(content)]
        case None:
            return []
        case list():
            found = [_part(part) for part in content]
        case _:
            found = [_part(content)]
    return [part for part in found if part is not None]


def _text(text: str) -> list[Any] | None:
    stripped = text.replace("\r\n", "\n").strip()
    return ["text", stripped] if stripped else None


def _part(part: object) -> list[Any] | None:
    if isinstance(part, str):
        return _text(part)
    if not isinstance(part, dict):
        return ["other", part]
    match part.get("type"):
        case "text" | "input_text" | "output_text" | None if isinstance(part.get("text"), str):
            return _text(part["text"])
        case "image_url" | "input_image":
            return ["image", _address(part.get("image_url")) or part.get("file_id")]
        case "input_audio":
            return ["audio", _content_digest(_inner(part, "input_audio").get("data"))]
        case "file" | "input_file":
            return ["file", *_file(_inner(part, "file") or part)]
        case kind if kind in _SILENT:
            return None
    return ["other", {name: value for name, value in part.items() if name not in _PASSING}]


_SILENT = ("refusal", "reasoning", "thinking", "redacted_thinking", "reasoning_text")
"""Parts that clients drop or keep as they please."""

_PASSING = ("cache_control", "annotations", "logprobs")


def _inner(part: dict[str, Any], name: str) -> dict[str, Any]:
    inner = part.get(name)
    return inner if isinstance(inner, dict) else {}


def _file(file: dict[str, Any]) -> list[Any]:
    data = file.get("file_data")
    content = _content_digest(data) if data else None
    return [file.get("file_id") or None, file.get("file_url") or None, content]


def _address(image: object) -> object:
    """Where the picture is; of one that is sent along, the digest of its bytes."""
    url = image.get("url") if isinstance(image, dict) else image
    if not isinstance(url, str) or not url.startswith("data:"):
        return url
    return _content_digest(url)


def _content_digest(data: object) -> object:
    """Of base64, as such or in a `data:` address; of what is neither, its text's."""
    if not isinstance(data, str):
        return data
    head, _, text = data.partition(",") if data.startswith("data:") else (";base64", "", data)
    try:
        content = base64.b64decode("".join(text.split()), validate=True)
    except (binascii.Error, ValueError):
        head = ""
    if not head.endswith(";base64"):
        content = data.encode("utf-8", "surrogatepass")
    return "sha256:" + hashlib.sha256(content).hexdigest()


def _spoken(audio: object) -> list[list[Any]]:
    """An answer in sound is sent back by its id alone."""
    return [["spoken", audio.get("id")]] if isinstance(audio, dict) else []


def _calls(message: Message) -> list[Any]:
    calls = message.get("tool_calls")
    found = [_call(call) for call in calls] if isinstance(calls, list) else []
    old = message.get("function_call")
    return found + ([[None, *_function(old)]] if isinstance(old, dict) and not found else [])


def _call(call: object) -> Any:
    if not isinstance(call, dict):
        return call
    function = call.get("function") or call.get("custom")
    if not isinstance(function, dict):
        return {name: value for name, value in call.items() if name != "index"}
    return [call.get("id") or None, *_function(function)]


def _function(function: dict[str, Any]) -> list[Any]:
    given = function.get("arguments", function.get("input"))
    return [function.get("name"), _arguments(given)]


def _arguments(given: object) -> Any:
    """Arguments are JSON in a string: one meaning, many spellings."""
    if not isinstance(given, str):
        return None if given is None else ["json", given]
    try:
        return ["json", json.loads(given)] if given.strip() else None
    except (ValueError, RecursionError):
        return given.strip()


def _written(value: Any) -> bytes:
    try:
        return msgspec.json.encode(value, order="sorted")
    except (OverflowError, UnicodeEncodeError):  # integers beyond 64 bits, halves of characters
        return json.dumps(value, sort_keys=True).encode()
