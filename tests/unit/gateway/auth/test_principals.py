"""Authentication: what is asked of the store and when, and what happens while it is away."""

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from datetime import datetime

import pytest

from gateway.auth import principals
from gateway.auth.cache import NONE, Coverage
from gateway.auth.principal import Principal
from gateway.auth.principals import Principals
from gateway.auth.standing import Change, Standing
from gateway.auth.tokens import hash_token, new_token
from gateway.errors import (
    BlockedUser,
    ExpiredToken,
    GatewayError,
    InvalidToken,
    Overloaded,
    RevokedToken,
    StoreUnavailable,
    Unauthorized,
)

Header = tuple[bytes, bytes]


@dataclass
class Clock:
    """Both clocks of Principals, moved by hand."""

    seconds: float = 1_000_000.0

    def __call__(self) -> float:
        return self.seconds


@dataclass
class MemoryStore:
    """A token store in memory: it can be away, or keep askers waiting."""

    standings: dict[bytes, Standing] = field(default_factory=dict)
    asked: list[list[bytes]] = field(default_factory=list)
    used: dict[int, datetime] = field(default_factory=dict)
    away: bool = False
    asking: asyncio.Event = field(default_factory=asyncio.Event)
    answers: asyncio.Event = field(default_factory=asyncio.Event)

    def __post_init__(self) -> None:
        self.answers.set()

    def add(self, token_id: int = 1, user_id: int = 1, expires_at: float = 2_000_000) -> str:
        token = new_token()
        principal = Principal(user_id, f"user-{user_id}", "member", token_id, expires_at)
        self.standings[hash_token(token)] = Standing(principal, revoked=False, blocked=False)
        return token

    async def find(self, hashes: Sequence[bytes]) -> dict[bytes, Standing]:
        self.asked.append(list(hashes))
        self.asking.set()
        found = {h: self.standings[h] for h in hashes if h in self.standings}
        await self.answers.wait()
        if self.away:
            raise StoreUnavailable
        return found

    async def note_used(self, used_at: Mapping[int, datetime]) -> None:
        self.used.update(used_at)


@dataclass
class Heard:
    """Announcements as a test makes them."""

    coverage: Coverage = NONE

    async def run(self, heard: object) -> None:
        await asyncio.Event().wait()


@dataclass
class Bench:
    store: MemoryStore
    clock: Clock
    announcements: Heard
    principals: Principals

    async def authenticate(self, token: str) -> Principal:
        return await self.principals.authenticate([bearer(token)])

    async def code(self, token: str) -> str:
        try:
            await self.authenticate(token)
        except GatewayError as error:
            return error.code
        return "admitted"

    async def settled(self) -> None:
        """Background look-ups have had their turn."""
        for _ in range(3):
            await asyncio.sleep(principals.TURN_S)


@asynccontextmanager
async def a_bench() -> AsyncIterator[Bench]:
    store, clock, announcements = MemoryStore(), Clock(), Heard()
    subject = Principals(store, announcements, now=clock, tick=clock)
    async with asyncio.TaskGroup() as tasks:
        running = tasks.create_task(subject.run())
        yield Bench(store, clock, announcements, subject)
        running.cancel()


def bearer(token: str) -> Header:
    return b"authorization", b"Bearer " + token.encode()


async def test_a_token_is_looked_up_once_a_second() -> None:
    async with a_bench() as bench:
        token = bench.store.add(user_id=7)
        for _ in range(5):
            assert (await bench.authenticate(token)).user_id == 7
        assert len(bench.store.asked) == 1
        bench.clock.seconds += 1
        await bench.authenticate(token)
        assert len(bench.store.asked) == 2


async def test_a_busy_token_is_renewed_before_anyone_waits() -> None:
    async with a_bench() as bench:
        token = bench.store.add()
        await bench.authenticate(token)
        bench.clock.seconds += 0.6
        await bench.authenticate(token)
        await bench.settled()
        assert len(bench.store.asked) == 2
        bench.store.answers.clear()  # whoever asked now would have to wait
        bench.clock.seconds += 0.9
        async with asyncio.timeout(principals.PATIENCE_S / 2):
            await bench.authenticate(token)
        bench.store.answers.set()


