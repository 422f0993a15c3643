"""One exchange over a scripted wire and a real spool: what is answered, what is recorded."""

import asyncio
import gzip
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from uuid_utils import uuid7

from common.frames import FrameKind, read_frames
from common.record import Begin, End, decode_begin, decode_end
from gateway.errors import BlockedUser, SpoolFailed, SpoolFull
from gateway.metrics import Metrics
from gateway.proxy.exchange import Exchanges, Question
from gateway.proxy.ownership import Owner
from gateway.recording.spool import Spool
from gateway.upstream.balancer import RULES
from gateway.upstream.call import Call
from gateway.upstream.pool import Pool
from gateway.upstream.wire import Lost, TimedOut, WireError
from tests.support.collecting_sink import CollectingSink
from tests.support.scripted_wire import ScriptedAnswer, ScriptedTransport, credentials

EVENT_STREAM = ((b"content-type", b"text/event-stream; charset=utf-8"),)
HELLO = b'data: {"choices":[{"delta":{"content":"Hello"},"finish_reason":null}]}\n\n'
STOP = b'data: {"choices":[{"delta":{},"finish_reason":"stop"}]}\n\n'
USAGE = b'data: {"choices":[],"usage":{"total_tokens":5}}\n\n'
DONE = b"data: [DONE]\n\n"


@dataclass
class Resources:
    """Remembers owners in memory."""

    kept: dict[str, Owner] = field(default_factory=dict)

    async def keep(self, ids: list[str], owner: Owner) -> None:
        self.kept.update(dict.fromkeys(ids, owner))

    async def owners(self, ids: list[str]) -> dict[str, Owner]:
        return {id_: self.kept[id_] for id_ in ids if id_ in self.kept}


@dataclass
class House:
    """An exchange's surroundings."""

    spool: Spool
    wire: ScriptedTransport
    exchanges: Exchanges
    resources: Resources

    async def ask(self, sink: CollectingSink | None = None, **more: object) -> CollectingSink:
        told = sink or CollectingSink()
        with suppress(asyncio.CancelledError):
            await self.exchanges.run(question(**more), told)
        current = asyncio.current_task()
        assert current is not None
        current.uncancel()
        return told

    async def record(self) -> tuple[Begin, End, bytes]:
        """The one record in the spool, with its whole answer."""
        (spooled,) = await self.spool.take(10, 10**9)
        frames = list(read_frames(spooled.frames))
        begin, end = decode_begin(frames[0].payload), decode_end(frames[-1].payload)
        kept = [f.payload for f in frames if f.kind == FrameKind.CHECKPOINT]
        return begin, end, b"".join([*kept, end.response])


def question(kind: str = "chat", **more: object) -> Question:
    begin = Begin(
        id=uuid7().bytes, version=1, kind=kind, method="POST", path="/x", user_id=7,
        started_at_us=1, request=b"{}",
    )  # fmt: skip
    call = Call(b"POST", b"/x", [], lambda upstream: b"{}", "gpt")
    return Question(begin, call, **more)  # type: ignore[arg-type]


@asynccontextmanager
async def house(
    path: Path,
    *answers: ScriptedAnswer | WireError,
    retries: int = 0,
    ping_s: float | None = None,
) -> AsyncIterator[House]:
    script = iter(answers)
    wire = ScriptedTransport(lambda request: next(script))
    pool = Pool(
        credentials(1), wire, RULES["round_robin"](), retry_count=retries, retry_time_s=0, wait_s=0
    )
    spool = Spool(path / "spool", durability="process", max_bytes=10**8)
    resources = Resources()
    await spool.open()
    try:
        exchanges = Exchanges(spool, pool, resources, Metrics(), ping_s=ping_s)  # type: ignore[arg-type]
        yield House(spool, wire, exchanges, resources)
        assert pool.in_flight() == 0
    finally:
        await spool.close()


