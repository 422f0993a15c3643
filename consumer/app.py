"""Builds the consumer once, and runs it: source, worker and linker in one task group.

The only place that names adapters. What they do is theirs.
"""

import asyncio
import signal
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import contextmanager
from importlib import import_module

import structlog
from anyio import (
    create_memory_object_stream,
    create_task_group,
    current_time,
    open_signal_receiver,
    sleep,
)
from anyio.abc import TaskGroup
from sqlalchemy.ext.asyncio import AsyncEngine

from common.database import make_engine
from common.schema import SchemaOutdated, require_head
from common.settings import SettingsError
from consumer.backoff import delays
from consumer.careful import CarefulPreparer
from consumer.decode import NewerRecord
from consumer.fresh import Fresh
from consumer.keeping import Keeper
from consumer.linker import Linker
from consumer.parts import Parts
from consumer.prepare import Preparer
from consumer.settings import ConsumerSettings
from consumer.source import Delivery, Source
from consumer.store import Store
from consumer.tokens.encodings import Encodings
from consumer.unwanted import Unwanted
from consumer.usage import Meter
from consumer.worker import Limits, Worker

MIGRATION_WAIT_S = 15
"""How long a gateway that starts together with this consumer may take to migrate."""
_CONNECTIONS = 6
"""One of the worker, two of the linker, two of the keeper, one to spare."""

log = structlog.get_logger()


async def serve(settings: ConsumerSettings) -> None:
    """Until SIGTERM or SIGINT; a second one does not wait. Raises SettingsError, NewerRecord."""
    engine = make_engine(settings.database, pool_size=_CONNECTIONS)
    try:
        with _refusal_alone(), open_signal_receiver(signal.SIGTERM, signal.SIGINT) as signals:
            async with create_task_group() as group:
                stopping = _Stopping(group.cancel_scope.cancel)
                group.start_soon(stopping.obey, signals)
                await _serve(settings, engine, group, stopping)
                group.cancel_scope.cancel()
    finally:
        await engine.dispose()


async def _serve(
    settings: ConsumerSettings, engine: AsyncEngine, group: TaskGroup, stopping: "_Stopping"
) -> None:
    await wait_for_head(engine)
    source = make_source(settings)
    await source.open()
    stored = asyncio.Event()
    limits = limits_of(settings)
    send, receive = create_memory_object_stream[Delivery](limits.messages)
    fresh = Fresh()
    store = Store(engine, fresh, Unwanted(settings.retention_days))
    meter = Meter(Encodings())
    careful = CarefulPreparer(meter, settings.suspects) if settings.embedded else None
    worker = Worker(receive, Preparer(meter), store, Parts(engine), limits, stored, careful)
    with send, receive:
        group.start_soon(source.run, send)
        group.start_soon(_link, Linker(engine, fresh), stored)
        group.start_soon(_keep, Keeper(engine, settings.retention_days))
        stopping.first = worker.stop
        log.info("consumer_started", source=type(source).__name__)
        await worker.run()
    log.info("consumer_stopped")


def make_preparer() -> Preparer:
    return Preparer(Meter(Encodings()))


def make_source(settings: ConsumerSettings) -> Source:
    """Only the adapter that is used is loaded."""
    if settings.amqp_url is None:
        local: Source = import_module("consumer.sources.local").LocalSource(
            settings.consumer_socket
        )
        return local
    amqp: Source = import_module("consumer.sources.amqp").AmqpSource(
        settings.amqp_url.get_secret_value(),
        settings.amqp_prefix,
        settings.prefetch_messages,
    )
    return amqp


def limits_of(settings: ConsumerSettings) -> Limits:
    """Half of what may be ahead, so that the next batch comes in while one is stored."""
    ahead = max(1, settings.prefetch_messages // 2)
    return Limits(ahead, settings.batch_records, settings.batch_wait_ms)


async def wait_for_head(engine: AsyncEngine, longest_s: float = MIGRATION_WAIT_S) -> None:
    """Raises SchemaOutdated (still older after that time), SchemaUnknown, DatabaseUnreachable."""
    deadline = current_time() + longest_s
    for delay_s in delays(longest_s=1):
        try:
            return await require_head(engine)
        except SchemaOutdated:
            if current_time() >= deadline:
                raise
        await sleep(delay_s)


async def _link(linker: Linker, stored: asyncio.Event) -> None:
    """Whatever goes wrong with linking, records are stored all the same."""
    for delay_s in delays(longest_s=60):
        try:
            await linker.run(stored)
        except Exception as error:  # places can be worked out later, records come only now
            log.error("linking_failed", exc_info=error)
        await sleep(delay_s)


async def _keep(keeper: Keeper) -> None:
    """Whatever goes wrong with housekeeping, records are stored all the same."""
    for delay_s in delays(first_s=1, longest_s=60):
        try:
            await keeper.run()
        except Exception as error:  # partitions and old records can wait, new ones cannot
            log.error("keeping_failed", exc_info=error)
        await sleep(delay_s)


class _Stopping:
    """What the next signal to stop does."""

    def __init__(self, cancel: Callable[[], None]) -> None:
        self.first = self._then = cancel

    async def obey(self, signals: AsyncIterator[signal.Signals]) -> None:
        async for _ in signals:
            self.first()
            self.first = self._then


@contextmanager
def _refusal_alone() -> Iterator[None]:
    """A refusal is its own sentence, not a group of one."""
    try:
        yield
    except ExceptionGroup as group:
        for error in group.exceptions:
            if isinstance(error, SettingsError | NewerRecord):
                raise error from None
        raise
