"""A question of the gateway's own to an upstream: one GET with one credential's key."""

from dataclasses import dataclass

from gateway.upstream.call import request_for
from gateway.upstream.credential import Credential
from gateway.upstream.wire import Headers, Transport


@dataclass(frozen=True, slots=True)
class Fetched:
    """An answer, read to its end or to the bound that was given."""

    status: int
    headers: Headers
    body: bytes


async def fetch(
    transport: Transport, credential: Credential, target: str, max_bytes: int
) -> Fetched:
    """Raises WireError."""
    accept = [(b"accept", b"application/json")]
    request = request_for(credential, b"GET", target.encode(), accept, b"")
    answer = await transport.send(credential.upstream, request)
    try:
        body = bytearray()
        while len(body) < max_bytes and (piece := await answer.read()):
            body += piece
        return Fetched(answer.status, answer.headers, bytes(body))
    finally:
        answer.close()
