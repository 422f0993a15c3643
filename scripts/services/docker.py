"""Services in containers, by deploy/compose.test.yaml."""

import os
import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path

from scripts.services.addresses import Address
from scripts.services.probe import free_port

FILE = Path(__file__).parents[2] / "deploy" / "compose.test.yaml"
COMPOSE = ("docker", "compose", "--file", str(FILE))


def answers() -> bool:
    """A Docker engine answers, and its client has compose."""
    if shutil.which("docker") is None:
        return False
    asked = (["docker", "info"], ["docker", "compose", "version"])
    return all(subprocess.run(a, capture_output=True, timeout=60).returncode == 0 for a in asked)


def start(addresses: Sequence[Address]) -> list[Address]:
    """Where each of them is then. Raises CalledProcessError."""
    placed = [address.at(free_port(address.port)) for address in addresses]
    ports = {f"{a.service.upper()}_PORT": str(a.port) for a in placed}
    names = [address.service.lower() for address in placed]
    subprocess.run([*COMPOSE, "up", "--detach", *names], env={**os.environ, **ports}, check=True)
    return placed


def stop() -> None:
    subprocess.run([*COMPOSE, "down", "--volumes"], check=True)
