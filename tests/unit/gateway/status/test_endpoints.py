"""What load balancers and monitors are told."""

import httpx2
import pytest
from starlette.applications import Starlette

from gateway.metrics import Metrics
from gateway.status.endpoints import routes
from gateway.status.readiness import Readiness


@pytest.fixture
def readiness() -> Readiness:
    return Readiness(database=True, database_was_reached=True, consumers=1)


@pytest.fixture
def client(readiness: Readiness) -> httpx2.AsyncClient:
    app = Starlette(routes=routes(readiness, Metrics(["openai"])))
    return httpx2.AsyncClient(transport=httpx2.ASGITransport(app), base_url="http://gateway")


def codes(listed: list[dict[str, str]]) -> list[str]:
    return [entry["code"] for entry in listed]


async def test_alive_whatever_is_wrong(readiness: Readiness, client: httpx2.AsyncClient) -> None:
    readiness.drain()
    readiness.spool_full = True
    assert (await client.get("/healthz")).status_code == 200


async def test_ready_with_its_details(client: httpx2.AsyncClient) -> None:
    answer = await client.get("/readyz")
    assert answer.status_code == 200 and answer.headers["cache-control"] == "no-store"
    assert answer.json() == {
        "status": "ready",
        "reasons": [],
        "warnings": [],
        "spool": {"records": 0, "size_bytes": 0},
        "consumers": 1,
    }


@pytest.mark.parametrize(
    ("field", "value", "code"),
    [
        ("draining", True, "draining"),
        ("spool_full", True, "spool_full"),
        ("database_was_reached", False, "database_unreachable"),
    ],
)
async def test_not_ready_says_why(
    readiness: Readiness, client: httpx2.AsyncClient, field: str, value: bool, code: str
) -> None:
    setattr(readiness, field, value)
    answer = await client.get("/readyz")
    assert answer.status_code == 503 and codes(answer.json()["reasons"]) == [code]


@pytest.mark.parametrize(
    ("field", "value", "code"),
    [
        ("database", False, "database_lost"),
        ("consumers", 0, "no_consumer"),
        ("spool_filling", True, "spool_filling"),
    ],
)
async def test_trouble_that_calls_survive_is_a_warning(
    readiness: Readiness, client: httpx2.AsyncClient, field: str, value: int, code: str
) -> None:
    setattr(readiness, field, value)
    answer = await client.get("/readyz")
    assert answer.status_code == 200 and codes(answer.json()["warnings"]) == [code]


async def test_metrics_are_text(client: httpx2.AsyncClient) -> None:
    answer = await client.get("/metrics")
    assert answer.headers["content-type"] == "text/plain; version=0.0.4; charset=utf-8"
    assert "gateway_calls_in_flight 0.0" in answer.text
