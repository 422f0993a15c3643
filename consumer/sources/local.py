"""Messages from the gateway's workers on this machine: the consumer listens on a Unix socket.

The protocol is `common.local_wire`'s.
"""

import asyncio
from contextlib import ExitStack, suppress
from pathlib import Path
from socket import socket

import structlog
from anyio import create_task_group
from anyio.streams.memory import MemoryObjectSendStream

from common.local_wire import (
    BadWire,
    SocketInUse,
    WireClosed,
    ack,
    listening,
    read_message,
)
from consumer.source import Delivery, SourceUnavailable

log = structlog.get_logger()


class LocalSource:
    """A listening socket and the gateways connected to it."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._open = ExitStack()
        self._listener: socket | None = None

    async def open(self) -> None:
        try:
            self._listener = self._open.enter_context(listening(self._path))
        except SocketInUse:
            raise SourceUnavailable(
                f"Another consumer already listens on {self._path}: stop it, or give this one"
                " another DATA_DIR."
            ) from None
        except OSError as error:
            why = error.strerror or error
            raise SourceUnavailable(
                f"The socket {self._path} cannot be made ({why}): make DATA_DIR a directory that"
                " this user may write."
            ) from None

    async def run(self, inbox: MemoryObjectSendStream[Delivery]) -> None:
        if self._listener is None:
            raise RuntimeError("open() comes first")
        log.info("listening", path=str(self._path))
        loop = asyncio.get_running_loop()
        with self._open:
            async with create_task_group() as group:
                while True:
                    connection, _ = await loop.sock_accept(self._listener)
                    group.start_soon(_serve, connection, inbox)


async def _serve(connection: socket, inbox: MemoryObjectSendStream[Delivery]) -> None:
    """One gateway worker, until it is gone."""
    reader, writer = await asyncio.open_connection(sock=connection)
    acks = _Acks(writer)
    try:
        while True:
            tag, body = await read_message(reader)
            await inbox.send(acks.delivery(tag, body))
            await acks.any.wait()
    except WireClosed:
        return
    except BadWire as error:
        log.warning("wire_broken", error=str(error))
    finally:
        with suppress(OSError):
            writer.close()


class _Acks:
    """What has been acknowledged on one connection.

    The first message that it brings may be what the last consumer died of. So it is treated with
    care, and the next is read once it has been stored."""

    def __init__(self, writer: asyncio.StreamWriter) -> None:
        self._writer = writer
        self.any = asyncio.Event()

    def delivery(self, tag: int, body: bytes) -> Delivery:
        async def acknowledge() -> None:
            self.any.set()
            if not self._writer.is_closing():
                self._writer.write(ack(tag))

        return Delivery(body, not self.any.is_set(), acknowledge)
