"""More calls and bytes than a worker may have: refused cheaply, and nothing of it stays behind."""

import json
import socket
import struct
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from random import Random
from typing import Any

import pytest

from tests.support.fake_behaviour import Behaviour
from tests.support.scene import Scene, scene
from tests.support.waiting import eventually

CHAT = "/v1/chat/completions"
ENDLESS = Behaviour(text="on and on", cut_after=2, cut="hang")
MOST_CALLS, MOST_BYTES = 4, 1024**2


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Scene]:
    bounds = {"MAX_IN_FLIGHT": str(MOST_CALLS), "MAX_HELD_BYTES": str(MOST_BYTES)}
    with scene(tmp_path_factory.mktemp("overload"), bounds) as running:
        yield running


def question(model: str = "m", text: str = "Hello!", **more: Any) -> dict[str, Any]:
    return {"model": model, "messages": [{"role": "user", "content": text}], **more}


def gauges(house: Scene) -> dict[str, float]:
    text = house.http().get("/metrics").text
    lines = (line.rpartition(" ") for line in text.splitlines() if not line.startswith("#"))
    return {name: float(value) for name, _, value in lines}


def at_rest(house: Scene) -> bool:
    """Nothing is under way, and as much as ever is taken."""
    now = gauges(house)
    if now["gateway_calls_in_flight"] or now["gateway_held_bytes"]:
        return False
    clients = [house.http("alice") for _ in range(MOST_CALLS)]
    with ThreadPoolExecutor(MOST_CALLS) as threads:
        asked = threads.map(lambda client: client.post(CHAT, json=question()), clients)
        return [answer.status_code for answer in asked] == [200] * MOST_CALLS


def test_calls_beyond_the_bound_are_refused_until_one_leaves(house: Scene) -> None:
    house.upstream.behave(ENDLESS, model="endless")
    with ExitStack() as streams:
        body = question("endless", stream=True)
        for _ in range(MOST_CALLS):
            client = house.http("alice")
            answer = streams.enter_context(client.stream("POST", CHAT, json=body))
            assert answer.status_code == 200
        refused = house.http("alice").post(CHAT, json=question())
        assert (refused.status_code, refused.json()["error"]["code"]) == (503, "overloaded")
        assert int(refused.headers["retry-after"]) >= 1
        assert "x-should-retry" not in refused.headers
        assert house.http().get("/healthz").status_code == 200
        assert gauges(house)['gateway_refused_total{code="overloaded"}'] >= 1
    eventually(lambda: at_rest(house), "room for as many as ever")


def test_a_body_that_finds_no_room_is_refused_before_it_is_read(house: Scene) -> None:
    house.upstream.behave(ENDLESS, model="endless")
    large = question("endless", "x" * (MOST_BYTES * 2 // 3))
    with house.http("alice").stream("POST", CHAT, json=large):
        assert gauges(house)["gateway_held_bytes"] > MOST_BYTES * 2 // 3
        with socket.create_connection(("127.0.0.1", house.gateway.port), 30) as client:
            client.sendall(head(house, MOST_BYTES // 2))
            assert client.recv(4096).startswith(b"HTTP/1.1 503 ")
        assert house.http("alice").post(CHAT, json=question()).status_code == 200
    eventually(lambda: at_rest(house), "the room that it had taken")


def head(house: Scene, length: int) -> bytes:
    return (
        f"POST {CHAT} HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {house.token('alice')}\r\n"
        f"content-type: application/json\r\ncontent-length: {length}\r\n\r\n"
    ).encode()


@pytest.mark.parametrize("seed", [1, 2])
def test_after_any_chaos_nothing_is_left(house: Scene, seed: int) -> None:
    house.upstream.behave(Behaviour(text="word " * 20, delay_chunk_s=0.01), model="slow")
    house.upstream.behave(ENDLESS, model="endless")
    house.upstream.behave(Behaviour(status=500, body="{}"), model="broken")
    tries = [Try(house, Random(seed * 1000 + number)) for number in range(60)]
    with ThreadPoolExecutor(8) as threads:
        list(threads.map(lambda one: one(), tries))
    eventually(lambda: at_rest(house), f"every call to be over, seed {seed}")


class Try:
    """One client who leaves at some point, resets, or says nonsense."""

    def __init__(self, house: Scene, random: Random) -> None:
        self._random, self._port = random, house.gateway.port
        self._head = lambda length: head(house, length)

    def __call__(self) -> None:
        choose = self._random
        body = json.dumps(
            question(
                choose.choice(["m", "slow", "endless", "broken"]),
                "x" * choose.choice([1, 1000, 300_000]),
                stream=choose.random() < 0.7,
            )
        ).encode()
        if choose.random() < 0.15:
            body = b"{" + body
        if choose.random() < 0.3:
            sent = body[: choose.randrange(len(body))]
        else:
            sent = body
        with socket.create_connection(("127.0.0.1", self._port), 30) as client:
            client.sendall(self._head(len(body)) + sent)
            client.settimeout(choose.choice([0.01, 0.1, 0.5]))
            try:
                for _ in range(choose.randrange(4)):
                    client.recv(choose.choice([1, 100, 65536]))
            except TimeoutError:
                pass
            if choose.random() < 0.5:
                client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
