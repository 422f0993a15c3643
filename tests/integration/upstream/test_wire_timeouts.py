"""Timeouts on both adapters: each phase has its own, names itself, and closes the connection."""

import asyncio

import pytest

from gateway.upstream.transport import OwnTransport
from gateway.upstream.wire import TimedOut, Transport
from tests.support.scripted_server import Peer, scripted, until
from tests.support.wire_answers import chunked, head
from tests.support.wire_calls import call, pieces, post, upstream, whole

SOON_S = 0.15
CHUNKED = head("200 OK", "Transfer-Encoding: chunked")


async def test_connect_covers_the_tls_handshake(transport: Transport) -> None:
    async def silent(peer: Peer) -> None:
        await peer.gone()

    async with scripted(silent) as server:
        to = upstream(server.url.replace("http:", "https:"), connect_s=SOON_S)
        with pytest.raises(TimedOut) as late:
            await transport.send(to, post())
        assert (late.value.phase, late.value.written) == ("connect", False)
        await server.finished()


async def test_connect_covers_the_proxy(transport: Transport) -> None:
    async def silent(peer: Peer) -> None:
        await peer.gone()

    async with scripted(silent) as server:
        proxy = f"http://{server.host}:{server.port}"
        to = upstream("https://upstream.invalid/v1", proxy, connect_s=SOON_S, first_byte_s=SOON_S)
        with pytest.raises(TimedOut):
            await transport.send(to, post())
        await server.finished()


@pytest.mark.parametrize("said", [b"", b"HTTP/1.1 200 OK\r\nX-A: b\r\n", head("100 Continue")])
async def test_first_byte_lasts_until_the_head_is_whole(transport: Transport, said: bytes) -> None:
    async def stop(peer: Peer) -> None:
        await peer.request()
        await peer.send(said)
        await peer.gone()

    async with scripted(stop) as server:
        with pytest.raises(TimedOut) as late:
            await transport.send(upstream(server, first_byte_s=SOON_S), post())
        assert (late.value.phase, late.value.written) == ("first_byte", True)
        await server.finished()


async def test_idle_is_counted_from_the_last_byte(transport: Transport) -> None:
    async def stop(peer: Peer) -> None:
        await peer.request()
        await peer.send(CHUNKED, chunked(b"one", 3)[:-5])
        await peer.gone()

    async with scripted(stop) as server:
        answer = await transport.send(upstream(server, idle_s=SOON_S), post())
        assert await answer.read() == b"one"
        with pytest.raises(TimedOut) as late:
            await answer.read()
        assert late.value.phase == "idle"
        await server.finished()
        with pytest.raises(TimedOut):
            await answer.read()


async def test_a_stream_that_lives_is_not_cut(transport: Transport) -> None:
    async def drip(peer: Peer) -> None:
        await peer.request()
        await peer.send(CHUNKED)
        for _ in range(30):
            await asyncio.sleep(0.1)
            await peer.send(chunked(b"x", 1)[:-5])
        await peer.send(b"0\r\n\r\n")

    async with scripted(drip) as server:
        to = upstream(server, first_byte_s=2, idle_s=2)
        assert await call(transport, to, post()) == (200, b"x" * 30)


@pytest.mark.parametrize("said", [b"", CHUNKED])
async def test_total_cuts_even_what_lives(transport: Transport, said: bytes) -> None:
    async def drip(peer: Peer) -> None:
        await peer.request()
        await peer.send(said)
        while True:
            await peer.send(chunked(b"x", 1)[:-5] if said else head("102 Processing")[:1])
            await asyncio.sleep(60 if not said else 0.01)

    async with scripted(drip) as server:
        with pytest.raises(TimedOut) as late:
            await whole(await transport.send(upstream(server, total_s=2 * SOON_S), post()))
        assert (late.value.phase, late.value.written) == ("total", True)


async def test_an_upload_that_is_not_read_is_idle(transport: Transport) -> None:
    async def deaf(peer: Peer) -> None:
        peer.pause()
        await asyncio.sleep(60)

    async with scripted(deaf) as server:
        body = pieces(*[b"x" * 1_000_000] * 50)
        with pytest.raises(TimedOut) as late:
            await transport.send(upstream(server, idle_s=SOON_S), post(body))
        assert (late.value.phase, late.value.written) == ("idle", True)


async def test_a_client_that_does_not_read_is_not_the_upstream_s_fault(own: OwnTransport) -> None:
    body = b"x" * 8_000_000

    async def stream(peer: Peer) -> None:
        await peer.request()
        peer.writer.write(head("200 OK", f"Content-Length: {len(body)}") + body)
        await peer.writer.drain()

    async with scripted(stream) as server:
        answer = await own.send(upstream(server, idle_s=SOON_S), post())
        await asyncio.sleep(4 * SOON_S)
        assert await whole(answer) == body


async def test_total_while_connecting_has_written_nothing(own: OwnTransport) -> None:
    async def silent(peer: Peer) -> None:
        await peer.gone()

    async with scripted(silent) as server:
        to = upstream(server.url.replace("http:", "https:"), total_s=SOON_S)
        with pytest.raises(TimedOut) as late:
            await own.send(to, post())
        assert (late.value.phase, late.value.written) == ("total", False)


async def test_timeouts_are_never_early() -> None:
    now = 0.0
    own = OwnTransport(clock=lambda: now, tick_s=0.001)

    async def silent(peer: Peer) -> None:
        await peer.request()
        await peer.gone()

    async with scripted(silent) as server, asyncio.TaskGroup() as group:
        waiting = group.create_task(_late(own, upstream(server, first_byte_s=600)))
        await until(lambda: own.open, "the connection")
        now = 599.9
        await asyncio.sleep(0.05)
        assert not waiting.done()
        now = 600.1
    assert waiting.result() == "first_byte"
    assert own.open == 0


async def _late(own: OwnTransport, to) -> str:  # type: ignore[no-untyped-def]
    with pytest.raises(TimedOut) as late:
        await own.send(to, post())
    return late.value.phase
