"""Login providers made by the settings: of the table's entries, those that have all they need."""

from collections.abc import Sequence
from importlib import import_module
from types import ModuleType
from typing import TYPE_CHECKING

from gateway.settings import GatewaySettings
from gateway.signin.providers import PROVIDERS, Entry

if TYPE_CHECKING:  # an HTTP client, which looking at settings need not load
    from gateway.signin.calls import ProviderCalls
    from gateway.signin.provider import Provider


def configured(settings: GatewaySettings) -> Sequence[Entry]:
    return [entry for entry in PROVIDERS if not settings.lacking(entry.needs)]


def refuse_unusable(settings: GatewaySettings) -> None:
    """Before anything is started. Raises SettingsError."""
    for entry in configured(settings):
        module = _file(entry)
        if hasattr(module, "Settings"):
            settings.section(module.Settings)


def made(entry: Entry, settings: GatewaySettings, calls: "ProviderCalls") -> "Provider":
    """Raises SettingsError."""
    provider: Provider = _file(entry).provider(settings, calls)
    return provider


def title(entry: Entry, settings: GatewaySettings) -> str:
    """As people know it."""
    return entry.title or str(_file(entry).title(settings))


def _file(entry: Entry) -> ModuleType:
    """Imported here, so that only what is configured costs time and memory."""
    return import_module(f"gateway.signin.providers.{entry.name}")
