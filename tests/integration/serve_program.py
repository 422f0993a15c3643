"""`gateway serve` around a small app: `serve_program.py HABIT`, settings from the environment.

Habits: `well`; `refuses` to be built; `fails` in its start-up. What runs beside the calls fails
when somebody gets `/break`.
"""

import asyncio
import os
import socket
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import anyio
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response, StreamingResponse
from starlette.routing import Route

from common.settings import SettingsError
from gateway.metrics import Metrics
from gateway.settings import GatewaySettings, load_settings
from gateway.status.endpoints import routes
from gateway.status.readiness import Readiness
from gateway.supervision import worker
from gateway.supervisor import serve

HABIT = sys.argv[1]


def app_of(settings: GatewaySettings, demo_url: str | None) -> Starlette:
    if HABIT == "refuses":
        raise SettingsError("SOME_SETTING is wrong: correct it.")
    readiness = Readiness(database=True, database_was_reached=True)
    metrics = Metrics(["demo"], settings.data_dir / "metrics")

    async def who(_: Request) -> Response:
        metrics.refused("spool_full")
        return JSONResponse({"pid": os.getpid(), "demo": demo_url})

    async def until_draining(_: Request) -> Response:
        async def lines() -> AsyncIterator[str]:
            yield "begun\n"
            while not readiness.draining:  # noqa: ASYNC110 - a flag that a signal handler sets
                await asyncio.sleep(0.01)
            yield "draining\n"

        return StreamingResponse(lines())

    @asynccontextmanager
    async def lifespan(_: Starlette) -> AsyncIterator[None]:
        if HABIT == "fails":
            raise LookupError("sk-neverever1234")
        asked = app.state.asked_to_break = anyio.Event()

        async def break_when_asked() -> None:
            await asked.wait()
            raise LookupError("asked to")

        async with anyio.create_task_group() as tasks:
            tasks.start_soon(break_when_asked)
            yield
            tasks.cancel_scope.cancel()

    async def break_now(_: Request) -> Response:
        app.state.asked_to_break.set()
        return Response()

    app = Starlette(
        routes=[
            *routes(readiness, metrics),
            Route("/who", who),
            Route("/until-draining", until_draining),
            Route("/break", break_now),
        ],
        lifespan=lifespan,
    )
    app.state.readiness, app.state.reload = readiness, lambda: None
    return app


def work(
    settings: GatewaySettings,
    demo_url: str | None,
    sock: socket.socket,
    on_up: Callable[[], None],
) -> None:
    worker.work(settings, demo_url, sock, on_up, app_of)


if __name__ == "__main__":
    sys.exit(serve(load_settings(), __name__))
