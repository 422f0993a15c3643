"""A transport that answers as a test says: the fake of `gateway.upstream.wire`."""

from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from dataclasses import dataclass, field

from anyio import Event

from gateway.upstream.credential import Credential, Upstream
from gateway.upstream.wire import WireError, WireRequest

UPSTREAM = Upstream("openai", "https://provider.example/v1")


def credentials(count: int, upstream: Upstream = UPSTREAM) -> list[Credential]:
    return [Credential(upstream, f"key-{n}", upstream.name, f"secret-{n}") for n in range(count)]


@dataclass
class ScriptedAnswer:
    """An answer in pieces; an exception among them is raised where it stands."""

    status: int = 200
    pieces: Sequence[bytes | WireError] = (b"{}",)
    headers: Sequence[tuple[bytes, bytes]] = ((b"content-type", b"application/json"),)
    closed: bool = False
    ends_late: bool = False
    """The end of the body is told by an empty read only, as for chunked bodies."""
    hangs: bool = False
    """After its pieces nothing comes any more, not even its end."""
    hanging: Event = field(default_factory=Event)
    """Set once it does."""
    _at: int = 0

    @property
    def complete(self) -> bool:
        return not self.hangs and self._is_complete()

    def _is_complete(self) -> bool:
        return self._at > len(self.pieces) or (not self.ends_late and self._at == len(self.pieces))

    async def read(self) -> bytes:
        if self.hangs and self._at == len(self.pieces):
            self.hanging.set()
            await Event().wait()
        if self._at >= len(self.pieces):
            self._at = len(self.pieces) + 1
            return b""
        piece = self.pieces[self._at]
        self._at += 1
        if isinstance(piece, WireError):
            raise piece
        return piece

    def close(self) -> None:
        self.closed = True


Script = Callable[[WireRequest], ScriptedAnswer | WireError]


@dataclass
class ScriptedTransport:
    """Answers each request by the script; remembers what it was sent."""

    script: Script
    sent: list[WireRequest] = field(default_factory=list)
    bodies: list[bytes] = field(default_factory=list)
    hang: bool = False
    """Never answer."""
    asked: Event = field(default_factory=Event)
    """Set by the first request."""

    @property
    def keys(self) -> list[str]:
        """The keys that were used, in order."""
        return [_key(request) for request in self.sent]

    async def send(self, upstream: Upstream, request: WireRequest) -> ScriptedAnswer:
        self.sent.append(request)
        self.asked.set()
        if isinstance(request.body, AsyncIterator):
            self.bodies.append(b"".join([piece async for piece in request.body]))
        else:
            self.bodies.append(request.body)
        if self.hang:
            await Event().wait()
        answer = self.script(request)
        if isinstance(answer, WireError):
            raise answer
        return answer

    async def close(self) -> None:
        """Nothing is open."""


def _key(request: WireRequest) -> str:
    named = dict(request.headers)
    return named.get(b"authorization", named.get(b"api-key", b"")).decode().rpartition(" ")[2]


def by_key(answers: Mapping[str, ScriptedAnswer | WireError], otherwise: Script) -> Script:
    """What each key gets."""
    return lambda request: answers.get(_key(request)) or otherwise(request)
