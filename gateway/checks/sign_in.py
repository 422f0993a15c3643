"""Whether people can sign in: what is configured of each login provider, and whether it answers."""

from collections.abc import Iterator
from urllib.parse import urlsplit

import httpx2

from common.settings import SettingsError
from gateway.checks.check import Check
from gateway.errors import GatewayError
from gateway.settings import GatewaySettings
from gateway.signin.calls import ProviderCalls
from gateway.signin.making import configured, made
from gateway.signin.provider import Asked
from gateway.signin.providers import PROVIDERS, Entry

_NAME = "login"
_LOOPBACK = ("127.0.0.1", "localhost", "::1")
PATIENCE_S = 4.0


async def check_sign_in(settings: GatewaySettings) -> list[Check]:
    found, ready = list(_incomplete(settings)), configured(settings)
    if not ready:
        return found or [Check(_NAME, "ok", "not configured; keys come by command line or bot")]
    async with httpx2.AsyncClient(trust_env=False, timeout=None) as client:
        calls = ProviderCalls(client, PATIENCE_S)
        found += [await _check(entry, settings, calls) for entry in ready]
    return [*found, *_address(settings)]


def _incomplete(settings: GatewaySettings) -> Iterator[Check]:
    for entry in PROVIDERS:
        missing = settings.lacking(entry.needs)
        given = [name for name in entry.needs if name not in missing]
        if given and missing:
            yield Check(
                f"{_NAME} {entry.name}",
                "warn",
                f"{', '.join(given)} given, but not {', '.join(missing)}: nobody can sign in there",
                f"Set {', '.join(missing)}, or remove {', '.join(given)}.",
            )


async def _check(entry: Entry, settings: GatewaySettings, calls: ProviderCalls) -> Check:
    """Beginning a sign-in asks an OpenID Connect provider for what it says of itself."""
    name = f"{_NAME} {entry.name}"
    back = settings.feishu_callback if entry.name == "feishu" else entry.name
    callback = f"{settings.auth_service_url}/auth/callback/{back}"
    try:
        await made(entry, settings, calls).authorize_url(Asked(callback, "", "", ""))
    except (GatewayError, SettingsError) as error:
        return Check(name, "fail", str(error), f"See whether {entry.needs[0]} is right.")
    return Check(name, "ok", f"people sign in there; its redirect URL is {callback}")


def _address(settings: GatewaySettings) -> Iterator[Check]:
    parts = urlsplit(settings.auth_service_url)
    if parts.scheme != "https" and parts.hostname not in _LOOPBACK:
        yield Check(
            "login address",
            "warn",
            f"AUTH_SERVICE_URL is {settings.auth_service_url}: keys would be shown over plain HTTP",
            "Put TLS in front of the gateway, and give its https:// address.",
        )
