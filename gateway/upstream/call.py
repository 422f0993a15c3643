"""One call on its way upstream: what is asked, how far it has come, and the answer to relay."""

from collections.abc import AsyncIterator, Callable, Mapping

from msgspec import Struct
from msgspec.structs import replace

from common.record import Attempt
from gateway.errors import GatewayError, UpstreamUnavailable
from gateway.upstream.credential import Credential, Upstream
from gateway.upstream.health import Health
from gateway.upstream.retry import FINE, Verdict
from gateway.upstream.wire import Headers, WireAnswer, WireError, WireRequest


class Call(Struct, frozen=True, eq=False):
    """What is to be sent upstream, before a credential is chosen."""

    method: bytes
    target: bytes
    headers: Headers
    """Without the key."""
    body: Callable[[Upstream], bytes] | AsyncIterator[bytes]
    """JSON bodies may differ by upstream; an upload can be read only once."""
    model: str | None = None
    client_address: str = ""
    user_id: int = 0
    account: tuple[str, str] | None = None
    """(upstream, account) that alone may serve this call: it names something that lives there."""
    together: bool = False
    """It belongs to a user's files and the like, which should come together at one account."""
    creates: bool = False
    """It makes something (a batch, a file): never sent again once it may have arrived."""
    attempts: list[Attempt] = []
    """The tries so far, kept up by the pool; however the call ends, they are here."""


class Reply(Struct, eq=False):
    """An answer to relay, errors of the client's own making included. Must be closed."""

    status: int
    headers: Headers
    credential: Credential
    _answer: WireAnswer
    _release: Callable[[], None]
    tried: "Try"
    _blame: Callable[[], None]
    error_body: bytes | None = None
    """Of an answer of 400 or more: its whole body, which was read to be judged."""

    @property
    def complete(self) -> bool:
        return self._answer.complete

    async def read(self) -> bytes:
        """As WireAnswer.read."""
        return await self._answer.read()

    def broke_off(self, error: WireError) -> None:
        """An answer that had begun well ended badly: that counts against its credential, too."""
        attempts = self.tried.attempts
        attempts[-1] = replace(attempts[-1], error=error.reason, maybe_billed=True)
        self._blame()

    def close(self) -> None:
        """Idempotent."""
        self._answer.close()
        release, self._release = self._release, _nothing
        release()


def _nothing() -> None:
    return None


class Try(Struct, eq=False):
    """One call's way through the pool."""

    call: Call
    ranked: list[Credential]
    deadline: float
    """Until when it may wait for a credential."""
    health: Mapping[str, Health]
    """Of the ranked, by credential id: it goes on with those that there were when it began."""
    used: dict[str, int] = {}
    """Credentials that have had an attempt, by id: which one was their last."""
    lost: bool = False
    """An attempt may have arrived without an answer, and so may have been billed."""
    on_retry: Callable[[], None] = lambda: None
    """Told before each further attempt."""
    retrying: bool = False
    verdict: Verdict = FINE
    failed: GatewayError | None = None

    @property
    def failure(self) -> GatewayError:
        """What to tell the client if nothing better comes."""
        return self.failed or UpstreamUnavailable()

    @property
    def attempts(self) -> list[Attempt]:
        return self.call.attempts


def request_for(
    credential: Credential,
    method: bytes,
    target: bytes,
    headers: Headers,
    body: bytes | AsyncIterator[bytes],
) -> WireRequest:
    """With the credential's key, in the style that its upstream wants."""
    key = credential.key.encode()
    own = (
        (b"authorization", b"Bearer " + key)
        if credential.upstream.key_style == "bearer"
        else (b"api-key", key)
    )
    return WireRequest(method, target, [*headers, own], body)


def request_of(credential: Credential, call: Call) -> WireRequest:
    body = call.body(credential.upstream) if callable(call.body) else call.body
    return request_for(credential, call.method, call.target, call.headers, body)
