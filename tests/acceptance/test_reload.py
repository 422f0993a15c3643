"""gateway.toml changed under load: no call fails, and new ones go where it says."""

import os
import signal
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from threading import Event

import httpx2
import pytest

from tests.support.fake_upstream import FakeUpstream
from tests.support.scene import Scene, scene
from tests.support.waiting import eventually
from tests.support.watching import gauges

CHAT = "/v1/chat/completions"
QUESTION = {"model": "m", "messages": [{"role": "user", "content": "Where?"}], "stream": True}


def write(directory: Path, url: str, *keys: str, name: str = "far") -> None:
    """As a person with an editor does it: in one go."""
    entries = "".join(
        f'[[upstream.credential]]\nlabel = "{key}"\nkey = "sk-{key}"\n' for key in keys
    )
    draft = directory / "draft"
    draft.write_text(f'[[upstream]]\nname = "{name}"\nurl = "{url}"\n{entries}')
    os.replace(draft, directory / "gateway.toml")


@pytest.fixture
def house(tmp_path: Path) -> Iterator[Scene]:
    def prepare(upstream: FakeUpstream) -> dict[str, str]:
        write(tmp_path, upstream.url, "a", "b")
        return {"SERVER_WORKERS": "2"}

    with scene(tmp_path, {}, prepare) as running:
        yield running


@contextmanager
def calls(house: Scene) -> Iterator[list[int]]:
    """Four callers who never stop: the status of every answer that was whole, else 0."""
    stop, seen = Event(), list[int]()

    def call(client: httpx2.Client) -> None:
        while not stop.is_set():
            answer = client.post(CHAT, json=QUESTION)
            whole = answer.text.rstrip().endswith("data: [DONE]")
            seen.append(answer.status_code if whole else 0)

    clients = [house.http("alice") for _ in range(4)]
    with ThreadPoolExecutor(len(clients)) as threads:
        callers: list[Future[None]] = [threads.submit(call, client) for client in clients]
        try:
            yield seen
        finally:
            stop.set()
        for caller in callers:
            caller.result(60)


def keys_since(upstream: FakeUpstream, start: int) -> set[str | None]:
    return {request.key for request in upstream.requests[start:] if request.method == "POST"}


def test_no_call_fails_while_keys_and_upstreams_change(house: Scene, tmp_path: Path) -> None:
    with FakeUpstream() as other, calls(house) as seen:
        eventually(lambda: len(seen) > 20, "some calls")
        write(tmp_path, house.upstream.url, "b", "c")
        eventually(lambda: _reloaded(house) == 2, "both workers to take it up")
        begun = len(house.upstream.requests)
        eventually(lambda: len(house.upstream.requests) > begun + 40, "some more calls")
        assert keys_since(house.upstream, begun + 8) <= {"sk-b", "sk-c"}
        write(tmp_path, other.url, "d", name="farther")
        eventually(lambda: _reloaded(house) == 4, "both workers to go elsewhere")
        count = len(other.requests)
        eventually(lambda: len(other.requests) > count + 20, "calls there")
        begun = len(house.upstream.requests)
        eventually(lambda: len(other.requests) > count + 60, "more calls there")
        assert keys_since(house.upstream, begun + 8) == set()
    assert set(seen) == {200}
    attempts = 'gateway_attempts_total{outcome="2xx",upstream="%s"}'
    assert gauges(house)[attempts % "farther"] > 0
    assert attempts % "other" not in gauges(house)
    eventually(lambda: _watched(house) == {"d"}, "the metrics of both workers to show the new key")


def _watched(house: Scene) -> set[str]:
    """Labels of keys that both workers see as available."""
    found = gauges(house).items()
    names = [name for name, value in found if 'state="available"' in name and value == 2]
    return {name.partition('label="')[2].partition('"')[0] for name in names}


def test_a_broken_file_is_one_line_and_changes_nothing(house: Scene, tmp_path: Path) -> None:
    client = house.http("alice")
    (tmp_path / "gateway.toml").write_text("[[upstream]]\nname = 7\nkey = 'sk-neverever'\n")
    refused = "upstreams_refused"
    eventually(lambda: house.gateway.output.count(refused) == 2, "each worker to say so")
    assert client.post(CHAT, json=QUESTION).status_code == 200
    [program] = house.gateway.programs
    program.process.send_signal(signal.SIGHUP)
    eventually(lambda: house.gateway.output.count(refused) == 4, "each worker to say so again")
    assert client.post(CHAT, json=QUESTION).status_code == 200
    assert "neverever" not in house.gateway.output


def _reloaded(house: Scene) -> int:
    return house.gateway.output.count("upstreams_reloaded")
