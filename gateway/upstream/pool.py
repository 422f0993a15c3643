"""The pool of credentials: rank them for a call, try, judge, try the next.

It decides nothing itself: `balancer` ranks, `retry` judges, `health` remembers.
"""

from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from time import monotonic, time

from anyio import sleep

from common.record import Attempt
from gateway.errors import (
    CircuitOpen,
    GatewayError,
    NoUsableCredential,
    RateLimited,
    UnknownModel,
    UpstreamTimeout,
    UpstreamUnavailable,
)
from gateway.upstream.balancer import Caller, Rule, by_account
from gateway.upstream.call import Call, Reply, Try, request_of
from gateway.upstream.credential import Credential
from gateway.upstream.health import MODEL_CHARACTERS, Health, Unavailable
from gateway.upstream.inflate import inflated
from gateway.upstream.retry import (
    FINE,
    Blame,
    Verdict,
    back_off_s,
    judge_answer,
    judge_failure,
)
from gateway.upstream.wire import (
    TimedOut,
    Transport,
    WireAnswer,
    WireError,
)

MAX_ERROR_BYTES = 1024 * 1024
"""An error's body is read whole to judge it; beyond this it is cut."""
MODELS_KNOWN = 1000
"""For so many names of models, none longer than `MODEL_CHARACTERS`, it is kept in mind who serves
them: clients choose the names."""
MAX_WAITING = 256
"""Calls that may wait for a credential; more are told at once."""


