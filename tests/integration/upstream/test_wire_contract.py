"""The wire's port, on both adapters: requests as they are written, answers as they come.

What may differ between the adapters is told in `transport_httpx2`, and tested for ours alone in
`test_own_transport`.
"""

import asyncio
from itertools import pairwise

import pytest

from gateway.upstream.wire import Lost, NotSent, Transport
from tests.support.scripted_server import Peer, scripted, settled
from tests.support.wire_answers import BAD, EVENTS, GOOD, Bad, Good, chunked, head
from tests.support.wire_calls import call, pieces, post, upstream, whole

OK = head("200 OK", "Content-Length: 2") + b"{}"


async def answer_ok(peer: Peer) -> None:
    while True:
        await peer.request()
        await peer.send(OK)


def cut(raw: bytes, every: int) -> list[bytes]:
    return [raw[i:j] for i, j in pairwise([*range(0, len(raw), every), len(raw)])]


@pytest.mark.parametrize("good", GOOD, ids=lambda g: g.name)
async def test_an_answer_is_the_same_at_every_split_point(transport: Transport, good: Good) -> None:
    async def split(peer: Peer) -> None:
        while True:
            request = await peer.request() if good.method == b"POST" else await peer.head()
            at = int(request.header(b"x-at") or 0)
            await peer.send(good.raw[:at], good.raw[at:])
            if good.ends:
                peer.end()
                return

    async with scripted(split) as server:
        for at in range(1, len(good.raw)):
            request = post(b"", (b"x-at", b"%d" % at), method=good.method)
            answer = await transport.send(upstream(server), request)
            assert (answer.status, await whole(answer)) == (good.status, good.body), at
        connections = len(server.peers)
    assert connections == (1 if good.reusable else len(good.raw) - 1)


@pytest.mark.parametrize("good", GOOD, ids=lambda g: g.name)
async def test_an_answer_is_the_same_byte_by_byte(transport: Transport, good: Good) -> None:
    async def byte_by_byte(peer: Peer) -> None:
        await peer.head()
        await peer.send(*cut(good.raw, 1))
        if good.ends:
            peer.end()

    async with scripted(byte_by_byte) as server:
        request = post(b"", method=good.method)
        assert await call(transport, upstream(server), request) == (good.status, good.body)


@pytest.mark.parametrize("every", [1, 7, 100_000])
@pytest.mark.parametrize("bad", BAD, ids=lambda b: b.name)
async def test_a_bad_answer_is_an_error_and_its_connection_is_never_used_again(
    transport: Transport, bad: Bad, every: int
) -> None:
    async def misbehave(peer: Peer) -> None:
        if peer.number:
            await answer_ok(peer)
        await peer.request()
        await peer.send(*cut(bad.raw[:2000], every), bad.raw[2000:])
        if bad.ends:
            peer.end()
        await peer.gone()

    async with scripted(misbehave) as server:
        body = b""
        with pytest.raises(bad.error):
            answer = await transport.send(upstream(server), post())
            while piece := await answer.read():
                body += piece
        assert bad.body.startswith(body)
        assert await call(transport, upstream(server), post()) == (200, b"{}")
        assert len(server.peers) == 2


async def test_headers_come_in_order_in_lower_case_and_without_hop_by_hop_ones(
    transport: Transport,
) -> None:
    async def answer(peer: Peer) -> None:
        await peer.request()
        lines = ("Date: x", "Connection: keep-alive, X-Private", "X-Private: 1", "Set-Cookie: b=2")
        lines += ("Keep-Alive: timeout=5", "Upgrade: h2c", "set-cookie: a=1", "Content-Length: 0")
        await peer.send(head("200 OK", *lines))

    async with scripted(answer) as server:
        headers = (await transport.send(upstream(server), post())).headers
    names_and_values = [(b"date", b"x"), (b"set-cookie", b"b=2"), (b"set-cookie", b"a=1")]
    assert list(headers) == [*names_and_values, (b"content-length", b"0")]


@pytest.mark.parametrize(
    "target",
    [b"/a", b"/a//b/../c?x=%2F&y=a%20b+c&z=", b"/models/org%2Fm:free", b"?q=1", b"/\x7e'*"],
)
async def test_a_request_is_written_as_it_is(transport: Transport, target: bytes) -> None:
    seen = []

    async def keep(peer: Peer) -> None:
        seen.append(await peer.request())
        await peer.send(OK)

    body = bytes(range(256)) * 10_000
    headers = [(b"authorization", b"Bearer sk-1"), (b"x-b", b"2"), (b"x-a", b"1"), (b"x-b", b"")]
    async with scripted(keep) as server:
        await call(transport, upstream(server), post(body, *headers, target=target))
        host = b"127.0.0.1:%d" % server.port
    assert seen[0].line == b"POST /v1" + target + b" HTTP/1.1"
    assert seen[0].body == body
    added = {(b"host", host), (b"content-length", b"%d" % len(body))}
    found = [(name.lower(), value) for name, value in seen[0].headers]
    assert [h for h in found if h not in added] == headers
    assert added < set(found)


