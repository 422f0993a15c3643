"""Which OpenAI endpoint a path means, in all the spellings that clients use. Pure.

`/v1/x`, `/openai/x`, `/openai/v1/x` and, for known endpoints, plain `/x` are the same; the 0.28 SDK
names a model in `/engines/{model}/x`, Azure clients in `/openai/deployments/{model}/x`.
"""

from dataclasses import dataclass, field
from functools import lru_cache
from re import compile as pattern
from urllib.parse import quote, unquote_to_bytes

GROUPS = frozenset(
    """assistants audio batches chat chatkit completions containers content_provenance_checks
    conversations edits embeddings evals files fine-tunes fine_tuning images models moderations
    organization projects realtime responses skills threads uploads vector_stores videos""".split()
)
"""First segments of OpenAI's API; kinds of records and labels of metrics come from here."""

BARE = GROUPS - {"conversations"} | {"engines"}
"""Those that are understood without a prefix, too: `/conversations` is the gateway's own."""

_KINDS = {
    "/chat/completions": "chat",
    "/completions": "completion",
    "/embeddings": "embedding",
    "/responses": "response",
    "/responses/compact": "compaction",
    "/responses/input_tokens": "token_count",
}
_STORED_KINDS = {"responses": "stored_response", "chat": "stored_chat"}
"""What is below these looks at an earlier answer, or changes it: no model is asked."""
_MODEL_IN_PATH = frozenset({"chat/completions", "completions", "embeddings", "edits"})
_SLASHES = pattern(rb"/{2,}")
_SAFE = "!$&'()*+,;=:@-._~"  # pchar of RFC 3986, 3.3, without the percent sign


@dataclass(frozen=True, slots=True)
class Target:
    """An OpenAI endpoint: what is asked for, below the prefix."""

    path: str
    """Decoded: `/chat/completions`, `/models/org/model:free`."""
    kind: str
    model: str | None = None
    """As the path names it."""
    group: str = field(init=False)
    """First segment of the path."""
    encoded: bytes = field(init=False)
    """For the request line: exactly what was authorised, encoded anew."""

    def __post_init__(self) -> None:
        """Once for each spelling of a path: `resolve` keeps what it made."""
        object.__setattr__(self, "group", self.path.split("/", 2)[1])
        object.__setattr__(self, "encoded", quote(self.path, safe="/" + _SAFE).encode())


@lru_cache(maxsize=1024)
def resolve(raw_path: bytes) -> Target | None:
    """None: not an address of the OpenAI API, or one that plays tricks (dot segments, controls)."""
    path = _SLASHES.sub(b"/", raw_path)
    segments = [_decoded(part) for part in path.strip(b"/").split(b"/")]
    known = [segment for segment in segments if segment is not None]
    if len(known) != len(segments):
        return None
    match known:
        case ["openai", "deployments", model, *rest] if "/".join(rest) in _MODEL_IN_PATH:
            return _target(rest, model)
        case ["openai", "v1", *rest] | ["v1", *rest] | ["openai", *rest]:
            return _below_prefix(rest)
        case [first, *_] if first in BARE:
            return _below_prefix(known)
    return None


def _below_prefix(rest: list[str]) -> Target | None:
    match rest:
        case ["engines", *model] if "/".join(model[1:]) not in _MODEL_IN_PATH:
            return _target(["models", *model])  # the 0.28 SDK's Engine.list and .retrieve
        case ["engines", model, *operation]:
            return _target(operation, model)
        case [_, *_]:
            return _target(rest)
    return None


def _target(segments: list[str], model: str | None = None) -> Target:
    path = "/" + "/".join(segments)
    return Target(path, _KINDS.get(path) or _kind_of_group(segments[0]), model)


def _kind_of_group(group: str) -> str:
    return _STORED_KINDS.get(group) or (group if group in GROUPS else "other")


def _decoded(part: bytes) -> str | None:
    """None: undecodable, a dot segment, or with a control character or backslash."""
    try:
        text = unquote_to_bytes(part).decode()
    except UnicodeDecodeError:
        return None
    if (
        text in (".", "..", "")
        or "\\" in text
        or any(ord(c) < 0x20 or ord(c) == 0x7F for c in text)
    ):
        return None
    return None if any(piece in (".", "..", "") for piece in text.split("/")) else text
