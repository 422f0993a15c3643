"""Clients that leave, pipeline, smuggle and lie about where they want to go."""

import json
import socket
import struct
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from typing import Any

import pytest
from sqlalchemy import select

from common.tables import records
from tests.support.fake_behaviour import HANGING, Behaviour
from tests.support.scene import Scene, scene
from tests.support.waiting import eventually
from tests.support.watching import CHAT, MIB, idle, peak_bytes, question

ENDLESS = Behaviour(text="on and on", cut_after=2, cut="hang")
HALF = Behaviour(text="on and on", cut_after=20, cut="hang")
HELD = 64 * MIB
SETTINGS = {
    "POOL_WAIT_S": "0",
    "MAX_HELD_BYTES": str(HELD),
    "BODY_TOTAL_TIMEOUT_S": "4",
    "SEND_TIMEOUT_S": "4",
}


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Scene]:
    with scene(tmp_path_factory.mktemp("clients"), SETTINGS) as running:
        yield running


def connected(house: Scene) -> socket.socket:
    return socket.create_connection(("127.0.0.1", house.gateway.port), 30)


def head(house: Scene, *headers: str, target: str = CHAT, host: str = "x") -> bytes:
    authorization = f"authorization: Bearer {house.token('mallory')}"
    json_ = "content-type: application/json"
    lines = [f"POST {target} HTTP/1.1", f"host: {host}", authorization, json_, *headers]
    return "\r\n".join(lines).encode() + b"\r\n\r\n"


def call(house: Scene, *headers: str, body: bytes | None = None, target: str = CHAT) -> bytes:
    """A whole request."""
    content = json.dumps(question("m")).encode() if body is None else body
    return head(house, f"content-length: {len(content)}", *headers, target=target) + content


def everything(client: socket.socket) -> bytes:
    """Until the gateway closes."""
    got = b""
    with suppress(ConnectionResetError):
        while piece := client.recv(65536):
            got += piece
    return got


def asked(house: Scene) -> int:
    """Questions that have reached the upstream."""
    return len(house.upstream.requests)


def record_of(house: Scene, model: str) -> Any:
    """The one record of the call that named it."""
    wanted = select(records).where(records.c.model == model)
    [record] = eventually(lambda: house.stored.rows(wanted), f"the record of {model}")
    return record


@pytest.mark.parametrize("reset", [False, True])
@pytest.mark.parametrize("stage", ["before the first byte", "in a stream", "in a whole answer"])
def test_who_hangs_up_ends_the_call(house: Scene, stage: str, reset: bool) -> None:
    streamed = stage == "in a stream"
    behaviour = {"in a stream": ENDLESS, "in a whole answer": HALF}.get(stage, HANGING)
    model, before = f"{stage}, {reset}", asked(house)
    house.upstream.behave(behaviour, model=model)
    with connected(house) as client:
        client.sendall(call(house, body=json.dumps(question(model, stream=streamed)).encode()))
        eventually(lambda: asked(house) == before + 1, "the call upstream")
        if behaviour is not HANGING:
            assert client.recv(100).startswith(b"HTTP/1.1 200 ")
        if reset:
            client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    [request] = house.upstream.requests[before:]
    eventually(lambda: request.hung_up, "the upstream to be left")
    record = record_of(house, model)
    assert record.status == "client_gone"
    assert record.http_status == (None if behaviour is HANGING else 200)
    eventually(lambda: idle(house), "nothing to be left")


@pytest.mark.parametrize("part", [0, 20, 60])
def test_who_leaves_within_a_body_costs_nothing(house: Scene, part: int) -> None:
    before = asked(house)
    with connected(house) as client:
        client.sendall(head(house, "content-length: 100") + b"{" * part)
    eventually(lambda: idle(house), "nothing to be left")
    assert asked(house) == before


def test_who_hardly_reads_takes_little_memory(house: Scene) -> None:
    house.upstream.behave(Behaviour(body="x" * (60 * MIB)), model="flood")
    before = peak_bytes(house)
    with connected(house) as client:
        client.sendall(call(house, body=json.dumps(question("flood")).encode()))
        got = b"".join(client.recv(1024) for _ in range(1000))
        assert got.startswith(b"HTTP/1.1 200 ")
        assert peak_bytes(house) - before < 24 * MIB
    eventually(lambda: idle(house), "nothing to be left")


