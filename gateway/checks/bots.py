"""Which chat bots are offered, what the others lack, and whether the provider accepts ours."""

import asyncio
from importlib import import_module

from gateway.bots.bot import Bot, ProviderFailed, ProviderRefused
from gateway.bots.calling import new_client
from gateway.bots.table import BOTS, Entry
from gateway.checks.check import Check
from gateway.settings import GatewaySettings


async def check_bots(settings: GatewaySettings) -> list[Check]:
    """Those that somebody has begun to set up. Each that is complete is asked once."""
    wanted = [bot for bot in BOTS if bot.wanted(settings)]
    return list(await asyncio.gather(*(_check(bot, settings) for bot in wanted)))


async def _check(entry: Entry, settings: GatewaySettings) -> Check:
    name = f"bot {entry.name}"
    if lacking := entry.lacking(settings):
        detail = "not offered: there is nothing to verify or answer its events with"
        return Check(name, "warn", detail, f"To have it, set {', '.join(lacking)}.")
    async with new_client() as client:
        made: Bot = import_module(f"gateway.bots.providers.{entry.name}").make(settings, client)
        try:
            detail = await made.check()
        except ProviderFailed as failed:
            remedy = "See whether this machine reaches the provider, then try again."
            return Check(name, "fail", str(failed), remedy)
        except ProviderRefused as refused:
            needed = ", ".join(entry.needs)
            return Check(name, "fail", str(refused), f"Correct {needed}, or the app's permissions.")
    way = "over its own connection" if made.listen else f"delivers to {_address(entry, settings)}"
    return Check(name, "ok", f"{detail}; {way}")


def _address(entry: Entry, settings: GatewaySettings) -> str:
    return f"{settings.auth_service_url}/bots/{entry.name}/events"
