"""How long a client may take, on a clock that the test winds and a socket that it plays."""

import asyncio
from typing import Any

import pytest
import uvicorn
from starlette.types import ASGIApp, Receive, Scope, Send

from gateway.supervision.protocol import SLOWEST_BYTES_PER_S, Connection, Patience, State

QUESTION = b"GET /v1/files/a HTTP/1.1\r\nhost: x\r\n\r\n"
HEAD = b"POST /v1/files HTTP/1.1\r\nhost: x\r\ncontent-length: 99999999\r\n\r\n"
PATIENCE = Patience(body_s=60, body_total_s=300, send_s=100)


class Wound:
    """The running event loop, but for its clock."""

    def __init__(self) -> None:
        self._loop, self.now = asyncio.get_running_loop(), 1000.0

    def time(self) -> float:
        return self.now

    def __getattr__(self, name: str) -> Any:
        return getattr(self._loop, name)


class Wire(asyncio.Transport):
    """A client's socket, as the server sees it."""

    def __init__(self) -> None:
        super().__init__()
        self.written, self.unsent_bytes = b"", 0
        self.aborted = self.closed = False

    def get_write_buffer_size(self) -> int:
        return self.unsent_bytes

    def write(self, data: Any) -> None:
        self.written += data

    def is_closing(self) -> bool:
        return self.aborted or self.closed

    def close(self) -> None:
        self.closed = True

    def abort(self) -> None:
        self.aborted = True

    def get_extra_info(self, name: str, default: Any = None) -> None:
        return None

    def pause_reading(self) -> None: ...

    def resume_reading(self) -> None: ...


async def read_nothing(scope: Scope, receive: Receive, send: Send) -> None:
    await asyncio.Event().wait()


class Played:
    """A connection, its clock and its client."""

    def __init__(self, app: ASGIApp = read_nothing) -> None:
        config = uvicorn.Config(app, http=Connection, ws="none", log_config=None)
        config.load()
        self.clock, self.wire = Wound(), Wire()
        self.connection = Connection(config, State(PATIENCE), {}, self.clock)  # type: ignore[arg-type]
        self.connection.connection_made(self.wire)

    def goes_on(self, seconds: int, bytes_per_s: int = 0, pause_s: int = 1) -> bool:
        """Whether it is kept, while the client sends so many every `pause_s`."""
        for second in range(seconds):
            self.clock.now += 1
            if bytes_per_s and second % pause_s == 0:
                self.connection.data_received(b"x" * bytes_per_s * pause_s)
            self.connection.flow.resume_reading()  # somebody takes what comes
            self.connection.look(self.clock.now)
            if self.wire.is_closing():
                return False
        return True


@pytest.fixture
async def played() -> Played:
    return Played()


async def test_a_body_in_drips_is_given_up_though_it_is_never_silent(played: Played) -> None:
    played.connection.data_received(HEAD)
    assert played.goes_on(299, 1, 59)
    assert not played.goes_on(60, 1, 59)
    assert b" 408 " in played.wire.written


async def test_a_large_body_has_the_time_that_it_needs(played: Played) -> None:
    played.connection.data_received(HEAD)
    assert played.goes_on(3000, SLOWEST_BYTES_PER_S)
    assert not played.goes_on(61)


async def test_time_in_which_nobody_takes_the_body_is_not_the_clients(played: Played) -> None:
    played.connection.data_received(HEAD)
    played.connection.flow.pause_reading()
    for _ in range(1000):
        played.clock.now += 1
        played.connection.look(played.clock.now)
    assert not played.wire.is_closing()
    assert played.goes_on(59)
    assert not played.goes_on(10)


async def test_who_takes_nothing_of_an_answer_is_cut(played: Played) -> None:
    played.connection.data_received(QUESTION)
    played.wire.unsent_bytes = 70_000
    assert played.goes_on(99)
    assert not played.goes_on(10)
    assert played.wire.aborted


async def test_who_takes_a_little_now_and_then_is_not_cut(played: Played) -> None:
    played.connection.data_received(QUESTION)
    for unsent_bytes in range(70_000, 60_000, -1000):
        played.wire.unsent_bytes = unsent_bytes
        assert played.goes_on(90)


async def test_who_takes_as_much_as_comes_is_not_cut(played: Played) -> None:
    """Each look finds the same number of bytes, but other ones."""
    played.connection.data_received(QUESTION)
    played.wire.unsent_bytes = 70_000
    for _ in range(10):
        assert played.goes_on(90)
        played.connection.resume_writing()


async def test_a_client_is_read_from_once_its_large_body_is_here() -> None:
    """Though it came in one piece, when somebody waited for it: its hang-up must be seen."""
    read: list[int] = []

    async def reads(scope: Scope, receive: Receive, send: Send) -> None:
        read.append(len((await receive())["body"]))
        await asyncio.Event().wait()

    played = Played(reads)
    played.connection.data_received(HEAD.replace(b"99999999", b"200000"))
    await asyncio.sleep(0)
    played.connection.data_received(b"x" * 200_000)
    assert played.connection.flow.read_paused
    await asyncio.sleep(0)
    assert read == [200_000]
    assert not played.connection.flow.read_paused
