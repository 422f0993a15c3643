"""How often, how long and on whose behalf an upstream is asked, and what is not kept of it."""

import json
import socket
import sys
from collections.abc import Iterator
from contextlib import ExitStack
from ipaddress import IPv4Address
from typing import Any

import pytest

from gateway.upstream.balancer import RULES, Caller
from gateway.upstream.credential import Credential, Upstream
from tests.support.fake_behaviour import SERVER_ERROR, Behaviour, rate_limited
from tests.support.fake_upstream import FakeUpstream
from tests.support.scene import Scene, scene
from tests.support.waiting import eventually
from tests.support.watching import CHAT, attempts, question

KEYS = ["sk-a@org", "sk-b@org", "sk-c@org", "sk-d@org"]
SETTINGS = {
    "RETRY_COUNT": "2",
    "RETRY_TIME": "0.01",
    "POOL_WAIT_S": "0",
    "LOAD_BALANCER_RULE": "ip_hash",
    "CONNECT_TIMEOUT_S": "0.5",
    "TOTAL_TIMEOUT_S": "3",
}
ODD = "line\u2028paragraph\u2029next\u0085zero\x00 \U0001f600"


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Scene]:
    directory = tmp_path_factory.mktemp("limits")
    with ExitStack() as exits:
        deaf = exits.enter_context(socket.create_server(("127.0.0.1", 0), backlog=0))
        exits.enter_context(socket.create_connection(deaf.getsockname()))  # its only place

        def prepare(upstream: FakeUpstream) -> dict[str, str]:
            (directory / "gateway.toml").write_text(_deaf(deaf.getsockname()[1]))
            return {"OPENAI_URL": upstream.url, "OPENAI_API_KEY": ",".join(KEYS)}

        yield exits.enter_context(scene(directory, SETTINGS, prepare))


def _deaf(port: int) -> str:
    return (
        f'[[upstream]]\nname = "deaf"\nurl = "http://127.0.0.1:{port}/v1"\nmodels = ["deaf"]\n'
        '[[upstream.credential]]\nlabel = "only"\nkey = "sk-deaf"\n'
    )


def keys_asked(house: Scene, since: int) -> list[str | None]:
    return [request.key for request in house.upstream.requests[since:]]


def test_failures_are_tried_again_on_other_keys_and_no_more_than_told(house: Scene) -> None:
    house.upstream.behave(SERVER_ERROR, model="failing")
    before = len(house.upstream.requests)
    answer = house.http("alice").post(CHAT, json=question("failing", stream=True))
    assert (answer.status_code, answer.json()["error"]["code"]) == (500, "server_error")
    assert len(set(keys_asked(house, before))) == len(keys_asked(house, before)) == 3
    record = house.stored.record(answer.headers["x-request-id"])
    assert (record.status, record.http_status) == ("upstream_error", 500)
    assert [one.outcome for one in attempts(record)] == ["500"] * 3


def test_a_key_that_cools_is_passed_over_and_comes_back(house: Scene) -> None:
    client, ask = house.http("alice"), question("cooling")

    def key_used() -> str | None:
        assert client.post(CHAT, json=ask).status_code == 200
        return house.upstream.requests[-1].key

    first = key_used()  # by ip_hash: always the same one
    house.upstream.behave(rate_limited("5"), key=first, model="cooling", times=1)
    before = len(house.upstream.requests)
    second = key_used()
    assert keys_asked(house, before) == [first, second]
    assert second != first
    assert key_used() == second
    eventually(lambda: key_used() == first, "the key to be back")
    assert before + 4 <= len(house.upstream.requests)


def test_a_limit_without_a_time_rotates_too(house: Scene) -> None:
    house.upstream.behave(rate_limited(), model="limited", times=2)
    answer = house.http("alice").post(CHAT, json=question("limited"))
    assert (answer.status_code, answer.headers["x-gateway-attempts"]) == (200, "3")
    assert len(set(keys_asked(house, -3))) == 3


