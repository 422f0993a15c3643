"""The gateway's settings: what the environment says, and how each mistake is refused."""

from pathlib import Path

import pytest

from common.settings import SettingsError
from gateway.settings import RULES, GatewaySettings, load_settings
from gateway.upstream import balancer
from gateway.upstream.credential import Timeouts

SECRET = "sk-canary-7f3a"


@pytest.fixture(autouse=True)
def elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A directory without .env and gateway.toml."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


def loaded(monkeypatch: pytest.MonkeyPatch, **environment: str) -> GatewaySettings:
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    return load_settings()


def refusal(monkeypatch: pytest.MonkeyPatch, **environment: str) -> str:
    with pytest.raises(SettingsError) as refused:
        loaded(monkeypatch, **environment)
    return str(refused.value)


def test_nothing_set_is_the_embedded_demo(monkeypatch: pytest.MonkeyPatch) -> None:
    settings = loaded(monkeypatch)
    assert settings.demo and settings.embedded and settings.credentials == ()
    assert settings.redis is None and settings.workers == 1
    assert settings.database.database == str(Path("data/gateway.sqlite").absolute())


def test_the_public_address_has_the_port_unless_it_is_given(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    assert loaded(monkeypatch).auth_service_url == "http://127.0.0.1:8090"
    there = loaded(monkeypatch, OPENAI_SERVICE_PORT="9000")
    assert there.auth_service_url == "http://127.0.0.1:9000"
    named = loaded(monkeypatch, AUTH_SERVICE_URL="https://ai.example/")
    assert named.auth_service_url == "https://ai.example"


def test_one_mistake_is_told_of_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    """Not those whose default follows from it."""
    told = refusal(monkeypatch, LOAD_BALANCER_RULE="nope", OPENAI_API_KEY="sk")
    assert "LOAD_BALANCER_RULE" in told and "AUTH_SERVICE_URL" not in told


def test_the_pool_is_gathered_in_order_and_without_duplicates(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    settings = loaded(
        monkeypatch,
        OPENAI_API_KEY=" sk-a ,sk-b,,sk-a",
        GPT_KEY_10="sk-d",
        GPT_KEY_2="sk-c",
        GPT_KEY_0="sk-b",
        GPT_KEY_X="sk-no",
        OPENAI_URL="https://proxy.example/v1/",
        OPENAI_PROXY="http://user:pass@10.0.0.1:3128",
        IDLE_TIMEOUT_S="7",
    )
    assert [(c.label, c.key) for c in settings.credentials] == [
        ("key-0", "sk-a"),
        ("key-1", "sk-b"),
        ("key-2", "sk-c"),
        ("key-3", "sk-d"),
    ]
    (upstream,) = {c.upstream for c in settings.credentials}
    assert upstream.url == "https://proxy.example/v1" and upstream.name == "openai"
    assert upstream.proxy == "http://user:pass@10.0.0.1:3128" and upstream.models is None
    assert upstream.timeouts == Timeouts(idle_s=7)
    assert {c.account for c in settings.credentials} == {"openai"} and not settings.demo


def test_dotenv_is_read_and_the_environment_goes_first(
    monkeypatch: pytest.MonkeyPatch, elsewhere: Path
) -> None:
    (elsewhere / ".env").write_text("OPENAI_API_KEY=sk-file\nGPT_KEY_1=sk-one\nGPT_KEY_2=sk-two\n")
    settings = loaded(monkeypatch, GPT_KEY_2="sk-environment", GPT_KEY_1="")
    assert [c.key for c in settings.credentials] == ["sk-file", "sk-one", "sk-environment"]


def test_no_secret_is_in_any_representation(monkeypatch: pytest.MonkeyPatch) -> None:
    settings = loaded(
        monkeypatch,
        OPENAI_API_KEY=SECRET,
        GPT_KEY_0=f"{SECRET}-2",
        OPENAI_PROXY=f"http://user:{SECRET}@proxy.example:1",
        REDIS_PASSWORD=SECRET,
        DB_PASSWORD=SECRET,
        AMQP_URL=f"amqp://user:{SECRET}@mq.example/",
    )
    assert len(settings.credentials) == 2
    shown = (settings, settings.credentials, settings.model_dump(), settings.database)
    assert SECRET not in "".join(f"{x!r}{x}" for x in shown)


@pytest.mark.parametrize(
    ("environment", "address"),
    [
        ({"REDIS_URL": "rediss://u:p@cache.example:7000/3"}, "rediss://u:p@cache.example:7000/3"),
        ({"REDIS_HOST": "cache.example"}, "redis://cache.example:6379/0"),
        ({"REDIS_DB": "4"}, "redis://127.0.0.1:6379/4"),
        ({"REDIS_HOST": "::1", "REDIS_PORT": "7"}, "redis://[::1]:7/0"),
        ({"REDIS_PASSWORD": "p@ss/w:d"}, "redis://:p%40ss%2Fw%3Ad@127.0.0.1:6379/0"),
        (
            {"REDIS_USERNAME": "us er", "REDIS_PASSWORD": "p"},
            "redis://us%20er:p@127.0.0.1:6379/0",
        ),
        ({"REDIS_PREFIX": "mine"}, None),
    ],
)
def test_redis_is_given_as_a_whole_or_in_parts(
    monkeypatch: pytest.MonkeyPatch, environment: dict[str, str], address: str | None
) -> None:
    assert loaded(monkeypatch, **environment).redis == address


@pytest.mark.parametrize(
    ("demo", "keys", "expected"),
    [("auto", "", True), ("auto", "sk-a", False), ("on", "sk-a", True), ("off", "sk-a", False)],
)
def test_the_demo_answers_where_there_is_no_key(
    monkeypatch: pytest.MonkeyPatch, demo: str, keys: str, expected: bool
) -> None:
    settings = loaded(monkeypatch, GATEWAY_DEMO=demo, OPENAI_API_KEY=keys)
    assert settings.demo is expected


def test_no_key_where_the_demo_is_not_wanted_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    sentence = refusal(monkeypatch, GATEWAY_DEMO="off")
    assert "GATEWAY_DEMO" in sentence and "OPENAI_API_KEY" in sentence


def test_the_rules_are_those_of_the_balancer() -> None:
    assert set(RULES) == set(balancer.RULES)


@pytest.mark.parametrize(
    ("environment", "parts"),
    [
        ({"LOAD_BALANCER_RULE": "fastest"}, ["LOAD_BALANCER_RULE", "round_robin", "ip_hash"]),
        ({"OPENAI_URL": "api.openai.com/v1"}, ["OPENAI_URL", "https://"]),
        ({"OPENAI_URL": "https://"}, ["OPENAI_URL", "host"]),
        ({"OPENAI_URL": "https://h:99999/v1"}, ["OPENAI_URL", "http"]),
        ({"OPENAI_URL": f"https://u:{SECRET}@h/v1"}, ["OPENAI_URL", "password"]),
        ({"OPENAI_URL": "https://h/v1?x=1"}, ["OPENAI_URL", "?"]),
        ({"OPENAI_PROXY": f"socks5://u:{SECRET}@h:1"}, ["OPENAI_PROXY", "http://"]),
        ({"OPENAI_API_KEY": f"sk-a,{SECRET} b"}, ["OPENAI_API_KEY", "copy"]),
        ({"GPT_KEY_3": f"{SECRET}\u00e9"}, ["GPT_KEY_3", "copy"]),
        ({"TRUSTED_PROXIES": "10.0.0.0/33"}, ["TRUSTED_PROXIES", "10.0.0.0/8"]),
        ({"TRUSTED_PROXIES": "everybody"}, ["TRUSTED_PROXIES", "10.0.0.0/8"]),
        ({"ALLOWED_ENDPOINTS": "all"}, ["ALLOWED_ENDPOINTS", "organization"]),
        ({"TOKEN_DAYS": "91"}, ["TOKEN_DAYS", "TOKEN_DAYS_MAX", "90"]),
        ({"TOKEN_DAYS": "0"}, ["TOKEN_DAYS"]),
        ({"RETRY_COUNT": "-1"}, ["RETRY_COUNT"]),
        ({"OPENAI_SERVICE_PORT": "http"}, ["OPENAI_SERVICE_PORT"]),
        ({"ROCKETMQ_NAME_SERVER": "mq:9876"}, ["ROCKETMQ_NAME_SERVER", "AMQP_URL"]),
        ({"AMQP_URL": f"http://u:{SECRET}@h"}, ["AMQP_URL", "amqp://"]),
        ({"REDIS_URL": f"http://u:{SECRET}@h"}, ["REDIS_URL", "redis://"]),
        ({"DATABASE_URL": f"mysql://u:{SECRET}@h/d"}, ["DATABASE_URL", "postgresql://"]),
        ({"GATEWAY_DEMO": "maybe"}, ["GATEWAY_DEMO", "auto"]),
        ({"GATEWAY_CONFIG": "absent.toml"}, ["GATEWAY_CONFIG", "absent.toml"]),
    ],
)
def test_a_mistake_names_the_setting_and_the_remedy_but_no_secret(
    monkeypatch: pytest.MonkeyPatch, environment: dict[str, str], parts: list[str]
) -> None:
    sentence = refusal(monkeypatch, **environment)
    assert all(part in sentence for part in parts), sentence
    assert SECRET not in sentence and "\n" not in sentence


def test_a_dotenv_that_cannot_be_read_is_one_sentence(
    monkeypatch: pytest.MonkeyPatch, elsewhere: Path
) -> None:
    (elsewhere / ".env").write_bytes(b"OPENAI_API_KEY=\xff\xfe")
    assert ".env" in refusal(monkeypatch)


def test_a_trusted_proxy_may_be_one_address(monkeypatch: pytest.MonkeyPatch) -> None:
    settings = loaded(monkeypatch, TRUSTED_PROXIES="10.1.2.3, 192.168.0.0/16,::1")
    assert [str(n) for n in settings.trusted_proxies] == [
        "10.1.2.3/32",
        "192.168.0.0/16",
        "::1/128",
    ]
