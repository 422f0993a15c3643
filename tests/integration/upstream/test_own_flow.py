"""Our own transport under way: back-pressure both ways, early answers, the fewest wake-ups."""

import asyncio
from collections.abc import AsyncIterator, Callable

import pytest

from gateway.upstream.connection import HIGH_WATER_BYTES
from gateway.upstream.transport import OwnTransport
from gateway.upstream.wire import WireRequest
from tests.support.scripted_server import Peer, scripted, settled
from tests.support.wire_answers import chunked, head
from tests.support.wire_calls import call, pieces, post, upstream, whole

OK = head("200 OK", "Content-Length: 2") + b"{}"


async def answer_ok(peer: Peer) -> None:
    while True:
        await peer.request()
        await peer.send(OK)


async def test_a_client_that_does_not_read_stops_the_upstream(own: OwnTransport) -> None:
    sent = 0
    piece = b"x" * 65536

    async def flood(peer: Peer) -> None:
        nonlocal sent
        await peer.request()
        await peer.send(head("200 OK", f"Content-Length: {1000 * len(piece)}"))
        for _ in range(1000):
            peer.writer.write(piece)
            await peer.writer.drain()
            sent += len(piece)

    async with scripted(flood) as server:
        answer = await own.send(upstream(server), post())
        await standstill(lambda: sent)
        assert sent < 500 * len(piece)  # what the kernel's own buffers hold, and a little
        first = await answer.read()
        assert HIGH_WATER_BYTES < len(first) <= 3 * HIGH_WATER_BYTES
        assert len(first) + len(await whole(answer)) == 1000 * len(piece)
        assert own.idle == 1


async def standstill(value: Callable[[], int]) -> None:
    """Returns once nothing has changed for half a second."""
    seen = [value()]
    while len(seen) < 6 or len(set(seen[-6:])) > 1:
        await asyncio.sleep(0.1)
        seen.append(value())


async def test_an_upload_goes_no_faster_than_the_upstream_reads(own: OwnTransport) -> None:
    taken = 0

    async def source() -> AsyncIterator[bytes]:
        nonlocal taken
        for _ in range(1000):
            taken += 1
            yield b"x" * 65536

    async def read_late(peer: Peer) -> None:
        await peer.head()
        await go_on.wait()
        total = sum([len(piece) async for piece in peer.chunks()])
        await peer.send(head("200 OK", "Content-Length: 8") + b"%d" % total)

    go_on = asyncio.Event()
    async with scripted(read_late) as server, asyncio.TaskGroup() as group:
        calling = group.create_task(call(own, upstream(server), post(source())))
        await standstill(lambda: taken)
        assert taken < 500
        go_on.set()
        assert await calling == (200, b"65536000")


async def endless(stopped: list[bool]) -> AsyncIterator[bytes]:
    try:
        while True:
            yield b"x" * 1000
            await asyncio.sleep(0.001)
    finally:
        stopped.append(True)


@pytest.mark.parametrize("keeps_open", [True, False])
async def test_an_error_that_comes_early_ends_the_upload(
    own: OwnTransport, keeps_open: bool
) -> None:
    async def too_large(peer: Peer) -> None:
        await peer.head()
        await peer.send(head("413 Content Too Large", "Content-Length: 2") + b"{}")
        if keeps_open:
            await peer.gone()
        else:
            peer.end()

    stopped: list[bool] = []
    async with scripted(too_large) as server:
        assert await call(own, upstream(server), post(endless(stopped))) == (413, b"{}")
        assert stopped == [True]
        await server.finished()
        assert own.open == 0


async def test_an_error_reaches_a_client_that_stalls_in_its_upload(own: OwnTransport) -> None:
    async def stalls() -> AsyncIterator[bytes]:
        yield b"begun"
        await asyncio.sleep(3600)

    async def refuse(peer: Peer) -> None:
        await peer.head()
        await peer.send(head("401 Unauthorized", "Content-Length: 2") + b"{}")

    async with scripted(refuse) as server:
        assert await call(own, upstream(server), post(stalls())) == (401, b"{}")


async def test_an_answer_that_comes_early_waits_for_the_upload(own: OwnTransport) -> None:
    async def echo(peer: Peer) -> None:
        await peer.head()
        await peer.send(head("200 OK", "Transfer-Encoding: chunked"))
        async for piece in peer.chunks():
            await peer.send(chunked(piece, len(piece))[:-5])
        await peer.send(b"0\r\n\r\n")

    async with scripted(echo) as server:
        parts = [b"%d," % n for n in range(50)]
        assert await call(own, upstream(server), post(pieces(*parts))) == (200, b"".join(parts))
        assert own.idle == 1


async def test_a_whole_answer_to_half_a_request_is_given_but_its_connection_is_not_used_again(
    own: OwnTransport,
) -> None:
    async def hasty(peer: Peer) -> None:
        await peer.head()
        peer.pause()
        await peer.send(OK)
        await asyncio.sleep(3600)

    async with scripted(hasty) as server:
        assert await call(own, upstream(server), post(b"x" * 50_000_000)) == (200, b"{}")
        assert own.open == 0


async def test_an_answer_that_has_arrived_keeps_its_connection_even_unread(
    own: OwnTransport,
) -> None:
    async with scripted(answer_ok) as server:
        answer = await own.send(upstream(server), post())
        await settled()
        answer.close()
        assert (own.open, own.idle) == (1, 1)
        assert await answer.read() == b"{}"


async def test_a_hundred_megabytes_pass(own: OwnTransport) -> None:
    async def stream(peer: Peer) -> None:
        await peer.request()
        await peer.send(head("200 OK", "Transfer-Encoding: chunked"))
        for _ in range(1600):
            peer.writer.write(b"10000\r\n" + b"x" * 65536 + b"\r\n")
            await peer.writer.drain()
        await peer.send(b"0\r\n\r\n")

    async with scripted(stream) as server:
        answer = await own.send(upstream(server), post())
        total = 0
        while piece := await answer.read():
            assert len(piece) <= 3 * HIGH_WATER_BYTES
            total += len(piece)
        assert total == 1600 * 65536


async def test_the_smallest_call_is_woken_once(own: OwnTransport) -> None:
    """`send` by the head; the body is there with it, and `read` does not wait."""
    async with scripted(answer_ok) as server:
        await call(own, upstream(server), post())
        sending = own.send(upstream(server), WireRequest(b"POST", b"/a", (), b"{}"))
        waits = 0
        future = sending.send(None)
        while True:
            waits += 1
            await future_done(future)
            try:
                future = sending.send(None)
            except StopIteration as done:
                answer = done.value
                break
        assert waits == 1
        with pytest.raises(StopIteration) as read:
            answer.read().send(None)
        assert (read.value.value, answer.complete) == (b"{}", True)


async def future_done(future: "asyncio.Future[None]") -> None:
    future._asyncio_future_blocking = False  # type: ignore[attr-defined]
    await asyncio.wait([future])
