"""Somebody who is signed in on the pages. Pure.

The browser holds a random secret; the database holds its hash. What a form must bring back is made
from the secret too, so that another site, which cannot read it, cannot make a form that works.
"""

from base64 import urlsafe_b64encode
from dataclasses import dataclass
from datetime import timedelta
from hashlib import sha256
from hmac import compare_digest, digest

LASTS = timedelta(hours=12)


@dataclass(frozen=True, slots=True)
class Due:
    """A key that has been asked for and is issued when the page is next shown, there to be seen."""

    days: int
    name: str | None


def form_token(secret: str) -> str:
    """What every form of this session holds."""
    return urlsafe_b64encode(digest(secret.encode(), b"form", sha256)).rstrip(b"=").decode()


def form_is_ours(secret: str, given: str) -> bool:
    return compare_digest(form_token(secret).encode(), given.encode("utf-8", "replace"))
