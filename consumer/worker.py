"""The worker: takes messages, has them prepared in a thread, stores them, then acknowledges.

Preparing one batch overlaps with storing the one before it. What a message holds is
`consumer.messages`', storing it is `consumer.saver`'s, linking is the linker's.
"""

import asyncio
from collections.abc import Sequence
from random import shuffle
from typing import NamedTuple

import structlog
from anyio import (
    CancelScope,
    EndOfStream,
    create_memory_object_stream,
    create_task_group,
    move_on_after,
    to_thread,
)
from anyio.streams.memory import MemoryObjectReceiveStream, MemoryObjectSendStream

from consumer.decode import NewerRecord
from consumer.holding import Abandoned, Holding
from consumer.messages import Prepared, prepare, units_of
from consumer.parts import Parts
from consumer.prepare import Preparer
from consumer.saver import Saver
from consumer.source import Delivery
from consumer.store import Store

APART_RECORDS = 16
"""Of a message that may be deadly, in one transaction: few enough that most are stored before a
deadly one is reached, and not a transaction for each."""
MOST_BYTES = 1024 * 1024
"""Of message bodies in one batch; a single message may be larger."""

log = structlog.get_logger()


class Limits(NamedTuple):
    """What one batch may hold."""

    messages: int
    records: int
    """In one transaction."""
    wait_ms: int
    """From its first message to its start."""


class _Batch(NamedTuple):
    deliveries: Sequence[Delivery]
    prepared: Sequence[Prepared]
    """Of each delivery; none where they are to be taken apart, a few records at a time."""


class Worker:
    """Empties an inbox into the database. `run` it once."""

    def __init__(
        self,
        inbox: MemoryObjectReceiveStream[Delivery],
        preparer: Preparer,
        store: Store,
        parts: Parts,
        limits: Limits,
        stored: asyncio.Event,
        careful: Preparer | None = None,
    ) -> None:
        """`stored` is set after every batch; `careful` prepares what may be deadly."""
        self._inbox, self._preparer, self._limits, self._stored = inbox, preparer, limits, stored
        self._holding = Holding()
        careful = careful or preparer
        self._saver = Saver(careful, store, parts, self._holding, limits.records)
        self._stopping = False
        self._waiting = CancelScope()
        self._newer: NewerRecord | None = None

    def stop(self) -> None:
        """Take no more; `run` returns once what was taken is stored and acknowledged."""
        self._stopping = True
        self._waiting.cancel()
        self._holding.stop()

    async def run(self) -> None:
        """Until told to stop. Raises NewerRecord, once everything else that was taken is stored."""
        send, receive = create_memory_object_stream[_Batch](0)
        async with create_task_group() as group, receive:
            group.start_soon(self._prepare, send)
            async for batch in receive:
                await self._finish(batch)
        if self._newer is not None:
            raise self._newer

    async def _prepare(self, send: MemoryObjectSendStream[_Batch]) -> None:
        async with send:
            while not self._stopping:
                taken = await self._gather()
                fresh = [delivery for delivery in taken if not delivery.redelivered]
                if fresh:
                    prepared = await to_thread.run_sync(self._prepare_all, fresh)
                    await send.send(_Batch(fresh, prepared))
                for delivery in taken:
                    if delivery.redelivered:
                        await send.send(_Batch([delivery], []))

    def _prepare_all(self, deliveries: Sequence[Delivery]) -> list[Prepared]:
        return [prepare(self._preparer, units_of(delivery.body)) for delivery in deliveries]

    async def _gather(self) -> list[Delivery]:
        """Messages until there are enough, or the wait is over; none once told to stop."""
        taken: list[Delivery] = []
        try:
            with CancelScope() as self._waiting:
                taken.append(await self._inbox.receive())
            with move_on_after(self._limits.wait_ms / 1000):
                while taken and not self._is_enough(taken):
                    taken.append(await self._inbox.receive())
        except EndOfStream:
            self._stopping = True
        return taken

    def _is_enough(self, taken: Sequence[Delivery]) -> bool:
        return (
            len(taken) >= self._limits.messages
            or sum(len(delivery.body) for delivery in taken) >= MOST_BYTES
        )

    async def _finish(self, batch: _Batch) -> None:
        try:
            if batch.prepared:
                await self._finish_together(batch)
            else:
                await self._finish_apart(batch.deliveries[0])
        except Abandoned:
            log.info("batch_left_unacknowledged", messages=len(batch.deliveries))
        self._stored.set()

    async def _finish_together(self, batch: _Batch) -> None:
        newer = await self._saver.save(batch.prepared)
        for delivery, prepared in zip(batch.deliveries, batch.prepared, strict=True):
            if newer is None or not (prepared.newer or prepared.parts):
                await delivery.ack()
        self._note(newer)

    async def _finish_apart(self, delivery: Delivery) -> None:
        """A few records at a time, in any order: should one of them be deadly, the others get their
        turn before this message has been delivered too often."""
        units = await to_thread.run_sync(units_of, delivery.body)
        shuffle(units)
        newer = [
            await self._saver.save_units(units[start : start + APART_RECORDS])
            for start in range(0, len(units), APART_RECORDS)
        ]
        if not any(newer):
            await delivery.ack()
        for each in newer:
            self._note(each)

    def _note(self, newer: NewerRecord | None) -> None:
        if newer is not None:
            self._newer = newer
            self.stop()
