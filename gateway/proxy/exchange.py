"""One exchange: question in, answer out, recorded however it ends.

It knows nothing of HTTP on the client's side: whoever asks gives a `Question` and a `Sink`. The
order is the promise: `begin` has committed before the upstream is called, `end` before the last
byte leaves.
"""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from hashlib import sha256
from time import perf_counter, time_ns
from uuid import UUID

import structlog
from msgspec import Struct

from common.record import Begin, End, StatusName
from gateway.errors import GatewayError, Interrupted, UpstreamCut, UpstreamTimeout
from gateway.metrics import Metrics
from gateway.proxy import headers as hygiene
from gateway.proxy.body import Upload
from gateway.proxy.envelope import INLINE_BYTES
from gateway.proxy.ownership import Owner, ids_made
from gateway.proxy.sink import ClientGone, Sink
from gateway.proxy.sse import EventRelay, data_of, error_event, events
from gateway.proxy.store import ResourceStore
from gateway.proxy.under_way import UnderWay
from gateway.proxy.upstream_errors import normalised, status_for
from gateway.recording.spool import Entry, Spool
from gateway.upstream.call import Call, Reply
from gateway.upstream.pool import Pool
from gateway.upstream.wire import Lost, TimedOut, WireError

log = structlog.get_logger()

REUSE_WAIT_S = 0.05
"""After `[DONE]`, how long to wait for the upstream's end of body, to keep its connection."""
_KEPT_TYPES = (b"json", b"text/", b"xml", b"event-stream")


class Question(Struct, frozen=True, eq=False):
    """A call that was admitted."""

    begin: Begin
    call: Call
    hide_usage: bool = False
    """The gateway asks for a usage chunk that the client did not ask for."""
    makes_resources: bool = False
    upload: Upload | None = None
    legacy: bool = False
    """Asked by a 0.x SDK."""
    note_held: Callable[[int], None] = lambda size_bytes: None
    """Told of bytes of the answer that have to be held."""


class Exchanges:
    """The door by which every call goes to a provider, whoever asks."""

    def __init__(
        self,
        spool: Spool,
        pool: Pool,
        resources: ResourceStore,
        metrics: Metrics,
        *,
        ping_s: float | None = None,
    ) -> None:
        """`ping_s`: silence after which a stream says that it lives; None: it never does."""
        self.under_way = UnderWay()
        self._spool, self._pool = spool, pool
        self._resources, self._metrics, self._ping_s = resources, metrics, ping_s

    async def run(self, question: Question, sink: Sink) -> None:
        """Whatever happens is told to the sink. Raises SpoolFull (503), before any call."""
        entry = await self._spool.begin(question.begin)
        exchange = _Exchange(question, entry, sink, self._resources, self._ping_s)
        self._metrics.call_started()
        self.under_way.add(question.begin.user_id, sink)
        try:
            await self._answer(exchange, question.call)
        except GatewayError as error:
            await exchange.refuse(error)
        except ClientGone:
            exchange.leave()
        except asyncio.CancelledError:
            await exchange.interrupt()
            raise
        except BaseException:
            exchange.leave()
            raise
        finally:
            self.under_way.remove(sink)
            exchange.count(self._metrics)

    async def _answer(self, exchange: "_Exchange", call: Call) -> None:
        reply = await self._pool.send(call, exchange.keep_progress)
        try:
            while (failure := await exchange.relay(reply)) is not None:
                if exchange.sent:
                    break
                reply = await self._pool.resend(reply, failure)
        finally:
            reply.close()


