"""Secrets planted wherever one can come from, and looked for wherever anything is kept or told."""

import asyncio
import json
import secrets
import zlib
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import aio_pika
import pytest
import redis
from sqlalchemy import MetaData, make_url, select
from sqlalchemy.ext.asyncio import create_async_engine

from common.broker import Topology
from common.frames import read_frames
from common.message import Batch, unpack
from tests.conftest import Services
from tests.support.fake_behaviour import Behaviour
from tests.support.fake_upstream import FakeUpstream
from tests.support.places import own_services
from tests.support.programs import free_port
from tests.support.scene import Scene, scene
from tests.support.watching import CHAT, question

FOUND_ELSEWHERE = "provider-echo"
"""Stands beside each echoed key, to show that what should be looked at was looked at."""


def canary(kind: str) -> str:
    return f"{kind}{secrets.token_hex(20)}"


class Canaries:
    """One of each kind."""

    def __init__(self) -> None:
        self.keys = [canary("sk-proj-"), canary("gsk_"), canary("sk-")]
        self.password = canary("pw")
        self.headers = {
            name: canary(name.replace("-", ""))
            for name in ("cookie", "x-secret", "openai-organization", "proxy-authorization")
        }
        self.tokens: list[str] = []

    def all(self) -> list[str]:
        return [*self.keys, self.password, *self.headers.values(), *self.tokens]


class Told:
    """Everything that anybody was told, or that was found somewhere."""

    def __init__(self) -> None:
        self._by_place: dict[str, bytes] = {}

    def add(self, place: str, data: bytes) -> None:
        self._by_place[place] = self._by_place.get(place, b"") + data

    def holds(self, secret: str) -> list[str]:
        """Places in which it was found, plain or as JSON or hexadecimal would have it."""
        looks = (secret.encode(), secret.encode().hex().encode())
        return [p for p, data in self._by_place.items() if any(look in data for look in looks)]


@pytest.fixture(scope="module")
def canaries() -> Canaries:
    return Canaries()


@pytest.fixture(scope="module")
def house(
    services: Services, canaries: Canaries, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Scene]:
    directory = tmp_path_factory.mktemp("secrets")
    with ExitStack() as exits:
        place = exits.enter_context(own_services(services.postgres, services.amqp, services.redis))
        url = make_url(place["DATABASE_URL"]).set(password=canaries.password)
        place["DATABASE_URL"] = url.render_as_string(hide_password=False)

        def prepare(upstream: FakeUpstream) -> dict[str, str]:
            first, second, third = canaries.keys
            (directory / "gateway.toml").write_text(
                f'[[upstream]]\nname = "away"\nurl = "http://127.0.0.1:{free_port()}/v1"\n'
                f'models = ["away"]\n[[upstream.credential]]\nlabel = "a"\nkey = "{third}"\n'
            )
            return {"OPENAI_URL": upstream.url, "OPENAI_API_KEY": f"{first},{second}"}

        more = {"LOG_LEVEL": "debug", "POOL_WAIT_S": "0", "RETRY_TIME": "0.01"}
        running = exits.enter_context(scene(directory, {**place, **more}, prepare))
        canaries.tokens += [running.token("alice"), running.token("boss", admin=True)]
        canaries.tokens.append(running.token("gone"))
        gone = running.http("gone")
        [own] = gone.get("/me/tokens").json()["data"]
        assert gone.delete(f"/me/tokens/{own['id']}").status_code == 200
        yield running


@pytest.fixture(scope="module")
def told(house: Scene, canaries: Canaries) -> Told:
    """Calls of every kind and end, then everything that there is to see of them."""
    told = Told()
    asyncio.run(_watch(house, told, lambda: _call(house, canaries, told)))
    _look(house, told)
    return told


async def _watch(house: Scene, told: Told, work: Any) -> None:
    """What passes through the broker meanwhile, by a queue beside the consumer's."""
    environment = house.gateway.environment
    topology = Topology(environment["AMQP_PREFIX"])
    async with await aio_pika.connect(environment["AMQP_URL"]) as connection:
        channel = await connection.channel()
        queue = await channel.declare_queue(exclusive=True)
        await queue.bind(topology.exchange, topology.routing_key)
        await asyncio.to_thread(work)
        while (message := await queue.get(fail=False, no_ack=True)) is not None:
            batch = unpack(message.body)
            assert isinstance(batch, Batch)
            for frames in batch.records:
                for frame in read_frames(frames):
                    told.add("broker", frame.payload)


