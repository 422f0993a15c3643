"""The publisher: takes ended records from the spool to the broker, and confirms what has arrived.

However the broker fails, the records stay in the spool and this goes on. How a broker is spoken to
is in its adapter.
"""

import asyncio
from collections.abc import Callable, Sequence
from random import random
from uuid import uuid4

import anyio
import structlog

from common.message import pack
from gateway.recording.broker import Broker, BrokerDown, Refused
from gateway.recording.spool import Spool, Spooled

log = structlog.get_logger()

MAX_RECORDS = 256
MAX_MESSAGE_BYTES = 1024 * 1024
GATHER_S = 0.02
IN_FLIGHT = 8
"""Messages, or large records."""
FIRST_PAUSE_S, LONGEST_PAUSE_S = 0.1, 30.0
CLOSE_TIMEOUT_S = 5
TOLERATED_AT_START = 6
"""A consumer that is started together with the gateway needs a moment; that is no event."""
_PACKED_IN_A_THREAD_BYTES = 32 * 1024


def pause_s(failures: int, chance: Callable[[], float] = random) -> float:
    """Full jitter: anything up to a bound that doubles, so that no crowd comes back at once."""
    return chance() * min(LONGEST_PAUSE_S, FIRST_PAUSE_S * 2.0 ** min(failures, 16))


class Publisher:
    """One worker's way from spool to broker."""

    def __init__(self, spool: Spool, broker: Broker) -> None:
        self._spool, self._broker = spool, broker
        self._taking = asyncio.Lock()
        self._max_records = MAX_RECORDS
        self._failures = 0
        self._state = "new"

    async def run(self) -> None:
        """Until cancelled; what is not confirmed by then stays in the spool."""
        try:
            while True:
                await self._publish_until_it_fails()
                _heed_cancellation()
                await asyncio.sleep(pause_s(self._failures))
                self._failures += 1
        finally:
            with anyio.move_on_after(CLOSE_TIMEOUT_S, shield=True):
                await self._broker.close()

    async def _publish_until_it_fails(self) -> None:
        try:
            await self._broker.connect()
            if self._state == "new" or not self._spool.backlog_records:
                self._say("connected")
            async with anyio.create_task_group() as group:
                group.start_soon(self._broker.lost)
                for _ in range(IN_FLIGHT):
                    group.start_soon(self._publish)
        except* Refused as refused:
            # One poisonous record must not hold up its batch for ever: smaller ones find it.
            self._max_records = max(1, self._max_records // 2)
            self._say("refused", refused.exceptions[0])
        except* BrokerDown as down:
            self._say("lost", down.exceptions[0])
        except* Exception as failures:
            # Whatever it is: records wait safely in the spool, but without this loop they fill it.
            log.exception("publisher_failed", exc_info=failures.exceptions[0])

    async def _publish(self) -> None:
        while True:
            async with self._taking:
                batch = await self._spool.take(
                    self._max_records, MAX_MESSAGE_BYTES, wait_s=GATHER_S
                )
                if sum(len(record.frames) for record in batch) > MAX_MESSAGE_BYTES:
                    await self._send(batch)  # nobody takes another beside one so large
                    continue
            await self._send(batch)

    async def _send(self, batch: list[Spooled]) -> None:
        """Empties the list: while the broker takes its time, each record is held only once."""
        ids = [record.id for record in batch]
        try:
            messages = await self._packed(batch)
            batch.clear()
            while messages:
                await self._broker.publish(messages.pop(0), uuid4().hex)
        except BaseException:
            self._spool.put_back(ids)
            raise
        self._spool.confirm(ids)
        self._failures = 0
        self._max_records = min(MAX_RECORDS, self._max_records * 2)
        self._say("connected")

    async def _packed(self, batch: Sequence[Spooled]) -> list[bytes]:
        compress = self._broker.compresses
        if compress and sum(len(r.frames) for r in batch) > _PACKED_IN_A_THREAD_BYTES:
            return await asyncio.to_thread(pack, batch, MAX_MESSAGE_BYTES)
        return pack(batch, MAX_MESSAGE_BYTES, compress=compress)

    def _say(self, state: str, why: BaseException | None = None) -> None:
        """A line per change of state, however often it is tried."""
        starting = self._state == "new" and self._failures < TOLERATED_AT_START
        if state == self._state or (state == "lost" and starting):
            return
        self._state = state
        waiting = self._spool.backlog_records
        if why is None:
            log.info("broker_connected", waiting_records=waiting)
        elif state == "refused":
            log.warning("broker_refused", reason=str(why), waiting_records=waiting)
        else:
            log.warning("broker_lost", reason=str(why), waiting_records=waiting)


def _heed_cancellation() -> None:
    """A task group that fails while it is cancelled raises its failures only."""
    task = asyncio.current_task()
    if task is not None and task.cancelling():
        raise asyncio.CancelledError
