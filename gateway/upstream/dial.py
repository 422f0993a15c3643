"""Opening a connection to an upstream: names, addresses, proxy, TLS.

Everything that can fail before a request is written fails here, as NotSent or TimedOut("connect").
"""

import asyncio
import re
import socket
import ssl
from functools import cached_property
from itertools import chain, zip_longest
from typing import Any

from gateway.upstream.connection import Connection
from gateway.upstream.origin import Origin, Proxy
from gateway.upstream.wire import NotSent, TimedOut

Address = tuple[socket.AddressFamily, Any]

STAGGER_S = 0.25
"""Before the next address of a host is tried beside the one that does not answer (RFC 8305)."""
MAX_PROXY_HEAD_BYTES = 16 * 1024
_PROXY_STATUS = re.compile(rb"HTTP/1\.[01] (\d{3})(?: [^\r\n]*)?\r\n")


class Dialer:
    """Knows whom to trust; opens connections."""

    def __init__(self, ssl_context: ssl.SSLContext | None = None) -> None:
        """`ssl_context`: for a private certificate authority; not given, the system's are used."""
        self._given = ssl_context

    @cached_property
    def _tls(self) -> ssl.SSLContext:
        """Made when first needed: reading the system's authorities takes some 30 ms."""
        if self._given is not None:
            return self._given
        context = ssl.create_default_context()
        context.set_alpn_protocols(["http/1.1"])
        # Python tolerates an end without TLS's own goodbye, and so a body that somebody cut.
        context.options &= ~ssl.OP_IGNORE_UNEXPECTED_EOF
        return context

    async def dial(
        self, origin: Origin, proxy: Proxy | None, connect_s: float, connection: Connection
    ) -> None:
        """Opens the connection. Raises NotSent or TimedOut, and has closed it then."""
        try:
            async with asyncio.timeout(connect_s):
                sock = await self._reach(origin, proxy)
                await self._wrap(sock, origin, connect_s, connection)
        except TimeoutError:
            raise TimedOut("connect") from None
        except (OSError, UnicodeError) as error:  # TLS and name errors are among them
            raise NotSent(f"{type(error).__name__}: {error}") from error

    async def _reach(self, origin: Origin, proxy: Proxy | None) -> socket.socket:
        if proxy is None:
            return await connect(origin.host, origin.port)
        sock = await connect(proxy.host, proxy.port)
        try:
            await _tunnel(sock, origin, proxy)
        except BaseException:  # also a cancelled or timed out caller leaves no socket behind
            sock.close()
            raise
        return sock

    async def _wrap(
        self, sock: socket.socket, origin: Origin, connect_s: float, connection: Connection
    ) -> None:
        """From here on the socket is the event loop's to close."""
        tls: dict[str, Any] = {}
        if origin.tls:
            tls = {
                "ssl": self._tls,
                "server_hostname": origin.host,
                "ssl_handshake_timeout": connect_s + 1,  # `dial` has ended it by then
            }
        try:
            await asyncio.get_running_loop().create_connection(lambda: connection, sock=sock, **tls)
        except BaseException:  # cancelled when it was just open, of which uvloop does not tell
            connection.abort()
            raise


async def connect(host: str, port: int) -> socket.socket:
    """A connected socket to whichever address of the host answers first. Raises OSError."""
    addresses = await _resolve(host, port)
    if len(addresses) == 1:
        return await _open(addresses[0])
    opened: list[socket.socket] = []
    failures: list[OSError] = []
    try:
        async with asyncio.TaskGroup() as group:
            await _race(group, addresses, opened, failures)
    except BaseException:
        for sock in opened:
            sock.close()
        raise
    for sock in opened[1:]:
        sock.close()
    if not opened:
        raise failures[0]
    return opened[0]


async def _race(
    group: asyncio.TaskGroup,
    addresses: list[Address],
    opened: list[socket.socket],
    failures: list[OSError],
) -> None:
    async def attempt(address: Address) -> None:
        try:
            opened.append(await _open(address))
        except OSError as error:
            failures.append(error)

    waiting = list(reversed(addresses))
    running: set[asyncio.Task[None]] = set()
    while (waiting or running) and not opened:
        if waiting:
            running.add(group.create_task(attempt(waiting.pop())))
        stagger_s = STAGGER_S if waiting else None
        _, running = await asyncio.wait(
            running, timeout=stagger_s, return_when=asyncio.FIRST_COMPLETED
        )
    for task in running:
        task.cancel()


async def _resolve(host: str, port: int) -> list[Address]:
    """In the resolver's order, address families in turn. Raises OSError."""
    for family in (socket.AF_INET, socket.AF_INET6):
        try:
            socket.inet_pton(family, host)
        except OSError:
            continue
        return [(family, (host, port))]
    found = await asyncio.get_running_loop().getaddrinfo(host, port, type=socket.SOCK_STREAM)
    families: dict[socket.AddressFamily, list[Address]] = {}
    for family, _, _, _, address in found:
        families.setdefault(family, []).append((family, address))
    return [a for a in chain.from_iterable(zip_longest(*families.values())) if a is not None]


async def _open(address: Address) -> socket.socket:
    sock = socket.socket(address[0], socket.SOCK_STREAM)
    try:
        sock.setblocking(False)
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        _notice_the_dead(sock)
        await asyncio.get_running_loop().sock_connect(sock, address[1])
    except BaseException:  # also a cancelled or timed out caller leaves no socket behind
        sock.close()
        raise
    return sock


def _notice_the_dead(sock: socket.socket) -> None:
    """A model may think for minutes; a peer that is gone must not pass for one that thinks."""
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    for option, value in (("TCP_KEEPIDLE", 60), ("TCP_KEEPINTVL", 20), ("TCP_KEEPCNT", 4)):
        if hasattr(socket, option):
            sock.setsockopt(socket.IPPROTO_TCP, getattr(socket, option), value)


async def _tunnel(sock: socket.socket, origin: Origin, proxy: Proxy) -> None:
    """CONNECT, for https and http upstreams alike. Raises NotSent or OSError."""
    loop = asyncio.get_running_loop()
    lines = [b"CONNECT %b HTTP/1.1" % origin.address, b"host: " + origin.address]
    if proxy.authorization is not None:
        lines.append(b"proxy-authorization: " + proxy.authorization)
    await loop.sock_sendall(sock, b"\r\n".join(lines) + b"\r\n\r\n")
    head = b""
    while b"\r\n\r\n" not in head:
        piece = await loop.sock_recv(sock, 4096)
        head += piece
        if not piece or len(head) > MAX_PROXY_HEAD_BYTES:
            raise NotSent("the proxy did not answer")
    status = _PROXY_STATUS.match(head)
    if status is None:
        raise NotSent("the proxy does not speak HTTP")
    if not 200 <= int(status[1]) <= 299:
        raise NotSent(f"the proxy answered {int(status[1])}")
    if not head.endswith(b"\r\n\r\n") or head.count(b"\r\n\r\n") > 1:
        raise NotSent("the proxy said more than it was asked")