def test_who_never_reads_is_left_in_the_end(house: Scene) -> None:
    house.upstream.behave(Behaviour(body="x" * (60 * MIB)), model="unread")
    with connected(house) as client:
        client.sendall(call(house, body=json.dumps(question("unread")).encode()))
        record = record_of(house, "unread")
        assert (record.status, record.http_status) == ("client_gone", 200)
        eventually(lambda: idle(house), "nothing to be left")
        assert len(everything(client)) < 60 * MIB
    assert "client_stalled" in house.gateway.output


def test_who_sends_in_drips_is_told_in_the_end(house: Scene) -> None:
    before = asked(house)
    with connected(house) as client:
        client.sendall(head(house, "content-length: 1000"))
        client.settimeout(0.1)
        got = b""
        for _ in range(600):  # a minute: ten times as long as it may take
            with suppress(TimeoutError):
                got = client.recv(65536)
                break
            client.sendall(b"{")
    assert got.startswith(b"HTTP/1.1 408 ") and b"request_timeout" in got
    assert asked(house) == before
    eventually(lambda: idle(house), "nothing to be left")


def test_many_large_bodies_take_no_more_memory_than_told(house: Scene) -> None:
    large = json.dumps(question("heavy", "x" * (20 * MIB))).encode()
    house.upstream.behave(Behaviour(delay_head_s=0.5), model="heavy")
    before = peak_bytes(house)
    clients = [house.http("mallory") for _ in range(6)]
    with ThreadPoolExecutor(len(clients)) as threads:
        answers = list(threads.map(lambda client: client.post(CHAT, content=large), clients))
    assert {answer.status_code for answer in answers} == {200, 503}
    eventually(lambda: idle(house), "nothing to be left")
    assert peak_bytes(house) - before < 6 * HELD


def test_who_hangs_up_is_nobodys_fault(house: Scene) -> None:
    house.upstream.behave(HANGING, model="silent")
    for _ in range(12):  # two keys, of which each would be out after five failures
        with connected(house) as client:
            client.sendall(call(house, body=json.dumps(question("silent")).encode()))
    eventually(lambda: idle(house), "nothing to be left")
    assert house.http("mallory").post(CHAT, json=question("m")).status_code == 200


def test_a_hundred_bad_questions_put_no_key_out(house: Scene) -> None:
    refused = '{"error": {"message": "No.", "type": "t", "param": null, "code": "c"}}'
    house.upstream.behave(Behaviour(status=400, body=refused), model="bad")
    client, before = house.http("mallory"), asked(house)
    seen = {client.post(CHAT, json=question("bad")).status_code for _ in range(100)}
    assert (seen, asked(house)) == ({400}, before + 100)
    for _ in range(2):  # each key once
        answer = client.post(CHAT, json=question("m"))
        assert (answer.status_code, answer.headers["x-gateway-attempts"]) == (200, "1")


def test_pipelined_questions_are_answered_in_their_order(house: Scene) -> None:
    def texts(got: bytes) -> list[bytes]:
        return [one for one in (b"to: one", b"to: two", b"to: three") if one in got]

    questions = [
        call(house, *close, body=json.dumps(question("m", text)).encode())
        for text, close in (("one", ()), ("two", ()), ("three", ("connection: close",)))
    ]
    with connected(house) as client:
        client.sendall(b"".join(questions))
        got = everything(client)
    answers = got.split(b"HTTP/1.1 200 OK\r\n")[1:]
    assert [texts(one) for one in answers] == [[b"to: one"], [b"to: two"], [b"to: three"]]


