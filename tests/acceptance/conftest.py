"""The two ways to run the gateway, started once for all tests here."""

from collections.abc import Iterator
from contextlib import ExitStack
from typing import Any

import pytest

from tests.support.places import own_services
from tests.support.scene import Scene, scene


@pytest.fixture(scope="session", params=["embedded", "services"])
def house(
    request: pytest.FixtureRequest, services: Any, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Scene]:
    """A running gateway; every test that asks for it runs in both modes."""
    with ExitStack() as exits:
        settings = {"POOL_WAIT_S": "0.3", "RETRY_TIME": "0.05", "ALLOW_NO_STORE": "true"}
        if request.param == "services":
            place = own_services(services.postgres, services.amqp, services.redis)
            settings |= exits.enter_context(place)
        directory = tmp_path_factory.mktemp(request.param)
        yield exits.enter_context(scene(directory, settings))


@pytest.fixture(autouse=True)
def upstream_behaves(request: pytest.FixtureRequest) -> None:
    """No rule of another test's is left."""
    if "house" in request.fixturenames:
        house: Scene = request.getfixturevalue("house")
        house.upstream.behave_well()
