"""`POST /bots/{provider}/events`: where chat providers deliver what was written to the bot."""

import time
from collections.abc import Iterable

import structlog
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from gateway.bots.bot import Bot
from gateway.bots.intake import Intake
from gateway.bots.message import Delivery
from gateway.errors import GatewayError, UnverifiedEvent
from gateway.own_json import body

MOST_BYTES = 768 * 1024
"""A message has at most 150 kB of text; twice escaped and encrypted it is four times that."""

log = structlog.get_logger()


def routes(bots: Iterable[Bot], intake: Intake) -> list[BaseRoute]:
    """One address per bot that is delivered to."""
    return [
        Route(f"/bots/{bot.name}/events", _Events(bot, intake).take, methods=["POST"])
        for bot in bots
    ]


class _Events:
    """One provider's address."""

    def __init__(self, bot: Bot, intake: Intake) -> None:
        self._bot, self._intake = bot, intake

    async def take(self, request: Request) -> Response:
        """Raises UnverifiedEvent, StaleEvent (401), MalformedEvent (400), TooLarge (413),
        StoreUnavailable (503)."""
        try:
            # the raw bytes, which are what is signed
            delivery = Delivery(dict(request.headers), await body(request, MOST_BYTES))
            received = self._bot.receive(delivery, time.time())
            reply = await self._intake.take(self._bot, received)
        except GatewayError as refused:
            log.warning(
                "bot_event_refused",
                provider=self._bot.name,
                code=refused.code,
                reason=refused.reason if isinstance(refused, UnverifiedEvent) else refused.message,
            )
            raise
        return Response(reply, media_type="application/json")
