"""`gateway doctor`: everything that serving needs, looked at side by side.

What is looked at, and how, is in `gateway.checks`; how it is shown in
`gateway.commands.doctor`.
"""

import asyncio
from collections.abc import Awaitable, Iterator, Sequence
from dataclasses import replace
from itertools import chain

from sqlalchemy.ext.asyncio import AsyncEngine

from common.database import make_engine
from common.redaction import on_one_line
from gateway.checks.bots import check_bots
from gateway.checks.broker import check_broker, check_local_consumer
from gateway.checks.cache import check_redis
from gateway.checks.check import Check
from gateway.checks.configured import check_settings
from gateway.checks.database import check_database
from gateway.checks.disk import check_disk
from gateway.checks.keeping import check_keeping
from gateway.checks.sign_in import check_sign_in
from gateway.checks.upstreams import check_addresses, check_key
from gateway.settings import GatewaySettings

__all__ = ["Check", "diagnose"]

PATIENCE_S = 5
"""For each thing that is asked."""


async def diagnose(settings: GatewaySettings) -> list[Check]:
    """In the order in which a reader wants them. Nothing outside is changed."""
    engine = make_engine(settings.database, pool_size=1, wait_s=PATIENCE_S)
    try:
        asked = await asyncio.gather(
            *(_in_time(name, look) for name, look in _looks(settings, engine))
        )
    finally:
        await engine.dispose()
    data_dir = settings.data_dir
    found = [
        *check_settings(settings),
        *check_addresses(settings.credentials),
        *chain.from_iterable(asked),
        *check_disk(data_dir, data_dir / "spool", settings.spool_max_bytes),
    ]
    return [_on_one_line(check) for check in found]


Look = Awaitable[Sequence[Check]]


def _looks(settings: GatewaySettings, engine: AsyncEngine) -> Iterator[tuple[str, Look]]:
    for credential in settings.credentials:
        yield f"key {credential.id}", _alone(check_key(credential))
    yield "database", check_database(engine)
    yield "retention", check_keeping(engine)
    if settings.amqp_url is None:
        yield "consumers", check_local_consumer(settings.consumer_socket)
    else:
        url = settings.amqp_url.get_secret_value()
        yield "broker", check_broker(url, settings.amqp_prefix)
    yield "Redis", _alone(check_redis(settings.redis))
    yield "login", check_sign_in(settings)
    yield "bots", check_bots(settings)


async def _alone(check: Awaitable[Check]) -> list[Check]:
    return [await check]


async def _in_time(name: str, look: Look) -> Sequence[Check]:
    try:
        async with asyncio.timeout(PATIENCE_S):
            return await look
    except TimeoutError:
        detail = f"no answer within {PATIENCE_S} seconds"
        return [Check(name, "fail", detail, "See whether it is overloaded or behind a firewall.")]


def _on_one_line(check: Check) -> Check:
    """Some of it comes from outside, and may hold what steers a terminal."""
    return replace(check, detail=on_one_line(check.detail), remedy=on_one_line(check.remedy))
