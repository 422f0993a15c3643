"""The note of each token's last use: put together, written at the end too, never in the way."""

import asyncio
from collections.abc import Mapping
from contextlib import suppress
from datetime import UTC, datetime

from gateway.auth.last_used import LastUsed
from gateway.errors import StoreUnavailable


class Written:
    """A store that keeps what is written, unless it is away."""

    def __init__(self) -> None:
        self.writes: list[Mapping[int, datetime]] = []
        self.away = False

    async def note_used(self, used_at: Mapping[int, datetime]) -> None:
        if self.away:
            raise StoreUnavailable
        self.writes.append(used_at)


async def test_the_last_use_of_each_is_written_once() -> None:
    store = Written()
    notes = LastUsed(store)
    for token, at in ((1, 10.0), (2, 11.0), (1, 12.0)):
        notes.note(token, at)
    await notes.write()
    await notes.write()
    assert store.writes == [
        {n: datetime.fromtimestamp(at, UTC) for n, at in ((1, 12.0), (2, 11.0))}
    ]


async def test_what_is_noted_when_it_stops_is_written() -> None:
    store = Written()
    notes = LastUsed(store)
    running = asyncio.create_task(notes.run())
    await asyncio.sleep(0)
    notes.note(1, 10.0)
    running.cancel()
    with suppress(asyncio.CancelledError):
        await running
    assert len(store.writes) == 1


async def test_a_store_that_is_away_delays_nobody() -> None:
    store = Written()
    notes = LastUsed(store)
    store.away = True
    notes.note(1, 10.0)
    await notes.write()
    store.away = False
    notes.note(1, 11.0)
    await notes.write()
    assert store.writes == [{1: datetime.fromtimestamp(11.0, UTC)}]
