"""No byte waits for an acknowledgement of another: Nagle's algorithm is off on both legs.

Seen at the sockets, in this process, because a stall shows in times only.
"""

import os
import socket
from collections.abc import Iterator
from pathlib import Path

import uvicorn
from starlette.types import Receive, Scope, Send

from gateway.supervision.listening import listen
from gateway.supervision.protocol import Connection, Patience, State
from gateway.upstream.credential import Upstream
from gateway.upstream.transport import OwnTransport
from gateway.upstream.wire import WireRequest


async def fine(scope: Scope, receive: Receive, send: Send) -> None:
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": b"fine", "more_body": True})
    await receive()
    await send({"type": "http.response.body", "body": b""})


def of_port(port: int) -> Iterator[socket.socket]:
    """Both ends of this process's connections to it."""
    for entry in Path("/proc/self/fd").iterdir():
        try:
            sock = socket.socket(fileno=os.dup(int(entry.name)))
        except OSError:  # no socket, or gone
            continue
        with sock:
            try:
                if port in (sock.getsockname()[1], sock.getpeername()[1]):
                    yield sock
            except (OSError, IndexError):  # not connected, or not TCP
                continue


async def test_what_is_written_leaves_at_once_on_both_legs() -> None:
    listening = listen("127.0.0.1", 0)
    port = listening.getsockname()[1]
    config = uvicorn.Config(fine, http=Connection, ws="none", lifespan="off", log_config=None)
    server, transport = uvicorn.Server(config), OwnTransport()
    server.server_state = State(Patience(60))
    config.load()
    server.lifespan = config.lifespan_class(config)
    await server.startup([listening])
    try:
        request = WireRequest(b"POST", b"/chat/completions", [], b"{}")
        answer = await transport.send(Upstream("u", f"http://127.0.0.1:{port}/v1"), request)
        nagle_off = [s.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY) for s in of_port(port)]
        assert await answer.read() == b"fine"
        answer.close()
    finally:
        await transport.close()
        await server.shutdown([listening])
    assert len(nagle_off) == 2
    assert all(nagle_off)
