"""SIGTERM: who is told what, in which order, and what is stored of it."""

import json
import signal
import socket
import subprocess
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import Any

import httpx2
import pytest

from tests.support.asking import ask, user
from tests.support.fake_behaviour import HANGING, Behaviour
from tests.support.programs import Program
from tests.support.scene import Scene, scene
from tests.support.waiting import eventually

ENDLESS = Behaviour(text="on and on", cut_after=2, cut="hang")
CHAT = "/v1/chat/completions"


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Callable[..., Scene]]:
    with ExitStack() as exits:

        def start(**settings: str) -> Scene:
            house = exits.enter_context(scene(tmp_path, settings))
            first = ask(house.client("alice"), [user("Is anybody storing this?")])
            house.stored.record(first.id)  # else what is cut would be stored by the next start
            house.upstream.reset()
            return house

        yield start


def asked(model: str, **more: Any) -> dict[str, Any]:
    return {"model": model, "messages": [{"role": "user", "content": "Go on!"}], **more}


def program(of: Scene) -> Program:
    [gateway] = of.gateway.programs
    return gateway


def refused(house: Scene) -> bool:
    """Whether nobody listens any more."""
    try:
        socket.create_connection(("127.0.0.1", house.gateway.port), 30).close()
    except ConnectionRefusedError:
        return True
    return False


def test_while_it_is_announced_calls_are_taken_until_a_second_signal(
    start: Callable[..., Scene],
) -> None:
    house = start(DRAIN_ANNOUNCE_S="600")
    before, client = house.http(), house.http("alice")
    assert before.get("/readyz").status_code == 200
    program(house).process.send_signal(signal.SIGTERM)
    eventually(lambda: before.get("/readyz").status_code == 503, "/readyz to say so")
    fresh = house.http().get("/readyz")
    assert [reason["code"] for reason in fresh.json()["reasons"]] == ["draining"]
    answer = client.post(CHAT, json=asked("gpt-fake"))
    assert answer.status_code == 200
    assert answer.headers["connection"] == "close"
    assert house.stored.record(answer.headers["x-request-id"]).status == "complete"
    eventually(lambda: "stopping" in program(house).output, "the parent to have said so")
    assert _signalled_again(program(house)) == 128 + signal.SIGTERM


def _signalled_again(gateway: Program) -> int:
    """Once more each second, because two signals within one are one wish."""
    for _ in range(30):
        gateway.process.send_signal(signal.SIGTERM)
        with suppress(subprocess.TimeoutExpired):
            return gateway.process.wait(2)
    raise AssertionError("a second signal did not end it")


def test_whom_nobody_keeps_busy_holds_nothing_up(start: Callable[..., Scene]) -> None:
    house = start(DRAIN_TIMEOUT_S="6000", SERVER_WORKERS="2")
    kept = house.http()
    kept.get("/healthz")
    with socket.create_connection(("127.0.0.1", house.gateway.port)) as silent:
        assert program(house).stop() == 0
        assert silent.recv(1) == b""


def test_a_stream_goes_on_while_nobody_new_is_taken(start: Callable[..., Scene]) -> None:
    house = start(DRAIN_ANNOUNCE_S="0", DRAIN_TIMEOUT_S="6000")
    house.upstream.behave(Behaviour(text="on and on " * 20, delay_chunk_s=0.05))
    with house.http("alice").stream("POST", CHAT, json=asked("m", stream=True)) as answer:
        lines = answer.iter_lines()
        next(lines)
        program(house).process.send_signal(signal.SIGTERM)
        eventually(lambda: refused(house), "the port to be left")
        assert [line for line in lines if line][-1] == "data: [DONE]"
    assert program(house).process.wait(60) == 0
    assert house.stored.record(answer.headers["x-request-id"]).status == "complete"


def test_what_is_left_when_the_time_is_up_is_cut_and_says_so(start: Callable[..., Scene]) -> None:
    house = start(DRAIN_ANNOUNCE_S="0", DRAIN_TIMEOUT_S="0.5")
    client = house.http("alice")
    house.upstream.behave(ENDLESS)
    house.upstream.behave(HANGING, model="silent")
    with (
        ThreadPoolExecutor() as threads,
        client.stream("POST", CHAT, json=asked("m", stream=True)) as stream,
        client.stream("POST", CHAT, json=asked("m")) as plain,
    ):
        waiting = threads.submit(client.post, CHAT, json=asked("silent"))
        eventually(lambda: len(house.upstream.requests) == 3, "all three upstream")
        program(house).process.send_signal(signal.SIGTERM)
        events = stream.read().decode()
        with pytest.raises(httpx2.TransportError):
            plain.read()
        told = waiting.result(60)
    assert "[DONE]" not in events
    name, data = events.strip().split("\n\n")[-1].split("\n")
    assert name == "event: error"
    assert json.loads(data.removeprefix("data: "))["error"]["code"] == "gateway_stopping"
    assert (told.status_code, told.json()["error"]["code"]) == (503, "gateway_stopping")
    assert program(house).process.wait(60) == 0
    ids = [answer.headers["x-request-id"] for answer in (stream, plain, told)]
    assert [house.stored.record(id).status for id in ids] == ["interrupted"] * 3
    assert house.stored.answer(ids[0]).decode() == events
    assert house.stored.record(ids[2]).http_status == 503
    assert "Exception in ASGI" not in program(house).output
