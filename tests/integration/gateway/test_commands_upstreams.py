"""`gateway upstreams`, called as the console calls it."""

import asyncio
from datetime import UTC, datetime

import pytest
from sqlalchemy.engine import make_url

from common.database import make_engine
from gateway.admin.standing import Standing
from gateway.admin.store import CredentialStore
from gateway.upstream.health import State
from tests.integration.gateway.test_commands import Gateway, gateway, team

__all__ = ["gateway", "team"]

SAID = Standing(
    upstream="openai",
    label="key-0",
    account="team-account",
    state=State.COOLING,
    why="cooling",
    since=1_800_000_000.0,
    until=1_800_000_060.0,
    models=("gpt-4.1",),
    calls=12,
    failures=3,
)


@pytest.fixture
def keyed(team: Gateway, monkeypatch: pytest.MonkeyPatch) -> Gateway:
    monkeypatch.setenv("OPENAI_API_KEY", "sk-canary-one,sk-canary-two")
    return team


async def report(database_url: str) -> None:
    engine = make_engine(make_url(database_url))
    await CredentialStore(engine).report("w1", [SAID], datetime.now(UTC))
    await engine.dispose()


def test_the_table_shows_what_workers_say(keyed: Gateway, database_url: str) -> None:
    asyncio.run(report(database_url))
    shown = keyed("upstreams").out.splitlines()
    first, second = (next(r for r in shown if r.startswith(f"openai/key-{n}")) for n in (0, 1))
    assert "team-account" in first and "cooling: gpt-4.1" in first and "2027-01-15 08:00Z" in first
    assert " 12 " in first and " 3 " in first
    assert "unknown" in second
    assert not any("canary" in row for row in shown)


def test_a_key_is_put_out_and_back(keyed: Gateway) -> None:
    ended = keyed("upstreams", "out", "openai/key-1", "--why", "leaked on Friday")
    assert (ended.code, ended.out) == (0, "openai/key-1 is out.\n")
    assert "leaked on Friday" in keyed("upstreams").out
    assert keyed("upstreams", "in", "openai/key-1").out == "openai/key-1 is in again.\n"
    assert "in by the command line" in keyed("upstreams").out


@pytest.mark.parametrize(
    ("line", "code", "says"),
    [
        (("out", "openai/key-7", "--why", "x"), 1, "openai/key-0, openai/key-1"),
        (("out", "openai/key-0", "--why", " "), 2, "why"),
        (("out", "openai/key-0"), 2, "--why"),
        (("in",), 2, "ID"),
        (("off", "openai/key-0"), 2, "off"),
    ],
)
def test_what_cannot_be_done_is_said(
    keyed: Gateway, line: tuple[str, ...], code: int, says: str
) -> None:
    ended = keyed("upstreams", *line)
    assert (ended.code, ended.out) == (code, "") and says in ended.err
    assert "Traceback" not in ended.err
