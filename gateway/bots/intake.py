"""What a provider delivers, taken in: committed with its job before it is acknowledged."""

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime

import anyio
import structlog

from gateway.bots.bot import Bot
from gateway.bots.commands import MOST_CHARS
from gateway.bots.desk import Desk
from gateway.bots.message import Click, Received
from gateway.bots.store import BotStore
from gateway.errors import StoreUnavailable

IN_TIME_S = 2.5
"""Providers wait for 3 s, and then deliver again."""

log = structlog.get_logger()


class Intake:
    """Takes in what was received, by whatever way. `wake` tells that there is a new job."""

    def __init__(
        self,
        store: BotStore,
        desk: Desk,
        wake: Callable[[], None],
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self._store, self._desk, self._wake, self._clock = store, desk, wake, clock

    async def take(self, bot: Bot, received: Received) -> bytes:
        """What to answer the provider. Raises StoreUnavailable (503): it must come again."""
        try:
            with anyio.fail_after(IN_TIME_S):
                if received.click is not None:
                    return await self._click(bot, received.click)
                await self._note(bot, received)
        except TimeoutError:
            raise StoreUnavailable from None
        return received.reply

    async def _note(self, bot: Bot, received: Received) -> None:
        if received.ignored:
            log.info("bot_event_ignored", provider=bot.name, reason=received.ignored)
        elif received.inbound is not None:
            inbound = replace(received.inbound, text=received.inbound.text[: MOST_CHARS + 1])
            id = await self._store.take(bot.name, received.keys, inbound, self._clock())
            if id is None:
                log.info("bot_event_repeated", provider=bot.name)
                return
            log.info("bot_event_taken", provider=bot.name, job_id=id)
            self._wake()

    async def _click(self, bot: Bot, click: Click) -> bytes:
        message = await self._desk.click(click)
        log.info("bot_click", provider=bot.name, op=click.op, token_id=click.id, done=message.good)
        return click.reply(message)