async def test_a_json_answer_is_relayed_and_recorded_byte_for_byte(tmp_path: Path) -> None:
    body = b'{"id": "c1", "odd":\t[1e2], "usage": {"total_tokens": 0}}'
    async with house(tmp_path, ScriptedAnswer(200, (body,))) as tested:
        told = await tested.ask()
        assert (told.status, told.body, told.finished) == (200, body, True)
        assert told.headers[b"content-length"] == b"%d" % len(body)
        assert told.headers[b"x-gateway-attempts"] == b"1"
        begin, end, answer = await tested.record()
        assert (begin.user_id, end.status, end.http_status, answer) == (7, "complete", 200, body)


async def test_the_record_is_committed_before_the_last_byte(tmp_path: Path) -> None:
    async with house(tmp_path, ScriptedAnswer(200, (HELLO, STOP + DONE), EVENT_STREAM)) as tested:
        backlog: list[tuple[bytes, int]] = []
        sink = CollectingSink()
        sink.on_piece = lambda piece: backlog.append((piece, tested.spool.backlog_records))
        await tested.ask(sink)
        assert backlog == [(HELLO, 0), (STOP, 0), (DONE, 1)]


@pytest.mark.parametrize("hide", [True, False])
async def test_usage_is_hidden_from_who_did_not_ask_and_recorded(
    tmp_path: Path, hide: bool
) -> None:
    answer = ScriptedAnswer(200, (HELLO, STOP, USAGE, DONE), EVENT_STREAM)
    async with house(tmp_path, answer) as tested:
        told = await tested.ask(hide_usage=hide)
        assert told.body == HELLO + STOP + (b"" if hide else USAGE) + DONE
        _, end, recorded = await tested.record()
        assert recorded == told.body
        assert end.usage == (b'{"total_tokens":5}' if hide else None)


@pytest.mark.parametrize("failure", [Lost(), TimedOut("idle")])
async def test_a_cut_stream_ends_with_an_error_and_no_done(
    tmp_path: Path, failure: WireError
) -> None:
    async with house(tmp_path, ScriptedAnswer(200, (HELLO, failure), EVENT_STREAM)) as tested:
        told = await tested.ask()
        assert told.body.startswith(HELLO + b"event: error\ndata: {")
        assert b"[DONE]" not in told.body
        _, end, recorded = await tested.record()
        assert (end.status, recorded) == ("interrupted", told.body)


@pytest.mark.parametrize(("pieces", "awake"), [((HELLO, STOP, DONE), True), ((DONE,), False)])
async def test_a_stream_is_kept_awake_from_its_first_event_on(
    tmp_path: Path, pieces: tuple[bytes, ...], awake: bool
) -> None:
    answer = ScriptedAnswer(200, pieces, EVENT_STREAM)
    async with house(tmp_path, answer, ping_s=7) as tested:
        assert (await tested.ask()).kept_awake_s == (7 if awake else None)


async def test_a_stream_without_its_end_is_cut_too(tmp_path: Path) -> None:
    async with house(tmp_path, ScriptedAnswer(200, (HELLO,), EVENT_STREAM)) as tested:
        told = await tested.ask()
        assert b"event: error" in told.body
        assert (await tested.record())[1].status == "interrupted"


async def test_a_stream_that_said_why_it_stopped_needs_no_done(tmp_path: Path) -> None:
    async with house(tmp_path, ScriptedAnswer(200, (HELLO, STOP), EVENT_STREAM)) as tested:
        told = await tested.ask()
        assert told.body == HELLO + STOP
        assert (await tested.record())[1].status == "complete"


async def test_a_failure_before_the_first_event_is_a_real_status(tmp_path: Path) -> None:
    async with house(tmp_path, ScriptedAnswer(200, (Lost(),), EVENT_STREAM)) as tested:
        told = await tested.ask()
        assert told.status == 502
        assert json.loads(told.body)["error"]["code"] == "upstream_unavailable"
        _, end, recorded = await tested.record()
        assert (end.status, end.http_status, recorded) == ("upstream_error", 502, told.body)


