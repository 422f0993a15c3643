"""A caller that goes away closes the upstream's connection at once, at whatever stage."""

import asyncio
import random
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from gateway.upstream.transport import OwnTransport
from gateway.upstream.wire import Lost, Transport, WireAnswer, WireError
from tests.support.scripted_server import Peer, scripted, settled, until
from tests.support.wire_answers import BAD, GOOD, chunked, head
from tests.support.wire_calls import call, pieces, post, upstream, whole

OK = head("200 OK", "Content-Length: 2") + b"{}"
CHUNKED = head("200 OK", "Transfer-Encoding: chunked")


async def answer_ok(peer: Peer) -> None:
    while True:
        await peer.request()
        await peer.send(OK)


async def cancelled(task: "asyncio.Task[object]") -> None:
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


@pytest.mark.parametrize("said", [b"", OK[:20]])
async def test_cancelled_while_it_waits_for_the_answer(transport: Transport, said: bytes) -> None:
    heard = asyncio.Event()

    async def wait(peer: Peer) -> None:
        await peer.request()
        await peer.send(said)
        heard.set()
        await peer.gone()

    async with scripted(wait) as server, asyncio.TaskGroup() as group:
        calling = group.create_task(transport.send(upstream(server), post()))
        await heard.wait()
        await settled()
        await cancelled(calling)
        await server.finished()


@pytest.mark.parametrize("stage", ["tls", "proxy"])
async def test_cancelled_while_it_connects(own: OwnTransport, stage: str) -> None:
    """httpx2 leaves the socket of a cancelled handshake to the garbage collector."""
    heard = asyncio.Event()

    async def wait(peer: Peer) -> None:
        await peer.reader.readexactly(1)
        heard.set()
        await peer.gone()

    async with scripted(wait) as server, asyncio.TaskGroup() as group:
        proxy = f"http://{server.host}:{server.port}" if stage == "proxy" else None
        to = upstream(server.url.replace("http:", "https:"), proxy)
        calling = group.create_task(own.send(to, post()))
        await heard.wait()
        await settled()
        await cancelled(calling)
        await server.finished()


async def test_cancelled_while_it_uploads(transport: Transport) -> None:
    async def read(peer: Peer) -> None:
        await peer.head()
        async for _ in peer.chunks():
            heard.set()

    async def source() -> AsyncIterator[bytes]:
        yield b"begun"
        await asyncio.sleep(60)

    heard = asyncio.Event()
    async with scripted(read) as server, asyncio.TaskGroup() as group:
        calling = group.create_task(transport.send(upstream(server), post(source())))
        await heard.wait()
        await cancelled(calling)
        await server.finished()


async def test_cancelled_while_it_reads(transport: Transport) -> None:
    async def stop(peer: Peer) -> None:
        await peer.request()
        await peer.send(CHUNKED, chunked(b"one", 3)[:-5])
        await peer.gone()

    async with scripted(stop) as server, asyncio.TaskGroup() as group:
        answer = await transport.send(upstream(server), post())
        assert await answer.read() == b"one"
        reading = group.create_task(answer.read())
        await settled()
        await cancelled(reading)
        await server.finished()


@pytest.mark.parametrize("said", [CHUNKED, CHUNKED + chunked(b"one", 3)[:-5], OK[:-1]])
async def test_an_answer_closed_before_its_end_closes_the_connection(
    transport: Transport, said: bytes
) -> None:
    async def stop(peer: Peer) -> None:
        if peer.number:
            await answer_ok(peer)
        await peer.request()
        await peer.send(said)
        await peer.gone()

    async with scripted(stop) as server:
        answer = await transport.send(upstream(server), post())
        answer.close()
        answer.close()
        await server.finished()
        assert not answer.complete
        with pytest.raises(Lost):
            await whole(answer)
        assert await call(transport, upstream(server), post()) == (200, b"{}")
        assert len(server.peers) == 2


async def test_closing_while_another_task_reads_ends_its_reading(own: OwnTransport) -> None:
    async def stop(peer: Peer) -> None:
        await peer.request()
        await peer.send(CHUNKED)
        await peer.gone()

    async def read(answer: WireAnswer) -> None:
        with pytest.raises(Lost):
            await answer.read()

    async with scripted(stop) as server, asyncio.TaskGroup() as group:
        answer = await own.send(upstream(server), post())
        group.create_task(read(answer))
        await settled()
        answer.close()


async def test_cancelled_at_any_turn_of_the_loop_nothing_is_left_and_nothing_is_mixed_up(
    transport: Transport,
) -> None:
    async def echo(peer: Peer) -> None:
        while True:
            body = (await peer.request()).body
            await peer.send(head("200 OK", f"Content-Length: {len(body)}"), body)

    async with scripted(echo) as server, asyncio.TaskGroup() as group:
        to = upstream(server)
        for turns in [*range(40), *range(40)]:
            calling = group.create_task(call(transport, to, post(b"%d" % turns)))
            for _ in range(turns):
                await asyncio.sleep(0)
            calling.cancel()
            await asyncio.wait([calling])
            assert await call(transport, to, post(b"next %d" % turns)) == (200, b"next %d" % turns)
    if isinstance(transport, OwnTransport):
        assert transport.open == transport.idle


async def test_whatever_happens_no_connection_is_left_behind(own: OwnTransport) -> None:
    chance = random.Random(3)
    answers = [*GOOD, *BAD]

    async def misbehave(peer: Peer) -> None:
        while True:
            await peer.request()
            chosen = chance.choice(answers)
            at = chance.randrange(len(chosen.raw) + 1)
            await peer.send(chosen.raw[:at], chosen.raw[at:])
            if chance.random() < 0.3:
                peer.reset()
                return
            if chosen.ends or chance.random() < 0.2:
                peer.end()
                return

    async def ask() -> None:
        body = post() if chance.random() < 0.7 else post(pieces(b"a", b"b" * 100_000))
        try:
            async with asyncio.timeout(chance.choice([0.005, 0.05, 30])):
                answer = await own.send(upstream(server, first_byte_s=0.1, idle_s=0.1), body)
                try:
                    for _ in range(chance.randrange(4)):
                        await answer.read()
                finally:
                    answer.close()
        except (WireError, TimeoutError):
            pass

    before = open_sockets()
    async with scripted(misbehave) as server:
        for _ in range(10):
            async with asyncio.TaskGroup() as group:
                for _ in range(30):
                    group.create_task(ask())
            assert own.open == own.idle
        await own.close()
        assert own.open == 0
    await until(lambda: open_sockets() <= before, "every socket to be closed")


def open_sockets() -> int:
    """Of this process; the descriptor that lists them is gone when it is looked at."""
    listed = Path("/proc/self/fd").iterdir()
    return sum(str(fd.readlink()).startswith("socket:") for fd in listed if fd.is_symlink())
