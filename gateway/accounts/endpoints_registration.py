"""`/register` and `/login` with e-mail and password, and `/admin/registration` that opens them."""

from datetime import UTC, datetime
from typing import Any

import structlog
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from gateway.accounts.email import LONGEST_PASSWORD, MOST_CHARACTERS
from gateway.accounts.registration import Registration
from gateway.accounts.store_switches import SwitchStore
from gateway.accounts.switches import REGISTRATION, Switch
from gateway.auth.people import Issued, User
from gateway.auth.principals import Principals
from gateway.errors import InvalidRequest
from gateway.fields import Fields
from gateway.own_json import admin, answer, body
from gateway.proxy.client_address import client_address
from gateway.query import Query
from gateway.settings import Network

MOST_OF_NAME = 64

log = structlog.get_logger()


def routes(
    auth: Principals,
    registration: Registration,
    switches: SwitchStore,
    trusted: tuple[Network, ...],
) -> list[BaseRoute]:
    """`trusted`: the proxies that are believed about where a request comes from."""

    async def register(request: Request) -> Response:
        """Raises as `Registration.register`, RegistrationClosed (403), TooLarge (413)."""
        await registration.opened()
        Query(request.query_params.multi_items(), ())
        fields = Fields(await body(request), ("email", "password", "name"))
        email, password = _login(fields)
        name = fields.text("name", MOST_OF_NAME)
        made = await registration.register(email, password, name, _address(request, trusted))
        return _signed_in(*made)

    async def login(request: Request) -> Response:
        """Raises as `Registration.login`, RegistrationClosed (403), TooLarge (413)."""
        await registration.used()
        Query(request.query_params.multi_items(), ())
        email, password = _login(Fields(await body(request), ("email", "password")))
        return _signed_in(*await registration.login(email, password, _address(request, trusted)))

    async def shown(request: Request) -> Response:
        """Raises Unauthorized (401), Forbidden (403), InvalidRequest (400),
        StoreUnavailable (503)."""
        await admin(auth, request)
        Query(request.query_params.multi_items(), ())
        return answer(_switch(await switches.find(REGISTRATION)))

    async def switch(request: Request) -> Response:
        """As `shown`; every worker follows within a second."""
        by = await admin(auth, request)
        Query(request.query_params.multi_items(), ())
        enabled = Fields(await body(request), ("enabled",)).truth("enabled")
        if enabled is None:
            raise InvalidRequest("The field `enabled` is needed.", param="enabled")
        turned = await switches.turn(REGISTRATION, enabled, by.user, datetime.now(UTC))
        log.info("registration_switched", enabled=enabled, by=by.user)
        return answer(_switch(turned))

    return [
        Route("/register", register, methods=["POST"]),
        Route("/login", login, methods=["POST"]),
        Route("/admin/registration", shown, methods=["GET"]),
        Route("/admin/registration", switch, methods=["PUT"]),
    ]


def _login(fields: Fields) -> tuple[str, str]:
    return fields.needed("email", MOST_CHARACTERS), fields.needed("password", LONGEST_PASSWORD)


def _address(request: Request, trusted: tuple[Network, ...]) -> str:
    peer = request.client.host if request.client else ""
    forwarded = [v for name, v in request.headers.raw if name == b"x-forwarded-for"]
    return client_address(peer, forwarded, trusted)


def _signed_in(user: User, issued: Issued) -> Response:
    shown = {
        "id": str(user.id),
        "object": "user",
        "name": user.name,
        "role": user.role,
        "created_at": int(user.created_at.timestamp()),
    }
    token = {
        "type": "bearer",
        "token": issued.token,
        "id": str(issued.id),
        "expires_at": int(issued.expires_at.timestamp()),
    }
    return answer({"user": shown, "token": token})


def _switch(switch: Switch) -> dict[str, Any]:
    at = switch.changed_at
    return {
        "object": "registration",
        "enabled": switch.enabled,
        "changed_by": switch.changed_by,
        "changed_at": None if at is None else int(at.timestamp()),
    }