def _call(house: Scene, canaries: Canaries, told: Told) -> None:
    for key in canaries.keys[:2]:
        echo, leaking = f"{FOUND_ELSEWHERE} {key}.", {"set-cookie": key, "x-ratelimit-key": key}
        wrong = json.dumps({"error": {"message": echo, "type": "t", "param": None, "code": "c"}})
        for model, status, body in (("bad", 400, wrong), ("html", 503, f"<p>{echo}</p>")):
            behaviour = Behaviour(status=status, body=body, headers=leaking)
            house.upstream.behave(behaviour, model=model, key=key)
    house.upstream.behave(Behaviour(cut_after=2), model="cut")
    presented = [*canaries.tokens, canary("ogw_"), canary("sk-"), canaries.tokens[0][:-1] + "x"]
    canaries.tokens += presented[3:]
    ids = []
    for token in presented:
        client = house.http(authorization=f"Bearer {token}", **canaries.headers)
        for model in ("good", "bad", "html", "cut", "away") if token in presented[:2] else ("bad",):
            for streamed in (False, True):
                asked = question(model, stream=streamed)
                with client.stream("POST", CHAT, json=asked) as answer:
                    try:
                        answer.read()
                    except Exception as error:  # the cut ones
                        told.add("cut", repr(error).encode())
                        continue
                told.add("answers", answer.content + repr(answer.headers.raw).encode())
                ids.append(answer.headers["x-request-id"])
        told.add("answers", client.post(CHAT, content=b"{" + token.encode()).content)
        for path in ("/admin/upstreams", "/me/tokens", "/records", "/auth/tokens"):
            told.add("pages", client.get(path).content)
    house.stored.records_of("alice", 10)
    for id_ in ids:
        told.add("pages", house.http("boss").get(f"/records/{id_}").content)


def _look(house: Scene, told: Told) -> None:
    for request in house.upstream.requests:
        shown = [value for name, value in request.headers if name != "authorization"]
        told.add("upstream", repr([request.target, shown]).encode() + request.body)
    for path in ("/metrics", "/openapi.json", "/docs", "/readyz"):
        told.add("pages", house.http().get(path).content)
    for command in (["doctor"], ["token", "list"]):
        done = house.gateway.run("gateway", *command)
        told.add("commands", (done.stdout + done.stderr).encode())
    told.add("logs", house.gateway.output.encode())
    asyncio.run(_dump_database(house.gateway.database, told))
    environment = house.gateway.environment
    with redis.Redis.from_url(environment["REDIS_URL"]) as client:
        for key in client.scan_iter(match=f"{environment['REDIS_PREFIX']}*"):
            told.add("redis", key + repr(client.dump(key)).encode())
    for file in Path(environment["DATA_DIR"]).rglob("*"):
        if file.is_file():
            told.add("files", file.read_bytes())


async def _dump_database(url: str, told: Told) -> None:
    """Every value of every table."""
    engine, found = create_async_engine(url), MetaData()
    async with engine.connect() as connection:
        await connection.run_sync(found.reflect)
        for table in found.sorted_tables:
            for row in await connection.execute(select(table)):
                told.add("database", b"\n".join(map(_plain, row)))
    await engine.dispose()


def _plain(value: Any) -> bytes:
    data = bytes(value) if isinstance(value, bytes | memoryview) else str(value).encode()
    try:
        return zlib.decompress(data)
    except zlib.error:
        return data


def test_no_secret_is_found_anywhere(told: Told, canaries: Canaries) -> None:
    assert {
        secret[:12]: told.holds(secret) for secret in canaries.all() if told.holds(secret)
    } == {}


def test_it_was_looked_for_where_it_could_have_been(told: Told) -> None:
    for place in ("answers", "pages", "database", "broker"):
        assert place in told.holds(FOUND_ELSEWHERE)
    assert {"logs", "commands"} <= set(told.holds("alice") + told.holds("away"))
