"""Erasing a person on both databases: nothing of theirs stays or comes back, nothing of others'
goes."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from anyio import create_task_group, fail_after, sleep
from sqlalchemy import func, insert, select, text
from sqlalchemy.engine import make_url
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from common.database import make_engine
from common.message import Part, pack, unpack
from common.tables import (
    access_tokens,
    identities,
    metadata,
    record_parts,
    record_quarantine,
    records,
    resources,
    tombstones,
    usage_daily,
    users,
)
from consumer.linker import Linker
from consumer.prepare import Preparer
from consumer.rejected import Rejected
from consumer.store import Store
from consumer.tokens.encodings import Encodings
from consumer.unwanted import Unwanted
from consumer.usage import Meter
from gateway.auth.store import AuthStore
from gateway.erasure.erased import Erased
from gateway.erasure.store import KEPT, ErasureStore, own_tables
from gateway.errors import UnknownUser
from tests.support.record_samples import new_id, record
from tests.support.talking import Talk, arrive, assistant, user

NOW = datetime(2026, 11, 21, 12, tzinfo=UTC)
ALICE, BOB = 1, 2

NOBODYS = {
    "bot_events", "bot_jobs", "credential_decisions", "leases", "link_queue", "rate_windows",
    "record_parts", "record_quarantine", "retention", "switches", "used_sign_ins",
    "worker_reports",
}  # fmt: skip
"""Tables without a column that says whose a row is. Of these, `link_queue`, parts and quarantine
are searched for what is somebody's; the others hold nothing that somebody said."""


@pytest.fixture
async def engine(database_url: str) -> AsyncIterator[AsyncEngine]:
    engine = make_engine(make_url(database_url), pool_size=6, wait_s=30)
    for name in ("alice", "bob"):
        await AuthStore(engine).add_user(name, "admin", NOW)
    yield engine
    await engine.dispose()


@pytest.fixture(scope="module")
def preparer() -> Preparer:
    return Preparer(Meter(Encodings()))


async def fill(engine: AsyncEngine, preparer: Preparer, user_id: int, second: int) -> None:
    """Something of this user nearly everywhere."""
    talk = Talk(user_id, second)
    talk.chat([user("Hello!")], "Hi!")
    talk.chat([user("Hello!"), assistant("Hi!"), user("And?")], "Well.")
    await arrive(engine, talk.rows)
    await Linker(engine).link_pending()
    bad = Rejected(new_id(), "bad", record(user_id=user_id)[:-9])
    await Store(engine).save([preparer.prepare(record(user_id=user_id))], [bad])
    part = unpack(pack([(new_id(), record(user_id=user_id))], 350)[0])
    assert isinstance(part, Part)
    token = {"user_id": user_id, "hash": bytes(31) + bytes([user_id]), "hint": "abcd"}
    identity = {"provider": "p", "tenant_key": "t", "subject": str(user_id), "user_id": user_id}
    resource = {"id": f"file-{user_id}", "upstream": "u", "account": "a", "user_id": user_id}
    rows: list[tuple[Any, dict[str, Any]]] = [
        (access_tokens, {**token, "created_at": NOW, "expires_at": NOW + timedelta(days=1)}),
        (identities, {**identity, "display_name": "x", "created_at": NOW}),
        (resources, {**resource, "created_at": NOW}),
        (record_parts, {"record_id": new_part_id(part), "number": 0, "count": 2,
                        "body": part.body, "seen_at": NOW}),
    ]  # fmt: skip
    async with engine.begin() as connection:
        for table, row in rows:
            await connection.execute(insert(table).values(row))


def new_part_id(part: Part) -> Any:
    return records.c.id.type.python_type(bytes=part.record_id)


async def left(engine: AsyncEngine, user_id: int) -> dict[str, int]:
    async with engine.connect() as connection:
        counts = {
            table.name: await connection.scalar(
                select(func.count()).select_from(table).where(table.c.user_id == user_id)
            )
            for table in metadata.sorted_tables
            if "user_id" in table.c
        }
    return {name: count for name, count in counts.items() if count}


async def total(engine: AsyncEngine, table: Any) -> int:
    async with engine.connect() as connection:
        return int(await connection.scalar(select(func.count()).select_from(table)) or 0)


async def erase(engine: AsyncEngine, name: str) -> dict[str, int]:
    store, removed = ErasureStore(engine), dict[str, int]()
    who = await store.find(name)
    await store.bury(who, NOW)
    async for what, rows in store.remove(who):
        removed[what] = removed.get(what, 0) + rows
    await store.finish(who, NOW)
    return removed


def test_every_table_is_somebody_s_or_known_to_be_nobody_s() -> None:
    unknown = set(metadata.tables) - {t.name for t in own_tables()} - set(KEPT) - NOBODYS
    assert unknown == set(), "say in this test whose these are, and see that they are erased"