class Pool:
    """Every credential of every upstream, and what is known of its health."""

    def __init__(
        self,
        credentials: Sequence[Credential],
        transport: Transport,
        rule: Rule,
        *,
        retry_count: int,
        retry_time_s: float,
        wait_s: float,
        on_attempt: Callable[[str, str], None] = lambda upstream, outcome: None,
    ) -> None:
        self.credentials = tuple(credentials)
        self._transport, self._rule, self._on_attempt = transport, rule, on_attempt
        self._retry_count, self._retry_time_s, self._wait_s = retry_count, retry_time_s, wait_s
        self._health = {c.id: Health() for c in self.credentials}
        self._in_flight: dict[str, int] = {}
        self._serving: dict[tuple[str | None, tuple[str, str] | None], list[Credential]] = {}
        self._retrying = self._waiting = 0

    async def send(self, call: Call, on_retry: Callable[[], None] = lambda: None) -> Reply:
        """The first answer that is good, or bad by the client's own fault.

        `on_retry` is told before each further attempt.

        Raises UnknownModel (404), RateLimited (429), NoUsableCredential or UpstreamUnavailable
        (502), CircuitOpen (503), UpstreamTimeout (504). `call.attempts` has the tries.
        """
        deadline = monotonic() + self._wait_s
        tried = Try(call, self._rank(call), deadline, self._health, on_retry=on_retry)
        return await self._try(tried)

    async def resend(self, reply: Reply, error: WireError) -> Reply:
        """Another answer for one that broke off before any of it was used. Raises as `send`."""
        tried = reply.tried
        reply.close()
        reply.broke_off(error)
        return await self._try(tried, error)

    async def _try(self, tried: Try, broke_off: WireError | None = None) -> Reply:
        """`broke_off`: why the attempt before was in vain, although it had begun well."""
        try:
            if broke_off is not None:
                self._weigh(tried, broke_off)
                await self._before_retry(tried)
            while True:
                credential = await self._next(tried)
                if (reply := await self._attempt(credential, tried)) is not None:
                    return reply
                await self._before_retry(tried)
        finally:
            self._retrying -= tried.retrying
            tried.retrying = False

    def replace(self, credentials: Sequence[Credential]) -> None:
        """From the next call on; those under way end with what they began with.

        A key that stays at its upstream keeps its health.
        """
        was = {c.id: (c.key, c.upstream.url) for c in self.credentials}
        self._health = {
            c.id: self._health[c.id] if was.get(c.id) == (c.key, c.upstream.url) else Health()
            for c in credentials
        }
        self.credentials = tuple(credentials)
        self._serving.clear()

    def in_flight(self) -> int:
        return sum(self._in_flight.values())

    @property
    def calls_in_flight(self) -> Mapping[str, int]:
        """By credential id; an idle one may be missing."""
        return self._in_flight

    @property
    def health(self) -> Mapping[str, Health]:
        """By credential id."""
        return self._health

    def serving(self, call: Call) -> list[Credential]:
        """Those configured for such a call. Raises UnknownModel (404), NoUsableCredential (502)."""
        asked = (call.model, call.account)
        if (known := self._serving.get(asked)) is not None:
            return known
        serving = [
            c
            for c in self.credentials
            if c.upstream.serves(call.model)
            and (call.account is None or call.account == (c.upstream.name, c.account))
        ]
        if not serving:
            raise UnknownModel(param="model") if call.account is None else NoUsableCredential()
        if call.model is not None:
            # an upstream that names the model goes before one that takes any
            serving = [c for c in serving if c.upstream.models is not None] or serving
        if len(self._serving) < MODELS_KNOWN and len(call.model or "") <= MODEL_CHARACTERS:
            self._serving[asked] = serving
        return serving

    def _rank(self, call: Call) -> list[Credential]:
        serving = self.serving(call)
        asked = call.body(serving[0].upstream) if callable(call.body) else b""
        caller = Caller(call.client_address, call.user_id, call.model, self._in_flight, asked)
        ranked = self._ranked(serving, caller)
        return by_account(ranked, caller) if call.together else ranked

    def _ranked(self, serving: list[Credential], caller: Caller) -> list[Credential]:
        """Those that rest go last: the calls that they would have had are shared out anew."""
        now = monotonic()
        health, model = self._health, caller.model
        rest = {c.id for c in serving if health[c.id].unavailable(now, model) is not None}
        if not rest or len(rest) == len(serving):
            return self._rule(serving, caller)
        fit = self._rule([c for c in serving if c.id not in rest], caller)
        return fit + self._rule([c for c in serving if c.id in rest], caller)

    async def _next(self, tried: Try) -> Credential:
        """The best that may be used now, an unused one first, then who had its turn longest ago;
        waits for the soonest to be back."""
        model = tried.call.model
        while True:
            now = monotonic()
            resting = []
            used = []
            for credential in tried.ranked:
                rest = tried.health[credential.id].unavailable(now, model)
                if rest is not None:
                    resting.append(rest)
                elif credential.id not in tried.used:
                    return credential
                else:
                    used.append(credential)
            if used:
                return min(used, key=lambda c: tried.used[c.id])
            await self._wait(resting, now, tried)

    async def _wait(self, resting: list[Unavailable], now: float, tried: Try) -> None:
        """Until the soonest is back. Raises what to tell the client if that is too long."""
        soonest = min(resting, key=lambda rest: rest.until)
        if soonest.until > tried.deadline or self._waiting >= MAX_WAITING:
            if tried.attempts and soonest.reason is Blame.FAILED:
                raise tried.failure
            raise _exhausted(resting, now)
        self._waiting += 1
        try:
            await sleep(soonest.until - now)
        finally:
            self._waiting -= 1

    async def _attempt(self, credential: Credential, tried: Try) -> Reply | None:
        """One try. None: the next credential should have one."""
        tried.used[credential.id] = len(tried.attempts)
        release, ticket = self._take(credential, tried)
        started = monotonic()
        try:
            answer = await self._transport.send(
                credential.upstream, request_of(credential, tried.call)
            )
            reply = self._reply(answer, credential, tried, release, ticket)
            verdict = FINE if answer.status < 400 else await _judge(reply)
        except WireError as error:
            release()
            self._failed(credential, tried, error, monotonic() - started, ticket)
            return None
        except BaseException:  # cancelled: the client is gone, and nobody is to blame
            tried.health[credential.id].left(ticket)
            release()
            seconds = monotonic() - started
            self._note(credential, tried, seconds, error="left", maybe_billed=True)
            raise
        self._note(credential, tried, monotonic() - started, status=answer.status)
        tried.health[credential.id].judged(verdict, monotonic(), tried.call.model, ticket)
        if not verdict.try_next or self._is_last_word(tried, verdict):
            return reply
        reply.close()
        tried.verdict, tried.failed = verdict, _told(answer.status, verdict)
        if isinstance(tried.call.body, AsyncIterator):  # the upload has been read
            raise tried.failure
        return None

    def _reply(
        self,
        answer: WireAnswer,
        credential: Credential,
        tried: Try,
        release: Callable[[], None],
        ticket: int,
    ) -> Reply:
        def blame() -> None:
            failed = Verdict(Blame.FAILED)
            tried.health[credential.id].judged(failed, monotonic(), tried.call.model, ticket)

        return Reply(answer.status, answer.headers, credential, answer, release, tried, blame)

    def _is_last_word(self, tried: Try, verdict: Verdict) -> bool:
        """Whether the upstream's own error is the best that the client will ever get."""
        if verdict.blame is Blame.NONE and len(tried.used) == len(tried.ranked):
            return True
        last = len(tried.attempts) > self._retry_count
        return last and verdict.blame in (Blame.FAILED, Blame.NONE)

    def _failed(
        self, credential: Credential, tried: Try, error: WireError, seconds: float, ticket: int
    ) -> None:
        failed = Verdict(Blame.FAILED)
        tried.health[credential.id].judged(failed, monotonic(), tried.call.model, ticket)
        self._note(credential, tried, seconds, error=error.reason, maybe_billed=error.written)
        self._weigh(tried, error)

    def _weigh(self, tried: Try, error: WireError) -> None:
        """Whether it may be sent again. Raises the failure if not."""
        verdict = judge_failure(error, creates=tried.call.creates, lost_before=tried.lost)
        tried.lost = tried.lost or error.written
        failure = UpstreamTimeout() if isinstance(error, TimedOut) else UpstreamUnavailable()
        tried.verdict, tried.failed = verdict, failure
        read_once = isinstance(tried.call.body, AsyncIterator)
        if not verdict.try_next or (read_once and error.written):
            raise failure from error

    async def _before_retry(self, tried: Try) -> None:
        """Back off if need be. Raises the failure if attempts or the retry budget are used up.

        The budget keeps a struggling provider from being hit harder: of the calls in flight at
        most a fifth may be retrying, but three always may.
        """
        if len(tried.attempts) > self._retry_count:
            raise tried.failure
        if not tried.retrying:
            if self._retrying >= max(3, self.in_flight() // 5):
                raise tried.failure
            tried.retrying = True
            self._retrying += 1
        tried.on_retry()
        if tried.verdict.back_off:
            await sleep(back_off_s(len(tried.attempts) - 1, self._retry_time_s))

    def _take(self, credential: Credential, tried: Try) -> tuple[Callable[[], None], int]:
        """Counts a call in flight; what is returned ends that. And its ticket."""
        ticket = tried.health[credential.id].taken()
        self._in_flight[credential.id] = self._in_flight.get(credential.id, 0) + 1

        def release() -> None:
            self._in_flight[credential.id] -= 1

        return release, ticket

    def _note(
        self,
        credential: Credential,
        tried: Try,
        seconds: float,
        *,
        status: int | None = None,
        error: str | None = None,
        maybe_billed: bool = False,
    ) -> None:
        name = credential.upstream.name
        tried.attempts.append(
            Attempt(name, credential.label, round(seconds, 6), status, error, maybe_billed)
        )
        self._on_attempt(name, error if error is not None else f"{(status or 0) // 100}xx")


async def _judge(reply: Reply) -> Verdict:
    """Reads an error whole: its code says whose fault it is."""
    body = bytearray()
    while len(body) < MAX_ERROR_BYTES and (piece := await reply.read()):
        body += piece
    encoding = dict(reply.headers).get(b"content-encoding", b"")
    reply.error_body = inflated(bytes(body), encoding, MAX_ERROR_BYTES)
    return judge_answer(reply.status, reply.headers, reply.error_body, time())


def _exhausted(resting: Sequence[Unavailable], now: float) -> GatewayError:
    """Rate limits and breakers pass, so they are told with a time; rejected keys do not."""
    passing = [r for r in resting if r.reason in (Blame.COOLING, Blame.FAILED)]
    if not passing:
        return NoUsableCredential()
    soonest = min(passing, key=lambda r: r.until)
    failure = RateLimited if soonest.reason is Blame.COOLING else CircuitOpen
    return failure(retry_after_s=max(0.001, soonest.until - now))


def _told(status: int, verdict: Verdict) -> GatewayError:
    match verdict.blame:
        case Blame.COOLING:
            return RateLimited(retry_after_s=verdict.rest_s or 1.0)
        case Blame.REJECTED | Blame.EXHAUSTED:
            return NoUsableCredential()
        case _:
            return UpstreamUnavailable(f"The model provider answered with status {status}.")
