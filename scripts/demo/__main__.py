"""The gateway with its demo upstream, a make-believe Feishu, and a page to chat with the bot.

python -m scripts.demo        DEMO_CHAT_PORT (8091) and OPENAI_SERVICE_PORT (8090) choose the ports

Nothing is kept, data lying in a temporary directory, and nothing leaves this machine.
"""

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

import httpx2

from scripts.demo.chat import Chat
from tests.support.fake_feishu import FakeFeishu, app_of
from tests.support.fake_feishu_events import Pushing
from tests.support.fake_feishu_login import FakeFeishuLogin
from tests.support.serving import serving

GATEWAY = Path(sys.executable).with_name("gateway")
STARTED_S = 60
WELCOME = """
  The chat      {chat}/          write to the bot: 获取key, get key 30 days, usage, …
  The gateway   {gateway}/          sign in there with the same make-believe Feishu
  Its API       {gateway}/v1        for any OpenAI client, with the key that the bot sent

  Answers are made up, people too; Ctrl-C ends it and nothing is kept.
"""


def main() -> int:
    port = os.environ.get("OPENAI_SERVICE_PORT", "8090")
    chat_port = int(os.environ.get("DEMO_CHAT_PORT", "8091"))
    url, feishu = f"http://127.0.0.1:{port}", FakeFeishu(url=f"http://127.0.0.1:{chat_port}")
    callbacks = {f"{url}/auth/callback/{name}" for name in ("feishu", "openai")}
    login = FakeFeishuLogin(feishu.app_id, feishu.app_secret, callbacks, asks=True)
    chat = Chat(feishu, Pushing(feishu, url))
    app = app_of([*feishu.routes(), *login.routes(), *chat.routes()])
    with TemporaryDirectory(prefix="gateway-demo-") as directory:
        try:
            with serving(app, chat_port):
                return serve(Path(directory), settings(feishu, url, port), feishu.url)
        except OSError as error:
            tell(f"Port {chat_port} cannot be used ({error.strerror}): set DEMO_CHAT_PORT.")
            return 2


def serve(directory: Path, settings: dict[str, str], chat: str) -> int:
    with gateway(directory, settings) as program:
        if not ready(program, settings["AUTH_SERVICE_URL"]):
            return program.poll() or 1
        tell(WELCOME.format(chat=chat, gateway=settings["AUTH_SERVICE_URL"]))
        try:
            return program.wait()
        except KeyboardInterrupt:
            return 0


def settings(feishu: FakeFeishu, url: str, port: str) -> dict[str, str]:
    return {
        "OPENAI_SERVICE_PORT": port,
        "AUTH_SERVICE_URL": url,
        "APP_ID": feishu.app_id,
        "APP_SECRET": feishu.app_secret,
        "FEISHU_ENCRYPT_KEY": feishu.encrypt_key,
        "FEISHU_VERIFICATION_TOKEN": feishu.verification_token,
        "FEISHU_OPEN_URL": feishu.url,
        "FEISHU_ACCOUNTS_URL": feishu.url,
        "GATEWAY_DEMO": "on",
        "LOG_LEVEL": "error",
    }


@contextmanager
def gateway(directory: Path, settings: dict[str, str]) -> Iterator[subprocess.Popen[bytes]]:
    """In a directory of its own, where no `.env` is, and with these settings alone."""
    kept = {name: os.environ[name] for name in ("PATH", "HOME", "LANG") if name in os.environ}
    with subprocess.Popen(
        [GATEWAY, "serve"], cwd=directory, env={**kept, **settings}, stdin=subprocess.DEVNULL
    ) as program:
        try:
            yield program
        finally:
            program.terminate()
            program.wait()


def ready(program: subprocess.Popen[bytes], url: str) -> bool:
    """False: it has ended, and said why."""
    for _ in range(10 * STARTED_S):
        if program.poll() is not None:
            return False
        try:
            if httpx2.get(f"{url}/readyz", timeout=5).status_code == 200:
                return True
        except httpx2.TransportError:
            pass
        time.sleep(0.1)
    return False


def tell(text: str) -> None:
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())
