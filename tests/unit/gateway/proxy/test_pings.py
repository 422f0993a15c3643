"""Comments between events: when they are sent, and when not."""

import asyncio
from typing import Any

from gateway.proxy.pings import KEEP_ALIVE
from gateway.proxy.sink import HttpSink


class Server:
    """Takes what is sent; `full`: the client does not read, so it waits before it writes."""

    def __init__(self) -> None:
        self.written: list[bytes] = []
        self.asked = 0
        self.full = False
        self.event = asyncio.Event()
        self.until = 0

    async def send(self, message: Any) -> None:
        self.asked += 1
        if self.asked >= self.until:
            self.event.set()
        if self.full:
            await asyncio.Event().wait()
        self.written.append(message.get("body", b""))

    async def asked_again(self, times: int) -> None:
        self.until, self.event = self.asked + times, asyncio.Event()
        async with asyncio.timeout(30):
            await self.event.wait()
        await asyncio.sleep(0)


async def receive() -> Any:
    await asyncio.Event().wait()


async def test_silence_is_filled_and_the_end_ends_it() -> None:
    server = Server()
    with HttpSink(receive, server.send, []) as sink:
        await sink.start(200, [])
        await sink.write(b"data: 1\n\n")
        sink.keep_awake(0.01)
        await server.asked_again(2)
        await sink.write(b"data: 2\n\n")
        await server.asked_again(1)
        await sink.finish(b"data: [DONE]\n\n")
        sent = [*server.written]
        await asyncio.sleep(0.05)
    assert server.written == sent
    assert sent[:4] == [b"", b"data: 1\n\n", KEEP_ALIVE, KEEP_ALIVE]
    assert sent[-2:] == [KEEP_ALIVE, b"data: [DONE]\n\n"]
    assert set(sent) == {b"", b"data: 1\n\n", b"data: 2\n\n", KEEP_ALIVE, b"data: [DONE]\n\n"}
    assert KEEP_ALIVE.count(b"\n") == 1


async def test_a_client_that_does_not_read_is_sent_none() -> None:
    server = Server()
    with HttpSink(receive, server.send, []) as sink:
        await sink.start(200, [])
        sink.keep_awake(0.01)
        server.full = True
        await server.asked_again(3)
        server.full = False
        assert server.written == [b""]


async def test_who_leaves_hears_no_more() -> None:
    server = Server()
    with HttpSink(receive, server.send, []) as sink:
        await sink.start(200, [])
        sink.keep_awake(0.01)
        await server.asked_again(1)
    sent = [*server.written]
    await asyncio.sleep(0.05)
    assert server.written == sent


async def test_no_ping_comes_while_events_do() -> None:
    server = Server()
    with HttpSink(receive, server.send, []) as sink:
        await sink.start(200, [])
        sink.keep_awake(3600)
        for _ in range(100):
            await sink.write(b"data: 1\n\n")
            await asyncio.sleep(0)
    assert KEEP_ALIVE not in server.written
