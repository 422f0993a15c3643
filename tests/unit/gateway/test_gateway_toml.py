"""gateway.toml: upstreams and credentials, and the place of each mistake."""

from pathlib import Path

import pytest

from common.settings import SettingsError
from gateway.settings import GatewaySettings, load_settings

SECRET = "sk-canary-7f3a"
GOOD = """
[[upstream]]
name = "azure"
url = "https://team.openai.azure.com/openai/v1/"
key_style = "api-key"
models = ["gpt-4.1", "o3"]
include_usage = false
proxy = "http://user:pass@proxy.example:3128"
[[upstream.credential]]
label = "east"
key_env = "AZURE_EAST"
account = "azure-east"
weight = 2.5
priority = 1
[[upstream.credential]]
label = "west"
key = "west-key"

[[upstream]]
name = "local"
url = "http://127.0.0.1:8000/v1"
[[upstream.credential]]
label = "only"
key = "west-key"
"""


@pytest.fixture(autouse=True)
def elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def one(credential: str, upstream: str = "") -> str:
    head = '[[upstream]]\nname = "u"\nurl = "https://u.example/v1"\n'
    return f"{head}{upstream}\n[[upstream.credential]]\n{credential}\n"


def refusal(elsewhere: Path, text: str | bytes) -> str:
    (elsewhere / "gateway.toml").write_bytes(text if isinstance(text, bytes) else text.encode())
    with pytest.raises(SettingsError) as refused:
        load_settings()
    return str(refused.value)


def test_upstreams_and_credentials_are_read(
    elsewhere: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (elsewhere / "gateway.toml").write_text(GOOD)
    monkeypatch.setenv("AZURE_EAST", "east-key")
    monkeypatch.setenv("OPENAI_API_KEY", "sk-first")
    monkeypatch.setenv("IDLE_TIMEOUT_S", "7")
    first, east, west, only = load_settings().credentials
    assert first.id == "openai/key-0"
    assert (east.id, east.key, east.account) == ("azure/east", "east-key", "azure-east")
    assert (east.weight, east.priority) == (2.5, 1) and (west.weight, west.priority) == (1, 0)
    assert (west.account, west.key, only.key) == ("azure", "west-key", "west-key")
    azure = east.upstream
    assert azure.url == "https://team.openai.azure.com/openai/v1" and azure == west.upstream
    assert azure.key_style == "api-key" and azure.models == {"gpt-4.1", "o3"}
    assert not azure.include_usage and azure.proxy and azure.timeouts.idle_s == 7
    assert only.upstream.models is None and only.upstream.key_style == "bearer"


def test_a_file_that_is_named_is_read(elsewhere: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (elsewhere / "mine.toml").write_text(one('label = "a"\nkey = "k"'))
    monkeypatch.setenv("GATEWAY_CONFIG", str(elsewhere / "mine.toml"))
    assert [c.id for c in load_settings().credentials] == ["u/a"]


def test_a_variable_of_key_env_may_be_in_dotenv(elsewhere: Path) -> None:
    (elsewhere / "gateway.toml").write_text(one('label = "a"\nkey_env = "MY_KEY"'))
    (elsewhere / ".env").write_text("MY_KEY=from-file\n")
    assert [c.key for c in load_settings().credentials] == ["from-file"]


def test_a_key_given_twice_to_an_upstream_is_used_once(elsewhere: Path) -> None:
    twice = one('label = "a"\nkey = "k"\n[[upstream.credential]]\nlabel = "b"\nkey = "k"')
    (elsewhere / "gateway.toml").write_text(twice)
    assert [c.id for c in load_settings().credentials] == ["u/a"]


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ("upstream = [", ["gateway.toml", "end of document"]),
        ("a = = 1", ["gateway.toml", "line 1"]),
        (f'a = 1\nkey = "{SECRET}\n', ["gateway.toml", "line 2"]),
        (b"\xff\xfe", ["gateway.toml", "UTF-8"]),
        ("[[upstreams]]\n", ["upstreams", "no such setting"]),
        (one(f'label = "a"\nkeys = "{SECRET}"'), ["upstream[1].credential[1].keys", "no such"]),
        (one('label = "a b"\nkey = "k"'), ["upstream[1].credential[1].label"]),
        (one('label = "a"'), ["upstream u, credential a", "key_env"]),
        (one(f'label = "a"\nkey = "{SECRET}"\nkey_env = "X"'), ["upstream u, credential a"]),
        (one('label = "a"\nkey = ""'), ["upstream u, credential a", "empty"]),
        (one(f'label = "a"\nkey = "{SECRET} x"'), ["upstream u, credential a", "copy"]),
        (one('label = "a"\nkey_env = "NOT_SET"'), ["NOT_SET", "not set"]),
        (one('label = "a"\nkey = "k"\nweight = 0'), ["credential[1].weight", "greater than 0"]),
        (one('label = "a"\nkey = "k"', "models = []"), ["upstream[1].models"]),
        (one('label = "a"\nkey = "k"', 'key_style = "basic"'), ["key_style", "bearer"]),
        (one('label = "a"\nkey = "k"', f'proxy = "ftp://{SECRET}@h"'), ["upstream[1].proxy"]),
        (one("").replace("https:", "ftp:"), ["upstream[1].url", "https://"]),
        ('[[upstream]]\nname = "u"\nurl = "https://h"\n', ["upstream[1].credential", "required"]),
        (
            one('label = "a"\nkey = "k"\n[[upstream.credential]]\nlabel = "a"\nkey = "l"'),
            ["u/a", "label"],
        ),
        (
            one('label = "a"\nkey = "k"')
            + one('label = "b"\nkey = "k"').replace("u.example", "other.example"),
            ["called u", "another name"],
        ),
    ],
)
def test_a_mistake_is_told_with_its_place_and_without_its_secret(
    elsewhere: Path, text: str | bytes, parts: list[str]
) -> None:
    sentence = refusal(elsewhere, text)
    assert all(part in sentence for part in parts), sentence
    assert SECRET not in sentence and "\n" not in sentence


def test_the_name_of_the_environment_s_upstream_is_taken(
    elsewhere: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "sk-a")
    text = one('label = "a"\nkey = "k"').replace('name = "u"', 'name = "openai"')
    assert "OPENAI_API_KEY" in refusal(elsewhere, text)


def test_settings_made_in_code_have_their_credentials_too() -> None:
    assert [c.key for c in GatewaySettings(openai_api_key="sk-a").credentials] == ["sk-a"]
