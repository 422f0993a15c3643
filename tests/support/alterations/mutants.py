"""Safeguards of ours, taken out one at a time: the ledger must find every one of these.

Nothing of ours is imported here: each function is given what it replaces.
"""

import asyncio
from collections.abc import Callable
from dataclasses import replace
from typing import Any, NamedTuple

Changed = tuple[str, str, Callable[[Any], Any]]
"""Module, place in it, and what to make of what is there."""


class Mutant(NamedTuple):
    """One safeguard less."""

    says: str
    changes: tuple[Changed, ...]
    by: tuple[str, ...]
    """Faults that it is a safeguard against: these are played, so that a short run is enough."""
    only: str | None = None
    """The mode that alone has this safeguard."""


_CONSUMER_DIES = ("kill a consumer", "die before storing", "die before commit")
_WORKER_DIES = ("kill a worker", "freeze a worker", "kill the gateway")


def _done(value: Any = None) -> "asyncio.Future[Any]":
    future = asyncio.get_running_loop().create_future()
    future.set_result(value)
    return future


def _ack_first(finish: Any) -> Any:
    async def altered(worker: Any, batch: Any) -> None:
        async def nothing() -> None: ...

        for delivery in batch.deliveries:
            await delivery.ack()
        quiet = [replace(delivery, ack=nothing) for delivery in batch.deliveries]
        await finish(worker, batch._replace(deliveries=quiet))

    return altered


def _without_waiting(publish: Any) -> Any:
    async def altered(broker: Any, body: bytes, message_id: str) -> None:
        task = asyncio.get_running_loop().create_task(publish(broker, body, message_id))
        task.add_done_callback(lambda done: done.cancelled() or done.exception())
        broker.__dict__.setdefault("kept", set()).add(task)

    return altered


def _no_returns(channel: Any) -> Any:
    def altered(connection: Any, *args: Any, **named: Any) -> Any:
        return channel(connection, *args, **named | {"on_return_raises": False})

    return altered


def _every_id(new: Any) -> Any:
    async def altered(inserts: Any, connection: Any, rows: Any) -> Any:
        await new(inserts, connection, rows)
        return {row["id"] for row in rows}

    return altered


def _begin_with_end(add: Any) -> Any:
    """Nothing is written before the end is."""

    def altered(commits: Any, entry: Any, kind: Any, payload: bytes) -> Any:
        begun = commits.__dict__.setdefault("begun", {})
        if kind.name == "BEGIN":
            begun[entry.id] = (kind, payload)
            return _done()
        if kind.name == "CHECKPOINT":
            entry.failed(kind, payload)
            return _done()
        add(commits, entry, *begun.pop(entry.id))
        return add(commits, entry, kind, payload)

    return altered


def _later(end: Any) -> Any:
    """The end is written half a second after the client has got the last byte."""

    def altered(entry: Any, how: Any) -> Any:
        asyncio.get_running_loop().call_later(0.5, end, entry, how)
        return _done()

    return altered


def _nothing(_: Any) -> Any:
    return lambda *args, **named: None


def _nothing_to_wait_for(_: Any) -> Any:
    async def altered(*args: Any, **named: Any) -> None: ...

    return altered


def _no_directories(_: Any) -> Any:
    return lambda *args: []


MUTANTS = {
    "ack before commit": Mutant(
        "messages are acknowledged, then stored",
        (("consumer.worker", "Worker._finish", _ack_first),),
        _CONSUMER_DIES,
    ),
    "no confirm": Mutant(
        "records are deleted from the spool once they are sent",
        (
            ("gateway.recording.broker_amqp", "AmqpBroker.publish", _without_waiting),
            ("gateway.recording.broker_local", "LocalBroker.publish", _without_waiting),
        ),
        (*_CONSUMER_DIES, "cut gateway-broker", "kill the broker", "freeze gateway-broker"),
    ),
    "no returns": Mutant(
        "a message that no queue takes counts as published",
        (("aio_pika.connection", "Connection.channel", _no_returns),),
        ("unbind the queue", "delete the queue"),
        only="services",
    ),
    "no adoption": Mutant(
        "what dead workers leave stays where it is",
        (("gateway.recording.spool", "adopt_all", _no_directories),),
        _WORKER_DIES,
    ),
    "no dedupe": Mutant(
        "a record that comes again counts again",
        (
            ("consumer.inserts", "_PostgresInserts.new", _every_id),
            ("consumer.inserts", "_SQLiteInserts.new", _every_id),
        ),
        ("die between commit and ack", "kill a consumer", "cut consumer-broker"),
    ),
    "no begin": Mutant(
        "nothing is written before the answer is whole",
        (("gateway.recording.commits", "Commits.add", _begin_with_end),),
        (*_WORKER_DIES, "die between begin and upstream"),
    ),
    "no wait for end": Mutant(
        "the last byte does not wait for the record",
        (("gateway.recording.entry", "Entry.end", _later),),
        (*_WORKER_DIES, "die after the last byte"),
    ),
    "no checkpoints": Mutant(
        "an answer is written when it is over",
        (("gateway.recording.entry", "Entry.checkpoint", _nothing),),
        ("die before end is written", "die after the last byte"),  # each some seconds apart
    ),
    "no putting back": Mutant(
        "what could not be published is forgotten until the next start",
        (("gateway.recording.spool", "Spool.put_back", _nothing),),
        ("die before storing", "die before commit", "cut gateway-broker", "kill the broker"),
    ),
    "no late parents": Mutant(
        "a record that comes late moves none that came before it",
        (("consumer.late", "Late.settle", _nothing_to_wait_for),),
        _WORKER_DIES,
    ),
}
