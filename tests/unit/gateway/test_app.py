"""The application as a whole: what every answer has, and who may ask for what."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from starlette.routing import Route
from starlette.testclient import TestClient

from gateway.app import create_app
from gateway.settings import GatewaySettings

PUBLIC = {
    "/healthz", "/readyz", "/metrics", "/openapi.json", "/docs", "/docs/style.css",
    "/register", "/login",
}  # fmt: skip


@pytest.fixture
def client(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[TestClient]:
    """Without its lifespan: nothing is looked up, so nobody is let in."""
    monkeypatch.chdir(tmp_path)
    yield TestClient(create_app(GatewaySettings(data_dir=tmp_path)), raise_server_exceptions=False)


def test_every_answer_has_an_id_of_its_own(client: TestClient) -> None:
    answers = [client.get(path) for path in ("/healthz", "/nope", "/v1/models", "/records")]
    ids = {answer.headers["x-request-id"] for answer in answers}
    assert len(ids) == 4
    assert all(a.headers["request-id"] == a.headers["x-request-id"] for a in answers)


def test_every_route_but_the_public_ones_wants_a_token(client: TestClient) -> None:
    app = client.app
    routes = [route for route in app.routes if isinstance(route, Route)]  # type: ignore[attr-defined]
    private = [route for route in routes if route.path not in PUBLIC]
    assert private
    for route in private:
        for method in (route.methods or set()) - {"HEAD"}:
            answer = client.request(method, route.path.replace("{id}", "x"))
            assert answer.status_code == 401, (method, route.path)
            assert answer.json()["error"]["code"] == "missing_api_key"


@pytest.mark.parametrize("host", ["x/?", "x#", "x/v1/models?", "evil.example"])
def test_the_host_header_opens_nothing(client: TestClient, host: str) -> None:
    for path in ("/v1/models", "/v1/chat/completions", "/records", "/conversations"):
        assert client.get(path, headers={"host": host}).status_code in (400, 401)


@pytest.mark.parametrize(
    ("method", "path", "status", "code"),
    [
        ("GET", "/nope", 404, "unknown_url"),
        ("GET", "/v1/../records", 401, "missing_api_key"),
        ("GET", "/v1/%2e%2e/records", 404, "unknown_url"),
        ("POST", "/healthz", 405, "method_not_allowed"),
    ],
)
def test_failures_outside_the_surface_have_openais_shape(
    client: TestClient, method: str, path: str, status: int, code: str
) -> None:
    answer = client.request(method, path)
    assert (answer.status_code, answer.json()["error"]["code"]) == (status, code)
    assert answer.json()["error"].keys() == {"message", "type", "param", "code"}


def test_a_malformed_token_is_refused_without_the_database(client: TestClient) -> None:
    answer = client.get("/v1/models", headers={"authorization": "Bearer ogw_short"})
    assert (answer.status_code, answer.json()["error"]["code"]) == (401, "invalid_api_key")