async def test_callers_who_miss_together_share_one_look_up() -> None:
    async with a_bench() as bench:
        token = bench.store.add()
        bench.store.answers.clear()
        async with asyncio.TaskGroup() as tasks:
            callers = [tasks.create_task(bench.authenticate(token)) for _ in range(50)]
            await asyncio.sleep(0)
            bench.store.answers.set()
        assert len({caller.result().token_id for caller in callers}) == 1
        assert sum(hash_token(token) in hashes for hashes in bench.store.asked) == 1


async def test_a_caller_who_leaves_takes_nobody_along() -> None:
    async with a_bench() as bench:
        token = bench.store.add()
        bench.store.answers.clear()
        async with asyncio.TaskGroup() as tasks:
            leaving = tasks.create_task(bench.authenticate(token))
            staying = tasks.create_task(bench.authenticate(token))
            await asyncio.sleep(0)
            leaving.cancel()
            await asyncio.sleep(0)
            bench.store.answers.set()
        assert staying.result().user == "user-1" and leaving.cancelled()


async def test_malformed_tokens_never_reach_the_store() -> None:
    async with a_bench() as bench:
        token = bench.store.add()
        bench.store.away = True
        wrong = (token[:-1], token + "a", token[:-1] + "*", "sk-abc", "ogw_", "' OR 1=1 --")
        for text in (*wrong, hash_token(token).hex(), f"ogw_{'a' * 49}", "x" * 100_000):
            with pytest.raises(InvalidToken):
                await bench.authenticate(text)
        with pytest.raises(Unauthorized):
            await bench.principals.authenticate([])
        assert bench.store.asked == []


async def test_neither_the_hash_nor_its_bytes_are_a_credential() -> None:
    async with a_bench() as bench:
        digest = hash_token(bench.store.add())
        for value in (digest, digest.hex().encode(), b"ogw_" + digest.hex()[:49].encode()):
            for header in ((b"authorization", b"Bearer " + value), (b"x-api-key", value)):
                with pytest.raises(Unauthorized):
                    await bench.principals.authenticate([header])


async def test_tokens_that_share_all_but_their_end_are_strangers() -> None:
    async with a_bench() as bench:
        token = bench.store.add(user_id=1)
        await bench.authenticate(token)
        for place in range(20, 47):
            letter = "a" if token[place] != "a" else "b"
            similar = token[:place] + letter + token[place + 1 :]
            assert await bench.code(similar) == "invalid_api_key"


async def test_revoked_expired_and_blocked_have_codes_of_their_own() -> None:
    async with a_bench() as bench:
        token = bench.store.add(expires_at=bench.clock.seconds + 0.5)
        standing = bench.store.standings[hash_token(token)]
        await bench.authenticate(token)
        bench.clock.seconds += 0.5  # still cached: expiry is checked all the same
        with pytest.raises(ExpiredToken):
            await bench.authenticate(token)
        for wrong, error in (("revoked", RevokedToken), ("blocked", BlockedUser)):
            bench.clock.seconds += 1
            bench.store.standings[hash_token(token)] = replace(standing, **{wrong: True})
            with pytest.raises(error):
                await bench.authenticate(token)


async def test_a_revocation_during_a_look_up_is_not_cached_over() -> None:
    async with a_bench() as bench:
        token = bench.store.add(token_id=5)
        digest = hash_token(token)
        bench.announcements.coverage = Coverage(0, bench.clock.seconds + 100)
        bench.store.answers.clear()
        async with asyncio.TaskGroup() as tasks:
            in_flight = tasks.create_task(bench.authenticate(token))
            await bench.store.asking.wait()
            revoked = replace(bench.store.standings[digest], revoked=True)
            bench.store.standings[digest] = revoked
            bench.principals.apply(Change("token_revoked", 5))
            bench.store.answers.set()  # with what it had read before
        assert in_flight.result().token_id == 5
        bench.clock.seconds += 1
        with pytest.raises(RevokedToken):
            await bench.authenticate(token)