@pytest.mark.parametrize("first", [(Lost(),), (b"data: {", Lost()), ()])
async def test_an_answer_lost_before_its_first_event_is_asked_for_again(
    tmp_path: Path, first: tuple[bytes | WireError, ...]
) -> None:
    lost = ScriptedAnswer(200, first, EVENT_STREAM)
    fine = ScriptedAnswer(200, (HELLO, STOP, DONE), EVENT_STREAM)
    async with house(tmp_path, lost, fine, retries=3) as tested:
        told = await tested.ask()
        assert (told.status, told.body) == (200, HELLO + STOP + DONE)
        _, end, recorded = await tested.record()
        assert (end.status, recorded) == ("complete", told.body)
        assert [(a.status, a.error, a.maybe_billed) for a in end.attempts] == [
            (200, "lost", True),
            (200, None, False),
        ]
        assert lost.closed


async def test_nothing_is_asked_for_again_once_something_was_sent(tmp_path: Path) -> None:
    cut = ScriptedAnswer(200, (HELLO, Lost()), EVENT_STREAM)
    async with house(tmp_path, cut, retries=3) as tested:
        await tested.ask()
        assert len(tested.wire.sent) == 1
        _, end, _ = await tested.record()
        assert [(a.status, a.error) for a in end.attempts] == [(200, "lost")]


async def test_an_unreachable_upstream_is_recorded(tmp_path: Path) -> None:
    async with house(tmp_path, Lost()) as tested:
        told = await tested.ask()
        assert told.status == 502
        _, end, _ = await tested.record()
        assert [(a.error, a.maybe_billed) for a in end.attempts] == [("lost", True)]


async def test_a_clients_own_error_is_relayed_and_recorded(tmp_path: Path) -> None:
    body = b'{"error": {"message": "too long", "code": "context_length_exceeded"}}'
    async with house(tmp_path, ScriptedAnswer(400, (body,))) as tested:
        told = await tested.ask()
        assert (told.status, told.body) == (400, body)
        _, end, recorded = await tested.record()
        assert (end.status, end.http_status, recorded) == ("upstream_error", 400, body)


async def test_a_client_that_leaves_in_mid_stream_is_recorded_with_what_it_got(
    tmp_path: Path,
) -> None:
    answer = ScriptedAnswer(200, (HELLO, STOP, DONE), EVENT_STREAM)
    async with house(tmp_path, answer) as tested:
        await tested.ask(CollectingSink(leaves_after=1))
        assert answer.closed
        _, end, recorded = await tested.record()
        assert (end.status, recorded) == ("client_gone", HELLO)


async def test_a_client_that_leaves_before_the_first_byte_is_recorded(tmp_path: Path) -> None:
    async with house(tmp_path) as tested:
        tested.wire.hang = True
        sink = CollectingSink()
        task = asyncio.create_task(tested.exchanges.run(question(), sink))
        await tested.wire.asked.wait()
        sink.gone = True
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        _, end, _ = await tested.record()
        assert end.status == "client_gone"
        assert [(a.error, a.maybe_billed) for a in end.attempts] == [("left", True)]


async def test_a_worker_that_is_stopped_leaves_an_interrupted_record(tmp_path: Path) -> None:
    async with house(tmp_path) as tested:
        tested.wire.hang = True
        sink = CollectingSink()
        task = asyncio.create_task(tested.exchanges.run(question(), sink))
        await tested.wire.asked.wait()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        _, end, recorded = await tested.record()
        assert (end.status, end.http_status, recorded) == ("interrupted", 503, sink.body)
        assert json.loads(sink.body)["error"]["code"] == "gateway_stopping"
        assert sink.finished


