"""What the doctor says of chat bots."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from gateway.checks.bots import check_bots
from gateway.checks.check import Check
from gateway.settings import GatewaySettings
from tests.support.fake_feishu import FakeFeishu, fake_feishu


@pytest.fixture(scope="module")
def feishu() -> Iterator[FakeFeishu]:
    with fake_feishu() as fake:
        yield fake


@pytest.fixture
def settings(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, feishu: FakeFeishu) -> dict[str, str]:
    monkeypatch.chdir(tmp_path)
    return {
        "APP_ID": feishu.app_id,
        "APP_SECRET": feishu.app_secret,
        "FEISHU_ENCRYPT_KEY": feishu.encrypt_key,
        "FEISHU_OPEN_URL": feishu.url,
        "AUTH_SERVICE_URL": "https://gw.example",
    }


async def found(monkeypatch: pytest.MonkeyPatch, settings: dict[str, str]) -> list[Check]:
    for name, value in settings.items():
        monkeypatch.setenv(name, value)
    return await check_bots(GatewaySettings())


async def test_no_bot_is_no_line(monkeypatch: pytest.MonkeyPatch) -> None:
    assert await found(monkeypatch, {}) == []


async def test_a_bot_that_is_accepted_says_where_it_hears(
    monkeypatch: pytest.MonkeyPatch, settings: dict[str, str]
) -> None:
    (check,) = await found(monkeypatch, settings)
    assert (check.name, check.ok) == ("bot feishu", "ok")
    assert "https://gw.example/bots/feishu/events" in check.detail


@pytest.mark.parametrize("missing", ["APP_SECRET", "FEISHU_ENCRYPT_KEY"])
async def test_an_empty_secret_is_named(
    monkeypatch: pytest.MonkeyPatch, settings: dict[str, str], missing: str
) -> None:
    (check,) = await found(monkeypatch, {**settings, missing: ""})
    assert check.ok == "warn"
    assert "not offered" in check.detail
    assert missing in check.remedy


async def test_a_bot_that_is_rejected_says_why_and_no_secret(
    monkeypatch: pytest.MonkeyPatch, settings: dict[str, str]
) -> None:
    (check,) = await found(monkeypatch, {**settings, "APP_SECRET": "not-the-secret"})
    assert check.ok == "fail"
    assert "10014" in check.detail
    assert "APP_SECRET" in check.remedy
    assert "not-the-secret" not in repr(check)