class _Exchange:
    """One exchange under way."""

    __slots__ = (
        "_attempts",
        "_entry",
        "_events",
        "_first_byte_at_us",
        "_http_status",
        "_ping_s",
        "_question",
        "_read_s",
        "_resources",
        "_response_type",
        "_sink",
        "_started",
        "_status",
        "_upstream",
        "sent",
    )

    def __init__(
        self,
        question: Question,
        entry: Entry,
        sink: Sink,
        resources: ResourceStore,
        ping_s: float | None,
    ) -> None:
        self._question, self._entry, self._sink = question, entry, sink
        self._resources, self._ping_s = resources, ping_s
        self._started = perf_counter()
        self._read_s = 0.0
        self._attempts = question.call.attempts
        self._upstream: str | None = None
        self._http_status: int | None = None
        self._response_type = ""
        self._first_byte_at_us: int | None = None
        self._status: StatusName | None = None
        self._events: EventRelay | None = None
        self.sent = False

    # --- the ways in which it goes

    async def relay(self, reply: Reply) -> WireError | None:
        """Why the answer broke off; None: it did not. While nothing of it was `sent`, nothing is
        lost; after that the client has been told."""
        self._upstream = reply.credential.upstream.name
        headers = hygiene.to_client(reply.headers)
        kind = hygiene.first(headers, b"content-type") or b""
        self._response_type = kind.decode("latin-1")
        try:
            if reply.error_body is not None:
                await self._relay_error(reply, reply.error_body)
            elif kind.startswith(b"text/event-stream") and not _is_encoded(headers):
                await self._relay_events(reply, headers)
            else:
                await self._relay_body(reply, headers)
        except WireError as failure:
            return failure
        return None

    async def refuse(self, error: GatewayError) -> None:
        """The gateway's own answer in place of one; if the record failed, what is left unsaid."""
        if self.sent:
            self._cut(error.code)
            return
        body = error.body()
        headers = [_JSON, *error.headers()]
        if self._status is None:
            self._response_type = "application/json"
            await self._whole("upstream_error", error.status, headers, body)
        else:
            await self._tell(error.status, headers, body)

    async def interrupt(self) -> None:
        """Cancelled: nobody waits for the rest, or the gateway is being stopped, or the user was
        blocked, and it says so."""
        error = self._sink.cut_by or Interrupted()
        if self._sink.gone or self._status is not None:
            self.leave()
        elif not self.sent:
            self._response_type = "application/json"
            await self._whole("interrupted", error.status, [_JSON, *error.headers()], error.body())
        elif self._events is not None:
            await self._break_off(error, self._events)
        else:
            self.leave()
            self._cut(error.code)

    def leave(self) -> None:
        """Nobody waits for the rest: end the record with what there is, without waiting for it."""
        if self._status is None:
            self._end("client_gone" if self._sink.gone else "interrupted")

    def keep_progress(self) -> None:
        """On disk, should this process die before the record's end."""
        self._entry.keep(self._so_far())

    def count(self, metrics: Metrics) -> None:
        metrics.call_ended(
            self._question.begin.kind,
            self._status or "interrupted",
            self._http_status,
            perf_counter() - self._started,
            self._overhead_s(),
        )

    # --- answers by their kind

    async def _relay_error(self, reply: Reply, body: bytes) -> None:
        status = status_for(reply.status, legacy=self._question.legacy)
        told = normalised(reply.status, body, reply.credential.key)
        self._response_type = "application/json"
        headers = [_JSON, *hygiene.of_error(reply.headers)]
        if status >= 500:
            headers.append((b"x-should-retry", b"false"))  # the pool has tried
        await self._whole("upstream_error", status, headers, told)

    async def _relay_body(self, reply: Reply, headers: hygiene.Headers) -> None:
        """Bytes as they arrive; the very last one waits for the record."""
        piece = await self._read(reply)
        if self._question.makes_resources:
            self._question.note_held(len(piece))
            while not reply.complete and (more := await self._read(reply)):
                self._question.note_held(len(more))
                piece += more
            await self._remember(reply, piece)
        kept = any(part in self._response_type.encode() for part in _KEPT_TYPES)
        if piece and reply.complete and kept:
            await self._whole("complete", reply.status, headers, piece)
            return
        length = hygiene.first(reply.headers, b"content-length")  # to HEAD, of what GET would bring
        if length is not None and reply.status != 204:
            headers.append((b"content-length", length))
        await self._start(reply.status, [*headers, self._overhead()])
        self._entry.progress = self._so_far
        digest = None if kept else sha256()
        size, held = 0, b""
        try:
            while piece:
                size += len(piece)
                if digest is None:
                    self._entry.note(piece)
                else:
                    digest.update(piece)
                if len(held) + len(piece) > 1:
                    await self._sink.write(held + piece[:-1])
                held = piece[-1:]
                piece = b"" if reply.complete else await self._read(reply)
        except WireError as failure:
            reply.broke_off(failure)
            await self._end("interrupted", size, digest.digest() if digest else None)
            self._cut(failure.reason)
            raise
        await self._end("complete", size, digest.digest() if digest else None)
        await self._sink.finish(held)

    async def _relay_events(self, reply: Reply, headers: hygiene.Headers) -> None:
        question = self._question
        kind = question.begin.kind
        relay = EventRelay(responses=kind == "response", hide_usage=question.hide_usage)
        self._events, self._entry.progress = relay, self._so_far
        unmade = question.makes_resources
        try:
            while relay.last is None and (piece := await self._read(reply)):
                if out := relay.feed(piece):
                    first = not self.sent
                    unmade = unmade and not await self._remember_first(reply, out)
                    if first:
                        await self._start(reply.status, headers)
                    self._entry.note(out)
                    await self._sink.write(out)
                    if first and self._ping_s is not None:
                        self._sink.keep_awake(self._ping_s)
            if relay.last is None and kind in _ENDING_KINDS and not relay.finished:
                raise Lost("the stream ended before its end")
        except WireError as failure:
            if self.sent:
                reply.broke_off(failure)
                timed_out = isinstance(failure, TimedOut)
                await self._break_off(UpstreamTimeout() if timed_out else UpstreamCut(), relay)
            raise
        last = relay.last if relay.last is not None else relay.rest()
        if unmade or (question.makes_resources and kind == "response"):  # which names its items
            await self._remember_first(reply, last)
        if not self.sent:
            await self._start(reply.status, headers)
        self._entry.note_last(last)
        await self._end("interrupted" if relay.failed else "complete", usage=relay.usage)
        await self._sink.finish(last)
        if not reply.complete:
            await _until_complete(reply)

    async def _remember_first(self, reply: Reply, whole: bytes) -> bool:
        """What the stream makes is named in its first event with data, after any comments.
        Whether that was among these."""
        for event in events(whole):
            if data := data_of(event):
                await self._remember(reply, data)
                return True
        return False

    async def _break_off(self, error: GatewayError, relay: EventRelay) -> None:
        """An error that every client raises on, and no end after it."""
        told = error_event(error, responses=relay.responses)
        self._entry.note(told)
        await self._end("interrupted", usage=relay.usage)
        await self._sink.finish(told)
        self._tell_log(error.code)

    def _cut(self, reason: str) -> None:
        """What was sent is not whole, and the client can see that it is not."""
        self._sink.abort()
        self._tell_log(reason)

    def _tell_log(self, reason: str) -> None:
        log.info(
            "answer_cut",
            id=str(UUID(bytes=self._question.begin.id)),
            upstream=self._upstream,
            reason=reason,
        )

    # --- the steps they share

    async def _read(self, reply: Reply) -> bytes:
        """Raises WireError."""
        started = perf_counter()
        try:
            piece = await reply.read()
        finally:
            self._read_s += perf_counter() - started
        if self._first_byte_at_us is None:
            self._first_byte_at_us = time_ns() // 1000
        return piece

    async def _remember(self, reply: Reply, answer: bytes) -> None:
        """Committed before the answer leaves: who made a thing, and where it lives."""
        large = len(answer) > INLINE_BYTES
        if made := await asyncio.to_thread(ids_made, answer) if large else ids_made(answer):
            credential = reply.credential
            owner = Owner(
                credential.upstream.name, credential.account, self._question.begin.user_id
            )
            await self._resources.keep(made, owner)

    async def _whole(
        self,
        status: StatusName,
        http_status: int,
        headers: Sequence[tuple[bytes, bytes]],
        body: bytes,
    ) -> None:
        """An answer that is all here."""
        self._entry.note_last(body)
        self._http_status = http_status
        await self._end(status)
        await self._tell(http_status, headers, body)

    async def _tell(
        self, http_status: int, headers: Sequence[tuple[bytes, bytes]], body: bytes
    ) -> None:
        framing = [] if http_status in _BODILESS else [(b"content-length", b"%d" % len(body))]
        await self._start(http_status, [*headers, *framing, self._overhead()])
        await self._sink.finish(body)

    def _overhead_s(self) -> float:
        """What the call has taken so far, less what it waited for upstreams."""
        waited_s = self._read_s + sum(attempt.seconds for attempt in self._attempts)
        return max(0.0, perf_counter() - self._started - waited_s)

    def _overhead(self) -> tuple[bytes, bytes]:
        return b"x-gateway-overhead-ms", b"%.2f" % (self._overhead_s() * 1000)

    async def _start(self, status: int, headers: Sequence[tuple[bytes, bytes]]) -> None:
        self._http_status, self.sent = status, True
        own = [(b"x-gateway-attempts", b"%d" % len(self._attempts))]
        if self._upstream is not None:
            own.append((b"x-gateway-upstream", self._upstream.encode()))
        await self._sink.start(status, [*headers, *own])

    def _so_far(self) -> End:
        return End(
            status="interrupted",
            finished_at_us=0,
            http_status=self._http_status,
            attempts=tuple(self._attempts),
            upstream=self._upstream,
            first_byte_at_us=self._first_byte_at_us,
            response_type=self._response_type,
        )

    def _end(
        self,
        status: StatusName,
        size_bytes: int | None = None,
        digest: bytes | None = None,
        usage: bytes | None = None,
    ) -> Awaitable[None]:
        """Commits the record; awaited before the last byte."""
        self._status = status
        upload = self._question.upload
        return self._entry.end(
            End(
                status=status,
                finished_at_us=time_ns() // 1000,
                http_status=self._http_status,
                attempts=tuple(self._attempts),
                upstream=self._upstream,
                first_byte_at_us=self._first_byte_at_us,
                response_type=self._response_type,
                response_size_bytes=size_bytes if digest is not None else None,
                response_sha256=digest,
                request_size_bytes=upload.size_bytes if upload else None,
                request_sha256=upload.sha256 if upload else None,
                usage=usage,
            )
        )


_JSON = (b"content-type", b"application/json")
_BODILESS = (204, 304)
"""Statuses that have no body and tell no length (RFC 9110, 8.6)."""
_ENDING_KINDS = ("chat", "completion", "response")
"""Kinds whose streams have an end of their own; without it the answer is cut."""


def _is_encoded(headers: hygiene.Headers) -> bool:
    return hygiene.first(headers, b"content-encoding") not in (None, b"identity")


async def _until_complete(reply: Reply) -> None:
    """Read the upstream's end of body, if it comes at once, so that its connection can be kept."""
    try:
        async with asyncio.timeout(REUSE_WAIT_S):
            while await reply.read():
                pass
    except (TimeoutError, WireError):
        return
