"""`GET /auth/tokens`: how many calls and tokens each person has used. No access token is shown."""

from typing import Any

import msgspec
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from gateway.auth.principals import Principals
from gateway.query import Query, in_order
from gateway.usage.report import UsageRow
from gateway.usage.store import COUNTS, GROUPS, UsageStore
from gateway.whose import whose

PARAMETERS = ("from", "to", "group_by", "user")


def routes(auth: Principals, store: UsageStore) -> list[BaseRoute]:
    async def usage(request: Request) -> Response:
        """Raises Unauthorized (401), Forbidden (403), InvalidRequest (400),
        StoreUnavailable (503)."""
        principal = await auth.authenticate(request.headers.raw)
        query = Query(request.query_params.multi_items(), PARAMETERS)
        begin, end = query.day("from"), query.day("to")
        in_order(begin, end)
        groups = query.choices("group_by", GROUPS)
        rows = await store.usage(whose(principal, query.text("user")), begin, end, groups)
        return _json({"object": "list", "data": [_row(row) for row in rows], "totals": _sum(rows)})

    return [Route("/auth/tokens", usage, methods=["GET"])]


def _row(row: UsageRow) -> dict[str, Any]:
    return {**row.group, **_with_total(row.counts)}


def _sum(rows: list[UsageRow]) -> dict[str, int]:
    return _with_total({name: sum(row.counts[name] for row in rows) for name in COUNTS})


def _with_total(counts: dict[str, int]) -> dict[str, int]:
    return {**counts, "total_tokens": counts["prompt_tokens"] + counts["completion_tokens"]}


def _json(body: dict[str, Any]) -> Response:
    return Response(
        msgspec.json.encode(body),
        media_type="application/json",
        headers={"cache-control": "no-store"},
    )
