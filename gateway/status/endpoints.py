"""`/healthz`, `/readyz`, `/metrics`: for load balancers and monitors, without a token.

They hold no secret, no name of a person or model, and nothing that grows with what clients send.
"""

from typing import Any

import msgspec
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from gateway.metrics import Metrics
from gateway.status.readiness import Readiness


def routes(readiness: Readiness, metrics: Metrics) -> list[BaseRoute]:
    async def healthz(_request: Request) -> Response:
        """Alive: this worker's loop turns. Nothing outside is asked."""
        return _json({"status": "alive"})

    async def readyz(_request: Request) -> Response:
        """200 while calls should be sent here, else 503 with the reasons."""
        return _json(readiness.report(), 503 if readiness.reasons() else 200)

    async def scrape(_request: Request) -> Response:
        body, content_type = metrics.render()
        return Response(body, headers={"content-type": content_type})

    return [
        Route("/healthz", healthz, methods=["GET"]),
        Route("/readyz", readyz, methods=["GET"]),
        Route("/metrics", scrape, methods=["GET"]),
    ]


def _json(body: dict[str, Any], status: int = 200) -> Response:
    return Response(
        msgspec.json.encode(body),
        status,
        media_type="application/json",
        headers={"cache-control": "no-store"},
    )
