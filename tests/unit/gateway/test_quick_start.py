"""What a start loads: nothing that only commands, other modes or features switched off need."""

import subprocess
import sys

import pytest

from tests.support.sources import ROOT

GATEWAY = "gateway.supervisor, gateway.supervision.worker"
CONSUMER = "consumer.commands.run"
UNUSED = (
    "aio_pika", "alembic", "argon2", "asyncpg", "authlib", "cryptography", "gateway.demo", "httpx2",
    "jinja2", "redis", "rich", "typer", "websockets",
)  # fmt: skip


@pytest.mark.parametrize("programs", [GATEWAY, CONSUMER])
def test_serving_embedded_loads_nothing_that_it_does_not_use(programs: str) -> None:
    program = (
        "import sys; from common import quick_start; quick_start.begin();"
        f"import {programs}; quick_start.end();"
        f"print(*(name for name in {UNUSED} if sys.modules.get(name)))"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert done.stdout.split() == []
