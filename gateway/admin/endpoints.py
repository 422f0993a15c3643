"""`/admin/upstreams`: how the provider keys are doing, and putting one out or back. For admins."""

from datetime import UTC, datetime
from typing import Any

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from gateway.admin.asked import Wanted, wanted
from gateway.admin.desk import Desk
from gateway.admin.standing import Decision, Standing, together
from gateway.admin.store import CredentialStore
from gateway.auth.principals import Principals
from gateway.errors import UnknownCredential
from gateway.own_json import admin, answer, body, page
from gateway.query import Query


def routes(auth: Principals, desk: Desk, store: CredentialStore) -> list[BaseRoute]:
    async def standings() -> list[Standing]:
        reports = {**await store.reports(datetime.now(UTC)), desk.worker: desk.standings()}
        return together(reports.values())

    async def every(request: Request) -> Response:
        """Raises Unauthorized (401), Forbidden (403), InvalidRequest (400),
        StoreUnavailable (503)."""
        await admin(auth, request)
        Query(request.query_params.multi_items(), ())
        decisions = await store.decisions()
        rows = [_row(one, decisions.get(one.id)) for one in await standings()]
        return page(rows, more=False)

    async def decide(request: Request) -> Response:
        """Raises as `every`, TooLarge (413), UnknownCredential (404)."""
        by = await admin(auth, request)
        Query(request.query_params.multi_items(), ())
        asked: Wanted = wanted(await body(request))
        id_ = "{upstream}/{label}".format(**request.path_params)
        known = {one.id: one for one in await standings()}
        if id_ not in known:
            raise UnknownCredential(f"There is no provider key {id_!r}.")
        now = datetime.now(UTC)
        decision = await store.decide(id_, asked.state, by.user, asked.reason, now)
        desk.follow(await store.decisions())
        again = {one.id: one for one in await standings()}
        return answer(_row(again.get(id_, known[id_]), decision))

    return [
        Route("/admin/upstreams", every, methods=["GET"]),
        Route("/admin/upstreams/{upstream}/{label}", decide, methods=["PUT"]),
    ]


def _row(one: Standing, decision: Decision | None) -> dict[str, Any]:
    return {
        "id": one.id,
        "object": "upstream.credential",
        "upstream": one.upstream,
        "label": one.label,
        "account": one.account,
        "state": one.state.value,
        "why": one.why,
        "since": None if one.since is None else int(one.since),
        "until": None if one.until is None else int(one.until),
        "models": one.models,
        "calls": one.calls,
        "failures": one.failures,
        "in_flight": one.in_flight,
        "workers": one.workers,
        "workers_in_state": one.workers_in_state,
        "decision": None if decision is None else _decision(decision),
    }


def _decision(decision: Decision) -> dict[str, Any]:
    return {
        "state": decision.state,
        "by": decision.by,
        "reason": decision.reason,
        "created_at": int(decision.at.timestamp()),
    }
