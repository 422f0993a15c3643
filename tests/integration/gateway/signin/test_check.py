"""What `gateway doctor` says of signing in, and what is mounted: an empty secret mounts nothing."""

import pytest

from common.settings import SettingsError
from gateway.checks.check import Check
from gateway.checks.sign_in import check_sign_in
from gateway.settings import GatewaySettings
from gateway.signin.making import configured, refuse_unusable
from tests.support.fake_oidc import fake_oidc

FEISHU = {"APP_ID": "cli_x", "APP_SECRET": "hidden-secret"}


def settings(monkeypatch: pytest.MonkeyPatch, given: dict[str, str]) -> GatewaySettings:
    for name, value in given.items():
        monkeypatch.setenv(name, value)
    return GatewaySettings(_env_file=None)


async def checks(monkeypatch: pytest.MonkeyPatch, given: dict[str, str]) -> dict[str, Check]:
    found = await check_sign_in(settings(monkeypatch, given))
    assert "hidden-secret" not in repr(found)
    return {check.name: check for check in found}


async def test_nothing_configured_is_fine(monkeypatch: pytest.MonkeyPatch) -> None:
    (check,) = (await checks(monkeypatch, {})).values()
    assert check.ok == "ok" and "not configured" in check.detail


@pytest.mark.parametrize("secret", ["", "   "])
async def test_an_empty_secret_mounts_nothing_and_is_said(
    monkeypatch: pytest.MonkeyPatch, secret: str
) -> None:
    given = {**FEISHU, "APP_SECRET": secret}
    assert configured(settings(monkeypatch, given)) == []
    check = (await checks(monkeypatch, given))["login feishu"]
    assert check.ok == "warn" and check.remedy.startswith("Set APP_SECRET")


async def test_slack_without_workspaces_lets_nobody_in(monkeypatch: pytest.MonkeyPatch) -> None:
    given = {"SLACK_CLIENT_ID": "1", "SLACK_CLIENT_SECRET": "hidden-secret"}
    check = (await checks(monkeypatch, given))["login slack"]
    assert check.ok == "warn" and "SLACK_TEAM_IDS" in check.remedy


async def test_the_redirect_url_to_register_is_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    given = {**FEISHU, "AUTH_SERVICE_URL": "https://team.example", "FEISHU_CALLBACK": "openai"}
    found = await checks(monkeypatch, given)
    assert found["login feishu"].detail.endswith("https://team.example/auth/callback/openai")
    assert "login address" not in found


async def test_keys_over_plain_http_are_warned_of(monkeypatch: pytest.MonkeyPatch) -> None:
    found = await checks(monkeypatch, {**FEISHU, "AUTH_SERVICE_URL": "http://team.example"})
    assert found["login address"].ok == "warn"


async def test_an_issuer_of_the_whole_world_needs_domains(monkeypatch: pytest.MonkeyPatch) -> None:
    given = {
        "OIDC_ISSUER": "https://accounts.google.com",
        "OIDC_CLIENT_ID": "x",
        "OIDC_CLIENT_SECRET": "hidden-secret",
        "OIDC_ALLOWED_DOMAINS": " , ",
    }
    with pytest.raises(SettingsError, match="anybody has an account at accounts"):
        refuse_unusable(settings(monkeypatch, given))
    del given["OIDC_ALLOWED_DOMAINS"]
    monkeypatch.delenv("OIDC_ALLOWED_DOMAINS")
    with pytest.raises(SettingsError, match="OIDC_ALLOWED_DOMAINS"):
        refuse_unusable(settings(monkeypatch, given))
    refuse_unusable(settings(monkeypatch, {**given, "OIDC_ALLOWED_DOMAINS": "team.example"}))


async def test_an_issuer_is_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    with fake_oidc() as fake:
        given = {
            "OIDC_ISSUER": fake.url,
            "OIDC_CLIENT_ID": fake.client_id,
            "OIDC_CLIENT_SECRET": "hidden-secret",
        }
        assert (await checks(monkeypatch, given))["login oidc"].ok == "ok"
        fake.metadata["issuer"] = "https://evil.example"
        check = (await checks(monkeypatch, given))["login oidc"]
    assert check.ok == "fail" and "OIDC_ISSUER" in check.remedy
    check = (await checks(monkeypatch, {**given, "OIDC_ISSUER": "nonsense"}))["login oidc"]
    assert check.ok == "fail" and "https://" in check.detail
