"""The access token that a request presents: the one extractor for all the places it may be in.

Pure. Every route asks here, so that no header can carry what another would refuse.
"""

from collections.abc import Iterable

from gateway.auth.tokens import PREFIX
from gateway.errors import InvalidToken, Unauthorized

CARRIERS = frozenset((b"authorization", b"api-key", b"x-api-key"))
"""OpenAI's SDKs send the first, its Azure client the second, others the third."""

_OURS = PREFIX.encode()


def presented(headers: Iterable[tuple[bytes, bytes]]) -> bytes:
    """The token as it came. Header names are in lower case, as ASGI has them.

    A client library may fill one place with a dummy and its user another with the token: ours is
    taken. Raises Unauthorized (none), InvalidToken (two of ours that differ).
    """
    found = [
        token for name, value in headers if name in CARRIERS and (token := _token(name, value))
    ]
    if not found:
        raise Unauthorized
    if len(found) == 1:
        return found[0]
    ours = {token for token in found if token.startswith(_OURS)}
    if len(ours) > 1:
        raise InvalidToken("This request presents two different access tokens. Send one of them.")
    return ours.pop() if ours else found[0]


def _token(name: bytes, value: bytes) -> bytes:
    """Empty where there is none. The scheme is `Bearer` in any case (RFC 9110, section 11.1)."""
    if name != b"authorization":
        return value.strip()
    scheme, _, token = value.strip().partition(b" ")
    return token.strip() if scheme.lower() == b"bearer" else b""
