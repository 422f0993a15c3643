"""TLS on both adapters: who is trusted, what is said, what a body cut by somebody is worth."""

import asyncio
import ssl
from typing import Any

import pytest
import trustme

from gateway.upstream.transport import OwnTransport
from gateway.upstream.transport_httpx2 import Httpx2Transport
from gateway.upstream.wire import Lost, NotSent, Transport
from tests.support.scripted_server import Peer, scripted
from tests.support.wire_answers import head
from tests.support.wire_calls import call, pieces, post, upstream, whole

OK = head("200 OK", "Content-Length: 2") + b"{}"


async def answer_ok(peer: Peer) -> None:
    while True:
        await peer.request()
        await peer.send(OK)


async def test_a_trusted_upstream_is_called_and_called_again(
    transport: Transport, certified: ssl.SSLContext
) -> None:
    names: list[str] = []
    certified.sni_callback = lambda _, name, __: names.append(name)  # type: ignore[assignment]
    protocols = []

    async def keep(peer: Peer) -> None:
        protocols.append(peer.transport.get_extra_info("ssl_object").selected_alpn_protocol())
        await answer_ok(peer)

    async with scripted(keep, tls=certified) as server:
        assert server.url.startswith("https://localhost:")
        for _ in range(3):
            assert await call(transport, upstream(server), post()) == (200, b"{}")
        assert len(server.peers) == 1
    assert names == ["localhost"]
    assert protocols == ["http/1.1"]


async def test_large_bodies_go_both_ways(transport: Transport, certified: ssl.SSLContext) -> None:
    async def echo(peer: Peer) -> None:
        while True:
            body = (await peer.request()).body
            await peer.send(head("200 OK", f"Content-Length: {len(body)}") + body)

    body = bytes(range(256)) * 8_000
    async with scripted(echo, tls=certified) as server:
        assert await call(transport, upstream(server), post(body)) == (200, body)
        assert await call(transport, upstream(server), post(pieces(body, body))) == (200, body * 2)


@pytest.mark.parametrize("adapter", [OwnTransport, Httpx2Transport])
async def test_a_stranger_s_certificate_is_not_sent_to(
    adapter: Any, certified: ssl.SSLContext
) -> None:
    transport = adapter()  # trusts the system's authorities only
    async with scripted(answer_ok, tls=certified) as server:
        with pytest.raises(NotSent, match=r"(?i)certificate"):
            await transport.send(upstream(server), post())
    await transport.close()


async def test_a_certificate_for_another_name_is_not_sent_to(
    transport: Transport, authority: trustme.CA
) -> None:
    elsewhere = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("elsewhere.example").configure_cert(elsewhere)
    async with scripted(answer_ok, tls=elsewhere) as server:
        with pytest.raises(NotSent, match=r"(?i)certificate|hostname"):
            await transport.send(upstream(server), post())


async def test_an_upstream_that_speaks_no_tls_is_not_sent_to(transport: Transport) -> None:
    async def plain(peer: Peer) -> None:
        await peer.reader.readexactly(5)
        await peer.send(head("400 Bad Request", "Content-Length: 0"))
        peer.end()

    async with scripted(plain) as server:
        with pytest.raises(NotSent):
            await transport.send(upstream(server.url.replace("http:", "https:")), post())


async def test_a_body_that_ends_with_the_connection_ends_with_a_goodbye(
    transport: Transport, certified: ssl.SSLContext
) -> None:
    async def until_the_end(peer: Peer) -> None:
        await peer.request()
        await peer.send(head("200 OK") + b"all of it")
        peer.end()
        await peer.gone()

    async with scripted(until_the_end, tls=certified) as server:
        assert await call(transport, upstream(server), post()) == (200, b"all of it")


async def test_a_body_cut_without_a_goodbye_is_lost(
    own: OwnTransport, certified: ssl.SSLContext
) -> None:
    async def cut(peer: Peer) -> None:
        await peer.request()
        await peer.send(head("200 OK") + b"not all of it")
        await asyncio.sleep(0.02)
        peer.transport.abort()

    async with scripted(cut, tls=certified) as server:
        with pytest.raises(Lost):
            await whole(await own.send(upstream(server), post()))


async def test_a_connection_closed_while_idle_is_not_used(
    own: OwnTransport, certified: ssl.SSLContext
) -> None:
    async def once(peer: Peer) -> None:
        await peer.request()
        await peer.send(OK)
        peer.end()
        await peer.gone()

    async with scripted(once, tls=certified) as server:
        for _ in range(3):
            assert await call(own, upstream(server), post()) == (200, b"{}")
            await server.finished()
        assert (own.dialed, own.reused) == (3, 0)