@pytest.mark.parametrize(
    ("kind", "pieces", "told"),
    [
        (EVENT_STREAM, (HELLO, b"data: {"), HELLO + b"event: error\ndata: {"),
        ((), (b"abc", b"d"), b"ab" + b"c"),
    ],
)
async def test_an_answer_that_is_cut_by_a_stop_says_so_or_is_aborted(
    tmp_path: Path, kind: tuple[tuple[bytes, bytes], ...], pieces: tuple[bytes, ...], told: bytes
) -> None:
    answer = ScriptedAnswer(200, pieces, kind or ((b"content-type", b"text/plain"),), hangs=True)
    async with house(tmp_path, answer) as tested:
        sink = CollectingSink()
        task = asyncio.create_task(tested.exchanges.run(question(), sink))
        await answer.hanging.wait()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert sink.body.startswith(told)
        assert b"[DONE]" not in sink.body
        assert (sink.finished, sink.aborted) == (bool(kind), not kind)
        _, end, recorded = await tested.record()
        assert end.status == "interrupted"
        assert recorded == (sink.body if kind else b"abcd")


async def test_a_long_body_is_relayed_as_it_comes_but_for_one_byte(tmp_path: Path) -> None:
    answer = ScriptedAnswer(200, (b"abc", b"d", b"ef"), ends_late=True)
    async with house(tmp_path, answer) as tested:
        told = await tested.ask()
        assert told.pieces == [b"ab", b"c", b"de", b"f"]
        assert (await tested.record())[2] == b"abcdef"


@pytest.mark.parametrize(
    "answer",
    [
        ScriptedAnswer(200, (b"{}",)),
        ScriptedAnswer(200, (b"abc", b"def"), ends_late=True),
        ScriptedAnswer(400, (b"{}",)),
        Lost(),
    ],
)
async def test_what_is_no_stream_says_what_the_gateway_took(
    tmp_path: Path, answer: ScriptedAnswer | WireError
) -> None:
    async with house(tmp_path, answer) as tested:
        told = await tested.ask()
        assert float(told.headers[b"x-gateway-overhead-ms"]) >= 0


async def test_a_cut_body_aborts_the_connection(tmp_path: Path) -> None:
    async with house(tmp_path, ScriptedAnswer(200, (b"abc", Lost()))) as tested:
        told = await tested.ask()
        assert told.aborted
        assert not told.finished
        _, end, recorded = await tested.record()
        assert (end.status, recorded) == ("interrupted", b"abc")


async def test_a_binary_answer_is_kept_as_length_and_digest(tmp_path: Path) -> None:
    audio = ((b"content-type", b"audio/mpeg"), (b"content-length", b"6"))
    async with house(tmp_path, ScriptedAnswer(200, (b"abc", b"def"), audio)) as tested:
        told = await tested.ask()
        assert told.body == b"abcdef"
        _, end, recorded = await tested.record()
        assert (end.response_size_bytes, recorded) == (6, b"")
        assert end.response_sha256 is not None


async def test_a_response_is_remembered_before_its_first_event_leaves(tmp_path: Path) -> None:
    created = (
        b'event: response.created\ndata: {"type":"response.created","response":{"id":"r1"}}\n\n'
    )
    end = b'data: {"type":"response.completed","response":{"id":"r1"}}\n\n'
    async with house(tmp_path, ScriptedAnswer(200, (created, end), EVENT_STREAM)) as tested:
        sink = CollectingSink()
        known: list[bool] = []
        sink.on_piece = lambda piece: known.append("r1" in tested.resources.kept)
        await tested.ask(sink, kind="response", makes_resources=True)
        assert sink.body == created + end
        assert known == [True, True]
        assert tested.resources.kept["r1"] == Owner("openai", "openai", 7)


async def test_a_response_is_remembered_although_comments_come_first(tmp_path: Path) -> None:
    created = b'data: {"type":"response.created","response":{"id":"r1"}}\n\n'
    end = b'data: {"type":"response.completed","response":{"id":"r1"}}\n\n'
    answer = ScriptedAnswer(200, (b": ping\n\n", created, end), EVENT_STREAM)
    async with house(tmp_path, answer) as tested:
        sink = CollectingSink()
        known: list[bool] = []
        sink.on_piece = lambda piece: known.append("r1" in tested.resources.kept)
        await tested.ask(sink, kind="response", makes_resources=True)
        assert known == [False, True, True]


