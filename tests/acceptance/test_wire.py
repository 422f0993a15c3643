"""What curl sees: bytes, headers and refusals, with no SDK in between."""

import json
import re
import socket
from typing import Any

import httpx2
import pytest

from tests.support.fake_behaviour import HTML_ERROR, Behaviour
from tests.support.scene import Scene

QUESTION = {"model": "gpt-fake", "messages": [{"role": "user", "content": "Hello!"}]}
CHAT = "/v1/chat/completions"
ODD = "line\u2028paragraph\u2029next\u0085zero\x00 \U0001f600"


def test_an_answer_is_the_upstreams_byte_for_byte(house: Scene) -> None:
    house.upstream.behave(Behaviour(text=ODD, extra={"unknown": {"deep": [1, None, ODD]}}))
    answer = house.http("alice").post(CHAT, json=QUESTION)
    said = json.dumps(house.upstream.said[-1].whole, ensure_ascii=False).encode()
    assert answer.content == said
    assert house.stored.answer(answer.headers["x-request-id"]) == said


@pytest.mark.parametrize("newline", ["\n", "\r\n"])
@pytest.mark.parametrize("split_every", [None, 1, 7])
def test_a_stream_is_the_upstreams_but_for_the_usage(
    house: Scene, newline: str, split_every: int | None
) -> None:
    house.upstream.behave(Behaviour(text=ODD, newline=newline, split_every=split_every))
    streamed = {**QUESTION, "stream": True}
    answer = house.http("alice").post(CHAT, json=streamed)
    events = answer.text.split(newline * 2)
    assert (events[-2], events[-1]) == ("data: [DONE]", "")
    chunks = [json.loads(event.removeprefix("data: ")) for event in events[:-2]]
    deltas = [chunk["choices"][0]["delta"].get("content") or "" for chunk in chunks]
    assert "".join(deltas) == ODD
    assert all(chunk["choices"] for chunk in chunks)


def test_a_question_reaches_the_upstream_as_it_was_asked(house: Scene) -> None:
    body = '{"model":"gpt-fake" , "messages":[{"role":"user","content":"\\u00e4"}],"odd":1e2}'
    house.http("alice", **{"x-secret": "canary", "cookie": "a=b", "openai-organization": "o"}).post(
        CHAT, content=body, headers={"content-type": "application/json"}
    )
    received = house.upstream.requests[-1]
    assert received.body == body.encode()
    assert received.key in ("sk-one@org", "sk-two@org")
    assert received.header("cookie") is None
    assert received.header("openai-organization") is None


def test_every_answer_says_what_became_of_the_call(house: Scene) -> None:
    answer = house.http("alice").post(CHAT, json=QUESTION)
    headers = answer.headers
    assert headers["x-request-id"] == headers["request-id"]
    assert headers["x-upstream-request-id"].startswith("req_fake_")
    assert (headers["x-gateway-attempts"], headers["x-gateway-upstream"]) == ("1", "openai")
    assert house.stored.record(headers["x-request-id"]).http_status == 200


@pytest.mark.parametrize("carrier", ["authorization", "api-key", "x-api-key"])
@pytest.mark.parametrize(
    "path", [CHAT, "/chat/completions", "/openai/v1/chat/completions", "//v1//chat//completions"]
)
def test_tokens_and_paths_come_in_several_forms(house: Scene, carrier: str, path: str) -> None:
    token = house.token("alice")
    given = {carrier: f"Bearer {token}" if carrier == "authorization" else token}
    assert house.http().post(path, json=QUESTION, headers=given).status_code == 200


def test_an_endpoint_that_the_gateway_does_not_know_is_forwarded(house: Scene) -> None:
    client = house.http("alice")
    moderated = client.post("/v1/moderations", json={"input": "Hello!"})
    assert moderated.json()["id"].startswith("modr-")
    spoken = client.post("/v1/audio/speech", json={"model": "tts", "voice": "a", "input": "Hello!"})
    assert spoken.content == bytes(range(256)) * 8
    record = house.stored.record(spoken.headers["x-request-id"])
    assert (record.kind, record.response_size_bytes, record.response) == ("audio", 2048, None)
    assert record.response_sha256 is not None


def test_head_tells_of_what_get_would_bring(house: Scene) -> None:
    content = b"x" * 70_000
    made = house.client("alice").files.create(file=("a.bin", content), purpose="user_data")
    client = house.http("alice")
    for path in (f"/v1/files/{made.id}", f"/v1/files/{made.id}/content"):
        told, brought = client.head(path), client.get(path)
        assert (told.status_code, told.content) == (200, b"")
        for name in ("content-length", "content-type"):
            assert told.headers[name] == brought.headers[name]
        record = house.stored.record(told.headers["x-request-id"])
        assert (record.method, record.status, record.http_status) == ("HEAD", "complete", 200)


