"""Where each service is expected: the environment says so, or it is the standard local port.

Pure: the environment is an argument.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Literal
from urllib.parse import urlsplit, urlunsplit

Service = Literal["Postgres", "RabbitMQ", "Redis"]

STANDARD: dict[Service, tuple[str, str]] = {
    "Postgres": ("TEST_DATABASE_URL", "postgresql://postgres:postgres@127.0.0.1:5432/postgres"),
    "RabbitMQ": ("AMQP_URL", "amqp://guest:guest@127.0.0.1:5672/"),
    "Redis": ("REDIS_URL", "redis://127.0.0.1:6379/0"),
}
"""The variable that names a service's address, and where it is if the variable is not set."""


@dataclass(frozen=True)
class Address:
    """Where one service is, or should be."""

    service: Service
    url: str
    setting: str
    """Environment variable that it came from, or that would change it."""
    given: bool
    """Somebody named it: nothing else may take its place."""

    @property
    def port(self) -> int:
        return urlsplit(self.url).port or urlsplit(STANDARD[self.service][1]).port or 0

    @property
    def shown(self) -> str:
        """Without its password."""
        parts = urlsplit(self.url)
        place = f"{parts.hostname or ''}:{self.port}"
        return urlunsplit(parts._replace(netloc=place, query="", fragment=""))

    def at(self, port: int) -> "Address":
        """The same service on another port of this machine."""
        parts = urlsplit(STANDARD[self.service][1])
        standing = f"127.0.0.1:{parts.port}"
        netloc = parts.netloc.replace(standing, f"127.0.0.1:{port}")
        return replace(self, url=urlunsplit(parts._replace(netloc=netloc)))


def expected(environment: Mapping[str, str]) -> tuple[Address, ...]:
    """One address per service, in the order of `STANDARD`."""
    return tuple(_expected(service, environment) for service in STANDARD)


def _expected(service: Service, environment: Mapping[str, str]) -> Address:
    setting, standard = STANDARD[service]
    if given := environment.get(setting):
        return Address(service, given, setting, given=True)
    database = environment.get("DATABASE_URL", "")
    if service == "Postgres" and database.startswith("postgres"):
        return Address(service, database, "DATABASE_URL", given=True)
    return Address(service, standard, setting, given=False)
