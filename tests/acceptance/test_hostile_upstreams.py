"""Upstreams that break every rule: what the client is told, what is kept, who is blamed for it.

Each case has an upstream of its own in the gateway's eyes, usually with three keys, and at most two
retries: no breaker opens for the next one. Blame shows in what follows: a key that is blamed again
and again is put behind its breaker, and then nobody asks the upstream any more.
"""

import json
import ssl
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Any

import httpx2
import pytest
import trustme

from tests.support.fake_upstream import FakeUpstream
from tests.support.hostile_cases import CASES, CHUNK, LARGE, Case
from tests.support.programs import free_port
from tests.support.raw_upstream import RawUpstream
from tests.support.scene import Scene, scene
from tests.support.stored import Stored
from tests.support.watching import CHAT, attempts, idle, peak_bytes, question

UPSTREAM = """
[[upstream]]
name = "{name}"
url = "{url}"
models = ["{name}"]
"""
CREDENTIAL = '[[upstream.credential]]\nlabel = "{label}"\nkey = "sk-{label}-{name}"\n'
SETTINGS = {
    "RETRY_COUNT": "2",
    "RETRY_TIME": "0.01",
    "POOL_WAIT_S": "0",
    "FIRST_BYTE_TIMEOUT_S": "1",
    "IDLE_TIMEOUT_S": "1",
}


@dataclass(frozen=True)
class Seen:
    """One call of a case, from all sides."""

    status: int
    body: bytes
    whole: bool
    record: Any
    kept: bytes | None
    """The answer as it was stored."""
    after: list[str]
    """What further calls were told: codes, or statuses where there is none."""


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Scene]:
    directory = tmp_path_factory.mktemp("hostile")
    with ExitStack() as exits:
        scripts = {name: case.script for name, case in CASES.items() if case.script}
        plain = exits.enter_context(RawUpstream(scripts.get))
        tls = exits.enter_context(RawUpstream(scripts.get, _untrusted()))

        def prepare(_: FakeUpstream) -> dict[str, str]:
            (directory / "gateway.toml").write_text(
                "".join(_entry(name, case, plain, tls) for name, case in CASES.items())
            )
            return {}

        yield exits.enter_context(scene(directory, SETTINGS, prepare))


def _untrusted() -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    trustme.CA().issue_cert("localhost").configure_cert(context)
    return context


def _entry(name: str, case: Case, plain: RawUpstream, tls: RawUpstream) -> str:
    url = (tls if case.tls else plain).url if case.script else f"http://127.0.0.1:{free_port()}/v1"
    keys = "".join(CREDENTIAL.format(name=name, label=label) for label in case.keys)
    return UPSTREAM.format(name=name, url=url) + keys


@pytest.fixture(scope="module")
def seen(house: Scene) -> dict[str, Seen]:
    """Every case, those that wait first. No more at a time than may always try again."""
    before = peak_bytes(house)
    clients = {name: house.http("alice") for name in CASES}
    stored = house.stored
    in_order = sorted(CASES, key=lambda name: len(CASES[name].keys))
    with ThreadPoolExecutor(3) as threads:
        calls = {n: threads.submit(_call, clients[n], stored, n) for n in in_order}
        found = {name: call.result() for name, call in calls.items()}
    assert peak_bytes(house) - before < 4 * LARGE
    return found


def _call(client: httpx2.Client, stored: Stored, name: str) -> Seen:
    body = question(name, stream=CASES[name].streamed)
    pieces: list[bytes] = []
    whole = True
    with client.stream("POST", CHAT, json=body, timeout=60) as told:
        try:
            pieces.extend(told.iter_bytes())
        except httpx2.RemoteProtocolError:
            whole = False
    after = [] if name == "large" else _go_on(client, body, CASES[name].blamed)
    id_ = told.headers["x-request-id"]
    record = stored.record(id_)
    kept = stored.answer(id_) if record.response is not None else None
    return Seen(told.status_code, b"".join(pieces), whole, record, kept, after)


def _go_on(client: httpx2.Client, body: dict[str, Any], blamed: bool) -> list[str]:
    """Until the breakers are open; where nobody is blamed, for longer than that would take."""
    after = []
    for _ in range(12 if blamed else 6):
        with client.stream("POST", CHAT, json=body, timeout=60) as told:
            try:
                told.read()
            except httpx2.RemoteProtocolError:
                after.append("cut")
                continue
        error = told.json().get("error", {}) if told.status_code >= 400 else {}
        after.append(error.get("code") or str(told.status_code))
        if after[-1] == "upstreams_failing":
            break
    return after


@pytest.mark.parametrize("name", CASES)
def test_the_client_is_told_what_happened(seen: dict[str, Seen], name: str) -> None:
    case, one = CASES[name], seen[name]
    assert (one.status, one.whole) == (case.told, case.whole)
    if case.body is not None:
        assert one.body == case.body
    if case.streamed and case.status == "interrupted":
        assert b"[DONE]" not in one.body
        lines = one.body.decode().rstrip("\n").split("\n\n")[-1].splitlines()
        assert lines[0] == "event: error"
        assert json.loads(lines[1].removeprefix("data: "))["error"]["code"] == case.code
    elif case.told >= 400:
        error = json.loads(one.body)["error"]
        assert set(error) >= {"message", "type", "param", "code"}
        assert case.code in (None, error["code"])


@pytest.mark.parametrize("name", CASES)
def test_the_record_says_what_happened(seen: dict[str, Seen], name: str) -> None:
    case, one = CASES[name], seen[name]
    assert (one.record.status, one.record.http_status) == (case.status, case.told)
    tried = attempts(one.record)
    assert tuple(t.outcome for t in tried) == case.tried
    assert len({t.key for t in tried}) == min(len(tried), len(case.keys))
    if case.whole and name not in ("gzip", "large"):
        assert one.kept == one.body


@pytest.mark.parametrize("name", sorted(set(CASES) - {"large"}))
def test_the_pool_blames_whom_it_must(seen: dict[str, Seen], name: str) -> None:
    case, after = CASES[name], seen[name].after
    if case.blamed:
        assert after[-1] == "upstreams_failing"
    else:
        assert after == ["200"] * 6


def test_what_was_cut_within_an_event_is_not_relayed(seen: dict[str, Seen]) -> None:
    for name in ("cut-in-event", "ends-in-event"):
        first, rest = seen[name].body[: len(CHUNK)], seen[name].body[len(CHUNK) :]
        assert first == CHUNK
        assert rest.startswith(b"event: error\n")


def test_of_a_large_answer_the_beginning_is_kept_and_all_of_it_counted(
    seen: dict[str, Seen],
) -> None:
    record = seen["large"].record
    assert record.response_size_bytes == LARGE
    assert record.response_sha256 is not None
    assert 0 < len(seen["large"].kept or b"") < LARGE


def test_answers_that_were_cut_are_told_by_our_own_log_line(
    house: Scene, seen: dict[str, Seen]
) -> None:
    lines = [json.loads(line) for line in house.gateway.output.splitlines() if line[:1] == "{"]
    cut = {line["id"] for line in lines if line["event"] == "answer_cut"}
    assert {str(one.record.id) for one in seen.values() if not one.whole} <= cut
    assert {line.get("logger") for line in lines} <= {None}, "a library complains"


def test_nothing_is_left_of_them(house: Scene, seen: dict[str, Seen]) -> None:
    assert seen
    assert idle(house)
