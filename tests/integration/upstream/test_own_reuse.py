"""Which connections our own transport keeps, uses again and closes."""

import asyncio

import pytest

from gateway.upstream.credential import Upstream
from gateway.upstream.transport import OwnTransport
from gateway.upstream.wire import BadAnswer, Lost
from tests.support.scripted_server import Peer, Script, scripted, until
from tests.support.wire_answers import BAD_FOR_OURS, Bad, head
from tests.support.wire_calls import call, post, upstream, whole

OK = head("200 OK", "Content-Length: 2") + b"{}"


def answering(*lines: str) -> Script:
    async def answer(peer: Peer) -> None:
        while True:
            await peer.request()
            await peer.send(head("200 OK", "Content-Length: 2", *lines) + b"{}")

    return answer


class Clock:
    """Stands still unless it is moved."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


@pytest.mark.parametrize("every", [1, 7, 100_000])
@pytest.mark.parametrize("bad", BAD_FOR_OURS, ids=lambda b: b.name)
async def test_what_httpx2_lets_pass_is_an_error_or_closes_the_connection(
    own: OwnTransport, bad: Bad, every: int
) -> None:
    async def misbehave(peer: Peer) -> None:
        await peer.request() if bad.method == b"POST" else await peer.head()
        begin = bad.raw[:2000]
        await peer.send(*(begin[i : i + every] for i in range(0, len(begin), every)))
        await peer.send(bad.raw[2000:])
        if bad.ends:
            peer.end()
        await peer.gone()

    async with scripted(misbehave) as server:
        body = b""
        try:
            answer = await own.send(upstream(server), post(b"", method=bad.method))
            while not answer.complete and (piece := await answer.read()):
                body += piece
            assert bad.too_much_after is not None
        except (BadAnswer, Lost) as error:
            assert isinstance(error, BadAnswer)
        assert bad.body.startswith(body)
        await server.finished()  # the connection was closed, whatever became of the answer
        assert own.open == 0


@pytest.mark.parametrize(
    ("lines", "usable_s"),
    [((), 4), (("Keep-Alive: timeout=3, max=100",), 2), (("Keep-Alive: timeout=75",), 4)],
)
async def test_an_idle_connection_is_used_for_so_long_and_then_closed(
    lines: tuple[str, ...], usable_s: float
) -> None:
    clock = Clock()
    own = OwnTransport(clock=clock, tick_s=0.001)
    async with scripted(answering(*lines)) as server:
        for _ in range(3):
            await call(own, upstream(server), post())
            clock.now += usable_s - 0.1
            await asyncio.sleep(0.01)
        assert (own.dialed, own.idle) == (1, 1)
        await call(own, upstream(server), post())
        clock.now += usable_s
        await call(own, upstream(server), post())
        assert own.dialed == 2
        clock.now += usable_s
        await until(lambda: own.open == 0, "idle connections to be closed")
        await server.finished()


async def test_a_connection_kept_for_a_second_is_not_kept(own: OwnTransport) -> None:
    async with scripted(answering("Keep-Alive: timeout=1")) as server:
        await call(own, upstream(server), post())
        assert own.open == 0


async def test_the_connection_given_back_last_is_taken_first(own: OwnTransport) -> None:
    async def name(peer: Peer) -> None:
        while True:
            await peer.request()
            await peer.send(head("200 OK", "Content-Length: 1") + b"%d" % peer.number)

    async with scripted(name) as server:
        answers = [await own.send(upstream(server), post()) for _ in range(3)]
        assert [await whole(a) for a in answers] == [b"0", b"0", b"0"]
        async with asyncio.TaskGroup() as group:
            for _ in range(3):
                group.create_task(call(own, upstream(server), post()))
        (_, first) = await call(own, upstream(server), post())
        for _ in range(5):
            assert (await call(own, upstream(server), post()))[1] == first


async def test_upstreams_of_one_url_share_connections_and_others_do_not(own: OwnTransport) -> None:
    async with scripted(answering()) as server, scripted(answering()) as other:
        await call(own, Upstream("a", server.url), post())
        await call(own, Upstream("b", server.url, models=frozenset({"m"})), post())
        assert own.dialed == 1
        await call(own, Upstream("a", other.url), post())
        assert (own.dialed, own.idle) == (2, 2)


async def test_bytes_that_come_between_two_answers_close_the_connection(own: OwnTransport) -> None:
    async def say_more(peer: Peer) -> None:
        await peer.request()
        await peer.send(OK)
        await asyncio.sleep(0.02)
        await peer.send(OK)
        await peer.gone()

    async with scripted(say_more) as server:
        assert await call(own, upstream(server), post()) == (200, b"{}")
        assert own.idle == 1
        await server.finished()
        assert own.open == 0


async def test_closing_lets_answers_under_way_finish(own: OwnTransport) -> None:
    go_on = asyncio.Event()

    async def wait(peer: Peer) -> None:
        await peer.request()
        await peer.send(OK[:-1])
        await go_on.wait()
        await peer.send(OK[-1:])
        await peer.gone()

    async with scripted(wait) as server:
        answer = await own.send(upstream(server), post())
        await own.close()
        go_on.set()
        assert await whole(answer) == b"{}"
        await server.finished()
        assert own.open == 0
