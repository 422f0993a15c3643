"""Decide how the services that do not answer are to be started, or say why they cannot be.

Pure: what is so on this machine is an argument.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from scripts.services.addresses import Address, Service

PACKAGES: dict[Service, str] = {
    "Postgres": "postgresql",
    "RabbitMQ": "rabbitmq-server",
    "Redis": "redis-server",
}
"""Debian's and Ubuntu's names."""


@dataclass(frozen=True)
class Machine:
    """What this machine offers."""

    docker: bool
    """A Docker engine answers, and `docker compose` is there."""
    installed: frozenset[Service]
    """Whose programs are installed."""
    apt: Literal["root", "sudo", "no"]
    """Whether packages may be installed, and as whom."""


@dataclass(frozen=True)
class Plan:
    """What to do about the services that do not answer; `refusal` if nothing can be done."""

    compose: tuple[Address, ...] = ()
    start: tuple[Address, ...] = ()
    """By their installed programs, once `install` is done."""
    install: tuple[str, ...] = ()
    """Packages."""
    refusal: str = ""


def plan(absent: Sequence[Address], machine: Machine) -> Plan:
    if named := [a for a in absent if a.given]:
        return Plan(refusal=" ".join(_named(a) for a in named))
    if machine.docker:
        return Plan(compose=tuple(absent))
    lacking = [a.service for a in absent if a.service not in machine.installed]
    if lacking and machine.apt == "no":
        return Plan(refusal=_lacking(lacking))
    return Plan(start=tuple(absent), install=tuple(PACKAGES[service] for service in lacking))


def _named(address: Address) -> str:
    return (
        f"{address.setting} names {address.shown}, where no {address.service} lets us in:"
        f" correct it, or unset it and one will be sought at the standard place."
    )


def _lacking(services: Sequence[Service]) -> str:
    names = " and ".join(services)
    packages = " ".join(PACKAGES[service] for service in services)
    return (
        f"The tests need {names}, which cannot be found and cannot be started: no Docker engine"
        " answers, and packages cannot be installed here (that takes Debian or Ubuntu, and root"
        f" or sudo without a password). Start Docker, or: sudo apt-get install {packages}"
    )
