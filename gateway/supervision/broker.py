"""The broker before the first worker: does it answer, let us in, and have what records need?

Imported only where there is to be a broker: the library is large.
"""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from urllib.parse import urlsplit

from aio_pika.abc import AbstractConnection
from aio_pika.exceptions import (
    AMQPError,
    ConnectionClosed,
    InvalidFrameError,
    ProbableAuthenticationError,
)

from common.broker import Topology, TopologyMismatch, connect, declare
from common.settings import SettingsError
from gateway.supervision.reason import reason


async def prepare_broker(url: str, prefix: str) -> None:
    """Declare the topology, which verifies it too. Raises SettingsError."""
    async with reached(url) as connection:
        try:
            await declare(await connection.channel(), Topology(prefix))
        except TopologyMismatch as mismatch:
            raise SettingsError(str(mismatch)) from None


@asynccontextmanager
async def reached(url: str) -> AsyncIterator[AbstractConnection]:
    """A connection for a moment. Raises SettingsError, also if it is lost in between."""
    try:
        async with await connect(url, "gateway: check") as connection:
            yield connection
    except ProbableAuthenticationError:
        raise SettingsError(
            f"RabbitMQ at {_place(url)} refuses the user or password in AMQP_URL: correct them."
        ) from None
    except (ConnectionClosed, InvalidFrameError):  # "close" in the place of "open"
        raise SettingsError(
            f"RabbitMQ at {_place(url)} closes the connection: correct the last part of AMQP_URL,"
            " the virtual host, or the rights of its user there."
        ) from None
    except (AMQPError, OSError, TimeoutError, ValueError) as error:
        raise SettingsError(
            f"RabbitMQ cannot be reached at {_place(url)} ({reason(error)}): start it, or correct"
            " AMQP_URL (amqp://user:password@host:5672/)."
        ) from None


def _place(url: str) -> str:
    try:
        address = urlsplit(url)
        return f"{address.hostname or 'localhost'}:{address.port or 5672}"
    except ValueError:
        return "the address given"
