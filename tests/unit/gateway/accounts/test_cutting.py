"""A blocked user's answers are cut: heard of, or found out."""

import asyncio
from collections.abc import Collection

from gateway.accounts.cutting import Cutter
from gateway.auth.standing import Change
from gateway.errors import StoreUnavailable
from gateway.proxy.under_way import UnderWay
from tests.support.collecting_sink import CollectingSink


class Barred:
    """A store in which these are blocked."""

    def __init__(self, *user_ids: int) -> None:
        self.user_ids, self.asked, self.away = user_ids, list[list[int]](), False

    async def barred(self, user_ids: Collection[int]) -> list[int]:
        self.asked.append([*user_ids])
        if self.away:
            raise StoreUnavailable
        return [one for one in user_ids if one in self.user_ids]


async def answering() -> CollectingSink:
    sink = CollectingSink()
    sink.task = asyncio.create_task(asyncio.sleep(3600))
    await asyncio.sleep(0)
    return sink


async def ended(sink: CollectingSink) -> bool:
    assert sink.task is not None
    await asyncio.sleep(0)
    found = sink.task.cancelled()
    sink.task.cancel()
    return found


async def test_an_announced_block_cuts_that_user_s_answers_and_no_other_s() -> None:
    under_way, sinks = UnderWay(), [await answering() for _ in range(3)]
    for user_id, sink in zip((1, 1, 2), sinks, strict=True):
        under_way.add(user_id, sink)
    cutter = Cutter(under_way, Barred())
    cutter.hear(Change("user_changed", 1))
    cutter.hear(Change("token_revoked", 1))
    cutter.hear(Change("user_blocked", 3))
    assert [sink.cut_by for sink in sinks] == [None] * 3
    cutter.hear(Change("user_blocked", 1))
    assert [sink.cut_by and sink.cut_by.code for sink in sinks] == ["user_blocked"] * 2 + [None]
    assert [await ended(sink) for sink in sinks] == [True, True, False]


async def test_a_block_nobody_announced_is_found() -> None:
    under_way, sink, store = UnderWay(), await answering(), Barred(1)
    cutter = Cutter(under_way, store)
    await cutter.look()
    assert store.asked == []  # nobody is being answered
    under_way.add(1, sink)
    await cutter.look()
    assert store.asked == [[1]] and await ended(sink)
    under_way.remove(sink)
    assert not under_way.users()


async def test_a_store_that_is_away_stops_nobody() -> None:
    under_way, sink, store = UnderWay(), await answering(), Barred(1)
    under_way.add(1, sink)
    store.away = True
    running = asyncio.create_task(Cutter(under_way, store).run())
    async with asyncio.timeout(30):
        while not store.asked:  # noqa: ASYNC110 - polled
            await asyncio.sleep(0.01)
        store.away = False
        while sink.cut_by is None:  # noqa: ASYNC110 - polled
            await asyncio.sleep(0.01)
    running.cancel()
    assert await ended(sink)
