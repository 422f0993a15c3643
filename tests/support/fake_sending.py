"""How an answer of the fake upstream leaves: whole or as events, crooked if it is told so."""

import asyncio
import json
from typing import Any

from tests.support.fake_answers import Said
from tests.support.fake_behaviour import Behaviour
from tests.support.fake_http import Connection, Received


async def send(
    connection: Connection, request: Received, behaviour: Behaviour, content: Any
) -> None:
    """An answer that is no stream. `content`: bytes as they are, or what becomes JSON."""
    if behaviour.body is not None:
        body = behaviour.body.encode()
    elif isinstance(content, bytes):
        body = content
    else:
        whole = content.whole if isinstance(content, Said) else content
        body = json.dumps(whole, ensure_ascii=False).encode()
    await asyncio.sleep(behaviour.delay_head_s)
    if behaviour.cut_after == 0:
        await connection.break_off(behaviour.cut)
        return
    binary = isinstance(content, bytes) and behaviour.body is None
    connection.head(
        behaviour.status,
        {
            "content-type": "application/octet-stream" if binary else behaviour.content_type,
            "content-length": str(len(body) + behaviour.content_length_off),
            "x-request-id": f"req_fake_{connection.number}",
            **behaviour.headers,
        },
    )
    if request.method != "HEAD":
        connection.transport.write(body[: behaviour.cut_after])
    if behaviour.cut_after is not None:
        await connection.break_off(behaviour.cut)
    elif behaviour.content_length_off:
        await connection.break_off("close")
    else:
        request.answered = True


async def stream(
    connection: Connection, request: Received, behaviour: Behaviour, said: Said
) -> None:
    await asyncio.sleep(behaviour.delay_head_s)
    connection.head(
        behaviour.status,
        {
            "content-type": "text/event-stream; charset=utf-8",
            "transfer-encoding": "chunked",
            "x-request-id": f"req_fake_{connection.number}",
            **behaviour.headers,
        },
    )
    events = [e for e in said.events if behaviour.done or e[1] is not None]
    for number, (name, data) in enumerate(events):
        if number == behaviour.cut_after:
            await connection.break_off(behaviour.cut)
            return
        if number:
            await asyncio.sleep(behaviour.delay_chunk_s)
        _write_event(connection, behaviour, name, data)
    connection.chunk(b"")
    request.answered = True


def _write_event(connection: Connection, behaviour: Behaviour, name: str | None, data: Any) -> None:
    newline = behaviour.newline
    text = "[DONE]" if data is None else json.dumps(data, ensure_ascii=False)
    named = "" if name is None else f"event: {name}{newline}"
    event = f"{named}data: {text}{newline}{newline}".encode()
    size = behaviour.split_every or len(event)
    for start in range(0, len(event), size):
        connection.chunk(event[start : start + size])
