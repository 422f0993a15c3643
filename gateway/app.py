"""Builds everything, once: the only place of the gateway that names adapters.

`create_app` runs in each worker, after it was forked. What the settings ask for is imported only
where it is asked for: RabbitMQ's and Redis' clients are large.
"""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress
from importlib import import_module
from importlib.metadata import version
from typing import Any

import anyio
import structlog
from sqlalchemy.ext.asyncio import AsyncEngine
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute
from starlette.types import Message, Receive, Scope, Send
from uuid_utils import uuid7

from common.database import make_engine
from common.settings import SettingsError
from gateway.admin import endpoints as admin
from gateway.admin import schema as admin_schema
from gateway.admin.desk import Desk
from gateway.admin.store import CredentialStore
from gateway.apidocs import endpoints as apidocs
from gateway.apidocs.document import openapi
from gateway.auth.identities import IdentityStore
from gateway.auth.keys import Announcer, KeyDesk, KeyTerms
from gateway.auth.links import Links
from gateway.auth.principals import Principals
from gateway.auth.store import AuthStore
from gateway.conversations import endpoints as conversations
from gateway.conversations import schema as conversations_schema
from gateway.conversations.store import ConversationStore, RecordStore
from gateway.errors import GatewayError, MethodNotAllowed, UnknownPath
from gateway.features import Feature, Ground, Run, features
from gateway.metrics import Metrics
from gateway.proxy import schema as proxy_schema
from gateway.proxy.endpoints import OpenAISurface
from gateway.proxy.exchange import Exchanges
from gateway.proxy.headers import identity
from gateway.proxy.load import Load
from gateway.proxy.paths import resolve
from gateway.proxy.services import Services
from gateway.proxy.store import ResourceStore
from gateway.recording.broker import Broker
from gateway.recording.broker_local import LocalBroker
from gateway.recording.publisher import Publisher
from gateway.recording.spool import Spool
from gateway.reload import Reload
from gateway.settings import GatewaySettings
from gateway.status import endpoints as status
from gateway.status import schema as status_schema
from gateway.status.readiness import Readiness
from gateway.status.store import DatabaseProbe
from gateway.status.watch import Watch
from gateway.upstream.balancer import RULES
from gateway.upstream.conditions import Conditions
from gateway.upstream.credential import Credential, Upstream
from gateway.upstream.models import Catalogue
from gateway.upstream.pool import Pool
from gateway.upstream.probes import Prober
from gateway.upstream.transport import OwnTransport
from gateway.upstream.wire import Transport
from gateway.usage import endpoints as usage
from gateway.usage import schema as usage_schema
from gateway.usage.store import UsageStore

log = structlog.get_logger()

DRAIN_S = 5.0
"""How long a stopping worker goes on publishing; what is left is published by the next one."""
_DEMO_KEY = "sk-demo-takes-any"
"""No word: wherever a key stands in an error of its upstream, it is struck out."""


class Gateway(Starlette):
    """The application; its OpenAI surface stands in front of Starlette's router.

    Calls to models are nearly all there is, in many spellings: they are told apart by one cached
    look at the path instead of a walk along the routes.
    """

    surface: OpenAISurface

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and resolve(scope["raw_path"]) is not None:
            await self.surface(scope, receive, send)
        else:
            await super().__call__(scope, receive, _identified(send))


def _identified(send: Send) -> Send:
    """Every answer has an id, those without a record too."""
    own = identity(str(uuid7()).encode())

    async def identified(message: Message) -> None:
        if message["type"] == "http.response.start":
            message["headers"] = [*message.get("headers", ()), *own]
        await send(message)

    return identified


