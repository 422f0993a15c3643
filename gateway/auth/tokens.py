"""Access tokens: how one is made, recognised and stored. Pure; nothing here knows a database.

`ogw_`, 43 base62 characters for 256 random bits, 6 for the CRC-32 of all that goes before. The
checksum tells a typo from a token without a look-up; it proves nothing about who made it.
"""

from hashlib import sha256
from secrets import token_bytes
from zlib import crc32

PREFIX = "ogw_"
RANDOM_LENGTH = 43
CHECKSUM_LENGTH = 6
LENGTH = len(PREFIX) + RANDOM_LENGTH + CHECKSUM_LENGTH

_ALPHABET = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"


def new_token() -> str:
    body = PREFIX + _base62(int.from_bytes(token_bytes(32)), RANDOM_LENGTH)
    return body + _checksum(body)


def well_formed(token: str) -> bool:
    """Whether this can be one of our tokens: length, prefix, alphabet, checksum."""
    body, checksum = token[:-CHECKSUM_LENGTH], token[-CHECKSUM_LENGTH:]
    return (
        len(token) == LENGTH
        and token.startswith(PREFIX)
        and token.isascii()
        and body[len(PREFIX) :].isalnum()
        and _checksum(body) == checksum
    )


def hash_token(token: str) -> bytes:
    """SHA-256 of the whole token, as it is stored; 256 random bits need no salt and no stretching.

    What a header holds may be anything in Latin-1; a token is ASCII.
    """
    return sha256(token.encode("latin-1", "replace")).digest()


def hint(token: str) -> str:
    """The last four characters, by which an owner tells tokens apart."""
    return token[-4:]


def _checksum(body: str) -> str:
    return _base62(crc32(body.encode()), CHECKSUM_LENGTH)


def _base62(number: int, length: int) -> str:
    digits = []
    for _ in range(length):
        number, digit = divmod(number, 62)
        digits.append(_ALPHABET[digit])
    return "".join(reversed(digits))
