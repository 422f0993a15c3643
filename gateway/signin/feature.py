"""What signing in adds to a worker, by the settings. The only place of this feature that builds."""

from collections.abc import Iterator, Mapping

import anyio
import httpx2
from starlette.routing import BaseRoute

from gateway.features import Feature, Ground
from gateway.settings import GatewaySettings
from gateway.signin import endpoints, endpoints_keys, endpoints_links, endpoints_start
from gateway.signin.calls import ProviderCalls
from gateway.signin.endpoints import Door
from gateway.signin.endpoints_start import Choice
from gateway.signin.making import configured, made, title
from gateway.signin.pages import Pages
from gateway.signin.provider import Provider
from gateway.signin.providers import ALIASES, Entry
from gateway.signin.schema import LINKS, LOGIN
from gateway.signin.store import SignInStore
from gateway.signin.web import Address, Web


def feature(ground: Ground) -> Feature:
    """Raises SettingsError."""
    settings = ground.settings
    entries = configured(settings)
    address = Address(settings.auth_service_url)
    web = Web(Pages(address.base, address.url), address, login=bool(entries))
    begin = endpoints_start.routes(web, [_choice(entry, settings) for entry in entries])
    links = endpoints_links.routes(web, ground.links)
    if not entries:
        return Feature([*begin, *links], openapi=LINKS)
    client = httpx2.AsyncClient(follow_redirects=False, trust_env=False, timeout=None)
    calls = ProviderCalls(client)
    providers = {entry.name: made(entry, settings, calls) for entry in entries}

    async def run() -> None:
        try:
            await anyio.sleep_forever()
        finally:
            with anyio.CancelScope(shield=True):
                await client.aclose()

    return Feature(
        [*begin, *links, *_login(ground, web, dict(_doors(providers, settings)))],
        runs=[run],
        openapi={"paths": {**LINKS["paths"], **LOGIN["paths"]}},
    )


def _login(ground: Ground, web: Web, doors: Mapping[str, Door]) -> list[BaseRoute]:
    store, days = SignInStore(ground.engine), ground.settings.token_days
    return [
        *endpoints.routes(web, doors, store, ground.identities, days),
        *endpoints_keys.routes(web, store, ground.keys),
    ]


def _doors(
    providers: Mapping[str, Provider], settings: GatewaySettings
) -> Iterator[tuple[str, Door]]:
    """By the name in the address. A browser goes out and comes back by addresses of one name."""
    for name, provider in providers.items():
        back = settings.feishu_callback if name == "feishu" else name
        yield name, Door(back, provider)
    for alias, name in ALIASES.items():
        if name in providers:
            yield alias, Door(alias, providers[name])


def _choice(entry: Entry, settings: GatewaySettings) -> Choice:
    shown = title(entry, settings)
    return Choice(entry.name, shown, entry.title_zh or shown)
