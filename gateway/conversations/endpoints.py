"""`/records` and `/conversations`: what was asked and answered, one's own or, for admins,
everybody's. What is not there and what is somebody else's looks the same: 404."""

from collections.abc import Callable
from functools import partial
from typing import Any, TypeVar
from uuid import UUID

import msgspec
from anyio import to_thread
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from common.record import Status
from gateway.auth.principals import Principals
from gateway.conversations import rendering
from gateway.conversations.store import ConversationStore, RecordStore
from gateway.conversations.views import Body, RecordFilter
from gateway.errors import NotFound
from gateway.query import Query, as_id, in_order
from gateway.whose import Whose, whose

RECORD_FILTERS = ("kind", "model", "status", "from", "to", "user", "conversation")
CONVERSATION_FILTERS = ("user", "from", "to")
PAGE = ("limit", "after")
MOST, USUAL = 100, 20

Bytes = TypeVar("Bytes", bytes, bytes | None)


def routes(
    auth: Principals, records: RecordStore, conversations: ConversationStore
) -> list[BaseRoute]:
    reader = _Reader(auth, records, conversations)
    return [
        Route("/records", reader.records, methods=["GET"]),
        Route("/records/{id}", reader.record, methods=["GET"]),
        Route("/conversations", reader.conversations, methods=["GET"]),
        Route("/conversations/{id}", reader.conversation, methods=["GET"]),
    ]


class _Reader:
    """The four endpoints. Each raises Unauthorized (401), InvalidRequest (400) and
    StoreUnavailable (503); the lists Forbidden (403), the others NotFound (404)."""

    def __init__(
        self, auth: Principals, records: RecordStore, conversations: ConversationStore
    ) -> None:
        self._auth, self._records, self._conversations = auth, records, conversations

    async def records(self, request: Request) -> Response:
        by, query = await self._asked(request, (*RECORD_FILTERS, *PAGE))
        wanted = RecordFilter(
            kind=query.text("kind"),
            model=query.text("model"),
            status=query.one_of("status", tuple(Status)),
            begin=query.moment("from"),
            end=query.moment("to"),
            conversation_id=query.id("conversation"),
        )
        in_order(wanted.begin, wanted.end)
        limit = query.whole("limit", 1, MOST, USUAL)
        found = await self._records.page(by, wanted, query.id("after"), limit + 1)
        shown = [rendering.record(one) for one in found[:limit]]
        return _json(msgspec.json.encode(rendering.a_list(shown, len(found) > limit)))

    async def record(self, request: Request) -> Response:
        by, query = await self._asked(request, ("raw",))
        raw = query.one_of("raw", ("request", "response"))
        found = await self._records.find(by, _id(request))
        if found is None:
            raise NotFound
        record, asked, answered = found
        if raw is not None:
            return await _raw(record.id, raw, asked if raw == "request" else answered)
        return _json(await _apart(rendering.record_with_bodies, record, asked, answered))

    async def conversations(self, request: Request) -> Response:
        by, query = await self._asked(request, (*CONVERSATION_FILTERS, *PAGE))
        begin, end = query.moment("from"), query.moment("to")
        in_order(begin, end)
        limit = query.whole("limit", 1, MOST, USUAL)
        found = await self._conversations.page(by, begin, end, query.id("after"), limit + 1)
        shown = [rendering.conversation(one) for one in found[:limit]]
        return _json(msgspec.json.encode(rendering.a_list(shown, len(found) > limit)))

    async def conversation(self, request: Request) -> Response:
        by, _ = await self._asked(request, ())
        found = await self._conversations.find(by, _id(request))
        if found is None:
            raise NotFound
        return _json(await _apart(rendering.conversation_with_exchanges, *found))

    async def _asked(self, request: Request, known: tuple[str, ...]) -> tuple[Whose, Query]:
        principal = await self._auth.authenticate(request.headers.raw)
        query = Query(request.query_params.multi_items(), known)
        return whose(principal, query.text("user")), query


def _id(request: Request) -> UUID:
    found = as_id(request.path_params["id"])
    if found is None:
        raise NotFound
    return found


async def _raw(id: UUID, which: str, body: Body) -> Response:
    """The bytes as they travelled, for a file and never for a page: the text is a stranger's."""
    content = await _apart(rendering.unpacked, body.packed, body.codec)
    if content is None:
        raise NotFound(f"The {which} of this record was not kept.")
    return Response(
        content,
        headers={
            "content-type": _printable(body.content_type) or "application/octet-stream",
            "content-disposition": f'attachment; filename="{id}.{which}"',
            "content-security-policy": "sandbox; default-src 'none'",
            "x-content-type-options": "nosniff",
            "cache-control": "no-store",
        },
    )


def _printable(text: str) -> str:
    return "".join(c for c in text if " " <= c <= "~")


async def _apart(work: Callable[..., Bytes], *given: Any) -> Bytes:
    """In a thread: bodies may be large, and the loop serves others."""
    return await to_thread.run_sync(partial(work, *given))


def _json(body: bytes) -> Response:
    return Response(body, media_type="application/json", headers={"cache-control": "no-store"})
