"""Tell running gateways at once what a command has changed; without Redis, they ask each second."""

import typer

from gateway.auth.announcements import RedisAnnouncements
from gateway.auth.standing import AnnouncementFailed, Change
from gateway.commands.output import warn
from gateway.settings import GatewaySettings


async def spread(settings: GatewaySettings, *changes: Change) -> None:
    """Exit code 1 where gateways could not be told: the change is made all the same."""
    if settings.redis is None:
        return
    announcements = RedisAnnouncements(settings.redis, settings.redis_prefix)
    try:
        for change in changes:
            await announcements.announce(change)
    except AnnouncementFailed as error:
        warn(
            f"It is done, but Redis (REDIS_URL) could not be told ({error}): gateways that reach it"
            " may take a minute to notice. Run the same command again once Redis is back."
        )
        raise typer.Exit(1) from None
    finally:
        await announcements.close()
