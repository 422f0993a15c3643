"""Authentication on real databases and a real Redis: revocations, outages, hostile headers."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sqlalchemy.engine import make_url

from common.database import make_engine
from gateway.auth.announcements import RedisAnnouncements
from gateway.auth.principals import Principals
from gateway.auth.standing import Change
from gateway.auth.store import AuthStore
from gateway.errors import GatewayError, StoreUnavailable, Unauthorized
from tests.conftest import RedisAt

LONG_S = 20
"""Far beyond what is waited for."""


@dataclass
class Relay:
    """A way to a server that can be frozen: what is sent then arrives when it thaws."""

    host: str
    port: int
    flowing: asyncio.Event = field(default_factory=asyncio.Event)

    @asynccontextmanager
    async def open(self) -> AsyncIterator[int]:
        self.flowing.set()
        async with asyncio.TaskGroup() as tasks:

            async def joined(r: asyncio.StreamReader, w: asyncio.StreamWriter) -> None:
                server_reader, server_writer = await asyncio.open_connection(self.host, self.port)
                tasks.create_task(self._pump(r, server_writer))
                tasks.create_task(self._pump(server_reader, w))

            server = await asyncio.start_server(joined, "127.0.0.1", 0)
            yield server.sockets[0].getsockname()[1]
            self.flowing.set()
            server.close()

    async def _pump(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while piece := await reader.read(65536):
                await self.flowing.wait()
                writer.write(piece)
                await writer.drain()
        except ConnectionError:
            pass  # the other side has gone; so do we
        writer.close()


@asynccontextmanager
async def a_gateway(
    url: str, redis_at: RedisAt | None = None
) -> AsyncIterator[tuple[AuthStore, Principals]]:
    """What a gateway authenticates with, running."""
    engine = make_engine(make_url(url))
    announcements = RedisAnnouncements(redis_at.url, redis_at.prefix) if redis_at else None
    store = AuthStore(engine)
    subject = Principals(store, announcements)
    try:
        async with asyncio.TaskGroup() as tasks:
            running = tasks.create_task(subject.run())
            yield store, subject
            running.cancel()
    finally:
        if announcements:
            await announcements.close()
        await engine.dispose()


async def issued(store: AuthStore, user: str = "alice") -> tuple[int, str]:
    await store.add_user(user, "member", datetime.now(UTC))
    token = await store.issue(user, 10, None, 5, datetime.now(UTC))
    return token.id, token.token


async def code(subject: Principals, value: str, header: bytes = b"authorization") -> str:
    prefix = b"Bearer " if header == b"authorization" else b""
    try:
        await subject.authenticate([(header, prefix + value.encode("utf-8", "replace"))])
    except GatewayError as error:
        return error.code
    return "admitted"


async def announce(redis_at: RedisAt, change: Change) -> None:
    teller = RedisAnnouncements(redis_at.url, redis_at.prefix)
    await teller.announce(change)
    await teller.close()


async def until_refused(subject: Principals, token: str) -> str:
    async with asyncio.timeout(LONG_S):
        while (answer := await code(subject, token)) == "admitted":  # noqa: ASYNC110 - polled
            await asyncio.sleep(0.01)
    return answer


@pytest.mark.parametrize("announced", [False, True])
async def test_a_revocation_reaches_every_gateway_with_calls_in_flight(
    database_url: str, redis_at: RedisAt, announced: bool
) -> None:
    redis = redis_at if announced else None
    async with a_gateway(database_url, redis) as (store, one):
        async with a_gateway(database_url, redis) as (_, other):
            token_id, token = await issued(store)
            stop = asyncio.Event()

            async def calls(subject: Principals) -> None:
                while not stop.is_set():
                    await code(subject, token)
                    await asyncio.sleep(0.001)

            async with asyncio.TaskGroup() as tasks:
                for subject in (one, other):
                    assert await code(subject, token) == "admitted"
                    for _ in range(5):
                        tasks.create_task(calls(subject))
                await store.revoke(token_id, datetime.now(UTC))
                if redis:
                    await announce(redis, Change("token_revoked", token_id))
                for subject in (one, other):
                    assert await until_refused(subject, token) == "revoked_api_key"
                stop.set()
            for subject in (one, other):
                assert await code(subject, token) == "revoked_api_key"


async def test_an_announced_block_is_effective_while_the_answer_is_still_good(
    database_url: str, redis_at: RedisAt
) -> None:
    async with a_gateway(database_url, redis_at) as (store, subject):
        _, token = await issued(store)
        assert await code(subject, token) == "admitted"
        user = await store.set_blocked("alice", datetime.now(UTC))
        await announce(redis_at, Change("user_blocked", user.id))
        assert await until_refused(subject, token) == "user_blocked"


async def test_every_carrier_has_the_same_rights(database_url: str) -> None:
    async with a_gateway(database_url) as (store, subject):
        token_id, token = await issued(store)
        carriers = (b"authorization", b"api-key", b"x-api-key")
        assert {await code(subject, token, header) for header in carriers} == {"admitted"}
        await store.revoke(token_id, datetime.now(UTC))
        await until_refused(subject, token)
        assert {await code(subject, token, header) for header in carriers} == {"revoked_api_key"}


async def test_a_frozen_database_lets_known_tokens_work_and_recovers(
    postgres_database: str,
) -> None:
    url = make_url(postgres_database)
    relay = Relay(url.host or "127.0.0.1", url.port or 5432)
    async with relay.open() as port:
        through = url.set(host="127.0.0.1", port=port).render_as_string(hide_password=False)
        async with a_gateway(through) as (store, subject):
            _, known = await issued(store, "alice")
            _, unknown = await issued(store, "bob")
            assert await code(subject, known) == "admitted"
            relay.flowing.clear()
            await asyncio.sleep(1.1)  # what is remembered is not good any more
            assert await code(subject, known) == "admitted"
            assert await code(subject, unknown) == "database_unavailable"
            assert await code(subject, "ogw_nonsense") == "invalid_api_key"
            relay.flowing.set()
            async with asyncio.timeout(LONG_S):
                while await code(subject, unknown) != "admitted":  # noqa: ASYNC110 - polled
                    await asyncio.sleep(0.05)
            assert await code(subject, known) == "admitted"


async def test_without_a_database_the_unknown_is_503_and_the_malformed_401() -> None:
    async with a_gateway("postgresql+asyncpg://nobody@127.0.0.1:1/none") as (_, subject):
        assert await code(subject, "ogw_" + "0" * 49) == "invalid_api_key"
        with pytest.raises(StoreUnavailable) as refused:
            await subject.authenticate([(b"api-key", WELL_FORMED)])
        assert refused.value.status == 503 and refused.value.retryable


WELL_FORMED = b"ogw_D26zH1QUU21FmkvTMhQOivapuHHKdTO3pa4pL9pS4NP3P3LfU"
METACHARACTERS = ("'", '"', ";", "--", "/*", "\\", "%", "_", "\0", "$1", ":x", "?", "{}", "\n", "é")


@given(st.lists(st.sampled_from(METACHARACTERS) | st.text(max_size=5), max_size=20).map("".join))
@settings(max_examples=200, deadline=None)
async def test_sql_in_a_header_never_gets_anywhere(hostile: str) -> None:
    class NoStore:
        async def find(self, hashes: object) -> object:
            raise AssertionError("asked the store")

        note_used = find

    subject = Principals(NoStore())  # type: ignore[arg-type]
    for value in (hostile, "ogw_" + hostile, ("ogw_" + hostile).ljust(53, "0")):
        for header in (b"authorization", b"x-api-key"):
            scheme = b"Bearer " if header == b"authorization" else b""
            with pytest.raises(Unauthorized):
                await subject.authenticate([(header, scheme + value.encode("utf-8", "replace"))])


async def test_sql_that_is_well_formed_is_only_an_unknown_token(database_url: str) -> None:
    async with a_gateway(database_url) as (store, subject):
        await issued(store)
        assert await code(subject, WELL_FORMED.decode()) == "invalid_api_key"
        for hostile in METACHARACTERS:
            assert (await code(subject, hostile)) in ("invalid_api_key", "missing_api_key")
        assert [user.name for user in await store.users()] == ["alice"]