@pytest.mark.parametrize(("method", "length"), [(b"GET", None), (b"HEAD", None), (b"POST", b"0")])
async def test_an_empty_body_is_announced_where_one_is_usual(
    transport: Transport, method: bytes, length: bytes | None
) -> None:
    seen = []

    async def keep(peer: Peer) -> None:
        seen.append(await peer.head())
        await peer.send(head("204 No Content"))

    async with scripted(keep) as server:
        await call(transport, upstream(server), post(b"", method=method))
    assert seen[0].header(b"content-length") == length
    assert seen[0].header(b"transfer-encoding") is None


async def test_an_iterated_body_is_sent_in_chunks(transport: Transport) -> None:
    seen = []

    async def keep(peer: Peer) -> None:
        while True:
            seen.append(await peer.request())
            await peer.send(OK)

    async with scripted(keep) as server:
        large = b"x" * 1_000_000
        for body in (pieces(b"ab", b"", b"c", large), pieces(), pieces(b"z")):
            assert await call(transport, upstream(server), post(body)) == (200, b"{}")
        assert [request.body for request in seen] == [b"abc" + large, b"", b"z"]
        assert seen[0].header(b"content-length") is None
        assert len(server.peers) == 1


@pytest.mark.parametrize(
    "request_",
    [
        post(b"", (b"x", b"a\r\nb: c")),
        post(b"", (b"x", b"a\nb")),
        post(b"", (b"x", b"a\0b")),
        post(b"", (b"x: y\r\nz", b"a")),
        post(b"", (b"content-length", b"5")),
        post(b"", (b"transfer-encoding", b"chunked")),
        post(b"", (b"host", b"evil.example")),
        post(b"", (b"Content-Length", b"5")),
        post(target=b"/a HTTP/1.1\r\nx: y"),
        post(target=b"http://evil.example/"),
        post(target=b"@evil.example/"),
        post(target=b"/caf\xc3\xa9"),
        post(method=b"GET / HTTP/1.1\r\n"),
    ],
    ids=lambda r: repr((r.method, r.target, *r.headers)),
)
async def test_what_would_break_the_framing_is_refused(transport: Transport, request_) -> None:  # type: ignore[no-untyped-def]
    async with scripted(answer_ok) as server:
        with pytest.raises(ValueError):
            await transport.send(upstream(server), request_)
        assert server.peers == []


@pytest.mark.parametrize(
    "url",
    ["ftp://h/v1", "http://u:p@h/v1", "http://h/v1?a=b", "http:///v1", "http://h/ ", "h/v1"],
)
async def test_an_unusable_url_is_refused(transport: Transport, url: str) -> None:
    with pytest.raises(ValueError) as refused:
        await transport.send(upstream(url), post())
    assert "u:p" not in str(refused.value)


async def test_one_connection_serves_call_after_call_and_each_of_many_at_once_has_its_own(
    transport: Transport,
) -> None:
    async with scripted(answer_ok) as server:
        to = upstream(server)
        for _ in range(20):
            assert await call(transport, to, post()) == (200, b"{}")
        assert len(server.peers) == 1
        async with asyncio.TaskGroup() as group:
            for _ in range(10):
                group.create_task(call(transport, to, post()))
        assert len(server.peers) == 10
        await call(transport, to, post())
        assert len(server.peers) == 10


async def test_answers_of_many_calls_at_once_are_not_mixed_up(transport: Transport) -> None:
    async def echo(peer: Peer) -> None:
        while True:
            body = (await peer.request()).body
            await peer.send(head("200 OK", "Transfer-Encoding: chunked"))
            await peer.send(*cut(chunked(body * 50, 100), 333))

    async def ask(name: bytes) -> None:
        for _ in range(5):
            assert await call(transport, upstream(server), post(name)) == (200, name * 50)

    async with scripted(echo) as server, asyncio.TaskGroup() as group:
        for number in range(30):
            group.create_task(ask(b"call %d " % number))


async def test_bytes_are_handed_out_as_they_arrive(transport: Transport) -> None:
    go_on = asyncio.Event()

    async def stream(peer: Peer) -> None:
        await peer.request()
        await peer.send(head("200 OK", "Transfer-Encoding: chunked"), chunked(b"one", 3)[:-5])
        await go_on.wait()
        await peer.send(chunked(b"two", 3))

    async with scripted(stream) as server:
        answer = await transport.send(upstream(server), post())
        assert await answer.read() == b"one"
        assert not answer.complete
        go_on.set()
        assert await answer.read() == b"two"
        assert await answer.read() == b""
        assert answer.complete


