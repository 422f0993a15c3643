"""Streams that think: comment lines keep balancers from cutting them, and are not the answer."""

from collections.abc import Iterator

import pytest

from tests.support.asking import ask_streamed, user
from tests.support.fake_behaviour import Behaviour
from tests.support.scene import Scene, scene

PING = ": keepalive"
THINKING = Behaviour(text="one two", delay_head_s=1, delay_chunk_s=1)


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Scene]:
    with scene(tmp_path_factory.mktemp("pings"), {"STREAM_PING_S": "0.05"}) as running:
        yield running


def test_pings_stand_between_events_and_not_in_the_record(house: Scene) -> None:
    house.upstream.behave(THINKING)
    question = {"model": "m", "messages": [user("Think!")], "stream": True}
    answer = house.http("alice").post("/v1/chat/completions", json=question)
    lines = answer.text.split("\n")
    at = [number for number, line in enumerate(lines) if line == PING]
    assert len(at) >= 2
    assert lines[0].startswith("data: ")
    assert all(lines[number - 1] in ("", PING) for number in at)
    assert all(lines[number + 1].startswith(("data: ", PING)) for number in at)
    assert answer.text.endswith("data: [DONE]\n\n")
    stored = house.stored.answer(answer.headers["x-request-id"]).decode()
    assert stored == answer.text.replace(f"{PING}\n", "")


def test_the_sdk_does_not_notice(house: Scene) -> None:
    house.upstream.behave(THINKING)
    assert ask_streamed(house.client("alice"), [user("Think!")]).text == "one two"
