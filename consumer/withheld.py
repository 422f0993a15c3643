"""Records whose bodies are not to be stored: what they used is counted, then they are dropped.

Digests are dropped with them, since they can confirm a guess. Nor has such a record a place in a
conversation, which is made of what was said.
"""

from collections.abc import Sequence

import msgspec

from common.frames import FrameKind, encode_frame
from common.peek import beginning, beginning_of_part
from common.record import encode
from consumer.decode import Decoded
from consumer.usage import Usage


def without_bodies(decoded: Decoded, usage: Usage | None) -> tuple[Decoded, bytes]:
    """The record and its frames, with lengths in place of bodies and what was counted of them."""
    begin, end, response = decoded
    size, answer_size = end.request_size_bytes, end.response_size_bytes
    bare_begin = msgspec.structs.replace(begin, request=b"")
    bare_end = msgspec.structs.replace(
        end,
        response=b"",
        request_size_bytes=len(begin.request) if size is None else size,
        request_sha256=None,
        response_size_bytes=len(response) if answer_size is None else answer_size,
        response_sha256=None,
        usage=_told(usage),
    )
    frames = encode_frame(FrameKind.BEGIN, begin.id, encode(bare_begin))
    frames += encode_frame(FrameKind.END, begin.id, encode(bare_end))
    return Decoded(bare_begin, bare_end, b""), frames


def keepable(raw: bytes) -> bytes:
    """What may lie in quarantine of a record that cannot be understood: all, or nothing."""
    return b"" if beginning(raw).get("no_store") is True else raw


def keepable_parts(bodies: Sequence[bytes]) -> bytes:
    """The same of one that came in parts."""
    withheld = bool(bodies) and beginning_of_part(bodies[0]).get("no_store") is True
    return b"" if withheld else b"".join(bodies)


def _told(usage: Usage | None) -> bytes | None:
    """As upstreams report it: should the record be tried again, its bodies are gone."""
    if usage is None:
        return None
    told = {
        "prompt_tokens": usage.prompt_tokens,
        "completion_tokens": usage.completion_tokens,
        "prompt_tokens_details": {"cached_tokens": usage.cached_tokens},
        "completion_tokens_details": {"reasoning_tokens": usage.reasoning_tokens},
    }
    return msgspec.json.encode(told)