SMUGGLED = b"POST /v1/smuggled HTTP/1.1\r\nhost: x\r\n\r\n"
BODY = json.dumps(question("m")).encode()
CHUNKED = b"%x\r\n%b\r\n0\r\n\r\n" % (len(BODY), BODY)
FRAMINGS = {
    "CL.TE": (["content-length: 5", "transfer-encoding: chunked"], CHUNKED + SMUGGLED),
    "TE.CL": (["transfer-encoding: chunked", "content-length: 5"], CHUNKED + SMUGGLED),
    "two lengths": ([f"content-length: {len(BODY)}", "content-length: 5"], BODY + SMUGGLED),
    "two equal lengths": ([f"content-length: {len(BODY)}"] * 2, BODY + SMUGGLED),
    "a list of lengths": ([f"content-length: {len(BODY)}, 5"], BODY + SMUGGLED),
    "a signed length": ([f"content-length: +{len(BODY)}"], BODY + SMUGGLED),
    "a negative length": (["content-length: -1"], BODY + SMUGGLED),
    "a length in hex": (["content-length: 0x10"], BODY + SMUGGLED),
    "a huge length": ([f"content-length: {2**64 + len(BODY)}"], BODY + SMUGGLED),
    "an unknown coding": (["transfer-encoding: xchunked"], CHUNKED + SMUGGLED),
    "two codings": (["transfer-encoding: chunked, identity"], CHUNKED + SMUGGLED),
    "a coding twice": (["transfer-encoding: chunked"] * 2, CHUNKED + SMUGGLED),
    "a blank before the colon": (["transfer-encoding : chunked"], CHUNKED + SMUGGLED),
    "a folded header": (["x-a: b", " content-length: 5"], BODY + SMUGGLED),
    "a folded coding": (["transfer-encoding:", " chunked"], CHUNKED + SMUGGLED),
    "a bare LF": (["x-a: b\ntransfer-encoding: chunked"], CHUNKED + SMUGGLED),
    "a bare CR": (["x-a: b\rtransfer-encoding: chunked"], CHUNKED + SMUGGLED),
    "a NUL": (["x-a: b\x00c", f"content-length: {len(BODY)}"], BODY + SMUGGLED),
    "a chunk of no number": (["transfer-encoding: chunked"], b"5x\r\n" + BODY + SMUGGLED),
    "a negative chunk": (["transfer-encoding: chunked"], b"-1\r\n" + BODY + SMUGGLED),
    "a chunk beyond any number": (["transfer-encoding: chunked"], b"f" * 17 + b"\r\n" + BODY),
    "a chunk ended by LF": (
        ["transfer-encoding: chunked"],
        b"%x\n%b\n0\n\n" % (len(BODY), BODY) + SMUGGLED,
    ),
}


@pytest.mark.parametrize("framing", FRAMINGS)
def test_an_ambiguous_framing_is_refused(house: Scene, framing: str) -> None:
    headers, body = FRAMINGS[framing]
    before = asked(house)
    with connected(house) as client:
        client.sendall(head(house, *headers) + body)
        client.shutdown(socket.SHUT_WR)
        got = everything(client)
    assert got.startswith(b"HTTP/1.1 400 "), got
    assert got.count(b"HTTP/1.1 ") == 1
    assert asked(house) == before
    assert idle(house)


TARGETS = [
    "http://evil.example/v1/chat/completions",
    "/v1/../admin/users",
    "/v1/%2e%2e/%2e%2e/etc/passwd",
    "/v1/files/..%2f..%2fadmin",
    "/v1/chat/completions/%00",
    "/v1/chat/completions;x=y",
    "/v1\\..\\admin",
    "/v1/models/../../../x",
    "//evil.example/v1/x",
    "/v1//evil.example/x",
    "/v1/chat/completions#/../x",
    "*",
]


@pytest.mark.parametrize("target", TARGETS)
def test_no_path_leads_out_of_the_upstreams_own(house: Scene, target: str) -> None:
    before = asked(house)
    with connected(house) as client:
        client.sendall(call(house, "connection: close", target=target))
        got = everything(client)
    status = int(got.split()[1])
    assert status == 200 or 400 <= status < 500, got
    for request in house.upstream.requests[before:]:
        assert request.target.startswith("/v1/")
        assert ".." not in request.target and "%2e" not in request.target.lower()
        assert "%00" not in request.target and "evil" not in (request.header("host") or "")


@pytest.mark.parametrize("host", ["evil.example", "127.0.0.1:1", "x@evil.example", ""])
def test_no_host_chooses_the_upstream(house: Scene, host: str) -> None:
    body = json.dumps(question("m")).encode()
    lines = [f"content-length: {len(body)}", "x-forwarded-host: evil.example", "connection: close"]
    with connected(house) as client:
        client.sendall(head(house, *lines, host=host) + body)
        got = everything(client)
    assert got.startswith(b"HTTP/1.1 200 ")
    received = house.upstream.requests[-1]
    assert received.header("host") == f"127.0.0.1:{house.upstream.port}"
    assert not any("evil" in value for _, value in received.headers)


def test_who_pipelines_and_leaves_ends_the_call(house: Scene) -> None:
    house.upstream.behave(ENDLESS, model="piped")
    before = asked(house)
    with connected(house) as client:
        body = json.dumps(question("piped", stream=True)).encode()
        client.sendall(call(house, body=body) + call(house))
        eventually(lambda: asked(house) == before + 1, "the call upstream")
        assert client.recv(100).startswith(b"HTTP/1.1 200 ")
    [request] = house.upstream.requests[before:]
    eventually(lambda: request.hung_up, "the upstream to be left")
