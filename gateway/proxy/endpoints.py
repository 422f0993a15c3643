"""The way into the OpenAI surface: who asks for what, and is it within limits?

One ASGI endpoint for every address of the OpenAI API. It admits and refuses; what is admitted goes
to `exchange`. Lists of models are answered here.
"""

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence

import msgspec
import structlog
from starlette.types import Receive, Scope, Send
from uuid_utils import uuid7

from gateway.auth.principal import Principal
from gateway.errors import (
    GatewayError,
    Interrupted,
    InvalidRequest,
    NotFound,
    Overloaded,
    TooLarge,
    UnknownModel,
)
from gateway.proxy import envelope, ownership
from gateway.proxy.asked import Asked
from gateway.proxy.body import JSON_KINDS, Upload, is_upload, read_whole
from gateway.proxy.exchange import Question
from gateway.proxy.form import form_of
from gateway.proxy.headers import identity, to_upstream
from gateway.proxy.items import GROUPS as ITEM_GROUPS
from gateway.proxy.items import items_named
from gateway.proxy.load import Share
from gateway.proxy.no_store import withheld
from gateway.proxy.paths import Target
from gateway.proxy.services import Services
from gateway.proxy.sink import HANG_UP, ClientGone, HttpSink
from gateway.upstream.call import Call
from gateway.upstream.credential import Upstream

log = structlog.get_logger()

_NAMES_A_MODEL = frozenset({"chat", "completion", "embedding"})
_STREAMS_USAGE = frozenset({"chat", "completion"})

Body = Callable[[Upstream], bytes] | AsyncIterator[bytes]


