"""One sign-in under way: what the browser keeps of it, and what is told to the provider. Pure.

Everything comes from one cookie. State, PKCE verifier and nonce are hashes of it, so that nothing
is stored until a sign-in comes back, and a flood of beginnings costs no write. A state fits only
the browser that holds its cookie; that it is used once is for the database to say (`store`).
"""

from base64 import urlsafe_b64decode, urlsafe_b64encode
from binascii import Error as NotBase64
from dataclasses import dataclass
from hashlib import sha256
from hmac import compare_digest
from urllib.parse import urlsplit

import msgspec

GOOD_FOR_S = 600
"""From its beginning to its return. A provider's code lasts five minutes or less."""
MOST_CHARACTERS = 1024
RANDOM_BYTES = 32


@dataclass(frozen=True, slots=True)
class SignIn:
    """A person's way to a provider and back, begun in one browser."""

    provider: str
    next: str
    """A path of this gateway; empty: to one's keys, with a new one."""
    begun_at: int
    """Seconds since the epoch."""
    random: bytes

    def cookie(self) -> str:
        """What the browser keeps; it is nobody else's."""
        return _plain(msgspec.msgpack.encode(self))

    @property
    def state(self) -> str:
        return self._derived("state")

    @property
    def verifier(self) -> str:
        """Of PKCE (RFC 7636, section 4.1): 43 characters that only this browser and we know."""
        return self._derived("verifier")

    @property
    def challenge(self) -> str:
        """The method is S256 (RFC 7636, section 4.2)."""
        return _plain(sha256(self.verifier.encode()).digest())

    @property
    def nonce(self) -> str:
        return self._derived("nonce")

    def answers(self, provider: str, state: str) -> bool:
        """Whether this state, come back from that provider, is this sign-in's."""
        return self.provider == provider and compare_digest(self.state.encode(), state.encode())

    def over(self, now: float) -> bool:
        """Clocks of two machines may differ a little."""
        return not -60 <= now - self.begun_at <= GOOD_FOR_S

    def _derived(self, what: str) -> str:
        return _plain(sha256(b"\0".join((what.encode(), msgspec.msgpack.encode(self)))).digest())


def kept(cookie: str) -> SignIn | None:
    """None: it is nothing that `SignIn.cookie` made."""
    if len(cookie) > MOST_CHARACTERS:
        return None
    try:
        found = _decoder.decode(urlsafe_b64decode(cookie + "=" * (-len(cookie) % 4)))
    except (msgspec.DecodeError, NotBase64, ValueError):
        return None
    ours = len(found.random) == RANDOM_BYTES and (not found.next or local_path(found.next))
    return found if ours else None


def cookie_name(prefix: str, state: str) -> str:
    """One cookie per sign-in: two that are under way in two tabs do not disturb each other."""
    return f"{prefix}{sha256(state.encode()).hexdigest()[:16]}"


def state_hash(state: str) -> bytes:
    """What is stored of a state that has come back."""
    return sha256(state.encode()).digest()


def local_path(path: str) -> bool:
    """Whether a browser that is sent there stays on this gateway.

    Browsers read a backslash as a slash and drop tabs and line ends, so none may be in it.
    """
    if not path.startswith("/") or path.startswith("//") or len(path) > MOST_CHARACTERS // 4:
        return False
    if not path.isascii() or not path.isprintable() or "\\" in path or " " in path:
        return False
    parts = urlsplit(path)
    return not parts.scheme and not parts.netloc


def _plain(data: bytes) -> str:
    return urlsafe_b64encode(data).rstrip(b"=").decode()


_decoder = msgspec.msgpack.Decoder(SignIn)