def create_app(settings: GatewaySettings, demo_url: str | None = None) -> Gateway:
    """`demo_url`: where the demo upstream listens, if it does. Opens nothing before it starts."""
    engine = make_engine(settings.database)
    for_tokens = make_engine(settings.database, pool_size=2)  # slow reading must not delay a call
    credentials = _with_demo(settings.credentials, settings, demo_url)
    metrics = Metrics(directory=settings.data_dir / "metrics" if settings.workers > 1 else None)
    metrics.know(*_named(credentials))
    transport = _transport(settings)
    pool = _pool(settings, credentials, transport, metrics)
    spool = Spool(
        settings.data_dir / "spool",
        durability=settings.record_durability,
        max_bytes=settings.spool_max_bytes // settings.workers,
    )
    resources, announcements = ResourceStore(engine), _announcements(settings)
    people = AuthStore(for_tokens)
    principals = Principals(people, announcements)
    services = Services(
        settings=settings,
        auth=principals,
        exchanges=Exchanges(spool, pool, resources, metrics, ping_s=settings.stream_ping_s),
        pool=pool,
        resources=resources,
        catalogue=Catalogue(credentials, transport),
        metrics=metrics,
        load=Load(settings.max_in_flight, settings.max_held_bytes),
    )
    reload = _reload(services, demo_url)
    desk = Desk(pool, CredentialStore(for_tokens))
    keys = KeyDesk(AuthStore(engine), principals, _terms(settings), announcements, people)
    added = features(_ground(services, engine, keys))
    beside = [reload.run, desk.run, keys.run, *_caring(settings, pool, transport, metrics)]
    beside += [run for feature in added for run in feature.runs]
    running = _Running(
        services, (engine, for_tokens), transport, spool, _broker(settings), Readiness(), beside
    )
    document = _document(settings, added)
    app = Gateway(
        routes=[
            *_routes(services, engine, running.readiness, document),
            *admin.routes(services.auth, desk, CredentialStore(engine)),
            *(route for feature in added for route in feature.routes),
        ],
        lifespan=running.lifespan,
        exception_handlers={
            GatewayError: _render,
            HTTPException: _render_http,
            Exception: _render_unforeseen,
        },
    )
    app.surface = OpenAISurface(services)
    app.state.readiness, app.state.document = running.readiness, document
    app.state.reload = reload.ask
    return app


class _Running:
    """What runs beside the calls while the application is up."""

    def __init__(
        self,
        services: Services,
        engines: Sequence[AsyncEngine],
        transport: Transport,
        spool: Spool,
        broker: Broker,
        readiness: Readiness,
        beside: Sequence[Run],
    ) -> None:
        self.readiness, self._beside = readiness, beside
        self._services, self._engines, self._transport = services, engines, transport
        self._spool, self._broker = spool, broker

    @asynccontextmanager
    async def lifespan(self, _app: Starlette) -> AsyncIterator[None]:
        services = self._services
        watch = Watch(
            self.readiness,
            services.metrics,
            self._spool,
            services.settings.spool_max_bytes // services.settings.workers,
            DatabaseProbe(self._engines[0]).reachable,
            self._broker.consumers,
        )
        await self._spool.open()
        async with anyio.create_task_group() as tasks:
            runs: Sequence[Run] = (
                services.auth.run,
                services.catalogue.run,
                Publisher(self._spool, self._broker).run,
                self._spool.tend,
                watch.run,
                *self._beside,
            )
            for run in runs:
                tasks.start_soon(run)
            yield
            await self._empty_spool()
            tasks.cancel_scope.cancel()
        await self._close()

    async def _empty_spool(self) -> None:
        """Sooner than the next worker would; what is left in it is safe there."""
        with anyio.move_on_after(DRAIN_S):
            while self._spool.backlog_records:  # noqa: ASYNC110 - the publisher tells nobody
                await anyio.sleep(0.02)

    async def _close(self) -> None:
        await self._spool.close()
        await self._transport.close()
        for engine in self._engines:
            await engine.dispose()


def _with_demo(
    found: Sequence[Credential], settings: GatewaySettings, demo_url: str | None
) -> Sequence[Credential]:
    if demo_url is None or (found and settings.gateway_demo != "on"):
        return found
    demo = Upstream("demo", demo_url, timeouts=settings.timeouts)
    return [*found, Credential(demo, "demo", "demo", _DEMO_KEY)]


def _named(credentials: Sequence[Credential]) -> tuple[list[str], list[tuple[str, str]]]:
    """Upstreams, and upstream and label of each key, as metrics want them."""
    pairs = [(c.upstream.name, c.label) for c in credentials]
    return sorted({upstream for upstream, _ in pairs}), pairs


