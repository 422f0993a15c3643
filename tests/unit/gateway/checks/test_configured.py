"""Settings are shown without secrets; those that do not go together are pointed out."""

from pathlib import Path

import pytest

from gateway.checks.configured import check_settings
from gateway.settings import GatewaySettings


def settings(tmp_path: Path, **given: object) -> GatewaySettings:
    given.setdefault("data_dir", tmp_path)
    return GatewaySettings(_env_file=None, **given)  # type: ignore[arg-type,call-arg]


def found(tmp_path: Path, **given: object) -> dict[str, tuple[str, str]]:
    return {c.name: (c.ok, c.detail) for c in check_settings(settings(tmp_path, **given))}


@pytest.mark.parametrize(
    ("name", "value", "shown"),
    [
        ("openai_api_key", "sk-one11111,sk-two22222", "*** (2)"),
        ("amqp_url", "amqp://user:hunter2@mq:5672/", "amqp://***@mq:5672/"),
        ("database_url", "postgresql://u:hunter2@db/x", "postgresql://***@db/x"),
        ("redis_password", "hunter2", "***"),
        ("host", "127.0.0.2", "127.0.0.2"),
        ("trusted_proxies", "10.0.0.0/8", "10.0.0.0/8"),
    ],
)
def test_setting_is_shown_masked(tmp_path: Path, name: str, value: str, shown: str) -> None:
    assert found(tmp_path, **{name: value})[name.upper()] == ("ok", shown)


def test_public_host_with_local_address_is_warned_of(tmp_path: Path) -> None:
    assert found(tmp_path, host="0.0.0.0")["public address"][0] == "warn"  # noqa: S104
    good = found(tmp_path, host="0.0.0.0", auth_service_url="https://ai.example")  # noqa: S104
    assert "public address" not in good


def test_broker_with_sqlite_is_warned_of(tmp_path: Path) -> None:
    assert found(tmp_path, amqp_url="amqp://mq/")["database and broker"][0] == "warn"


def test_demo_is_told(tmp_path: Path) -> None:
    assert found(tmp_path)["demo upstream"][0] == "warn"
    assert found(tmp_path, gateway_demo="on")["demo upstream"][0] == "ok"
    assert "demo upstream" not in found(tmp_path, openai_api_key="sk-one11111")
