"""Both adapters of the wire's port, on both event loops, with a certificate authority to trust."""

import ssl
from collections.abc import AsyncIterator
from typing import Any

import pytest
import trustme

from gateway.upstream.transport import OwnTransport
from gateway.upstream.transport_httpx2 import Httpx2Transport
from gateway.upstream.wire import Transport


@pytest.fixture(params=[True, False], ids=["uvloop", "asyncio"])
def anyio_backend(request: pytest.FixtureRequest) -> tuple[str, dict[str, Any]]:
    return "asyncio", {"use_uvloop": request.param}


@pytest.fixture(scope="session")
def authority() -> trustme.CA:
    return trustme.CA()


@pytest.fixture(scope="session")
def trusting(authority: trustme.CA) -> ssl.SSLContext:
    """As the transport's own context, but trusting the tests' authority."""
    context = ssl.create_default_context()
    context.set_alpn_protocols(["http/1.1"])
    context.options &= ~ssl.OP_IGNORE_UNEXPECTED_EOF
    authority.configure_trust(context)
    return context


@pytest.fixture
def certified(authority: trustme.CA) -> ssl.SSLContext:
    """A server's context, for localhost and 127.0.0.1."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.set_alpn_protocols(["h2", "http/1.1"])
    authority.issue_cert("localhost", "127.0.0.1").configure_cert(context)
    return context


@pytest.fixture
async def own(trusting: ssl.SSLContext) -> AsyncIterator[OwnTransport]:
    transport = OwnTransport(ssl_context=trusting, tick_s=0.02)
    yield transport
    await transport.close()
    assert (transport.open, transport.idle) == (0, 0)


@pytest.fixture(params=["own", "httpx2"])
async def transport(
    request: pytest.FixtureRequest, trusting: ssl.SSLContext
) -> AsyncIterator[Transport]:
    """Whichever adapter the test runs on. Ours leaves no connection behind."""
    if request.param == "own":
        ours = OwnTransport(ssl_context=trusting, tick_s=0.02)
        yield ours
        await ours.close()
        assert (ours.open, ours.idle) == (0, 0)
    else:
        theirs = Httpx2Transport(ssl_context=trusting)
        yield theirs
        await theirs.close()
