"""What was exploited elsewhere, tried here, with no SDK in between: see the numbers beside each."""

import json
import socket
import zlib
from typing import Any

import pytest

from tests.support.fake_behaviour import Behaviour
from tests.support.scene import Scene
from tests.support.waiting import eventually
from tests.support.watching import CHAT, gauges, question

SINK_BACKLOG = 8


@pytest.mark.parametrize("where", ["body", "headers", "query"])
def test_nothing_that_a_client_says_chooses_the_upstream(house: Scene, where: str) -> None:
    """CVE-2024-6587: `api_base` in the body sent the provider's key to whoever it named."""
    with socket.create_server(("127.0.0.1", 0), backlog=SINK_BACKLOG) as sink:
        sink.setblocking(False)
        url = f"http://127.0.0.1:{sink.getsockname()[1]}/v1"
        names = ("api_base", "base_url", "api_url", "endpoint", "proxy", "custom_llm_provider")
        wanted: Any = {name: url for name in names} | {
            "api_key": "sk-mine",
            "user_config": {"url": url},
        }
        body: dict[str, Any] = question() | (wanted if where == "body" else {})
        headers = {f"x-{name.replace('_', '-')}": url for name in names}
        answer = house.http("alice", **(headers if where == "headers" else {})).post(
            CHAT, json=body, params=wanted if where == "query" else None
        )
        assert answer.status_code == 200
        with pytest.raises(BlockingIOError):
            sink.accept()
    assert house.upstream.requests[-1].key in ("sk-one@org", "sk-two@org")
    assert not any("127.0.0.1:" in value for name, value in _headers(house) if name != "host")


def _headers(house: Scene) -> list[tuple[str, str]]:
    return list(house.upstream.requests[-1].headers)


def test_who_shows_no_token_is_refused_before_anything_is_read(house: Scene) -> None:
    """CVE-2024-12537, CVE-2025-3248: work done for strangers, and before they were asked."""
    before = len(house.upstream.requests)
    with socket.create_connection(("127.0.0.1", house.gateway.port), 30) as client:
        client.sendall(
            f"POST {CHAT} HTTP/1.1\r\nhost: x\r\ncontent-length: 30000000\r\n\r\n".encode()
        )
        assert client.recv(65536).startswith(b"HTTP/1.1 401 ")  # none of its body was sent
    for content in (b"{", b"[" * 100_000, b"\xff"):
        assert house.http().post(CHAT, content=content).status_code == 401
    assert len(house.upstream.requests) == before


@pytest.mark.parametrize(
    "name", ["x-user", "x-user-id", "x-forwarded-user", "remote-user", "x-role"]
)
def test_no_header_says_who_somebody_is(house: Scene, name: str) -> None:
    """CVE-2026-39411: an identity that the client asserts."""
    house.token("boss", admin=True)
    for value in ("boss", "admin", "1"):
        assert house.http(**{name: value}).get("/admin/upstreams").status_code == 401
        assert house.http("alice", **{name: value}).get("/admin/upstreams").status_code == 403


def test_no_other_origin_is_let_in(house: Scene) -> None:
    """CVE-2025-34291: pages of other sites that call with the visitor's rights."""
    asks = {"origin": "https://evil.example", "access-control-request-method": "POST"}
    for path in (CHAT, "/me/tokens", "/admin/upstreams", "/auth/tokens"):
        for answer in (
            house.http(**asks).request("OPTIONS", path),
            house.http("alice", origin="https://evil.example").get(path),
        ):
            assert not [name for name in answer.headers if name.startswith("access-control-")]


def test_a_boundary_without_end_is_refused(house: Scene) -> None:
    """CVE-2024-8984: what a form's parser does with it."""
    kind = "multipart/form-data; boundary=" + "x" * 50_000
    answer = house.http("alice", **{"content-type": kind}).post("/v1/files", content=b"--x")
    assert (answer.status_code, answer.json()["error"]["code"]) == (400, "invalid_request")


