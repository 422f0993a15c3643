"""The settings that are not at their default, secrets masked, and those that do not go together."""

import os
import re
from collections.abc import Iterator
from urllib.parse import urlsplit

from pydantic import SecretStr

from common.redaction import HIDDEN, without_secrets
from gateway.checks.check import Check
from gateway.settings import GatewaySettings

_LOOPBACK = ("127.0.0.1", "localhost", "::1")


def check_settings(settings: GatewaySettings) -> list[Check]:
    rows = [
        Check(name.upper(), "ok", shown(getattr(settings, name)))
        for name in type(settings).model_fields
        if name in settings.model_fields_set
    ]
    return [
        *(rows or [Check("settings", "ok", "all at their defaults")]),
        *_contradictions(settings),
    ]


def shown(value: object) -> str:
    """As it may be read by anybody."""
    if isinstance(value, SecretStr):
        secret = value.get_secret_value()
        if "://" not in secret:
            keys = [key for key in secret.split(",") if key.strip()]
            return HIDDEN if len(keys) < 2 else f"{HIDDEN} ({len(keys)})"
        return without_secrets(re.sub(r"://[^/@]*@", f"://{HIDDEN}@", secret))
    if isinstance(value, tuple | frozenset):
        return ", ".join(sorted(map(str, value))) or "none"
    return without_secrets(str(value))


def _contradictions(settings: GatewaySettings) -> Iterator[Check]:
    public = urlsplit(settings.auth_service_url).hostname
    if settings.host not in _LOOPBACK and public in _LOOPBACK:
        yield Check(
            "public address",
            "warn",
            f"HOST is {settings.host}, but AUTH_SERVICE_URL is {settings.auth_service_url}",
            "Set AUTH_SERVICE_URL to the address by which people reach the gateway.",
        )
    if not settings.embedded and settings.database.get_backend_name() == "sqlite":
        yield Check(
            "database and broker",
            "warn",
            "AMQP_URL is set, but the database is SQLite, which one machine alone can use",
            "Give Postgres by DATABASE_URL, or remove AMQP_URL to run embedded.",
        )
    cores = os.cpu_count() or 1
    if settings.workers > 2 * cores:
        yield Check(
            "workers",
            "warn",
            f"SERVER_WORKERS is {settings.workers} on {cores} cores",
            f"Set SERVER_WORKERS to {cores} or less: more only costs memory.",
        )
    if settings.demo:
        yield Check(
            "demo upstream",
            "warn" if settings.gateway_demo == "auto" else "ok",
            "answers are made up",
            "Set OPENAI_API_KEY to use a provider." if settings.gateway_demo == "auto" else "",
        )
