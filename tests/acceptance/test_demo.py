"""`make demo`: anybody sees a key being fetched from a chat."""

import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import httpx2
import pytest

from tests.support.programs import free_port
from tests.support.waiting import eventually

ROOT = Path(__file__).parents[2]


@pytest.fixture
def chat() -> Iterator[httpx2.Client]:
    """The page's side of the running demo, which ends by Ctrl-C."""
    port, environment = free_port(), {**os.environ, "OPENAI_SERVICE_PORT": str(free_port())}
    command = [sys.executable, "-m", "scripts.demo"]
    with (
        httpx2.Client(base_url=f"http://127.0.0.1:{port}", trust_env=False, timeout=30) as client,
        subprocess.Popen(
            command,
            cwd=ROOT,
            env={**environment, "DEMO_CHAT_PORT": str(port)},
            stdout=subprocess.PIPE,
            text=True,
        ) as demo,
    ):
        assert demo.stdout is not None
        assert any("The chat" in line for line in iter(demo.stdout.readline, "")), "it ended"
        try:
            yield client
        finally:
            demo.send_signal(signal.SIGINT)
            assert demo.wait(60) == 0


def test_a_key_is_fetched_from_the_chat_and_works(chat: httpx2.Client) -> None:
    page = chat.get("/").text
    for asset in re.findall(r'(?:src|href)="(/chat/[^"]+)"', page):
        assert chat.get(asset).status_code == 200, asset
    said = chat.post("/chat/say", json={"person": "alice", "group": False, "text": "获取key"})
    assert said.json() == {"status": 200}
    query = {"person": "alice", "group": "no"}
    key = eventually(
        lambda: re.search(r"ogw_\w{49}", chat.get("/chat/lines", params=query).text), "a key"
    )[0]
    tried = chat.post("/chat/try", json={"key": key}).json()
    assert tried["status"] == 200
    lines = chat.get("/chat/lines", params=query).json()
    value = lines[-1]["card"]["body"]["elements"][-1]["behaviors"][0]["value"]
    click = {"id": lines[-1]["id"], "person": "alice", "value": value}
    assert chat.post("/chat/click", json=click).json()["type"] == "success"
    assert key not in chat.get("/chat/lines", params=query).text
