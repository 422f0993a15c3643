"""The document names every address there is, and the page shows it without a script."""

import re
from pathlib import Path
from typing import Any

import pytest
from starlette.routing import Route

from gateway.apidocs.document import openapi
from gateway.apidocs.page import STYLE, page
from gateway.app import create_app
from gateway.settings import GatewaySettings

OWN = {"/openapi.json", "/docs", "/docs/style.css"}
"""The description does not describe itself."""


@pytest.fixture
def settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> GatewaySettings:
    monkeypatch.chdir(tmp_path)
    return GatewaySettings(data_dir=tmp_path)


def test_every_route_is_described(settings: GatewaySettings) -> None:
    app = create_app(settings)
    routes = [route for route in app.routes if isinstance(route, Route)]
    paths = {re.sub(r":\w+}", "}", route.path) for route in routes} - OWN
    described = next(route for route in routes if route.path == "/openapi.json")
    assert described is not None
    assert paths
    assert paths <= app.state.document["paths"].keys()


def document(**paths: Any) -> dict[str, Any]:
    fragment = {"paths": {"/" + name: operation for name, operation in paths.items()}}
    return openapi([fragment], server_url="http://gateway.example", version="1")


def test_fragments_are_put_together() -> None:
    one = {"paths": {"/a": {}}, "components": {"schemas": {"A": {}}}}
    other = {"paths": {"/b": {}}, "components": {"schemas": {"B": {}}}}
    whole = openapi([one, other], server_url="http://gateway.example", version="1")
    assert whole["paths"].keys() == {"/a", "/b"}
    assert {"A", "B", "Error"} <= whole["components"]["schemas"].keys()


def test_the_page_escapes_what_it_shows() -> None:
    html = page(document(x={"get": {"summary": "<script>alert(1)</script> and `code`"}}))
    assert "<script" not in html
    assert "<code>code</code>" in html


def test_the_page_needs_nothing_from_elsewhere() -> None:
    html = page(document(x={"get": {"summary": "x"}}))
    assert not re.findall(r'(?:src|href)="(?!/|#)[^"]*"', html)
    assert "url(" not in STYLE
    assert "@import" not in STYLE
