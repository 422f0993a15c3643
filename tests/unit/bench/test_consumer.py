"""bench.consumer: its records are such as gateways send, and its page says what was not reached."""

from datetime import UTC, datetime

from bench.consumer.drain import Drained
from bench.consumer.page import Run, render
from bench.consumer.reading import Read
from bench.consumer.talks import ANSWER_BYTES, QUESTION_BYTES, Talks
from consumer.prepare import Preparer
from consumer.tokens.encodings import Encodings
from consumer.usage import Meter


def test_talks_are_records_in_the_order_of_time() -> None:
    preparer = Preparer(Meter(Encodings()))
    for streamed in (False, True):
        made = list(Talks(1, streamed=streamed).records(50))
        rows = [preparer.prepare(frames).row for _, frames in made]
        assert [row.id.bytes for row in rows] == [id for id, _ in made]
        assert [row.id for row in rows] == sorted(row.id for row in rows)
        assert {row.usage_source for row in rows} == {"reported"}
        first = rows[0].request_size_bytes + rows[0].response_size_bytes
        assert first > 0.8 * (QUESTION_BYTES + ANSWER_BYTES)


def test_same_seed_makes_the_same_talks() -> None:
    def sizes(seed: int) -> list[int]:
        return [len(frames) for _, frames in Talks(seed).records(30)]

    assert sizes(1) == sizes(1) != sizes(2)


def test_page_tells_rates_and_what_was_not_held() -> None:
    drained = Drained(1000, 5_000_000, 2.0, 0.4, 0.1, 0.5, [100 * 2**20, 110 * 2**20])
    reads = [
        Read("a quick one", "/x", 300, 9.0, 5.0, 7.0, 100),
        Read("a slow one", "/y", 300, 900.0, 500.0, 700.0, 100),
    ]
    shown = render(Run(datetime.now(UTC), [("chats", drained)], 10**7, reads))
    lines = {line.split("|")[1].strip(): line for line in shown.splitlines() if "|" in line}
    assert "2,500" in lines["records per second of the consumer's CPU"]
    assert "500" in lines["records per second of the clock"]
    assert "yes" in lines["a quick one"] and "**no**" in lines["a slow one"]
    assert "10,000,000" in shown