def test_an_upstreams_own_refusal_is_passed_on(house: Scene) -> None:
    refused = Behaviour(
        status=422, body='{"error": {"message": "No.", "type": "t", "param": null, "code": "c"}}'
    )
    house.upstream.behave(refused)
    answer = house.http("alice").post(CHAT, json=QUESTION)
    assert (answer.status_code, answer.json()["error"]["code"]) == (422, "c")
    assert house.stored.record(answer.headers["x-request-id"]).status == "upstream_error"


def test_an_answer_in_html_becomes_one_in_the_shape_of_openai(house: Scene) -> None:
    house.upstream.behave(HTML_ERROR, model="html-model")
    answer = house.http("alice").post(CHAT, json={**QUESTION, "model": "html-model"})
    assert answer.status_code in (502, 503)
    assert set(answer.json()["error"]) >= {"message", "type", "param", "code"}


@pytest.mark.parametrize(
    ("content", "status", "code"),
    [
        (b"{", 400, "invalid_json"),
        (b"\xff\xfe", 400, "invalid_json"),
        (b"[]", 400, None),
        (b"{}", 400, None),
        (b'{"model": 3, "messages": []}', 400, None),
        (b'{"model": "a", "model": "b", "messages": []}', 400, "ambiguous_body"),
        (b'{"model": "m", "messages": ' + b"[" * 10_000 + b"]" * 10_000 + b"}", 400, None),
        (b"[" * 10_000, 400, None),
    ],
    ids=["broken", "binary", "list", "no model", "number", "twice", "nested", "only nested"],
)
def test_a_bad_body_is_refused_before_it_costs_anything(
    house: Scene, content: bytes, status: int, code: str | None
) -> None:
    before = len(house.upstream.requests)
    answer = house.http("alice").post(CHAT, content=content)
    error = answer.json()["error"]
    assert (answer.status_code, error["type"]) == (status, "invalid_request_error")
    assert code in (None, error["code"])
    assert len(house.upstream.requests) == before


@pytest.mark.parametrize("chunked", [False, True])
def test_a_body_of_33_mib_is_too_large(house: Scene, chunked: bool) -> None:
    size = 33 * 1024 * 1024
    content = b'{"model": "m", "messages": "' + b"x" * size + b'"}'
    sent: Any = (content[i : i + 2**20] for i in range(0, size, 2**20)) if chunked else content
    try:
        answer = house.http("alice").post(CHAT, content=sent)
    except httpx2.TransportError:  # refused while we were still sending: legal, and as good
        return
    assert (answer.status_code, answer.json()["error"]["code"]) == (413, "request_too_large")


def test_a_websocket_is_refused_in_words(house: Scene) -> None:
    upgrade = {
        "connection": "Upgrade",
        "upgrade": "websocket",
        "sec-websocket-version": "13",
        "sec-websocket-key": "dGhlIHNhbXBsZSBub25jZQ==",
    }
    answer = house.http("alice").get("/v1/realtime", headers=upgrade)
    assert answer.status_code == 400
    assert answer.json()["error"]["code"] == "websocket_not_supported"


def test_what_is_no_http_does_no_harm(house: Scene) -> None:
    with socket.create_connection(("127.0.0.1", house.gateway.port), timeout=30) as connection:
        connection.sendall(b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" * 10 + b"\r\n\r\n")
        connection.recv(1000)
    assert house.http().get("/healthz").status_code == 200


@pytest.mark.parametrize("path", ["/nowhere", "/v2/chat/completions", "/admin/../nowhere"])
def test_an_unknown_address_is_404_in_the_shape_of_openai(house: Scene, path: str) -> None:
    answer = house.http("alice").get(path)
    assert (answer.status_code, answer.json()["error"]["code"]) == (404, "unknown_url")


@pytest.mark.parametrize(("method", "path"), [("DELETE", "/v1/models/a"), ("POST", "/v1/models")])
def test_models_can_only_be_read(house: Scene, method: str, path: str) -> None:
    answer = house.http("alice").request(method, path)
    assert (answer.status_code, answer.json()["error"]["code"]) == (405, "method_not_allowed")


@pytest.mark.parametrize("path", ["/healthz", "/readyz", "/metrics", "/openapi.json", "/docs"])
def test_pages_that_need_no_token(house: Scene, path: str) -> None:
    assert house.http().get(path).status_code == 200


def test_the_page_of_the_api_needs_no_network(house: Scene) -> None:
    page = house.http().get("/docs").text
    assert "/v1/chat/completions" in page
    assert re.findall(r"""(?:src|href)=["']?(?:https?:)?//[^"'> ]+\.(?:js|css)""", page) == []


def test_the_metrics_count_calls_and_know_no_secret(house: Scene) -> None:
    house.http("alice").post(CHAT, json=QUESTION)
    page = house.http().get("/metrics").text
    assert "sk-one" not in page and house.token("alice") not in page
    assert "gateway_" in page