async def test_an_upstreams_own_error_is_told_once_and_blames_no_connection(
    tmp_path: Path,
) -> None:
    error = b'data: {"error":{"message":"no","code":"server_error"}}\n\n'
    async with house(tmp_path, ScriptedAnswer(200, (HELLO, error), EVENT_STREAM)) as tested:
        told = await tested.ask()
        assert told.body == HELLO + error
        _, end, _ = await tested.record()
        assert (end.status, end.attempts[0].error) == ("interrupted", None)


async def test_a_compressed_error_is_told_plain(tmp_path: Path) -> None:
    body = b'{"error": {"message": "too long", "code": "context_length_exceeded"}}'
    headers = ((b"content-encoding", b"gzip"), (b"etag", b"x"), (b"openai-version", b"1"))
    async with house(tmp_path, ScriptedAnswer(400, (gzip.compress(body),), headers)) as tested:
        told = await tested.ask()
        assert (told.status, told.body) == (400, body)
        assert b"content-encoding" not in told.headers
        assert b"etag" not in told.headers
        assert told.headers[b"openai-version"] == b"1"


async def test_a_full_spool_refuses_before_anything_is_spent(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with house(tmp_path, ScriptedAnswer()) as tested:

        async def full(begin: Begin) -> None:
            raise SpoolFull

        monkeypatch.setattr(tested.spool, "begin", full)
        with pytest.raises(SpoolFull):
            await tested.exchanges.run(question(), CollectingSink())
        assert tested.wire.sent == []


async def test_without_its_record_no_answer_ends(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for answer, status in (
        (ScriptedAnswer(), 503),
        (ScriptedAnswer(200, (HELLO, DONE), EVENT_STREAM), 200),
    ):
        async with house(tmp_path, answer) as tested:
            begin = tested.spool.begin

            async def failing(what: Begin, begin=begin):  # type: ignore[no-untyped-def]
                entry = await begin(what)
                entry._keeper = _Broken()  # the disk fails after the begin
                return entry

            monkeypatch.setattr(tested.spool, "begin", failing)
            told = await tested.ask()
            assert told.status == status
            assert told.finished is (status == 503)
            assert DONE not in told.body


class _Broken:
    """A spool whose disk has failed."""

    def watch(self, entry: object) -> None:
        """No checkpoints either."""

    def has_room(self, size_bytes: int) -> bool:
        return True

    def write(self, entry: object, kind: FrameKind, payload: bytes) -> "asyncio.Future[None]":
        future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        future.set_exception(SpoolFailed())
        return future


@pytest.mark.parametrize("begun", [True, False])
async def test_who_is_cut_is_told_why_and_it_is_recorded(tmp_path: Path, begun: bool) -> None:
    pieces = (HELLO,) if begun else ()
    answer = ScriptedAnswer(200, pieces, EVENT_STREAM, hangs=True)
    async with house(tmp_path, answer) as tested:
        sink, under_way = CollectingSink(), tested.exchanges.under_way
        sink.task = asyncio.create_task(tested.exchanges.run(question(), sink))
        await answer.hanging.wait()
        assert under_way.cut(8, BlockedUser()) == 0
        assert under_way.cut(7, BlockedUser()) == 1
        with pytest.raises(asyncio.CancelledError):
            await sink.task
        assert not under_way.users()
        _, end, recorded = await tested.record()
        assert (end.status, recorded) == ("interrupted", sink.body)
        assert b'"user_blocked"' in sink.body and b"[DONE]" not in sink.body and sink.finished
        assert sink.status == (200 if begun else 401)
        assert sink.body.startswith(HELLO) == begun
