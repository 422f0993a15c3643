"""tiktoken encodings from the rank files beside this module: no network, no temporary file.

Each takes a third of a second and some 70 MB, so it is loaded when first needed. Which model has
which encoding is in `consumer.tokens.models`.
"""

import json
import lzma
from base64 import b64decode
from importlib.resources import files
from threading import Lock

import tiktoken

_RANKS_OF = {"r50k_base": ("p50k_base", 50_256)}
"""r50k_base has the first ranks of p50k_base, and no others."""


class Encodings:
    """The encodings in use so far. Safe to share between threads."""

    def __init__(self) -> None:
        self._loaded: dict[str, tiktoken.Encoding] = {}
        self._lock = Lock()

    def get(self, name: str) -> tiktoken.Encoding:
        with self._lock:
            if name not in self._loaded:
                self._loaded[name] = _load(name)
            return self._loaded[name]


def _load(name: str) -> tiktoken.Encoding:
    directory = files("consumer.tokens") / "ranks"
    patterns = json.loads((directory / "patterns.json").read_text())
    file, limit = _RANKS_OF.get(name, (name, None))
    lines = lzma.decompress((directory / f"{file}.tiktoken.xz").read_bytes()).splitlines()
    pairs = (line.split() for line in lines[:limit])
    return tiktoken.Encoding(
        name,
        pat_str=patterns[name],
        mergeable_ranks={b64decode(token): int(rank) for token, rank in pairs},
        special_tokens={},  # text is counted as text: `<|endoftext|>` in a prompt is no token
    )
