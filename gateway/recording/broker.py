"""The port to whatever carries records to the consumer, and the two ways in which that fails.

Adapters: `broker_amqp.py` (RabbitMQ), `broker_local.py` (a consumer on this machine) and
`broker_memory.py` (tests).
"""

from typing import Protocol


class BrokerDown(Exception):
    """It cannot be reached, or was lost before it confirmed. Connect again."""


class Refused(Exception):
    """It is there and does not want this message: too large, its queue full or gone. Try later."""


class Broker(Protocol):
    """Takes messages and says when they are safe."""

    compresses: bool
    """Whether messages go through a network, and so are worth compressing."""

    async def connect(self) -> None:
        """Be ready to publish; at once if that is so already. Raises BrokerDown."""
        ...

    async def publish(self, body: bytes, message_id: str) -> None:
        """Returns once the message is safe: confirmed by the broker, stored by the consumer.

        After a failure it may be safe all the same. Raises BrokerDown or Refused.
        """
        ...

    async def lost(self) -> None:
        """Waits until the connection is lost; raises BrokerDown then."""
        ...

    async def consumers(self) -> int | None:
        """How many are reading; None: not known."""
        ...

    async def close(self) -> None:
        """Publishing fails with BrokerDown until the next `connect`."""
        ...
