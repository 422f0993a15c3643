"""`gateway serve` and its children: they live, die and end together."""

import os
import signal
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path

import httpx2
import pytest

from common.frames import FrameKind, read_frames
from tests.support.asking import ask, ask_streamed, user
from tests.support.fake_behaviour import HANGING, SERVER_ERROR, Behaviour
from tests.support.processes import alive, descendants
from tests.support.programs import Installation
from tests.support.scene import Scene, scene
from tests.support.stored import Stored
from tests.support.waiting import eventually
from tests.support.watching import CHAT, attempts, question


@pytest.fixture
def family(tmp_path: Path) -> Iterator[Scene]:
    with scene(tmp_path, {"SERVER_WORKERS": "2"}) as scene_:
        yield scene_


def test_a_killed_parent_leaves_no_children(family: Scene) -> None:
    [program] = family.gateway.programs
    children = descendants(program.process.pid)
    assert len(children) >= 3  # two workers and the consumer
    program.kill()
    eventually(lambda: not any(map(alive, children)), "the children's end")


def test_a_killed_child_comes_back_and_nothing_is_lost(family: Scene) -> None:
    client, [program] = family.client("alice"), family.gateway.programs
    ids = []
    for child in descendants(program.process.pid):
        ids.append(ask(client, [user(f"Before {child} dies?")]).id)
        os.kill(child, signal.SIGKILL)
        eventually(lambda child=child: not alive(child), "the child's death")
        eventually(lambda: len(descendants(program.process.pid)) >= 3, "its return")
        eventually(lambda: family.http().get("/readyz").status_code == 200, "/readyz")
    assert [str(record.id) for record in family.stored.records_of("alice", len(ids))] == ids


@pytest.mark.parametrize("answer", ["none yet", "begun"])
def test_a_killed_workers_call_is_stored_with_its_attempts(family: Scene, answer: str) -> None:
    endless = (
        HANGING if answer == "none yet" else Behaviour(text="on and on", cut_after=2, cut="hang")
    )
    family.upstream.behave(endless, model="m")
    family.upstream.behave(SERVER_ERROR, model="m", times=1)
    [program] = family.gateway.programs
    client, body = family.http("alice"), question("m", stream=True)
    with ThreadPoolExecutor() as threads:
        asked = threads.submit(lambda: client.post(CHAT, json=body))
        eventually(lambda: len(family.upstream.requests) == 2, "the second attempt")
        wanted = {FrameKind.PROGRESS} if answer == "none yet" else {FrameKind.CHECKPOINT}
        eventually(lambda: wanted <= kinds_in(family), "what is kept of it")
        for child in descendants(program.process.pid):
            os.kill(child, signal.SIGKILL)
        with pytest.raises(httpx2.TransportError):
            asked.result(60)
    [record] = family.stored.records_of("alice", at_least=1)
    assert (record.status, record.model) == ("interrupted", "m")
    tried = [one.outcome for one in attempts(record)]
    assert tried == (["500"] if answer == "none yet" else ["500", "200"])
    assert record.http_status == (None if answer == "none yet" else 200)


def kinds_in(house: Scene) -> set[int]:
    """Of frames in its spool."""
    spool = Path(house.gateway.environment["DATA_DIR"]) / "spool"
    found = set()
    for path in spool.rglob("*.seg"):
        with suppress(FileNotFoundError):  # what was stored is deleted
            found |= {frame.kind for frame in read_frames(path.read_bytes())}
    return found


def test_sigterm_lets_a_stream_end_and_stores_it(family: Scene) -> None:
    family.upstream.behave(Behaviour(text="on and on " * 10, delay_chunk_s=0.05))
    raw = family.client("alice").chat.completions.with_raw_response.create(
        model="gpt-fake", messages=[{"role": "user", "content": "Go on!"}], stream=True
    )
    stream = raw.parse()
    next(stream)
    [program] = family.gateway.programs
    program.process.send_signal(signal.SIGTERM)
    rest = list(stream)
    assert rest[-1].choices[0].finish_reason == "stop"
    assert program.process.wait(60) == 0
    assert family.stored.record(raw.headers["x-request-id"]).status == "complete"


def test_two_gateways_may_share_one_directory(family: Scene, tmp_path: Path) -> None:
    neighbour = tmp_path / "neighbour"
    neighbour.mkdir()
    shared = {
        "DATA_DIR": family.gateway.environment["DATA_DIR"],
        "OPENAI_URL": family.upstream.url,
        "OPENAI_API_KEY": "sk-other",
    }
    token = family.token("alice")
    with Installation(neighbour, shared) as second:
        other = family.client("alice").with_options(base_url=f"{second.url}/v1", api_key=token)
        ids = [ask_streamed(c, [user("Whose?")]).id for c in (family.client("alice"), other)]
        stored = Stored(family.gateway.database)
        assert [stored.record(id).status for id in ids] == ["complete"] * 2
    after = ask(family.client("alice"), [user("Still there?")])
    assert family.stored.record(after.id).status == "complete"
