"""ID tokens of OpenID Connect: whose they are, once everything about them is right.

OpenID Connect Core 1.0, section 3.1.3.7. Signatures are checked by joserfc; which algorithms and
claims will do is said here. Nothing is fetched.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from hmac import compare_digest
from typing import Any

from joserfc import jwt
from joserfc.errors import InvalidKeyIdError, JoseError
from joserfc.jwk import KeySet

from gateway.errors import LoginProviderFailed

ALGORITHMS = ("RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512",
              "EdDSA", "Ed25519")  # fmt: skip
"""Signatures by a key that only the provider has: never `none`, never a shared secret."""
LEEWAY_S = 60
MOST_CHARACTERS = 64 * 1024


class UnknownKey(Exception):
    """It is signed by a key that is not among those we have: the provider may have a new one."""


@dataclass(frozen=True, slots=True)
class Expected:
    """What an ID token must say."""

    issuer: str
    client_id: str
    nonce: str
    now: float


def claims_of(id_token: str, keys: KeySet, expected: Expected) -> Mapping[str, Any]:
    """Raises UnknownKey; LoginProviderFailed (502) for everything that is wrong with it."""
    if not id_token or len(id_token) > MOST_CHARACTERS:
        raise LoginProviderFailed("The login provider's answer holds no ID token.")
    try:
        token = jwt.decode(id_token, keys, algorithms=ALGORITHMS)
    except InvalidKeyIdError as error:
        raise UnknownKey from error
    except (JoseError, ValueError) as error:
        raise LoginProviderFailed(
            f"The login provider's ID token cannot be trusted ({type(error).__name__})."
        ) from None
    if (wrong := _wrong(token.claims, expected)) is not None:
        raise LoginProviderFailed(f"The login provider's ID token has a wrong `{wrong}`.")
    return token.claims


def _wrong(claims: Mapping[str, Any], expected: Expected) -> str | None:
    """The first claim that is not as it must be."""
    audience = claims.get("aud")
    audiences = audience if isinstance(audience, list) else [audience]
    checks = {
        "iss": claims.get("iss") == expected.issuer,
        "aud": expected.client_id in audiences,
        "azp": claims.get("azp", expected.client_id) == expected.client_id
        and ("azp" in claims or len(audiences) == 1),
        "exp": _seconds(claims.get("exp"), 0) > expected.now - LEEWAY_S,
        "iat": _seconds(claims.get("iat"), float("inf")) < expected.now + LEEWAY_S,
        "nbf": _seconds(claims.get("nbf", 0), float("inf")) < expected.now + LEEWAY_S,
        "nonce": _same(claims.get("nonce"), expected.nonce),
        "sub": isinstance(claims.get("sub"), str) and 0 < len(claims["sub"]) <= 255,
    }
    return next((claim for claim, right in checks.items() if not right), None)


def _seconds(value: object, otherwise: float) -> float:
    number = isinstance(value, int | float) and not isinstance(value, bool)
    return float(value) if number else otherwise  # type: ignore[arg-type]


def _same(value: object, expected: str) -> bool:
    return isinstance(value, str) and compare_digest(value.encode(), expected.encode())