@pytest.mark.parametrize("coding", ["gzip", "deflate", "br", "gzip, identity"])
def test_a_compressed_question_is_not_unpacked(house: Scene, coding: str) -> None:
    content = zlib.compress(b" " * 10_000_000)
    answer = house.http("alice", **{"content-encoding": coding}).post(CHAT, content=content)
    assert answer.status_code == 400


@pytest.mark.parametrize(
    "body",
    [
        '{"model": "m", "messages": [], "odd": ' + "9" * 5000 + "}",
        '{"model": "m", "messages": [], "odd": 1e999999}',
        '{"model": "m", "messages": [], "odd": NaN}',
        '{"model": "m", "messages": [], "odd": -Infinity}',
        '{"model": "m", "Model": "n", "messages": []}',
        '{"model": "m", "mod\\u0065l": "n", "messages": []}',
        '{"model": "m", "stream": true, "STREAM": false, "messages": []}',
        '{"model": "m", "messages": [], "stream": 1}',
        '{"model": "", "messages": []}',
        "null",
        '"model"',
        "\ufeff{}",
    ],
)
def test_an_odd_body_is_refused_or_passed_on_and_nothing_breaks(house: Scene, body: str) -> None:
    """Two parsers that read one body differently: what was checked is what is sent, or nothing."""
    house.upstream.behave(Behaviour(body="{}"))  # it need not understand
    before = len(house.upstream.requests)
    answer = house.http("alice").post(CHAT, content=body.encode())
    if answer.status_code == 200:
        assert house.upstream.requests[-1].body == body.encode()
    else:
        assert answer.status_code == 400, answer.text
        assert answer.json()["error"]["type"] == "invalid_request_error"
        assert len(house.upstream.requests) == before
    assert "unforeseen_failure" not in house.gateway.output


def test_somebody_elses_conversation_cannot_be_named(house: Scene) -> None:
    """CVE-2026-45349: a foreign chat's id that continues it."""
    first = house.http("alice", **{"x-conversation-id": "ours"}).post(CHAT, json=question())
    conversation = house.stored.conversation(first.headers["x-request-id"])
    for name in ("ours", str(conversation)):
        other = house.http("bob", **{"x-conversation-id": name}).post(CHAT, json=question())
        assert house.stored.conversation(other.headers["x-request-id"]) != conversation


@pytest.mark.parametrize("nasty", ["\x1b[2J", "\u2028", "' OR 1=1 --", "%s%n{0}", "\u202e"])
def test_what_clients_call_themselves_stays_in_its_line(house: Scene, nasty: str) -> None:
    """Log lines that forge others, SQL and format strings: CVE-2026-42208."""
    model = f"m{nasty}\n{{}}"
    answer = house.http("alice").post(CHAT, json=question(model))
    assert answer.status_code == 200
    assert house.stored.record(answer.headers["x-request-id"]).model == model
    house.http(**{"user-agent": "a\tb"}).get(f"/records/{nasty.encode().hex()}?kind=%1b%0a")
    lines = [line for line in house.gateway.output.splitlines() if line.strip()]
    assert all(line.startswith("{") and json.loads(line)["event"] for line in lines)


def test_names_of_models_and_paths_make_no_series(house: Scene) -> None:
    client = house.http("alice")

    def series() -> set[str]:
        return {name for name in gauges(house) if "_bucket" not in name}

    def ask(number: int) -> None:
        client.post(CHAT, json=question(f"model-{number}"))
        client.post(f"/v1/unheard-of-{number}", json={})
        client.post(f"/v1/audio/{number}", json={"model": str(number)})
        client.get(f"/nowhere/{number}")

    ask(0)
    before = series()
    for number in range(1, 60):
        ask(number)
    eventually(lambda: gauges(house)["gateway_calls_in_flight"] == 0, "the calls to be over")
    assert len(series() - before) <= 8  # states that the kinds had not been in yet
    assert "model-" not in str(series()) and "unheard" not in str(series())
