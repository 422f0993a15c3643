"""`/admin/upstreams` over both databases: who may, what is seen, what is decided."""

from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from time import monotonic
from typing import Any, cast

import httpx2
import pytest
from sqlalchemy.engine import make_url
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

from common.database import make_engine
from gateway.admin import endpoints
from gateway.admin.desk import Desk
from gateway.admin.store import CredentialStore
from gateway.auth.principals import Principals
from gateway.errors import GatewayError, StoreUnavailable
from gateway.upstream.pool import Pool
from gateway.upstream.retry import Blame, Verdict
from tests.support.read_side import ByName
from tests.support.scripted_wire import ScriptedAnswer, ScriptedTransport, credentials

LIST, KEY = "/admin/upstreams", "/admin/upstreams/openai/key-0"
OUT = {"state": "out", "reason": "leaked"}


class Worker:
    """A pool of two keys with its desk, on a database."""

    def __init__(self, store: CredentialStore) -> None:
        self.pool = Pool(
            credentials(2),
            ScriptedTransport(lambda request: ScriptedAnswer()),
            lambda those, caller: [*those],
            retry_count=0,
            retry_time_s=0,
            wait_s=0,
        )
        self.desk = Desk(self.pool, store)

    def attempt(self, blame: Blame) -> None:
        health = self.pool.health["openai/key-0"]
        health.judged(Verdict(blame), monotonic(), "gpt", health.taken())


@pytest.fixture
async def store(database_url: str) -> AsyncIterator[CredentialStore]:
    engine = make_engine(make_url(database_url))
    yield CredentialStore(engine)
    await engine.dispose()


@pytest.fixture
def worker(store: CredentialStore) -> Worker:
    return Worker(store)


@pytest.fixture
async def client(worker: Worker, store: CredentialStore) -> AsyncIterator[httpx2.AsyncClient]:
    app = Starlette(
        routes=endpoints.routes(cast(Principals, ByName()), worker.desk, store),
        exception_handlers={GatewayError: told},
    )
    transport = httpx2.ASGITransport(app)
    async with httpx2.AsyncClient(transport=transport, base_url="http://gateway") as client:
        yield client


async def told(_request: Request, error: Exception) -> Response:
    assert isinstance(error, GatewayError) and not isinstance(error, HTTPException)
    return Response(error.body(), error.status, media_type="application/json")


def as_(name: str) -> dict[str, str]:
    return {"authorization": f"Bearer {name}"} if name else {}


async def keys(client: httpx2.AsyncClient) -> dict[str, Any]:
    answer = await client.get(LIST, headers=as_("root"))
    assert answer.status_code == 200 and answer.headers["cache-control"] == "no-store"
    return {row["label"]: row for row in answer.json()["data"]}


ALLOWED = {("GET", LIST): 200, ("PUT", KEY): 200}


@pytest.mark.parametrize("method", ["GET", "PUT", "POST", "PATCH", "DELETE"])
@pytest.mark.parametrize("path", [LIST, KEY])
@pytest.mark.parametrize(("name", "refused"), [("", 401), ("alice", 403), ("root", None)])
async def test_only_admins_and_only_these_ways(
    client: httpx2.AsyncClient, name: str, refused: int | None, path: str, method: str
) -> None:
    answer = await client.request(method, path, headers=as_(name), json=OUT)
    allowed = ALLOWED.get((method, path))
    assert answer.status_code == (405 if allowed is None else refused or allowed)
    if refused or allowed is None:
        assert (await keys(client))["key-0"]["decision"] is None


async def test_keys_are_listed_and_never_shown(client: httpx2.AsyncClient, worker: Worker) -> None:
    worker.attempt(Blame.EXHAUSTED)
    answer = await client.get(LIST, headers=as_("root"))
    page = answer.json()
    assert "secret" not in answer.text
    assert (page["object"], page["first_id"], page["last_id"]) == (
        "list",
        "openai/key-0",
        "openai/key-1",
    )
    row = page["data"][0]
    assert row["until"] - row["since"] == pytest.approx(1800, abs=1)
    assert abs(row["since"] - datetime.now(UTC).timestamp()) < 60
    row.update(since=0, until=0)
    assert row == {
        "id": "openai/key-0",
        "object": "upstream.credential",
        "upstream": "openai",
        "label": "key-0",
        "account": "openai",
        "state": "out",
        "why": "exhausted",
        "since": 0,
        "until": 0,
        "models": [],
        "calls": 1,
        "failures": 1,
        "in_flight": 0,
        "workers": 1,
        "workers_in_state": 1,
        "decision": None,
    }