def test_a_spoofed_address_changes_nothing(house: Scene) -> None:
    before = len(house.upstream.requests)
    for number in range(12):
        spoofed = {"x-forwarded-for": f"10.0.0.{number}", "forwarded": f"for=10.0.1.{number}"}
        client = house.http("spoofer", **spoofed, **{"x-real-ip": f"10.0.2.{number}"})
        assert client.post(CHAT, json=question("m")).status_code == 200
    assert len(set(keys_asked(house, before))) == 1
    addresses = {row.client_address for row in house.stored.records_of("spoofer", at_least=12)}
    assert addresses == {"127.0.0.1"}


@pytest.mark.parametrize("split_every", [None, 1, 5])
@pytest.mark.parametrize("newline", ["\n", "\r\n", "\r"])
def test_a_stream_is_relayed_byte_for_byte(
    house: Scene, newline: str, split_every: int | None
) -> None:
    odd = {"unknown": {"deep": [1, None, ODD]}}
    behaviour = Behaviour(
        text=ODD, extra=odd, newline=newline, split_every=split_every, usage=False
    )
    house.upstream.behave(behaviour, model="odd")
    answer = house.http("alice").post(CHAT, json=question("odd", stream=True))
    data = [
        "[DONE]" if event is None else json.dumps(event, ensure_ascii=False)
        for _, event in house.upstream.said[-1].events
    ]
    assert answer.content == "".join(f"data: {one}{newline}{newline}" for one in data).encode()
    assert house.stored.answer(answer.headers["x-request-id"]) == answer.content


@pytest.mark.parametrize("asked_for", [True, False])
@pytest.mark.parametrize("unasked", [True, False])
def test_usage_is_shown_to_whom_asks_and_stored_anyway(
    house: Scene, asked_for: bool, unasked: bool
) -> None:
    house.upstream.behave(Behaviour(usage_unasked=unasked), model="counted")
    more: dict[str, Any] = {"stream_options": {"include_usage": True}} if asked_for else {}
    answer = house.http("alice").post(CHAT, json=question("counted", stream=True, **more))
    chunks = [json.loads(part.removeprefix("data: ")) for part in answer.text.split("\n\n")[:-2]]
    usage = house.upstream.said[-1].usage
    shown = [chunk for chunk in chunks if chunk["choices"] == []]
    assert [chunk["usage"] for chunk in shown] == ([usage] if asked_for else [])
    assert shown == [] or chunks[-1] is shown[0]
    stored = house.stored.usage(answer.headers["x-request-id"])
    assert usage is not None
    assert (stored.prompt, stored.source) == (usage["prompt_tokens"], "reported")


def test_an_upstream_that_takes_no_connection_is_given_up(house: Scene) -> None:
    answer = house.http("alice").post(CHAT, json=question("deaf"))
    assert (answer.status_code, answer.json()["error"]["code"]) == (504, "upstream_timeout")
    record = house.stored.record(answer.headers["x-request-id"])
    assert [one.outcome for one in attempts(record)] == ["timeout"] * 3
    assert not any(json.loads(record.attempts)[0].get(key) for key in ("maybe_billed", "status"))


def test_a_stream_ends_when_its_whole_time_is_up(house: Scene) -> None:
    house.upstream.behave(Behaviour(text="on " * 2000, delay_chunk_s=0.01), model="long")
    answer = house.http("alice").post(CHAT, json=question("long", stream=True))
    assert answer.status_code == 200
    assert "[DONE]" not in answer.text
    last = answer.text.rstrip("\n").split("\n\n")[-1]
    assert last.startswith("event: error\n") and "upstream_timeout" in last
    record = house.stored.record(answer.headers["x-request-id"])
    assert (record.status, attempts(record)[-1].outcome) == ("interrupted", "timeout")


def test_addresses_of_clients_are_not_remembered() -> None:
    upstream = Upstream("u", "http://127.0.0.1:1/v1")
    credentials = [Credential(upstream, label, "org", f"sk-{label}") for label in "abcd"]
    rule = RULES["ip_hash"]()

    def rank(number: int) -> str:
        address = str(IPv4Address(number))
        return rule(credentials, Caller(address, number, "m", {}, b""))[0].label

    shares = [rank(number) for number in range(1000)]
    before = sys.getallocatedblocks()
    for number in range(1000, 100_000):
        rank(number)
    assert sys.getallocatedblocks() - before < 1000
    assert min(shares.count(label) for label in "abcd") > 150
