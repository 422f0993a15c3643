"""What chat bots add to a worker, by the settings. The only place of this feature that builds."""

from collections.abc import Iterable, Iterator
from importlib import import_module

import anyio
import httpx2
import structlog

from common.leases import Leases, new_owner, while_owner
from gateway.bots.answers import Terms
from gateway.bots.bot import Bot, Listen
from gateway.bots.calling import new_client
from gateway.bots.desk import Desk
from gateway.bots.endpoints import routes
from gateway.bots.intake import Intake
from gateway.bots.jobs import Jobs
from gateway.bots.message import Received
from gateway.bots.reminders import Reminders
from gateway.bots.schema import OPENAPI
from gateway.bots.store import BotStore
from gateway.bots.table import BOTS
from gateway.features import Feature, Ground, Run
from gateway.settings import GatewaySettings

AFTER_FAILURE_S = 5.0

log = structlog.get_logger()


def feature(ground: Ground) -> Feature:
    """Raises SettingsError."""
    settings, client = ground.settings, new_client()
    bots = {bot.name: bot for bot in offered(settings, client)}
    if not bots:
        return Feature()
    store, owner, leases = BotStore(ground.engine), new_owner(), Leases(ground.engine)
    desk = _desk(ground)
    jobs = Jobs(store, desk, bots, owner)
    intake = Intake(store, desk, jobs.wake)
    reminders = Reminders(store, bots, jobs.wake)
    runs: list[Run] = [
        _going_on("jobs", jobs.run),
        _going_on("reminders", lambda: reminders.run(leases, owner)),
        *_connections(bots.values(), intake, leases, owner),
        _closing(client),
    ]
    delivered = [bot for bot in bots.values() if bot.listen is None]
    return Feature(routes(delivered, intake), runs, OPENAPI if delivered else {})


def offered(settings: GatewaySettings, client: httpx2.AsyncClient) -> Iterator[Bot]:
    """Those that lack nothing; of others that somebody has begun to set up, the log says what."""
    for entry in BOTS:
        if lacking := entry.lacking(settings):
            if entry.wanted(settings):
                log.info("bot_not_offered", provider=entry.name, lacking=lacking)
            continue
        made: Bot = import_module(f"gateway.bots.providers.{entry.name}").make(settings, client)
        yield made


def _desk(ground: Ground) -> Desk:
    settings = ground.settings
    return Desk(
        ground.identities,
        ground.keys,
        ground.usage,
        ground.links if settings.key_delivery == "link" else None,
        Terms(
            settings.token_days,
            settings.token_days_max,
            settings.tokens_per_user,
            f"{settings.auth_service_url}/v1",
        ),
    )


def _connections(bots: Iterable[Bot], intake: Intake, leases: Leases, owner: str) -> Iterator[Run]:
    """Long connections, each kept by one process at a time."""
    for bot in bots:
        if (listen := bot.listen) is not None:
            yield _going_on(
                f"{bot.name} connection", _Connection(bot, listen, intake).keep(leases, owner)
            )


class _Connection:
    """What one bot's long connection brings goes the way of all events."""

    def __init__(self, bot: Bot, listen: Listen, intake: Intake) -> None:
        self._bot, self._listen, self._intake = bot, listen, intake

    def keep(self, leases: Leases, owner: str) -> Run:
        async def run() -> None:
            await while_owner(leases, f"bot {self._bot.name}", owner, self._work)

        return run

    async def _work(self) -> None:
        await self._listen(self._deliver)

    async def _deliver(self, received: Received) -> bytes:
        return await self._intake.take(self._bot, received)


def _going_on(name: str, run: Run) -> Run:
    """Whatever happens: what is unforeseen here must not end the worker."""

    async def going_on() -> None:
        while True:
            try:
                await run()
            except Exception:  # a bot that fails is no reason to refuse calls
                log.exception("bot_failed", part=name)
            await anyio.sleep(AFTER_FAILURE_S)

    return going_on


def _closing(client: httpx2.AsyncClient) -> Run:
    async def run() -> None:
        try:
            await anyio.sleep_forever()
        finally:
            with anyio.CancelScope(shield=True):
                await client.aclose()

    return run
