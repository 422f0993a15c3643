"""The database restarts, Redis freezes: those whose tokens are known go on, and all is well again
unaided. Redis is one of this test's own; the database is a place in the real one."""

import asyncio
import signal
import subprocess
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from functools import partial
from pathlib import Path

import asyncpg
import httpx2
import pytest
import redis
from sqlalchemy import make_url

from tests.conftest import Services
from tests.support.places import own_services
from tests.support.programs import free_port
from tests.support.scene import Scene, scene
from tests.support.waiting import eventually
from tests.support.watching import CHAT, question


class OwnRedis:
    """A Redis that may be stopped and continued."""

    def __init__(self, directory: Path) -> None:
        self.port = free_port()
        bare = ["--save", "", "--appendonly", "no", "--bind", "127.0.0.1", "--dir", str(directory)]
        self.process = subprocess.Popen(
            ["redis-server", "--port", str(self.port), *bare], stdout=subprocess.DEVNULL
        )
        eventually(self._answers, "a Redis of our own")

    def _answers(self) -> bool:
        try:
            with redis.Redis(port=self.port) as client:
                return bool(client.ping())
        except redis.RedisError:
            return False


@contextmanager
def own_redis(directory: Path) -> Iterator[OwnRedis]:
    own = OwnRedis(directory)
    try:
        yield own
    finally:
        own.process.kill()
        own.process.wait()


@pytest.fixture(scope="module")
def frozen(tmp_path_factory: pytest.TempPathFactory) -> Iterator[OwnRedis]:
    with own_redis(tmp_path_factory.mktemp("redis")) as own:
        yield own


@pytest.fixture(scope="module")
def house(
    services: Services, frozen: OwnRedis, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Scene]:
    with ExitStack() as exits:
        place = exits.enter_context(own_services(services.postgres, services.amqp, services.redis))
        place["REDIS_URL"] = f"redis://127.0.0.1:{frozen.port}/0"
        place |= {"SERVER_WORKERS": "1", "POOL_WAIT_S": "0"}
        yield exits.enter_context(scene(tmp_path_factory.mktemp("lost"), place))


def status(house: Scene, name: str) -> int:
    return house.http(name).post(CHAT, json=question()).status_code


def code(client: httpx2.Client) -> str | None:
    """Of a refusal."""
    told = client.post(CHAT, json=question()).json()
    return str(told["error"]["code"]) if "error" in told else None


def told(house: Scene, *events: str) -> None:
    """Waits until each was told of."""
    for event in events:
        eventually(partial(times, house, event), f"{event} to be told")


def times(house: Scene, event: str) -> int:
    return house.gateway.output.count(f'"event":"{event}"')


async def _administer(house: Scene, *statements: str) -> None:
    url = make_url(house.gateway.database).set(drivername="postgresql")
    server = url.set(database="postgres").render_as_string(hide_password=False)
    connection = await asyncpg.connect(server)
    try:
        for statement in statements:
            await connection.execute(statement.format(name=url.database))
    finally:
        await connection.close()


CLOSE = (
    'ALTER DATABASE "{name}" WITH ALLOW_CONNECTIONS false',
    "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '{name}'",
)
OPEN = ('ALTER DATABASE "{name}" WITH ALLOW_CONNECTIONS true',)


def test_while_the_database_is_away_known_tokens_work_and_nothing_is_lost(house: Scene) -> None:
    known, unknown = house.http("alice"), house.token("bob")
    ids = [known.post(CHAT, json=question()).headers["x-request-id"]]
    asyncio.run(_administer(house, *CLOSE))
    try:
        stranger = house.http(authorization=f"Bearer {unknown}")
        eventually(lambda: code(stranger) == "database_unavailable", "the database to be missed")
        malformed = house.http(authorization="Bearer ogw_x").post(CHAT, json=question())
        assert malformed.status_code == 401
        for streamed in (False, True) * 10:
            answer = known.post(CHAT, json=question(stream=streamed))
            assert answer.status_code == 200
            ids.append(answer.headers["x-request-id"])
        assert house.http().get("/healthz").status_code == 200
    finally:
        asyncio.run(_administer(house, *OPEN))
    eventually(lambda: status(house, "bob") == 200, "the database to be found again")
    for id_ in ids:
        assert house.stored.record(id_).status == "complete"
    assert times(house, "token_store_away") == times(house, "token_store_back") == 1


def test_a_frozen_redis_holds_nobody_up_and_is_told_once(house: Scene, frozen: OwnRedis) -> None:
    assert status(house, "carol") == 200
    lost, back = (
        [f"{name}_{what}" for name in ("announcements", "sharing")] for what in ("lost", "back")
    )
    assert not any(times(house, event) for event in lost)
    own = house.http("carol").get("/me/tokens").json()["data"][0]["id"]
    frozen.process.send_signal(signal.SIGSTOP)
    try:
        for _ in range(50):
            assert status(house, "alice") == 200
        told(house, *lost)
        revoked = house.http("carol").delete(f"/me/tokens/{own}")
        assert revoked.status_code == 200
        eventually(lambda: status(house, "carol") == 401, "the revocation to be seen")
        assert house.http().get("/healthz").status_code == 200
        assert status(house, "alice") == 200
    finally:
        frozen.process.send_signal(signal.SIGCONT)
    told(house, *back)
    assert {times(house, event) for event in (*lost, *back)} == {1}