async def test_what_other_workers_say_is_summed(
    client: httpx2.AsyncClient, worker: Worker, store: CredentialStore
) -> None:
    other = Worker(store)
    other.attempt(Blame.NONE)
    other.attempt(Blame.REJECTED)
    worker.attempt(Blame.NONE)
    await other.desk.look()
    await worker.desk.look()
    row = (await keys(client))["key-0"]
    assert (row["calls"], row["failures"], row["state"]) == (3, 1, "out")
    assert (row["workers"], row["workers_in_state"]) == (2, 1)
    await store.leave(other.desk.worker)
    assert (await keys(client))["key-0"]["workers"] == 1


async def test_a_worker_that_fell_silent_is_left_out(
    client: httpx2.AsyncClient, worker: Worker, store: CredentialStore
) -> None:
    long_ago = datetime.now(UTC) - timedelta(minutes=1)
    await store.report("silent", worker.desk.standings(), long_ago)
    assert (await keys(client))["key-0"]["workers"] == 1


async def test_an_admin_puts_a_key_out_and_back_everywhere(
    client: httpx2.AsyncClient, worker: Worker, store: CredentialStore
) -> None:
    other = Worker(store)
    await other.desk.look()
    answer = await client.put(KEY, headers=as_("root"), json=OUT)
    row = answer.json()
    assert answer.status_code == 200 and (row["state"], row["why"]) == ("out", "withdrawn")
    assert row["decision"].items() >= {"state": "out", "by": "root", "reason": "leaked"}.items()
    await other.desk.look()
    assert other.pool.health["openai/key-0"].unavailable(monotonic(), None) is not None
    answer = await client.put(KEY, headers=as_("root"), json={"state": "in"})
    assert answer.json()["state"] == "available" or answer.json()["workers"] == 2
    await other.desk.look()
    assert other.pool.health["openai/key-0"].unavailable(monotonic(), None) is None
    assert (await keys(client))["key-0"]["state"] == "available"


@pytest.mark.parametrize(
    ("path", "body", "status", "param"),
    [
        (KEY, {**OUT, "calls": 0}, 400, "calls"),
        (KEY, {"state": "gone"}, 400, "state"),
        ("/admin/upstreams/openai/key-9", OUT, 404, None),
        ("/admin/upstreams/other/key-0", OUT, 404, None),
        (f"{KEY}?force=1", OUT, 400, "force"),
        (KEY, {**OUT, "reason": "x" * 20_000}, 413, None),
    ],
)
async def test_what_is_not_foreseen_is_refused_and_changes_nothing(
    client: httpx2.AsyncClient, path: str, body: dict[str, Any], status: int, param: str | None
) -> None:
    answer = await client.put(path, headers=as_("root"), json=body)
    assert (answer.status_code, answer.json()["error"]["param"]) == (status, param)
    assert {row["decision"] for row in (await keys(client)).values()} == {None}


async def test_only_the_newest_decision_holds(store: CredentialStore) -> None:
    now = datetime.now(UTC)
    await store.decide("openai/a", "out", "root", "one", now)
    await store.decide("openai/b", "out", "root", "two", now)
    last = await store.decide("openai/a", "in", "root", "three", now)
    found = await store.decisions()
    assert found["openai/a"] == last and found["openai/b"].reason == "two"
    assert found["openai/a"].at == now


async def test_a_database_that_is_away_is_told_as_such() -> None:
    engine = make_engine(make_url("postgresql+asyncpg://nobody@127.0.0.1:1/none"))
    store, now = CredentialStore(engine), datetime.now(UTC)
    for asked in (
        store.decisions(),
        store.reports(now),
        store.report("w", [], now),
        store.leave("w"),
        store.decide("a/b", "in", "root", "", now),
    ):
        with pytest.raises(StoreUnavailable):
            await asked
    await engine.dispose()