class OpenAISurface:
    """The ASGI endpoint of the OpenAI API: admit, then exchange."""

    def __init__(self, services: Services) -> None:
        self._services = services

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Every failure before an exchange began is told here: 400, 401, 403, 404, 413, 503."""
        record_id = uuid7()
        when_gone = scope.get("extensions", {}).get(HANG_UP)
        with HttpSink(receive, send, identity(str(record_id).encode()), when_gone) as sink:
            try:
                with self._services.load.admit() as share:
                    await self._answer(Asked(scope, receive, record_id.bytes), sink, share)
            except GatewayError as error:
                await self._refuse(error, scope, sink)
            except asyncio.CancelledError:
                if not (sink.gone or sink.started):  # the gateway is being stopped
                    await self._refuse(sink.cut_by or Interrupted(), scope, sink)
                raise
            except ClientGone:
                log.debug("client_left_early", path=scope["path"])
            except (
                Exception
            ):  # the edge of a call: whatever it was, the client gets a shape it knows
                log.exception("unforeseen_failure", path=scope["path"])
                await tell(GatewayError(), sink)
            finally:
                self._services.metrics.held(self._services.load.held_bytes)

    async def _refuse(self, error: GatewayError, scope: Scope, sink: HttpSink) -> None:
        self._services.metrics.refused(error.code)
        if not isinstance(error, Overloaded):  # that is said once, not once for each
            log.info("call_refused", code=error.code, status=error.status, path=scope["path"])
        await tell(error, sink)

    async def _answer(self, asked: Asked, sink: HttpSink, share: Share) -> None:
        services = self._services
        principal = await services.auth.authenticate(asked.raw_headers)
        target = asked.admitted(services.settings.allowed_endpoints)
        if target.group == "models":
            await self._models(target, sink)
            return
        asked.no_store = withheld(
            asked.raw_headers,
            always=services.settings.record_bodies == "none",
            allowed=services.settings.allow_no_store,
        )
        question = await self._question(asked, target, principal, sink, share)
        services.metrics.held(services.load.held_bytes)
        await services.exchanges.run(question, sink)

    async def _question(
        self, asked: Asked, target: Target, principal: Principal, sink: HttpSink, share: Share
    ) -> Question:
        if is_upload(asked.headers, asked.method, target):
            form = form_of(asked.headers.get(b"content-type", b""), ownership.REFERENCES)
            upload = Upload(asked.receive, sink, form)
            await upload.look_ahead()
            model = target.model if form is None or form.model is None else form.model
            owner = await self._owner(target, principal, form.ids if form else [])
            call = self._call(asked, target, principal, model, owner, upload.pieces())
            return Question(
                asked.begin(target, principal, call),
                call,
                makes_resources=ownership.makes(asked.method, target.path, None),
                note_held=share.note,
                upload=upload,
                legacy=asked.legacy,
            )
        body = await read_whole(asked.receive, share, asked.headers.get(b"content-length", b""))
        sink.watch()
        fields = await _fields(body) if body else envelope.Fields()
        model = target.model or fields.model
        if model is None and target.kind in _NAMES_A_MODEL:
            raise InvalidRequest("You must provide a model parameter.", param="model")
        if target.model is not None and fields.model != target.model:
            body = envelope.with_member(body, "model", msgspec.json.encode(target.model))
        streamed = bool(fields.stream)
        asks = streamed and target.kind in _STREAMS_USAGE and not fields.wants_usage
        if asks:
            share.note(len(body))  # a second one, which asks
        owner = await self._owner(target, principal, await _ids(body, target.group))
        call = self._call(asked, target, principal, model, owner, _bodies(body, fields, asks))
        return Question(
            asked.begin(target, principal, call, body=body, streamed=streamed),
            call,
            hide_usage=asks,
            makes_resources=ownership.makes(asked.method, target.path, fields.store),
            legacy=asked.legacy,
            note_held=share.note,
        )

    def _call(
        self,
        asked: Asked,
        target: Target,
        principal: Principal,
        model: str | None,
        owner: ownership.Owner | None,
        body: Body,
    ) -> Call:
        """Raises UnknownModel (404) before anything is recorded."""
        call = Call(
            asked.scope["method"].encode(),
            asked.upstream_target(target),
            to_upstream(asked.raw_headers, as_json=_is_json(asked, target, body)),
            body,
            model,
            asked.client_address(self._services.settings.trusted_proxies),
            principal.user_id,
            (owner.upstream, owner.account) if owner else None,
            together=target.group in ownership.STICKY,
            creates=asked.method == "POST" and target.group in ownership.STICKY,
        )
        self._services.pool.serving(call)
        return call

    async def _owner(
        self, target: Target, principal: Principal, in_body: Sequence[str]
    ) -> ownership.Owner | None:
        """Of what the call names. Raises NotFound (404) if that is somebody else's, or nobody's."""
        named = ownership.id_in_path(target.path)
        ids = [*([named] if named else []), *in_body]
        if not ids:
            return None
        owners = await self._services.resources.owners(ids)
        if any(owner.user_id != principal.user_id for owner in owners.values()):
            raise NotFound()
        if named is not None and named not in owners and not principal.is_admin:
            raise NotFound()
        return next((owners[id_] for id_ in ids if id_ in owners), None)

    async def _models(self, target: Target, sink: HttpSink) -> None:
        catalogue = self._services.catalogue
        await catalogue.first_look()
        if target.path == "/models":
            answer: object = {"object": "list", "data": catalogue.all()}
        else:
            model_id = target.path.removeprefix("/models/")
            answer = catalogue.get(model_id)
            if answer is None:
                raise UnknownModel(f"The model {model_id!r} is not on offer here.", param="model")
        body = msgspec.json.encode(answer)
        await sink.start(200, _json(body))
        await sink.finish(body)


async def tell(error: GatewayError, sink: HttpSink) -> None:
    """The one rendering of a refusal; where an answer has begun, it just ends."""
    if sink.started:
        return
    body = error.body()
    close = [(b"connection", b"close")] if isinstance(error, TooLarge) else []
    await sink.start(error.status, [*_json(body), *error.headers(), *close])
    await sink.finish(body)


def _json(body: bytes) -> list[tuple[bytes, bytes]]:
    return [(b"content-type", b"application/json"), (b"content-length", b"%d" % len(body))]


async def _fields(body: bytes) -> envelope.Fields:
    if len(body) <= envelope.INLINE_BYTES:
        return envelope.read(body)
    return await asyncio.to_thread(envelope.read, body)


async def _ids(body: bytes, group: str) -> list[str]:
    if len(body) <= envelope.INLINE_BYTES:
        return _ids_in(body, group)
    return await asyncio.to_thread(_ids_in, body, group)


def _ids_in(body: bytes, group: str) -> list[str]:
    found = ownership.ids_in_body(body, group)
    return found + items_named(body) if group in ITEM_GROUPS else found


def _is_json(asked: Asked, target: Target, body: Body) -> bool:
    """Whether the upstream is told so, whatever the client calls it."""
    said = asked.headers.get(b"content-type")
    read = not isinstance(body, AsyncIterator)
    return target.kind in JSON_KINDS or (read and said is not None and b"json" not in said.lower())


def _bodies(body: bytes, fields: envelope.Fields, asks_usage: bool) -> Callable[[Upstream], bytes]:
    """The body for each upstream: some cannot be asked for usage."""
    if not asks_usage:
        return lambda upstream: body
    asking = envelope.asking_for_usage(body, bytes(fields.stream_options))
    return lambda upstream: asking if upstream.include_usage else body