async def test_announcements_spare_the_store_and_refuse_at_once() -> None:
    async with a_bench() as bench:
        token = bench.store.add(token_id=5)
        bench.announcements.coverage = Coverage(0, bench.clock.seconds + 59)
        await bench.authenticate(token)
        bench.clock.seconds += 59
        await bench.authenticate(token)
        assert len(bench.store.asked) == 1
        bench.store.away = True  # even if the database is not there to confirm it
        bench.principals.apply(Change("token_revoked", 5))
        with pytest.raises(RevokedToken):
            await bench.authenticate(token)


async def test_while_the_store_is_away_known_tokens_work_until_they_expire() -> None:
    async with a_bench() as bench:
        known, unknown = bench.store.add(expires_at=bench.clock.seconds + 3600), bench.store.add(2)
        await bench.authenticate(known)
        bench.store.away = True
        bench.clock.seconds += 3599
        assert await bench.code(known) == "admitted"
        assert await bench.code(unknown) == "database_unavailable"
        assert await bench.code(unknown[:-1] + "*") == "invalid_api_key"
        bench.clock.seconds += 1
        assert await bench.code(known) == "expired_api_key"


async def test_while_the_store_is_away_nobody_waits_for_it() -> None:
    async with a_bench() as bench:
        known, unknown = bench.store.add(1), bench.store.add(2)
        await bench.authenticate(known)
        bench.store.away = True
        bench.clock.seconds += 5
        assert await bench.code(known) == "admitted"
        bench.store.answers.clear()  # it hangs now
        async with asyncio.timeout(principals.PATIENCE_S / 2):
            for _ in range(20):
                assert await bench.code(known) == "admitted"
                assert await bench.code(unknown) == "database_unavailable"
        bench.store.answers.set()


async def test_a_store_that_hangs_is_given_up() -> None:
    async with a_bench() as bench:
        known, unknown = bench.store.add(1), bench.store.add(2)
        await bench.authenticate(known)
        bench.store.answers.clear()
        bench.clock.seconds += 5
        assert await bench.code(known) == "admitted"
        assert await bench.code(unknown) == "database_unavailable"
        bench.store.answers.set()


async def test_the_store_is_trusted_again_once_it_answers() -> None:
    async with a_bench() as bench:
        token = bench.store.add()
        digest = hash_token(token)
        await bench.authenticate(token)
        bench.store.away = True
        bench.clock.seconds += 5
        await bench.authenticate(token)
        bench.store.standings[digest] = replace(bench.store.standings[digest], revoked=True)
        bench.store.away = False
        await bench.settled()
        with pytest.raises(RevokedToken):
            await bench.authenticate(token)


async def test_made_up_tokens_are_asked_for_once_and_bounded(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async with a_bench() as bench:
        made_up = new_token()
        for _ in range(3):
            assert await bench.code(made_up) == "invalid_api_key"
        assert len(bench.store.asked) == 1
        monkeypatch.setattr(principals, "MOST_WAITING", 2)
        bench.store.answers.clear()
        async with asyncio.TaskGroup() as tasks:
            for _ in range(2):
                tasks.create_task(bench.code(new_token()))
            await asyncio.sleep(0)
            with pytest.raises(Overloaded):
                await bench.authenticate(new_token())
            bench.store.answers.set()


async def test_a_token_issued_just_now_works_a_second_after_it_was_refused() -> None:
    async with a_bench() as bench:
        token = bench.store.add()
        standing = bench.store.standings.pop(hash_token(token))
        assert await bench.code(token) == "invalid_api_key"
        bench.store.standings[hash_token(token)] = standing
        bench.clock.seconds += 1
        assert await bench.code(token) == "admitted"
