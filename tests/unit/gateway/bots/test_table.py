"""Which bots are offered by which settings: one that can verify nothing is not."""

from pathlib import Path

import pytest
from starlette.testclient import TestClient

from gateway.app import create_app
from gateway.bots.table import BOTS
from gateway.settings import GatewaySettings

APP = {"APP_ID": "cli_x", "APP_SECRET": "s"}
SLACK = {"SLACK_SIGNING_SECRET": "s", "SLACK_BOT_TOKEN": "xoxb", "SLACK_TEAM_IDS": "T1"}
COMPLETE = {
    "feishu by key": {**APP, "FEISHU_ENCRYPT_KEY": "k"},
    "feishu by token": {**APP, "FEISHU_VERIFICATION_TOKEN": "t"},
    "slack": SLACK,
}
INCOMPLETE = {
    "nothing to verify with": APP,
    "empty key": {**APP, "FEISHU_ENCRYPT_KEY": "", "FEISHU_VERIFICATION_TOKEN": " "},
    "no secret": {"APP_ID": "cli_x", "FEISHU_ENCRYPT_KEY": "k"},
    "empty secret": {"APP_ID": "cli_x", "APP_SECRET": "", "FEISHU_ENCRYPT_KEY": "k"},
    "empty signing secret": {**SLACK, "SLACK_SIGNING_SECRET": ""},
    "no workspace": {**SLACK, "SLACK_TEAM_IDS": ""},
}


@pytest.fixture
def given(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> pytest.MonkeyPatch:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("DATA_DIR", str(tmp_path))
    return monkeypatch


def status(settings: GatewaySettings, provider: str) -> int:
    """Of an event that nobody signed."""
    client = TestClient(create_app(settings), raise_server_exceptions=False)
    return client.post(f"/bots/{provider}/events", json={"type": "url_verification"}).status_code


@pytest.mark.parametrize("name", COMPLETE)
def test_a_bot_that_is_set_up_is_there(given: pytest.MonkeyPatch, name: str) -> None:
    for setting, value in COMPLETE[name].items():
        given.setenv(setting, value)
    assert status(GatewaySettings(), name.split()[0]) == 401


@pytest.mark.parametrize("name", INCOMPLETE)
def test_a_bot_that_lacks_something_is_not(given: pytest.MonkeyPatch, name: str) -> None:
    for setting, value in INCOMPLETE[name].items():
        given.setenv(setting, value)
    settings = GatewaySettings()
    assert {status(settings, bot.name) for bot in BOTS} == {404}
    assert [bot.name for bot in BOTS if bot.wanted(settings)]


def test_a_long_connection_needs_nothing_to_verify_with(given: pytest.MonkeyPatch) -> None:
    for setting, value in {**APP, "FEISHU_MODE": "websocket"}.items():
        given.setenv(setting, value)
    settings = GatewaySettings()
    assert BOTS[0].lacking(settings) == []
    assert status(settings, "feishu") == 404


def test_workspaces_for_signing_in_are_no_sign_of_a_bot(given: pytest.MonkeyPatch) -> None:
    given.setenv("SLACK_TEAM_IDS", "T1")
    assert not any(bot.wanted(GatewaySettings()) for bot in BOTS)
