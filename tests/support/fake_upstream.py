"""An OpenAI-like upstream for tests: remembers every request, and misbehaves as it is told.

In a test: `with FakeUpstream() as upstream:`, on a thread and loop of its own. As a program:
`python -m tests.support.fake_upstream PORT`, told by `POST /_fake/rules` (a JSON `Rule`), asked by
`GET /_fake/requests`, emptied by `DELETE /_fake`. A key's account is what follows its `@`; files,
batches and responses are found by keys of their account only.
"""

import asyncio
import json
import sys
import threading
from types import TracebackType
from typing import Any, Self
from urllib.parse import unquote

import msgspec

from tests.support import fake_answers
from tests.support.fake_answers import Said
from tests.support.fake_behaviour import Behaviour, Rule, error
from tests.support.fake_http import Connection, Received
from tests.support.fake_resources import Resources
from tests.support.fake_sending import send, stream

_ANSWERS = {
    "/chat/completions": fake_answers.chat,
    "/completions": fake_answers.completion,
    "/embeddings": fake_answers.embeddings,
    "/responses": fake_answers.response,
}
_NO_KEY = error(401, "missing_api_key", "You didn't provide an API key.")
_STARTED_S = 10


class FakeUpstream:
    """A running upstream, from entering the `with` block to leaving it."""

    def __init__(self, port: int = 0, models: tuple[str, ...] = ("gpt-fake", "org/fake:free")):
        self._port, self._models = port, models
        self.reset()
        self._connections = 0
        self._open: set[Connection] = set()
        self._ready = threading.Event()
        self._thread = threading.Thread(target=lambda: asyncio.run(self.serve()), daemon=True)

    def reset(self) -> None:
        """Forget requests, rules and resources."""
        self.requests: list[Received] = []
        """All but those of `lists`."""
        self.lists: list[Received] = []
        """Requests for the list of models: a gateway makes them by itself, whenever it likes."""
        self.said: list[Said] = []
        """Right answers given, in order."""
        self._rules: list[Rule] = []
        self._resources = Resources()

    @property
    def port(self) -> int:
        return self._port

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._port}/v1"

    def behave(
        self,
        behaviour: Behaviour,
        *,
        key: str | None = None,
        model: str | None = None,
        path: str | None = None,
        times: int | None = None,
    ) -> None:
        """From now on; of several rules that match, the newest counts."""
        self._rules.insert(
            0, Rule(behaviour=behaviour, key=key, model=model, path=path, times=times)
        )

    def behave_well(self) -> None:
        """From now on; what was remembered stays."""
        self._rules.clear()

    def __enter__(self) -> Self:
        self._thread.start()
        assert self._ready.wait(_STARTED_S), "the fake upstream did not start"
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None
    ) -> None:
        self._loop.call_soon_threadsafe(self._stopped.set)
        self._thread.join(_STARTED_S)

    async def serve(self) -> None:
        """Until left; or for ever, as a program of its own."""
        self._loop, self._stopped = asyncio.get_running_loop(), asyncio.Event()
        server = await self._loop.create_server(self._connection, "127.0.0.1", self._port)
        self._port = server.sockets[0].getsockname()[1]
        self._ready.set()
        await self._stopped.wait()
        server.close()
        for connection in list(self._open):
            connection.transport.abort()
        await asyncio.sleep(0)

    def _connection(self) -> Connection:
        self._connections += 1
        connection = Connection(self._connections, self._answer)
        self._open.add(connection)
        return connection

    async def _answer(self, connection: Connection, request: Received) -> None:
        if request.target.startswith("/_fake"):
            await send(connection, request, Behaviour(), self._controlled(request))
            return
        listed = (request.method, request.path) == ("GET", "/models")
        (self.lists if listed else self.requests).append(request)
        body = _object(request)
        model = body.get("model")
        behaviour = self._behaviour(request, model if isinstance(model, str) else None)
        answer = _ANSWERS.get(request.path) if request.method == "POST" else None
        if behaviour.body is None and answer is not None:
            said = answer(body, len(self.said) + 1, behaviour)
            self.said.append(said)
            self._resources.keep(request, said.whole)
            streamed = body.get("stream") is True
            await (stream if streamed else send)(connection, request, behaviour, said)
        elif behaviour.body is None:
            await send(connection, request, *self._found(request, behaviour))
        else:
            await send(connection, request, behaviour, b"")

    def _found(self, request: Received, behaviour: Behaviour) -> tuple[Behaviour, Any]:
        if request.path.startswith("/models") and request.method == "GET":
            listed = self._model_list()
            wanted = unquote(request.path.removeprefix("/models").removeprefix("/"))
            one = [model for model in listed["data"] if model["id"] == wanted]
            if not wanted or one:
                return behaviour, one[0] if wanted else listed
        found = self._resources.answer(request)
        unknown = error(404, "not_found", f"No such address or thing: {request.target}")
        return (unknown, b"") if found is None else (behaviour, found)

    def _model_list(self) -> dict[str, Any]:
        described = [
            {"id": model, "object": "model", "created": 1_780_000_000, "owned_by": "fake"}
            for model in self._models
        ]
        return {"object": "list", "data": described}

    def _behaviour(self, request: Received, model: str | None) -> Behaviour:
        if request.key is None:
            return _NO_KEY
        for rule in self._rules:
            if rule.matches(request.key, model, request.path):
                rule.times = rule.times if rule.times is None else rule.times - 1
                return rule.behaviour
        return Behaviour()

    def _controlled(self, request: Received) -> Any:
        if request.method == "POST":
            self._rules.insert(0, msgspec.json.decode(request.body, type=Rule))
        elif request.method == "DELETE":
            self.reset()
        return [
            {
                "connection": r.connection,
                "method": r.method,
                "target": r.target,
                "headers": r.headers,
                "body": r.body.decode(errors="replace"),
                "key": r.key,
                "hung_up": r.hung_up,
            }
            for r in [*self.requests, *self.lists]
        ]


def _object(request: Received) -> dict[str, Any]:
    if not (request.header("content-type") or "").startswith("application/json"):
        return {}
    try:
        body = json.loads(request.body)
    except ValueError:
        return {}
    return body if isinstance(body, dict) else {}


if __name__ == "__main__":
    asyncio.run(FakeUpstream(int(sys.argv[1])).serve())
