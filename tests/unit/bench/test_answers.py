"""Where an answer ends, wherever its bytes are cut."""

import pytest

from bench import traffic
from bench.answers import Answer

WHOLE = traffic.answer()
STREAM = traffic.STREAM_HEAD + traffic.content_event(1.5) + traffic.closing_events(usage=True)


@pytest.mark.parametrize("answer", [WHOLE, STREAM], ids=["length", "chunked"])
def test_the_end_is_found_at_every_split(answer: bytes) -> None:
    for at in range(1, len(answer)):
        reader = Answer()
        assert not reader.feed(answer[:at]), at
        assert reader.feed(answer[at:]), at
        assert reader.status == 200


def test_the_end_is_found_byte_by_byte() -> None:
    reader = Answer()
    ends = [reader.feed(STREAM[n : n + 1]) for n in range(len(STREAM))]
    assert ends.index(True) == len(STREAM) - 1


def test_one_reader_takes_answer_after_answer() -> None:
    reader = Answer()
    assert reader.feed(WHOLE)
    assert reader.feed(b"HTTP/1.1 503 Busy\r\ncontent-length: 0\r\n\r\n")
    assert reader.status == 503
    assert reader.feed(STREAM)
    assert reader.status == 200
