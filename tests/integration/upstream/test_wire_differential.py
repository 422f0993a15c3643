"""The same damaged bytes to both adapters: what both take for an answer is the same answer.

Where they differ, ours may refuse what httpx2 accepts; what ours alone accepts is listed.
"""

import random
import re

import pytest

from gateway.upstream.transport import OwnTransport
from gateway.upstream.transport_httpx2 import Httpx2Transport
from gateway.upstream.wire import Headers, Transport, WireError
from tests.support.scripted_server import Peer, ScriptedServer, scripted
from tests.support.wire_answers import GOOD, Good
from tests.support.wire_calls import post, upstream, whole

Outcome = tuple[int, Headers, bytes] | type[WireError]

SPICE = (b"\r\n", b"\n", b"\r", b"\0", b" ", b":", b"0", b"5\r\n", b"\r\n\r\n", b"chunked", b"\xff")
OURS_ALONE = re.compile(rb"HTTP/1\.[01] \d{3} [^\r\n]*[\0-\x08\x0b\x0c\x0e-\x1f\x7f]")
"""Control characters in the words behind a status, which nobody gets to see."""


def damaged(chance: random.Random, good: Good) -> bytes:
    raw = bytearray(good.raw)
    for _ in range(chance.randint(1, 3)):
        at = chance.randrange(len(raw))
        match chance.randrange(4):
            case 0:
                raw[at] = chance.randrange(256)
            case 1:
                del raw[at : at + chance.randint(1, 5)]
            case 2:
                raw[at:at] = chance.choice(SPICE)
            case 3:
                raw[at:at] = raw[at : at + chance.randint(1, 40)]
        if not raw:
            break
    return bytes(raw)


async def outcome(transport: Transport, server: ScriptedServer, method: bytes) -> Outcome:
    try:
        answer = await transport.send(upstream(server), post(b"", method=method))
        return answer.status, list(answer.headers), await whole(answer)
    except WireError as error:
        return type(error)


@pytest.mark.parametrize("seed", range(6))
async def test_what_both_take_for_an_answer_is_the_same(seed: int) -> None:
    chance = random.Random(seed)
    raw, parts = b"", 1

    async def say(peer: Peer) -> None:
        await peer.head()
        size = max(1, len(raw) // parts)
        await peer.send(*(raw[i : i + size] for i in range(0, len(raw), size)))
        peer.end()

    own, other = OwnTransport(), Httpx2Transport()
    answers = 0
    async with scripted(say) as server:
        for _ in range(150):
            good = chance.choice(GOOD)
            raw, parts = damaged(chance, good), chance.randint(1, 4)
            ours = await outcome(own, server, good.method)
            theirs = await outcome(other, server, good.method)
            if isinstance(ours, tuple) and isinstance(theirs, tuple):
                assert ours == theirs, raw
                answers += 1
            elif isinstance(ours, tuple):
                assert OURS_ALONE.search(raw), (raw, ours, theirs)
        await own.close()
        await other.close()
    assert answers > 10
    assert own.open == 0
