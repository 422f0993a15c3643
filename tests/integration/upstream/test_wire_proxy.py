"""A proxy on the way, on both adapters: CONNECT, credentials, and what a proxy can refuse."""

import asyncio
import ssl
from base64 import b64encode

import pytest

from gateway.upstream.transport import OwnTransport
from gateway.upstream.wire import NotSent, Transport
from tests.support.scripted_server import Peer, Received, Script, ScriptedServer, scripted
from tests.support.wire_answers import head
from tests.support.wire_calls import call, post, upstream

OK = head("200 OK", "Content-Length: 2") + b"{}"


async def answer_ok(peer: Peer) -> None:
    while True:
        await peer.request()
        await peer.send(OK)


def tunnelling(asked: list[Received]) -> Script:
    async def tunnel(peer: Peer) -> None:
        asked.append(await peer.head())
        host, _, port = asked[-1].line.split()[1].rpartition(b":")
        reader, writer = await asyncio.open_connection(host.decode().strip("[]"), int(port))
        await peer.send(head("200 Connection established", "Via: 1.1 proxy"))
        async with asyncio.TaskGroup() as group:
            group.create_task(pipe(reader, peer.writer))
            group.create_task(pipe(peer.reader, writer))

    return tunnel


async def pipe(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    try:
        while piece := await reader.read(65536):
            writer.write(piece)
    except ConnectionError:
        pass
    finally:
        writer.close()


def at(server: ScriptedServer, user: str = "") -> str:
    return f"http://{user}{server.host}:{server.port}"


async def test_an_https_upstream_is_reached_through_the_proxy(
    transport: Transport, certified: ssl.SSLContext
) -> None:
    asked: list[Received] = []
    async with (
        scripted(answer_ok, tls=certified) as server,
        scripted(tunnelling(asked)) as proxy,
    ):
        to = upstream(server, at(proxy, "me:p%40ss%3A1@"))
        for _ in range(3):
            assert await call(transport, to, post()) == (200, b"{}")
        await transport.close()
    assert [request.line for request in asked] == [b"CONNECT localhost:%d HTTP/1.1" % server.port]
    assert asked[0].header(b"proxy-authorization") == b"Basic " + b64encode(b"me:p@ss:1")
    assert asked[0].header(b"authorization") is None


async def test_an_http_upstream_is_reached_by_connect_too(own: OwnTransport) -> None:
    asked: list[Received] = []
    async with scripted(answer_ok) as server, scripted(tunnelling(asked)) as proxy:
        assert await call(own, upstream(server, at(proxy)), post()) == (200, b"{}")
        await own.close()
    assert asked[0].line == b"CONNECT 127.0.0.1:%d HTTP/1.1" % server.port
    assert asked[0].header(b"proxy-authorization") is None


@pytest.mark.parametrize(
    "said",
    [
        head("407 Proxy Authentication Required", "Proxy-Authenticate: Basic", "Content-Length: 0"),
        head("403 Forbidden", "Content-Length: 0"),
        head("502 Bad Gateway", "Content-Length: 0"),
    ],
    ids=["407", "403", "502"],
)
async def test_a_proxy_that_refuses_is_not_sent_to(transport: Transport, said: bytes) -> None:
    async def refuse(peer: Peer) -> None:
        await peer.head()
        await peer.send(said)
        peer.end()

    async with scripted(refuse) as proxy:
        with pytest.raises(NotSent) as refused:
            to = upstream("https://upstream.invalid/v1", at(proxy, "me:secret@"))
            await transport.send(to, post())
        assert not refused.value.written
        assert "secret" not in str(refused.value)


@pytest.mark.parametrize(
    "said",
    [
        b"",
        b"SSH-2.0-OpenSSH\r\n\r\n",
        b"HTTP/1.1 2000 OK\r\n\r\n",
        head("200 OK") + b"and more",
        b"HTTP/1.1 200 OK\r\nX: " + b"a" * 100_000,
    ],
    ids=["nothing", "SSH", "status", "more", "endless"],
)
async def test_a_proxy_that_says_nonsense_is_not_sent_to(own: OwnTransport, said: bytes) -> None:
    async def babble(peer: Peer) -> None:
        await peer.head()
        await peer.send(said)
        peer.end()
        await peer.gone()

    async with scripted(babble) as proxy:
        with pytest.raises(NotSent, match="proxy"):
            await own.send(upstream("https://upstream.invalid/v1", at(proxy)), post())
        await proxy.finished()


async def test_a_proxy_that_is_not_there_is_not_sent_to(transport: Transport) -> None:
    async with scripted(answer_ok) as proxy:
        pass
    with pytest.raises(NotSent):
        await transport.send(upstream("https://upstream.invalid/v1", at(proxy)), post())


@pytest.mark.parametrize(
    "url", ["https://me:secret@proxy:1", "socks5://me:secret@proxy", "http://"]
)
async def test_another_kind_of_proxy_is_refused(transport: Transport, url: str) -> None:
    with pytest.raises(ValueError) as refused:
        await transport.send(upstream("https://upstream.invalid/v1", url), post())
    assert "secret" not in str(refused.value)
