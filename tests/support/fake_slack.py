"""Slack's side of the bot: its Web API and answers to slash commands, and what it delivers."""

import hmac
import json
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from hashlib import sha256
from typing import Any

import httpx2
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.routing import Route

from tests.support.serving import serving

TEAM = "T1"


@dataclass
class FakeSlack:
    """One app in one workspace. Its failures come with status 200, as the real one's."""

    signing_secret: str = "slack-signing"
    token: str = "xoxb-fake"
    url: str = ""
    said: list[tuple[str, dict[str, Any]]] = field(default_factory=list)
    """Where (a channel, a person, `ephemeral`), and the message."""
    busy: int = 0
    """So many next calls are told to come later."""

    def settings(self) -> dict[str, str]:
        return {
            "SLACK_SIGNING_SECRET": self.signing_secret,
            "SLACK_BOT_TOKEN": self.token,
            "SLACK_TEAM_IDS": TEAM,
            "SLACK_URL": f"{self.url}/api",
            "SLACK_HOOKS_URL": f"{self.url}/hooks",
        }

    def texts(self, where: str) -> list[str]:
        return [json.dumps(said, ensure_ascii=False) for to, said in self.said if to == where]

    def deliver(self, gateway: str, body: bytes, kind: str = "application/json") -> httpx2.Response:
        at = str(int(time.time()))
        signed = b"v0:" + at.encode() + b":" + body
        made = hmac.new(self.signing_secret.encode(), signed, sha256).hexdigest()
        headers = {
            "content-type": kind,
            "x-slack-request-timestamp": at,
            "x-slack-signature": f"v0={made}",
        }
        return httpx2.post(f"{gateway}/bots/slack/events", content=body, headers=headers)

    def command(self, gateway: str, text: str, trigger: str) -> httpx2.Response:
        """`/key …`, in some channel."""
        form = {
            "command": "/key",
            "text": text,
            "user_id": "U1",
            "team_id": TEAM,
            "channel_id": "C1",
            "trigger_id": trigger,
            "response_url": f"{self.url}/hooks/commands/1",
        }
        body = str(httpx2.QueryParams(form)).encode()
        return self.deliver(gateway, body, "application/x-www-form-urlencoded")

    def message(self, gateway: str, text: str, id: str, **event: Any) -> httpx2.Response:
        said = {
            "type": "message",
            "channel_type": "im",
            "channel": "D1",
            "user": "U1",
            "text": text,
        }
        inner = {**said, "ts": id, **event}
        outer = {"type": "event_callback", "team_id": TEAM, "event_id": f"Ev{id}", "event": inner}
        return self.deliver(gateway, json.dumps(outer).encode())

    def app(self) -> Starlette:
        return Starlette(
            routes=[
                Route("/api/{method}", self._call, methods=["GET", "POST"]),
                Route("/hooks/{rest:path}", self._hook, methods=["POST"]),
            ]
        )

    async def _call(self, request: Request) -> Response:
        if request.headers.get("authorization") != f"Bearer {self.token}":
            return JSONResponse({"ok": False, "error": "invalid_auth"})
        if self.busy:
            self.busy -= 1
            return JSONResponse({"ok": False, "error": "ratelimited"}, 429, {"retry-after": "1"})
        match request.path_params["method"]:
            case "chat.postMessage":
                body = await request.json()
                self.said.append((body["channel"], body))
                return JSONResponse({"ok": True, "ts": "1.2"})
            case "users.info":
                return JSONResponse({"ok": True, "user": {"real_name": "Sally Slack"}})
            case "auth.test":
                return JSONResponse({"ok": True, "user": "gateway", "team": "Demo"})
        return JSONResponse({"ok": False, "error": "unknown_method"})

    async def _hook(self, request: Request) -> Response:
        body = await request.json()
        self.said.append((body["response_type"], body))
        return PlainTextResponse("ok")


@contextmanager
def fake_slack() -> Iterator[FakeSlack]:
    """Serving on a port of its own."""
    fake = FakeSlack()
    with serving(fake.app()) as fake.url:
        yield fake
