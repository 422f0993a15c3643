"""Feishu's side of its long connection, on a thread of its own."""

import base64
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from websockets.exceptions import ConnectionClosed
from websockets.http11 import Request, Response
from websockets.sync.server import ServerConnection, serve

from gateway.bots.providers.feishu_frames import CONTROL, DATA, Frame, decode, encode
from tests.support.fake_feishu import FakeFeishu
from tests.support.waiting import eventually

SERVICE = 33554678


@dataclass
class FakeSocket:
    """Whoever is connected, what has been pinged, and how events were answered."""

    open: list[ServerConnection] = field(default_factory=list)
    connected: int = 0
    """Connections so far."""
    pings: int = 0
    refusals: int = 0
    """So many next handshakes are refused, as Feishu does it."""
    answers: dict[str, Frame] = field(default_factory=dict)
    """By the id of the frame."""
    _frames: int = 0

    def push(self, event: Any, *, parts: int = 1) -> dict[str, Any]:
        """The gateway's answer, its reply to a click decoded. In `parts`, as long events come."""
        self._frames += 1
        id, payload = f"frame-{self._frames}", json.dumps(event).encode()
        size = -(-len(payload) // parts)
        socket = eventually(lambda: self.open[-1:], "a connection")[0]
        for part in range(parts):
            headers = {"type": "event", "message_id": id, "sum": str(parts), "seq": str(part)}
            piece = payload[part * size : (part + 1) * size]
            socket.send(encode(Frame(DATA, SERVICE, headers, piece, seq_id=part, log_id=1)))
        answered = eventually(lambda: self.answers.get(id), "an answer to the event")
        assert answered.headers["biz_rt"].isdecimal()
        answer: dict[str, Any] = json.loads(answered.payload)
        if "data" in answer:
            answer["data"] = json.loads(base64.b64decode(answer["data"]))
        return answer

    def cut(self) -> None:
        """Every connection, as a network does it: nobody says goodbye."""
        for connection in list(self.open):
            connection.socket.close()

    def greet(self, connection: ServerConnection, _request: Request) -> Response | None:
        if self.refusals == 0:
            return None
        self.refusals -= 1
        response = connection.respond(403, "")
        response.headers["handshake-status"] = "514"
        response.headers["handshake-msg"] = "the ticket has expired"
        return response

    def handle(self, connection: ServerConnection) -> None:
        self.connected += 1
        self.open.append(connection)
        try:
            for data in connection:
                assert isinstance(data, bytes)
                self._heard(connection, decode(data))
        except (ConnectionClosed, OSError):
            pass
        finally:
            self.open.remove(connection)

    def _heard(self, connection: ServerConnection, frame: Frame) -> None:
        if frame.method == CONTROL and frame.headers.get("type") == "ping":
            self.pings += 1
            config = json.dumps({"PingInterval": 1}).encode()
            connection.send(encode(Frame(CONTROL, SERVICE, {"type": "pong"}, config)))
        elif frame.method == DATA:
            self.answers[frame.headers["message_id"]] = frame


@contextmanager
def fake_socket(fake: FakeFeishu) -> Iterator[FakeSocket]:
    """Serving on a port of its own, which the fake tells to whoever asks."""
    socket = FakeSocket()
    with serve(socket.handle, "127.0.0.1", 0, process_request=socket.greet) as server:
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        port = server.socket.getsockname()[1]
        fake.socket_url = f"ws://127.0.0.1:{port}/?device_id=1&service_id={SERVICE}"
        yield socket
        server.shutdown()
        thread.join(10)
