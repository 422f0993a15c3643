"""Whether what is said in a call may be stored: the admin's setting and the caller's wish. Pure."""

from collections.abc import Iterable

from gateway.errors import InvalidRequest, NoStoreRefused

HEADER = b"x-gateway-no-store"


def withheld(headers: Iterable[tuple[bytes, bytes]], *, always: bool, allowed: bool) -> bool:
    """Whether the bodies are to be dropped once they are counted.

    `always`: they are so of every call. Raises NoStoreRefused (403) before anything is recorded or
    paid for, and InvalidRequest (400) for a value that is neither `true` nor `false`.
    """
    wishes = {value.strip().lower() for name, value in headers if name == HEADER}
    if wishes - {b"true", b"false"}:
        raise InvalidRequest("x-gateway-no-store must be `true` or `false`.")
    if always or b"true" not in wishes:
        return always
    if not allowed:
        raise NoStoreRefused()
    return True
