"""`gateway serve` around a small app: `serve_program.py HABIT`, settings from the environment.

Habits: `well`; `refuses` to be built; `fails` in its start-up.
"""

import asyncio
import os
import socket
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

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
        yield

    app = Starlette(
        routes=[
            *routes(readiness, metrics),
            Route("/who", who),
            Route("/until-draining", until_draining),
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
