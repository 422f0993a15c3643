"""What a person at a terminal reads."""

import sys
from pathlib import Path

import pytest

from gateway.settings import GatewaySettings
from gateway.supervision.welcome import base_url, greeting

TOKEN = "ogw_0123"


def settings(tmp_path: Path, **given: object) -> GatewaySettings:
    return GatewaySettings(_env_file=None, data_dir=tmp_path, **given)  # type: ignore[arg-type,call-arg]


@pytest.mark.parametrize(
    ("host", "url"),
    [
        ("127.0.0.1", "http://127.0.0.1:8090"),
        ("0.0.0.0", "http://127.0.0.1:8090"),  # noqa: S104
        ("::", "http://127.0.0.1:8090"),
        ("::1", "http://[::1]:8090"),
        ("gateway.lan", "http://gateway.lan:8090"),
    ],
)
def test_address_can_be_pasted(tmp_path: Path, host: str, url: str) -> None:
    assert base_url(settings(tmp_path, host=host), 8090) == url


def test_first_start_shows_the_token_with_calls_to_paste(tmp_path: Path) -> None:
    shown = greeting(settings(tmp_path, openai_api_key="sk-one11111"), "http://h:1", TOKEN)
    assert "curl http://h:1/v1/chat/completions" in shown and f"Bearer {TOKEN}" in shown
    assert f'OpenAI(base_url="http://h:1/v1", api_key="{TOKEN}")' in shown
    assert "10 days" in shown and "made-up" not in shown and "sk-one" not in shown


def test_later_starts_say_how_to_issue_one(tmp_path: Path) -> None:
    shown = greeting(settings(tmp_path, openai_api_key="sk-one11111"), "http://h:1", None)
    assert "gateway token issue admin" in shown and "curl" not in shown


def test_demo_says_that_answers_are_made_up(tmp_path: Path) -> None:
    assert "OPENAI_API_KEY" in (shown := greeting(settings(tmp_path), "http://h:1", TOKEN))
    assert "made-up" in shown and '"demo-chat"' in shown


def test_snippets_name_a_model_that_is_served(tmp_path: Path) -> None:
    (tmp_path / "gateway.toml").write_text(
        '[[upstream]]\nname = "ours"\nurl = "http://u/v1"\nmodels = ["our-model"]\n'
        '[[upstream.credential]]\nlabel = "a"\nkey = "abcdefgh"\n'
    )
    made = settings(tmp_path, gateway_config=tmp_path / "gateway.toml")
    assert '"our-model"' in greeting(made, "http://h:1", TOKEN)


def test_what_to_type_works_where_it_is_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "argv", [".venv/bin/gateway", "serve"])
    monkeypatch.setenv("PATH", str(tmp_path))
    assert ".venv/bin/gateway token issue" in greeting(settings(tmp_path), "http://h:1", None)
    (tmp_path / "gateway").touch(mode=0o755)
    assert "by:  gateway token issue" in greeting(settings(tmp_path), "http://h:1", None)
