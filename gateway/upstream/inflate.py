"""Reading an error that an upstream compressed although it was asked not to. Pure."""

import zlib

_EITHER_HEADER = 47
"""gzip's or zlib's own, whichever is there (zlib's manual, inflateInit2)."""


def inflated(body: bytes, encoding: bytes, most_bytes: int) -> bytes:
    """The plain body, cut at `most_bytes`; as it came if it is not compressed so."""
    if encoding.strip().lower() not in (b"gzip", b"x-gzip", b"deflate"):
        return body
    try:
        return zlib.decompressobj(_EITHER_HEADER).decompress(body, most_bytes)
    except zlib.error:
        return body
