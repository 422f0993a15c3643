"""Clients that begin a request and do not end it, or do not know where to stop."""

import json
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from tests.support.asking import ask, user
from tests.support.fake_behaviour import Behaviour
from tests.support.scene import Scene, scene
from tests.support.waiting import eventually

CHAT = "/v1/chat/completions"
BODY = json.dumps({"model": "m", "messages": [user("Hello!")]}).encode()
BODY_S = 3
MAX_HEAD_BYTES = 64 * 1024


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Scene]:
    directory = tmp_path_factory.mktemp("slow")
    with scene(directory, {"BODY_TIMEOUT_S": str(BODY_S), "LOG_LEVEL": "debug"}) as running:
        yield running


@contextmanager
def connected(house: Scene) -> Iterator[socket.socket]:
    with socket.create_connection(("127.0.0.1", house.gateway.port), 60) as client:
        yield client


def head(house: Scene, *more: str, path: str = CHAT, length: int = len(BODY)) -> bytes:
    lines = [
        f"POST {path} HTTP/1.1",
        "host: gateway",
        f"authorization: Bearer {house.token('alice')}",
        "content-type: application/json",
        f"content-length: {length}",
        *more,
    ]
    return "\r\n".join([*lines, "", ""]).encode()


def told(client: socket.socket) -> tuple[int, str, bytes]:
    """Status, code and head of the answer, after which the connection must end."""
    answer = b""
    while piece := client.recv(65536):
        answer += piece
    top, _, body = answer.partition(b"\r\n\r\n")
    assert b"\r\nconnection: close" in top and b"\r\nx-request-id: " in top
    return int(top.split()[1]), json.loads(body)["error"]["code"], top


def nothing_under_way(house: Scene) -> bool:
    text = house.http().get("/metrics").text
    return "gateway_calls_in_flight 0.0" in text and "gateway_held_bytes 0.0" in text


@pytest.mark.parametrize("sent", ["half a head", "half a body", "no body"])
def test_who_does_not_go_on_is_told_and_costs_nothing_any_more(house: Scene, sent: str) -> None:
    whole = head(house) + BODY
    pieces = {"half a head": whole[:100], "half a body": whole[:-9], "no body": head(house)}
    with connected(house) as client:
        client.sendall(pieces[sent])
        status, code, top = told(client)
    assert (status, code) == (408, "request_timeout")
    assert b"\r\nx-should-retry: false" in top
    eventually(lambda: nothing_under_way(house), "nothing to be left of it")


def test_who_goes_on_slowly_is_served(house: Scene) -> None:
    with connected(house) as client:
        client.sendall(head(house))
        for byte in BODY:
            client.sendall(bytes([byte]))
            time.sleep(1.3 * BODY_S / len(BODY))
        assert client.recv(65536).startswith(b"HTTP/1.1 200 ")


def test_an_upload_that_stops_is_a_record_of_a_client_that_went(house: Scene) -> None:
    with connected(house) as client:
        form = "content-type: multipart/form-data; boundary=x"
        asked = head(house, path="/v1/files", length=1_000_000).replace(
            b"content-type: application/json", form.encode()
        )
        part = b'--x\r\ncontent-disposition: form-data; name="file"; filename="f"\r\n\r\n'
        client.sendall(asked + part + b"y" * 200_000)  # more than is read before it is sent on
        assert told(client)[:2] == (408, "request_timeout")
    [record] = eventually(
        lambda: [r for r in house.stored.records_of("alice") if r.path == "/files"], "its record"
    )
    assert record.status == "client_gone"


def test_waiting_for_an_answer_is_not_slow(house: Scene) -> None:
    house.upstream.behave(Behaviour(delay_head_s=2.5 * BODY_S))
    with connected(house) as client:
        client.sendall(head(house) + BODY + head(house)[:50])
        answer = client.recv(65536)
        assert answer.startswith(b"HTTP/1.1 200 ")


def test_a_large_head_is_refused_at_the_bound_and_not_before(house: Scene) -> None:
    for size, status in ((MAX_HEAD_BYTES - 1000, b"200"), (MAX_HEAD_BYTES, b"431")):
        with connected(house) as client:
            client.sendall(head(house, "x-large: " + "x" * size) + BODY)
            assert client.recv(65536).split()[1] == status


def test_a_head_without_an_end_is_refused(house: Scene) -> None:
    with connected(house) as client:
        client.sendall(head(house)[:-2] + b"x-endless: ")
        with pytest.raises(ConnectionError):
            for _ in range(10_000):
                client.sendall(b"x" * 1000)
                time.sleep(0.001)
    assert '"headers_too_large"' in house.gateway.output
    assert ask(house.client("alice"), [user("Still there?")]).text


def test_what_is_no_http_is_told_so_in_our_shape(house: Scene) -> None:
    with connected(house) as client:
        client.sendall(b"GET /healthz HTTP/1.1\r\nhost: a\r\nbad header: x\r\n\r\n")
        assert told(client)[:2] == (400, "malformed_http")
