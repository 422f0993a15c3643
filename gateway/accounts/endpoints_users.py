"""`/admin/users`: who there is, blocking and unblocking, roles, two users made one. For admins.

A role is given here and by command line, and nowhere else: no other body has a field for it.
"""

from datetime import UTC, datetime
from typing import Any, cast

import structlog
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from gateway.accounts.store import PeopleStore, Person
from gateway.auth.identities import Identity
from gateway.auth.keys import KeyDesk
from gateway.auth.principal import Principal, Role
from gateway.auth.principals import Principals
from gateway.errors import InvalidRequest, UnknownUser
from gateway.fields import Fields
from gateway.own_json import admin, answer, body, page
from gateway.query import Query

MOST, USUAL = 100, 20
MOST_CHARACTERS = 256
_IDENTITY = ("provider", "tenant_key", "subject")

log = structlog.get_logger()


def routes(auth: Principals, keys: KeyDesk, people: PeopleStore) -> list[BaseRoute]:
    users = _Users(auth, keys, people)
    return [
        Route("/admin/users", users.every, methods=["GET"]),
        Route("/admin/users/{name:path}/identities", users.link, methods=["PUT"]),
        Route("/admin/users/{name:path}", users.one, methods=["GET"]),
        Route("/admin/users/{name:path}", users.change, methods=["PUT"]),
    ]


class _Users:
    """The four endpoints. Each raises Unauthorized (401), Forbidden (403), InvalidRequest (400),
    StoreUnavailable (503); those that name a user UnknownUser (404)."""

    def __init__(self, auth: Principals, keys: KeyDesk, people: PeopleStore) -> None:
        self._auth, self._keys, self._people = auth, keys, people

    async def every(self, request: Request) -> Response:
        await admin(self._auth, request)
        query = Query(request.query_params.multi_items(), ("limit", "after"))
        limit, after = query.whole("limit", 1, MOST, USUAL), query.whole("after", 0, 10**9, 0)
        found = await self._people.page(after, limit + 1)
        return page([_row(person) for person in found[:limit]], len(found) > limit)

    async def one(self, request: Request) -> Response:
        _, name = await self._asked(request)
        return await self._shown(name)

    async def change(self, request: Request) -> Response:
        """Block or unblock, give a role."""
        by, name = await self._asked(request)
        fields = Fields(await body(request), ("blocked", "role"))
        blocked, role = fields.truth("blocked"), fields.one_of("role", ("member", "admin"))
        if blocked is None and role is None:
            raise InvalidRequest("Say `blocked`, `role` or both.")
        if name == by.user and (blocked or role == "member"):
            raise InvalidRequest("Another admin must do that to you: you could lock yourself out.")
        if role is not None:
            await self._keys.give_role(name, cast(Role, role))
        if blocked is not None:
            await (self._keys.block(name) if blocked else self._keys.unblock(name))
        log.info("user_changed", user=name, by=by.user, blocked=blocked, role=role)
        return await self._shown(name)

    async def link(self, request: Request) -> Response:
        """`{"user": …}`: that user is this one; or one identity: whoever has it is."""
        by, name = await self._asked(request)
        fields = Fields(await body(request), ("user", *_IDENTITY))
        other = fields.text("user", MOST_CHARACTERS)
        if (other is None) == ("provider" not in fields):
            raise InvalidRequest("Name a `user`, or an identity by `provider` and `subject`.")
        if other is not None:
            changed: tuple[int | None, ...] = await self._people.join(name, other)
        else:
            changed = await self._people.give(name, _identity(fields), datetime.now(UTC))
        for user_id in changed:
            if user_id is not None:
                await self._keys.changed(user_id)
        log.info("identities_linked", user=name, by=by.user, other=other)
        return await self._shown(name)

    async def _asked(self, request: Request) -> tuple[Principal, str]:
        """Who asks, and about whom: blanks around it make no other name."""
        principal = await admin(self._auth, request)
        Query(request.query_params.multi_items(), ())
        name = request.path_params["name"].strip()
        if not name.isprintable():  # nobody is called so, and no database takes all of it
            raise UnknownUser
        return principal, name

    async def _shown(self, name: str) -> Response:
        return answer(_row(await self._people.one(name)))


def _identity(fields: Fields) -> Identity:
    return Identity(
        fields.needed("provider", MOST_CHARACTERS).strip(),
        (fields.text("tenant_key", MOST_CHARACTERS) or "").strip(),
        fields.needed("subject", MOST_CHARACTERS).strip(),
    )


def _row(person: Person) -> dict[str, Any]:
    user = person.user
    return {
        "id": str(user.id),
        "object": "user",
        "name": user.name,
        "role": user.role,
        "created_at": int(user.created_at.timestamp()),
        "blocked_at": None if user.blocked_at is None else int(user.blocked_at.timestamp()),
        "valid_tokens": person.valid_tokens,
        "emails": person.emails,
        "identities": [
            {"provider": one.provider, "tenant_key": one.tenant_key, "subject": one.subject}
            for one in person.identities
        ],
    }
