"""How a connection ended, as the kernel and TLS know it: the event loop tells less."""

import array
import asyncio
import fcntl
import ssl
import termios

from gateway.upstream.wire import Lost


def unacknowledged(transport: asyncio.Transport) -> bool:
    """Whether bytes of ours have not reached the other end's kernel, as far as ours knows.

    After an orderly end (FIN) it is certain, as that acknowledges whatever had arrived. After a
    reset it proves nothing: bytes that the upstream has read may count as unacknowledged.
    """
    if transport.get_write_buffer_size():
        return True
    pending = array.array("i", [0])
    fcntl.ioctl(transport.get_extra_info("socket").fileno(), termios.TIOCOUTQ, pending)
    return pending[0] > 0


def check_goodbye(transport: asyncio.Transport) -> None:
    """Raises Lost where TLS was ended by somebody who is not the upstream (RFC 8446, 6.1).

    asyncio tells of such an end as of an orderly one, so TLS itself is asked.
    """
    tls: ssl.SSLObject | None = transport.get_extra_info("ssl_object")
    if tls is None:
        return
    try:
        tls.read(1)
    except ssl.SSLZeroReturnError:
        return
    except ssl.SSLError as error:
        raise Lost("the connection ended without TLS's goodbye") from error
