"""The steps at which a program can be killed. One is armed by a file in a directory that the
program was told: `Armed`."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple


class Step(NamedTuple):
    """A function of ours, and on which side of it to die."""

    name: str
    module: str
    place: str
    after: bool = False
    only: str | None = None
    """The mode that alone has this step."""
    needs: str = "call"
    """What makes a program go through it: see `tests.acceptance.test_failpoints`."""
    halfway: bool = False
    """With half of its last argument done."""


_SPOOL, _BROKER = "gateway.recording.", "gateway.recording.broker_"
_INSERTS = "consumer.inserts"
GATEWAY_STEPS = (
    Step("before begin is written", _SPOOL + "spool", "Spool.begin"),
    Step("between begin and upstream", _SPOOL + "spool", "Spool.begin", after=True),
    Step("after a checkpoint", _SPOOL + "entry", "Entry.checkpoint", after=True, needs="long"),
    Step("before end is written", _SPOOL + "entry", "Entry.end"),
    Step("between end and last byte", "gateway.proxy.sink", "HttpSink.finish"),
    Step("after the last byte", "gateway.proxy.sink", "HttpSink.finish", after=True),
    Step("before publishing, amqp", _BROKER + "amqp", "AmqpBroker.publish", only="services"),
    Step("before publishing, local", _BROKER + "local", "LocalBroker.publish", only="embedded"),
    Step("between confirm and delete", _SPOOL + "spool", "Spool.confirm"),
    Step("after delete", _SPOOL + "spool", "Spool.confirm", after=True),
    Step("in a new segment without a head", _SPOOL + "journal", "_header", needs="roll"),
    Step("with a segment closed", _SPOOL + "journal", "Journal.seal", after=True, needs="roll"),
    Step("before a segment is deleted", _SPOOL + "segments", "Segments.pop_obsolete", after=True),
    Step("in the middle of a write", _SPOOL + "journal", "Journal._write", after=True,
         halfway=True),
    Step("before compaction moves", _SPOOL + "compaction", "Compaction._replace", needs="compact"),
    Step("after compaction has moved", _SPOOL + "compaction", "Compaction._replace", after=True,
         needs="compact"),
    Step("with a lock and no name", _SPOOL + "locks", "Path.rename", needs="restart"),
    Step("before adopting", _SPOOL + "adoption", "_adopt", needs="restart"),
    Step("after adopting", _SPOOL + "adoption", "_adopt", after=True, needs="restart"),
)  # fmt: skip
CONSUMER_STEPS = (
    Step("before storing", "consumer.store", "Store.save"),
    Step("between insert and roll-up, Postgres", _INSERTS, "_PostgresInserts.new", after=True,
         only="services"),
    Step("between insert and roll-up, SQLite", _INSERTS, "_SQLiteInserts.new", after=True,
         only="embedded"),
    Step("before commit", "consumer.store", "Store._write", after=True),
    Step("between commit and ack", "consumer.store", "Store.save", after=True),
    Step("after ack", "consumer.worker", "Worker._finish", after=True),
    Step("with a part kept", "consumer.parts", "Parts.add", after=True, needs="parts"),
    Step("before parts are forgotten", "consumer.parts", "Parts.forget", needs="parts"),
    Step("before linking is written", "consumer.link_store", "LinkStore.add"),
    Step("before linking is done", "consumer.link_store", "LinkStore.done"),
    Step("after linking", "consumer.linker", "Linker.link_pending", after=True),
)  # fmt: skip
STEPS = GATEWAY_STEPS + CONSUMER_STEPS


@contextmanager
def armed(directory: Path, step: Step) -> Iterator[Path]:
    """From now on, until somebody died of it or this block ends; the file that says who did."""
    hit = directory / f"{step.name}.hit"
    hit.unlink(missing_ok=True)
    (directory / f"{step.name}.armed").touch()
    try:
        yield hit
    finally:
        (directory / f"{step.name}.armed").unlink(missing_ok=True)
