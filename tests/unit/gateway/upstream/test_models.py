"""The models on offer: from memory, and as fresh as the upstreams allow."""

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from anyio import create_task_group
from anyio.lowlevel import checkpoint
from structlog.testing import capture_logs

from gateway.upstream.credential import Credential, Upstream
from gateway.upstream.models import Catalogue
from gateway.upstream.wire import NotSent
from tests.support.scripted_wire import (
    Script,
    ScriptedAnswer,
    ScriptedTransport,
    by_key,
    credentials,
)

LISTED = Upstream("listed", "https://listed.example/v1", models=frozenset({"org/b:free", "a"}))


def listing(*names: str) -> Script:
    body = json.dumps({"object": "list", "data": [{"id": n, "odd": 1} for n in names]}).encode()
    return lambda request: ScriptedAnswer(200, (body,))


@asynccontextmanager
async def running(script: Script, *more: Credential) -> AsyncIterator[Catalogue]:
    catalogue = Catalogue([*credentials(2), *more], ScriptedTransport(script))
    async with create_task_group() as tasks:
        tasks.start_soon(catalogue.run)
        await catalogue.first_look()
        yield catalogue
        tasks.cancel_scope.cancel()


async def test_what_an_upstream_lists_is_shown_as_it_says() -> None:
    async with running(listing("z", "y")) as catalogue:
        assert catalogue.all() == [{"id": "y", "odd": 1}, {"id": "z", "odd": 1}]
        assert catalogue.get("z") == {"id": "z", "odd": 1}
        assert catalogue.get("nope") is None


async def test_a_configured_list_needs_no_upstream() -> None:
    async with running(lambda request: NotSent(), *credentials(1, LISTED)) as catalogue:
        assert [m["id"] for m in catalogue.all()] == ["a", "org/b:free"]
        model = catalogue.get("org/b:free")
        assert model is not None
        assert (model["object"], model["owned_by"]) == ("model", "listed")


async def test_another_key_is_asked_where_the_first_is_refused() -> None:
    script = by_key({"secret-0": ScriptedAnswer(401, (b"{}",))}, listing("z"))
    async with running(script) as catalogue:
        assert [m["id"] for m in catalogue.all()] == ["z"]


async def test_a_bare_list_is_understood_and_rubbish_is_not() -> None:
    async with running(lambda r: ScriptedAnswer(200, (b'[{"id": "z"}, 5, {"id": 1}]',))) as bare:
        assert [m["id"] for m in bare.all()] == ["z"]
    async with running(lambda r: ScriptedAnswer(200, (b"<html>",))) as rubbish:
        assert rubbish.all() == []


async def test_a_failure_is_logged_once_while_it_stays_the_same() -> None:
    asked: list[object] = []

    def refusing(request: object) -> NotSent:
        asked.append(request)
        return NotSent()

    with capture_logs() as logs:
        async with running(refusing) as catalogue:
            while len(asked) < 6:
                catalogue.replace(credentials(2))  # asks again at once
                await checkpoint()
    assert [e["answer"] for e in logs if e["event"] == "models_not_fetched"] == ["refused"]