def _reload(services: Services, demo_url: str | None) -> Reload:
    settings, pool = services.settings, services.pool

    def read() -> Sequence[Credential]:
        found = _with_demo(settings.read_credentials(), settings, demo_url)
        if not found:
            raise SettingsError("No provider key would be left: add an upstream to GATEWAY_CONFIG.")
        return found

    def apply(found: Sequence[Credential]) -> None:
        with suppress(OSError):  # on a full disk they are counted as `other`
            services.metrics.know(*_named(found))
        pool.replace(found)
        services.catalogue.replace(found)

    return Reload(settings.gateway_config, pool.credentials, read, apply)


def _caring(
    settings: GatewaySettings, pool: Pool, transport: Transport, metrics: Metrics
) -> list[Run]:
    """What looks after the pool's keys."""
    conditions = Conditions(pool, metrics.credential)
    if settings.redis is None:
        return [conditions.run, Prober(pool, transport).run]
    module = import_module("gateway.upstream.sharing_redis")
    sharing = module.RedisSharing(settings.redis, settings.redis_prefix, pool)
    return [conditions.run, Prober(pool, transport, sharing.mine).run, sharing.run]


def _pool(
    settings: GatewaySettings,
    credentials: Sequence[Credential],
    transport: Transport,
    metrics: Metrics,
) -> Pool:
    return Pool(
        credentials,
        transport,
        RULES[settings.load_balancer_rule](),
        retry_count=settings.retry_count,
        retry_time_s=settings.retry_time,
        wait_s=settings.pool_wait_s,
        on_attempt=metrics.attempt,
    )


def _transport(settings: GatewaySettings) -> Transport:
    if settings.upstream_transport == "own":
        return OwnTransport()
    module = import_module("gateway.upstream.transport_httpx2")
    transport: Transport = module.Httpx2Transport()
    return transport


def _broker(settings: GatewaySettings) -> Broker:
    if settings.amqp_url is None:
        return LocalBroker(settings.consumer_socket)
    module = import_module("gateway.recording.broker_amqp")
    url, topology = settings.amqp_url.get_secret_value(), module.Topology(settings.amqp_prefix)
    broker: Broker = module.AmqpBroker(url, topology)
    return broker


def _ground(services: Services, engine: AsyncEngine, keys: KeyDesk) -> Ground:
    settings, under_way = services.settings, services.exchanges.under_way
    return Ground(
        settings,
        engine,
        keys.principals,
        IdentityStore(engine),
        keys,
        Links(engine, keys, settings.auth_service_url),
        under_way,
        UsageStore(engine),
    )


def _terms(settings: GatewaySettings) -> KeyTerms:
    return KeyTerms(settings.token_days, settings.token_days_max, settings.tokens_per_user)


def _announcements(settings: GatewaySettings) -> Announcer | None:
    if settings.redis is None:
        return None
    module = import_module("gateway.auth.announcements")
    announcements: Announcer = module.RedisAnnouncements(settings.redis, settings.redis_prefix)
    return announcements


def _document(settings: GatewaySettings, added: Sequence[Feature]) -> dict[str, Any]:
    return openapi(
        [
            proxy_schema.OPENAPI,
            conversations_schema.OPENAPI,
            usage_schema.OPENAPI,
            admin_schema.OPENAPI,
            status_schema.OPENAPI,
            *(feature.openapi for feature in added if feature.openapi),
        ],
        server_url=settings.auth_service_url,
        version=version("openai-gateway"),
    )


def _routes(
    services: Services, engine: AsyncEngine, readiness: Readiness, document: dict[str, Any]
) -> list[BaseRoute]:
    return [
        *status.routes(readiness, services.metrics),
        *usage.routes(services.auth, UsageStore(engine)),
        *conversations.routes(services.auth, RecordStore(engine), ConversationStore(engine)),
        *apidocs.routes(document),
    ]


async def _render(_request: Request, error: Exception) -> Response:
    """The one rendering of failures outside the OpenAI surface."""
    assert isinstance(error, GatewayError)  # noqa: S101 - what this handler is registered for
    headers = {name.decode(): value.decode() for name, value in error.headers()}
    return Response(error.body(), error.status, headers, "application/json")


async def _render_http(request: Request, error: Exception) -> Response:
    known = MethodNotAllowed() if getattr(error, "status_code", 404) == 405 else UnknownPath()
    return await _render(request, known)


async def _render_unforeseen(request: Request, error: Exception) -> Response:
    log.error("unforeseen_failure", path=request.scope["path"], exc_info=error)
    return await _render(request, GatewayError())
