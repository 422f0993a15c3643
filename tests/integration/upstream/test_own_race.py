"""A kept connection that ends just as it is taken: replaced where nothing arrived, else lost."""

import asyncio
import socket
import struct
from collections.abc import AsyncIterator

import pytest

from gateway.upstream.connection import Connection
from gateway.upstream.transport import OwnTransport
from gateway.upstream.wire import Lost
from tests.support.wire_answers import head
from tests.support.wire_calls import call, pieces, post, upstream

OK = head("200 OK", "Content-Length: 2") + b"{}"


class RawUpstream:
    """Its sockets are the test's own, so that what is sent and when is the test's to say."""

    def __init__(self) -> None:
        self.listening = socket.create_server(("127.0.0.1", 0))
        self.listening.setblocking(False)
        self.url = f"http://127.0.0.1:{self.listening.getsockname()[1]}/v1"

    async def accept(self) -> socket.socket:
        return (await asyncio.get_running_loop().sock_accept(self.listening))[0]

    async def answer(self, sock: socket.socket) -> None:
        loop = asyncio.get_running_loop()
        assert await loop.sock_recv(sock, 65536)
        await loop.sock_sendall(sock, OK)

    async def serve_next(self) -> None:
        with await self.accept() as sock:
            await self.answer(sock)


@pytest.fixture
async def raw() -> AsyncIterator[RawUpstream]:
    upstream_ = RawUpstream()
    yield upstream_
    upstream_.listening.close()


async def kept_alive(own: OwnTransport, raw: RawUpstream) -> socket.socket:
    """The upstream's end of a connection that has carried one call and is idle."""
    async with asyncio.TaskGroup() as group:
        calling = group.create_task(call(own, upstream(raw.url), post()))
        sock = await raw.accept()
        await raw.answer(sock)
        assert await calling == (200, b"{}")
    assert own.idle == 1
    return sock


@pytest.fixture
def unchecked(monkeypatch: pytest.MonkeyPatch) -> None:
    """The look at the socket before writing comes too early to see what the upstream does."""
    monkeypatch.setattr(Connection, "usable", lambda self, now: True)


async def test_a_connection_that_has_just_been_closed_is_seen_before_the_loop_tells(
    own: OwnTransport, raw: RawUpstream
) -> None:
    sock = await kept_alive(own, raw)
    async with asyncio.TaskGroup() as group:
        group.create_task(raw.serve_next())
        sock.close()  # the loop has no turn before the request is written
        await call(own, upstream(raw.url), post())
    assert (own.dialed, own.reused) == (2, 0)


@pytest.mark.usefixtures("unchecked")
async def test_a_request_that_never_arrived_is_written_to_a_fresh_connection_once(
    own: OwnTransport, raw: RawUpstream
) -> None:
    sock = await kept_alive(own, raw)
    async with asyncio.TaskGroup() as group:
        group.create_task(raw.serve_next())
        sock.close()
        assert await call(own, upstream(raw.url), post()) == (200, b"{}")
    assert (own.dialed, own.reused) == (2, 1)


@pytest.mark.usefixtures("unchecked")
async def test_an_upload_that_never_arrived_is_lost(own: OwnTransport, raw: RawUpstream) -> None:
    (await kept_alive(own, raw)).close()
    with pytest.raises(Lost):
        await own.send(upstream(raw.url), post(pieces(b"once")))
    assert own.dialed == 1


@pytest.mark.parametrize("reset", [True, False], ids=["reset", "end"])
async def test_a_request_that_has_arrived_is_never_written_again(
    own: OwnTransport, raw: RawUpstream, reset: bool
) -> None:
    sock = await kept_alive(own, raw)
    with pytest.raises(Lost):
        async with asyncio.timeout(30):
            await asyncio.gather(own.send(upstream(raw.url), post()), read_and_close(sock, reset))
    assert own.dialed == 1


async def read_and_close(sock: socket.socket, reset: bool) -> None:
    """A reset leaves our bytes unacknowledged as if they had never been read."""
    assert await asyncio.get_running_loop().sock_recv(sock, 65536)
    if reset:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    sock.close()
