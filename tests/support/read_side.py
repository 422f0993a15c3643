"""The read side as clients see it: its routes, with people whose access token is their name."""

from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from typing import Any, cast

import httpx2
from sqlalchemy import insert
from sqlalchemy.ext.asyncio import AsyncEngine
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response

from common.tables import users
from gateway.auth.principal import Principal
from gateway.auth.principals import Principals
from gateway.conversations import endpoints as conversations
from gateway.conversations.store import ConversationStore, RecordStore
from gateway.errors import GatewayError, InvalidToken
from gateway.usage import endpoints as usage
from gateway.usage.store import UsageStore
from tests.support.talking import EPOCH

PEOPLE = {"alice": 1, "bob": 2, "root": 3}
"""`root` is an admin."""


class ByName:
    """Principals of `PEOPLE`."""

    async def authenticate(self, headers: Iterable[tuple[bytes, bytes]]) -> Principal:
        name = dict(headers).get(b"authorization", b"").decode().removeprefix("Bearer ")
        if name not in PEOPLE:
            raise InvalidToken
        role = "admin" if name == "root" else "member"
        return Principal(PEOPLE[name], name, role, 1, 0.0)  # type: ignore[arg-type]


@asynccontextmanager
async def read_side(engine: AsyncEngine) -> AsyncIterator[httpx2.AsyncClient]:
    """A client, over a database in which `PEOPLE` are users."""
    rows = [
        {"id": id, "name": name, "role": "admin" if name == "root" else "member"}
        for name, id in PEOPLE.items()
    ]
    async with engine.begin() as connection:
        await connection.execute(insert(users), [row | {"created_at": EPOCH} for row in rows])
    auth = cast(Principals, ByName())
    app = Starlette(
        routes=[
            *usage.routes(auth, UsageStore(engine)),
            *conversations.routes(auth, RecordStore(engine), ConversationStore(engine)),
        ],
        exception_handlers={GatewayError: _told},
    )
    transport = httpx2.ASGITransport(app)
    async with httpx2.AsyncClient(transport=transport, base_url="http://gateway") as client:
        yield client


async def _told(_request: Request, error: Exception) -> Response:
    assert isinstance(error, GatewayError)
    return Response(error.body(), error.status, media_type="application/json")


class Reader:
    """Asks as one person."""

    def __init__(self, client: httpx2.AsyncClient, name: str) -> None:
        self._client, self._headers = client, {"authorization": f"Bearer {name}"}

    async def get(self, path: str, **parameters: Any) -> httpx2.Response:
        given = {name.rstrip("_"): value for name, value in parameters.items()}
        return await self._client.get(path, params=given, headers=self._headers)

    async def read(self, path: str, **parameters: Any) -> Any:
        answer = await self.get(path, **parameters)
        assert answer.status_code == 200, answer.text
        return answer.json()

    async def ids(self, path: str, **parameters: Any) -> list[str]:
        page = await self.read(path, **parameters)
        return [one["id"] for one in page["data"]]

    async def refusal(self, path: str, **parameters: Any) -> tuple[int, str | None]:
        """Status, and the parameter that is blamed."""
        answer = await self.get(path, **parameters)
        return answer.status_code, answer.json()["error"]["param"]
