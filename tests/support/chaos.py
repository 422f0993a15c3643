"""Chaos by a seed: calls whose upstreams fail and whose clients leave, each with what may follow.

One call is a `Plan`. Its fate is written in its model's name, which the upstream reads; the
client's part it plays itself, on a socket. What came of it is checked by the test.
"""

import asyncio
import json
import socket
import struct
from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from random import Random

from tests.support.raw_upstream import answer, chunked
from tests.support.scripted_server import Peer, Script
from tests.support.watching import CHAT, question

TEXT = "word " * 40
_DELTA = b'data: {"id":"c","choices":[{"index":0,"delta":{"content":"word "}}]}\n\n'
_END = b'data: {"id":"c","choices":[{"index":0,"delta":{},"finish_reason":"stop"}]}\n\n'
_DONE = b"data: [DONE]\n\n"
_WHOLE = json.dumps(
    {"id": "c", "choices": [{"index": 0, "message": {"role": "assistant", "content": TEXT}}]}
).encode()
_ERROR = b'{"error":{"message":"No.","type":"t","param":null,"code":"c"}}'

UPSTREAM = ("fine", "slow", "cut", "reset", "error", "limited", "refused", "endless", "malformed")
CLIENT = ("stays", "leaves_at_once", "leaves_later", "resets", "half_a_body", "nonsense")


@dataclass(frozen=True)
class Plan:
    """One call: what its upstream does, what its client does."""

    number: int
    upstream: str
    client: str
    streamed: bool
    patience_s: float
    """How long a client that leaves waits, or one that stays for something endless."""

    @property
    def model(self) -> str:
        return f"{self.upstream}-{'s' if self.streamed else 'w'}-{self.number}"


@dataclass(frozen=True)
class Came:
    """What the client had when it was over."""

    plan: Plan
    id: str | None
    """Of the answer's head, if there was one."""
    status: int | None
    ended: bool
    """The answer was whole, by its framing."""
    body: bytes


def plans(seed: int, numbers: Iterable[int], faults: Sequence[str] = UPSTREAM) -> list[Plan]:
    """Mostly good calls: a pool that always fails would only ever refuse."""
    random = Random(seed)
    kinds = ["fine"] * 10 + ["slow"] * 4 + [*faults]
    clients = ["stays"] * 12 + [*CLIENT]

    def one(number: int) -> Plan:
        upstream, client = random.choice(kinds), random.choice(clients)
        if upstream == "endless" and client == "stays":
            client = "leaves_later"
        patience_s = random.choice([0.001, 0.02, 0.1])
        return Plan(number, upstream, client, random.random() < 0.6, patience_s)

    return [one(number) for number in numbers]


def script_of(model: str) -> Script | None:
    """The upstream's part in the call of that model."""
    kind, _, rest = model.partition("-")
    return partial(_play, kind=kind, streamed=rest.startswith("s")) if kind in UPSTREAM else None


async def _play(peer: Peer, kind: str, streamed: bool) -> None:
    begun = chunked(_DELTA, _DELTA, end=False) if streamed else answer(_WHOLE[:40], length=4000)
    match kind:
        case "fine" | "slow":
            await _answer(peer, streamed, 0.01 if kind == "slow" else 0)
        case "cut":
            await peer.send(begun)
            peer.end()
        case "reset":
            peer.reset()
        case "error":
            await peer.send(answer(_ERROR, status="500 Oh"))
        case "limited":
            wait = "retry-after-ms: 20"
            await peer.send(answer(_ERROR, wait, status="429 Slowly"))
        case "refused":
            await peer.send(answer(_ERROR, status="400 No"))
        case "endless":
            await peer.send(begun)
            await peer.gone()
        case "malformed":
            await peer.send(b"no such thing\r\n\r\n")
            peer.end()


async def _answer(peer: Peer, streamed: bool, pause_s: float) -> None:
    if not streamed:
        await asyncio.sleep(pause_s)
        await peer.send(answer(_WHOLE))
        return
    coded = [b"%x\r\n%b\r\n" % (len(event), event) for event in (_DELTA, _DELTA, _END, _DONE)]
    await peer.send(chunked(end=False))
    for piece in coded:
        await asyncio.sleep(pause_s)
        await peer.send(piece)
    await peer.send(b"0\r\n\r\n")


def play(plan: Plan, port: int, token: str) -> Came:
    """The client's part, from the first byte to the last that it wants."""
    body = json.dumps(question(plan.model, stream=plan.streamed)).encode()
    declared = len(body)
    if plan.client == "half_a_body":
        body = body[: declared // 2]
    elif plan.client == "nonsense":
        body = b"[" + body[1:]
    head = (
        f"POST {CHAT} HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {token}\r\nconnection: close\r\n"
        f"content-type: application/json\r\ncontent-length: {declared}\r\n\r\n"
    ).encode()
    got = b""
    with socket.create_connection(("127.0.0.1", port), 60) as client:
        client.sendall(head + body)
        if plan.client in ("stays", "nonsense"):
            got = b"".join(_pieces(client))
        else:
            client.settimeout(plan.patience_s)
            with suppress(TimeoutError, ConnectionError):
                if plan.client != "leaves_at_once":
                    got = client.recv(65536)
            if plan.client == "resets":
                client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    return _came(plan, got)


def _pieces(client: socket.socket) -> Iterator[bytes]:
    with suppress(ConnectionResetError):
        while piece := client.recv(65536):
            yield piece


def _came(plan: Plan, got: bytes) -> Came:
    head, found, body = got.partition(b"\r\n\r\n")
    if not found:
        return Came(plan, None, None, False, b"")
    lines = [line.partition(b": ") for line in head.split(b"\r\n")]
    named = {name.lower(): value for name, _, value in lines}
    length = named.get(b"content-length")
    ended = body.endswith(b"0\r\n\r\n") if length is None else len(body) == int(length)
    return Came(plan, named[b"x-request-id"].decode(), int(head.split()[1]), ended, body)
