"""Somebody starts the gateway for the first time: no settings, no key, no network."""

import re
import subprocess
import sys
from pathlib import Path

from openai import OpenAI

from tests.support.programs import Installation
from tests.support.stored import Stored
from tests.support.terminal import Terminal

TOKEN = re.compile(r"ogw_[0-9A-Za-z]{49}")


def test_a_terminal_is_shown_a_token_once_with_calls_that_work(tmp_path: Path) -> None:
    installation = Installation(tmp_path, {})
    with Terminal(installation, "gateway", "serve") as terminal:
        terminal.wait_for("made-up text")
        shown = terminal.shown
        tokens = set(TOKEN.findall(shown))
        assert len(tokens) == 1
        assert f"{installation.url}/v1" in shown
        curl = _between(shown, "curl http", "\n\n")
        answered = subprocess.run(
            ["sh", "-c", curl], capture_output=True, text=True, timeout=30, check=True
        )
        assert "no model was asked" in answered.stdout
        python = _between(shown, "from openai import", "message.content)")
        answered = subprocess.run(
            [sys.executable, "-c", python], capture_output=True, text=True, timeout=60, check=True
        )
        assert "no model was asked" in answered.stdout
    with Terminal(installation, "gateway", "serve") as terminal:
        terminal.wait_for("made-up text")
        assert not TOKEN.search(terminal.shown)
        assert "gateway token issue admin" in terminal.shown


def _between(shown: str, begin: str, end: str) -> str:
    start = shown.index(begin)
    return shown[start : shown.index(end, start) + len(end)]


def test_a_log_file_is_shown_no_token_but_told_how_to_get_one(tmp_path: Path) -> None:
    with Installation(tmp_path, {}) as installation:
        assert not TOKEN.search(installation.output)
        assert "gateway token issue admin" in installation.output
        token = installation.token("admin")
        assert TOKEN.fullmatch(token)
        with OpenAI(api_key=token, base_url=f"{installation.url}/v1", max_retries=0) as client:
            _demo_answers(client, Stored(installation.database))
    assert token not in installation.output


def _demo_answers(client: OpenAI, stored: Stored) -> None:
    """Every kind of call, whole and streamed, each with its record and its usage."""
    question = {"role": "user", "content": "Hello!"}
    chat, completions = client.chat.completions, client.completions
    made = [
        chat.with_raw_response.create(model="demo-chat", messages=[question]),
        chat.with_raw_response.create(model="demo-chat", messages=[question], stream=True),
        completions.with_raw_response.create(model="demo-completion", prompt="Once"),
        client.responses.with_raw_response.create(model="demo-chat", input="Hello!"),
        client.responses.with_raw_response.create(model="demo-chat", input="Hello!", stream=True),
        client.embeddings.with_raw_response.create(model="demo-embedding", input="text"),
    ]
    for raw in made:
        list(raw.parse())
    for raw in made:
        record = stored.record(raw.headers["x-request-id"])
        assert (record.status, record.usage_source) == ("complete", "reported")
        assert record.upstream == "demo"
    assert "demo-chat" in [model.id for model in client.models.list()]
