"""The chat page of the demo: what people write goes to the gateway as Feishu would deliver it, what
the bot says comes out of the fake Feishu's outbox."""

import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx2
from anyio import to_thread
from starlette.requests import Request
from starlette.responses import FileResponse, JSONResponse, Response
from starlette.routing import BaseRoute, Route

from tests.support.fake_feishu import FakeFeishu, Sent
from tests.support.fake_feishu_events import GROUP, Pushing, click, message

ASSETS = Path(__file__).parent / "assets"
PEOPLE = ("alice", "bob")
MODEL = "demo"


@dataclass
class Line:
    """One message in one chat."""

    id: str
    chat: str
    author: str
    text: str = ""
    card: dict[str, Any] | None = None


@dataclass
class Chat:
    """What everybody has written and read so far."""

    feishu: FakeFeishu
    pushing: Pushing
    lines: list[Line] = field(default_factory=list)
    _read: int = 0

    def routes(self) -> list[BaseRoute]:
        return [
            Route("/", self._asset, name="page"),
            Route("/chat/{name}.{kind}", self._asset),
            Route("/chat/lines", self._lines),
            Route("/chat/say", self._say, methods=["POST"]),
            Route("/chat/click", self._click, methods=["POST"]),
            Route("/chat/try", self._try, methods=["POST"]),
        ]

    async def _asset(self, request: Request) -> Response:
        path = ASSETS / (request.url.path.removeprefix("/chat/").strip("/") or "index.html")
        if path.parent != ASSETS or not path.is_file():
            return JSONResponse({}, 404)
        return FileResponse(path, headers={"cache-control": "no-store"})

    async def _lines(self, request: Request) -> Response:
        """Of one chat, as one person sees it."""
        self._catch_up()
        chat = place(request.query_params["person"], request.query_params.get("group") == "yes")
        return JSONResponse([vars(line) for line in self.lines if line.chat == chat])

    async def _say(self, request: Request) -> Response:
        self._catch_up()
        body = await request.json()
        person, group, text = body["person"], bool(body.get("group")), body["text"]
        event = message(self.feishu, text, person, group=group)
        id = event["event"]["message"]["message_id"]
        said = f"@Gateway {text}" if group else text
        self.lines.append(Line(id, place(person, group), person, said))
        return await self._pushed(event)

    async def _click(self, request: Request) -> Response:
        """The bot's card is replaced by what it answers."""
        body = await request.json()
        event = click(self.feishu, body["value"], body["person"])
        answer = await to_thread.run_sync(self.pushing.push, event)
        told = answer.json() if answer.status_code == 200 else {}
        if card := told.get("card"):
            for line in self.lines:
                if line.id == body["id"]:
                    line.card = card["data"]
        return JSONResponse(told.get("toast", {"type": "error", "content": answer.text}))

    async def _try(self, request: Request) -> Response:
        """One call of an OpenAI client, with the key that the bot sent."""
        key = (await request.json())["key"]
        async with httpx2.AsyncClient(trust_env=False, timeout=30) as client:
            answer = await client.post(
                f"{self.pushing.url}/v1/chat/completions",
                headers={"authorization": f"Bearer {key}"},
                json={"model": MODEL, "messages": [{"role": "user", "content": "Hello!"}]},
            )
        body = answer.json()
        said = body.get("error", {}).get("message") or body["choices"][0]["message"]["content"]
        return JSONResponse({"status": answer.status_code, "text": said})

    async def _pushed(self, event: Any) -> Response:
        answer = await to_thread.run_sync(self.pushing.push, event)
        return JSONResponse({"status": answer.status_code})

    def _catch_up(self) -> None:
        """What the bot has said since."""
        for sent in self.feishu.outbox[self._read :]:
            self.lines.append(line_of(sent))
        self._read = len(self.feishu.outbox)


def line_of(sent: Sent) -> Line:
    chat = GROUP if sent.chat_id == GROUP else place(sent.to, False)
    if sent.msg_type == "text":
        return Line(sent.message_id, chat, "bot", text=sent.content["text"])
    return Line(sent.message_id, chat, "bot", card=json.loads(json.dumps(sent.content)))


def place(person: str, group: bool) -> str:
    return GROUP if group else f"oc_p2p_{person}"