async def test_an_answer_of_known_length_is_complete_with_its_last_byte(
    transport: Transport,
) -> None:
    async def answer(peer: Peer) -> None:
        while True:
            await peer.request()
            await peer.send(head("200 OK", "Content-Length: 4"), b"12", b"34")

    async with scripted(answer) as server:
        for _ in range(2):
            answer_ = await transport.send(upstream(server), post())
            body = b""
            while len(body) < 4:
                assert not answer_.complete
                body += await answer_.read()
            assert answer_.complete
            answer_.close()
            answer_.close()
            assert await answer_.read() == b""
        assert len(server.peers) == 1


async def test_a_connection_closed_while_idle_is_not_used(transport: Transport) -> None:
    async def answer_once(peer: Peer) -> None:
        await peer.request()
        await peer.send(OK)
        peer.end()

    async with scripted(answer_once) as server:
        for number in range(5):
            assert await call(transport, upstream(server), post()) == (200, b"{}")
            assert len(server.peers) == number + 1
            await settled()


@pytest.mark.parametrize("reset", [True, False], ids=["reset", "end"])
@pytest.mark.parametrize(
    "before", [b"", OK[:20], OK[:-1], head("200 OK", "Transfer-Encoding: chunked") + b"5\r\nab"]
)
async def test_a_connection_that_breaks_is_lost_after_what_had_arrived(
    transport: Transport, before: bytes, reset: bool
) -> None:
    async def break_off(peer: Peer) -> None:
        await peer.request()
        await peer.send(before)
        await asyncio.sleep(0.02)
        peer.reset() if reset else peer.end()

    async with scripted(break_off) as server:
        body = b""
        with pytest.raises(Lost) as lost:
            answer = await transport.send(upstream(server), post())
            while True:
                body += await answer.read()
                assert not answer.complete
        assert lost.value.written
        assert b"\r\n\r\n" not in before or (before.endswith(body) and body)
        assert len(server.peers) == 1


async def test_a_refused_connection_and_an_unknown_host_are_not_sent(transport: Transport) -> None:
    async with scripted(answer_ok) as server:
        url = server.url
    for nowhere in (url, "http://nowhere.invalid/v1"):
        with pytest.raises(NotSent) as not_sent:
            await transport.send(upstream(nowhere), post())
        assert not not_sent.value.written


async def test_a_body_is_not_touched_before_there_is_a_connection(transport: Transport) -> None:
    body = pieces(b"still here")
    with pytest.raises(NotSent):
        await transport.send(upstream("http://127.0.0.1:9/v1"), post(body))
    assert [piece async for piece in body] == [b"still here"]


async def test_an_upload_whose_source_fails_fails_so_and_closes_the_connection(
    transport: Transport,
) -> None:
    async def source():  # type: ignore[no-untyped-def]
        yield b"begun"
        raise LookupError("the client is gone")

    async def wait(peer: Peer) -> None:
        await peer.gone()

    async with scripted(wait) as server:
        with pytest.raises(LookupError, match="the client is gone"):
            await transport.send(upstream(server), post(source()))


@pytest.mark.parametrize("host", ["127.0.0.1", "::1"])
async def test_addresses_of_both_kinds_may_be_named(transport: Transport, host: str) -> None:
    seen = []

    async def keep(peer: Peer) -> None:
        seen.append((await peer.request()).header(b"host"))
        await peer.send(OK)

    async with scripted(keep, host=host) as server:
        name = f"[{host}]" if ":" in host else host
        to = upstream(f"http://{name}:{server.port}/v1")
        assert await call(transport, to, post()) == (200, b"{}")
        assert seen == [f"{name}:{server.port}".encode()]


async def test_the_next_address_of_a_host_is_tried(transport: Transport) -> None:
    async with scripted(answer_ok) as server:
        to = upstream(f"http://localhost:{server.port}/v1")  # ::1 comes first, and refuses
        assert await call(transport, to, post()) == (200, b"{}")


async def test_a_long_stream_comes_whole(transport: Transport) -> None:
    async def stream(peer: Peer) -> None:
        await peer.request()
        await peer.send(head("200 OK", "Transfer-Encoding: chunked"))
        for _ in range(2000):
            peer.writer.write(chunked(EVENTS, 50)[:-5])
            await peer.writer.drain()
        await peer.send(b"0\r\n\r\n")

    async with scripted(stream) as server:
        assert await call(transport, upstream(server), post()) == (200, EVENTS * 2000)
