"""Things that the fake upstream keeps: files, batches, responses. Each belongs to an account."""

import re
import time
from typing import Any

from tests.support.fake_http import Received

Json = dict[str, Any]


class Resources:
    """Everything made so far, by account and id."""

    def __init__(self) -> None:
        self._things: dict[tuple[str, str], Json] = {}
        self._contents: dict[str, bytes] = {}

    def keep(self, request: Received, thing: Json) -> None:
        """An answer with an id can be asked for again."""
        if "id" in thing:
            self._things[_account(request), thing["id"]] = thing

    def answer(self, request: Received) -> Json | bytes | None:
        """None: there is no such thing, or it is another account's."""
        account, parts = _account(request), request.path.strip("/").split("/")
        if request.method == "POST":
            return self._made(request)
        if len(parts) == 1:
            return self._list(account, parts[0])
        thing = self._things.get((account, parts[1]))
        if thing is None:
            return None
        if parts[2:] == ["content"]:
            return self._contents.get(parts[1])
        if request.method == "DELETE":
            del self._things[account, parts[1]]
            return {"id": parts[1], "object": thing["object"], "deleted": True}
        return thing

    def _list(self, account: str, kind: str) -> Json:
        singular = "batch" if kind == "batches" else kind.removesuffix("s")
        data = [t for (a, _), t in self._things.items() if a == account and t["object"] == singular]
        return {"object": "list", "data": data, "has_more": False}

    def _made(self, request: Received) -> Json | bytes | None:
        number = len(self._things) + 1
        made: Json | bytes | None
        match request.path:
            case "/files":
                content = _uploaded(request)
                made = _file(number, content)
                self._contents[made["id"]] = content
            case "/batches":
                made = {"id": f"batch_{number}", "object": "batch", "status": "validating"}
            case "/moderations":
                made = {"id": f"modr-{number}", "model": "fake", "results": []}
            case "/audio/speech":
                return bytes(range(256)) * 8
            case _:
                return None
        self.keep(request, made)
        return made


def _account(request: Received) -> str:
    return (request.key or "").partition("@")[2]


def _file(number: int, content: bytes) -> Json:
    return {
        "id": f"file-{number}",
        "object": "file",
        "bytes": len(content),
        "created_at": int(time.time()),
        "filename": "upload.jsonl",
        "purpose": "batch",
        "status": "processed",
    }


def _uploaded(request: Received) -> bytes:
    """The content of the part named `file` in a multipart body."""
    boundary = re.search('boundary="?([^";]+)', request.header("content-type") or "")
    assert boundary, "an upload must be multipart"
    for part in request.body.split(b"--" + boundary[1].encode()):
        head, _, content = part.partition(b"\r\n\r\n")
        if b'name="file"' in head:
            return content.removesuffix(b"\r\n")
    raise AssertionError("an upload must have a part named file")