async def test_everything_of_one_goes_and_of_another_stays(
    engine: AsyncEngine, preparer: Preparer
) -> None:
    await fill(engine, preparer, ALICE, 0)
    await fill(engine, preparer, BOB, 100)
    of_bob = await left(engine, BOB)
    removed = await erase(engine, "alice")
    assert set(await left(engine, ALICE)) == {"tombstones", "usage_daily"}
    assert await left(engine, BOB) == of_bob
    assert (await total(engine, record_quarantine), await total(engine, record_parts)) == (1, 1)
    assert removed["records"] == 3 and removed["conversations"] == 2
    assert removed["record_quarantine"] == removed["record_parts"] == removed["identities"] == 1


async def test_the_name_is_gone_and_free_again(engine: AsyncEngine) -> None:
    await erase(engine, "alice")
    with pytest.raises(UnknownUser):
        await ErasureStore(engine).find("alice")
    again = await AuthStore(engine).add_user("alice", "member", NOW)
    assert again.id not in (ALICE, BOB)
    async with engine.connect() as connection:
        names = set(await connection.scalars(select(users.c.name)))
    assert names == {"erased-1", "bob", "alice"}


async def test_what_comes_later_is_not_stored_and_not_counted(
    engine: AsyncEngine, preparer: Preparer
) -> None:
    await erase(engine, "alice")
    late = [preparer.prepare(record(user_id=user_id)) for user_id in (ALICE, BOB)]
    await Store(engine).save(late)
    await Store(engine).save(late)
    assert (await left(engine, ALICE)).keys() == {"tombstones"}
    assert await total(engine, records) == await total(engine, usage_daily) == 1
    async with engine.connect() as connection:
        assert await connection.scalar(select(tombstones.c.refused)) == 2


async def test_an_erasure_that_was_cut_off_is_finished_by_another(
    engine: AsyncEngine, preparer: Preparer
) -> None:
    await fill(engine, preparer, ALICE, 0)
    store = ErasureStore(engine)
    await store.bury(await store.find("alice"), NOW)
    async for _ in store.remove(Erased(ALICE, "alice")):
        break
    assert "messages" in await left(engine, ALICE)
    await erase(engine, "alice")
    assert set(await left(engine, ALICE)) == {"tombstones", "usage_daily"}


async def test_the_tombstone_waits_for_who_has_looked_for_it_already(
    postgres_database: str, preparer: Preparer
) -> None:
    """A batch that found no tombstone, and stores only now. On SQLite one writes at a time."""
    engine = make_engine(make_url(postgres_database), pool_size=4)
    await AuthStore(engine).add_user("alice", "member", NOW)
    theirs = [preparer.prepare(record(user_id=ALICE))]
    try:
        async with create_task_group() as group:
            async with engine.begin() as connection:
                assert await Unwanted().left_out(connection, theirs, []) == (theirs, [])
                group.start_soon(erase, engine, "alice")
                with fail_after(30):
                    while not await connection.scalar(WAITING):  # noqa: ASYNC110 - the server says so
                        await sleep(0.01)
                await connection.execute(insert(records), [theirs[0].row._asdict()])
        assert "records" not in await left(engine, ALICE)
    finally:
        await engine.dispose()


class _Interrupted:
    """An engine at which somebody is erased whenever a transaction is to write."""

    def __init__(self, engine: AsyncEngine) -> None:
        self._engine, self.dialect, self.connect = engine, engine.dialect, engine.connect

    @asynccontextmanager
    async def begin(self) -> AsyncIterator[AsyncConnection]:
        await erase(self._engine, "alice")
        async with self._engine.begin() as connection:
            yield connection


async def test_what_a_linker_has_read_before_is_not_linked_afterwards(
    sqlite_database: str,
) -> None:
    """On Postgres, erasing waits for the rows that a linker holds."""
    engine = make_engine(make_url(sqlite_database), pool_size=4)
    await AuthStore(engine).add_user("alice", "member", NOW)
    talk = Talk(ALICE)
    talk.chat([user("Hello!")])
    await arrive(engine, talk.rows)
    try:
        await Linker(_Interrupted(engine)).link_pending()  # type: ignore[arg-type]
        assert (await left(engine, ALICE)).keys() == {"tombstones"}
    finally:
        await engine.dispose()


WAITING = text(
    "SELECT count(*) FROM pg_locks JOIN pg_class ON pg_class.oid = relation"
    " WHERE relname = 'tombstones' AND NOT granted"
)


async def test_nothing_slips_through_while_consumers_store_and_link(
    engine: AsyncEngine, preparer: Preparer
) -> None:
    done = False

    async def storing() -> None:
        while not done:
            batch = [preparer.prepare(record(user_id=id)) for id in (ALICE, ALICE, BOB)]
            await Store(engine).save(batch)

    async def linking() -> None:
        while not done:
            await Linker(engine).link_pending()

    async with create_task_group() as group:
        group.start_soon(storing)
        group.start_soon(storing)
        group.start_soon(linking)
        while await total(engine, records) < 20:
            pass
        removed = await erase(engine, "alice")
        before = await total(engine, records)
        while await total(engine, records) <= before:
            pass
        done = True
    assert removed["records"] >= 10
    assert set(await left(engine, ALICE)) == {"tombstones", "usage_daily"}
