"""The models on offer: configured lists, and for upstreams without one what they say themselves."""

from collections.abc import Iterable, Sequence
from time import time
from typing import Any, Never

import msgspec
import structlog
from anyio import Event, move_on_after

from common.foreign_json import UNREADABLE
from gateway.upstream.credential import Credential, Upstream
from gateway.upstream.fetch import fetch
from gateway.upstream.wire import Transport, WireError

REFRESH_S, RETRY_S = 600.0, 10.0
ANSWER_S = 15.0
FIRST_LOOK_S = 1.0
MAX_LIST_BYTES = 4 * 1024 * 1024

log = structlog.get_logger()


class Catalogue:
    """What `GET /v1/models` shows; answered from memory, whether or not an upstream is up."""

    def __init__(self, credentials: Sequence[Credential], transport: Transport) -> None:
        self._transport = transport
        self._by_upstream: dict[str, list[dict[str, Any]]] = {}
        self._asked: dict[str, list[Credential]] = {}
        self._looked, self._replaced = Event(), Event()
        self._failures: dict[str, int | str] = {}
        """What was last heard of those whose list could not be had."""
        self.replace(credentials)

    def replace(self, credentials: Sequence[Credential]) -> None:
        """What was fetched stays until it is fetched again, which is at once."""
        before, self._by_upstream = self._by_upstream, {}
        fetched, self._asked = self._asked.keys() & before.keys(), {}
        for credential in credentials:
            upstream = credential.upstream
            if upstream.models is not None:
                self._by_upstream[upstream.name] = _configured(upstream, upstream.models)
                continue
            self._asked.setdefault(upstream.name, []).append(credential)
            if upstream.name in fetched:
                self._by_upstream[upstream.name] = before[upstream.name]
        self._replaced.set()

    async def first_look(self) -> None:
        """Just after the start: until the upstreams have been asked once, or for a second."""
        with move_on_after(FIRST_LOOK_S):
            await self._looked.wait()

    def all(self) -> list[dict[str, Any]]:
        """OpenAI model objects, by id; of two alike the first upstream's."""
        found: dict[str, dict[str, Any]] = {}
        for models in self._by_upstream.values():
            for model in models:
                found.setdefault(model["id"], model)
        return [found[name] for name in sorted(found)]

    def get(self, model_id: str) -> dict[str, Any] | None:
        return next((model for model in self.all() if model["id"] == model_id), None)

    async def run(self) -> Never:
        """Keeps the fetched lists fresh; until cancelled."""
        while True:
            self._replaced = Event()
            fresh = [await self._refresh(name, keys) for name, keys in self._asked.items()]
            self._looked.set()
            with move_on_after(REFRESH_S if all(fresh) else RETRY_S):
                await self._replaced.wait()

    async def _refresh(self, name: str, credentials: Sequence[Credential]) -> bool:
        """By the first key that is answered. A list that cannot be had leaves the old one."""
        told: int | str = "timeout"
        for credential in credentials:
            with move_on_after(ANSWER_S):
                told, models = await self._ask(credential)
                if models is not None:
                    if self._asked.get(name) is credentials:  # else replaced in the meantime
                        self._by_upstream[name] = models
                    self._failures.pop(name, None)
                    return True
        if self._failures.get(name) != told:  # a line per change, however often it is tried
            log.warning("models_not_fetched", upstream=name, answer=told)
        self._failures[name] = told
        return False

    async def _ask(self, credential: Credential) -> tuple[int | str, list[dict[str, Any]] | None]:
        try:
            answer = await fetch(self._transport, credential, "/models", MAX_LIST_BYTES)
        except WireError as error:
            return error.reason, None
        return answer.status, _understood(answer.body) if answer.status == 200 else None


def _configured(upstream: Upstream, models: Iterable[str]) -> list[dict[str, Any]]:
    created = int(time())
    return [
        {"id": model, "object": "model", "created": created, "owned_by": upstream.name}
        for model in models
    ]


def _understood(body: bytes) -> list[dict[str, Any]] | None:
    """`{"data": [{"id": …}]}`, or the bare list that some servers send; None: neither."""
    try:
        value = msgspec.json.decode(body)
    except UNREADABLE:
        return None
    entries = value.get("data") if isinstance(value, dict) else value
    if not isinstance(entries, list):
        return None
    return [e for e in entries if isinstance(e, dict) and isinstance(e.get("id"), str)]
