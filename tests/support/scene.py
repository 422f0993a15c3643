"""A gateway in full: its programs, a fake upstream behind it, its database, people with tokens."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

import httpx2
from openai import OpenAI

from tests.support.fake_upstream import FakeUpstream
from tests.support.people import join
from tests.support.programs import Installation
from tests.support.stored import Stored


@dataclass
class Scene:
    """What an acceptance test plays in."""

    gateway: Installation
    upstream: FakeUpstream
    _exits: ExitStack
    _tokens: dict[str, str] = field(default_factory=dict)
    _clients: dict[str, OpenAI] = field(default_factory=dict)

    @cached_property
    def stored(self) -> Stored:
        return Stored(self.gateway.database)

    @property
    def base_url(self) -> str:
        return f"{self.gateway.url}/v1"

    def token(self, name: str, *, admin: bool = False) -> str:
        """Of a person who joins the first time that she is named."""
        if name not in self._tokens:
            self._tokens[name] = join(self.gateway.database, name, admin=admin)
        return self._tokens[name]

    def client(self, name: str) -> OpenAI:
        """The current SDK in a person's hands; it does not try again by itself."""
        if name not in self._clients:
            client = OpenAI(api_key=self.token(name), base_url=self.base_url, max_retries=0)
            self._clients[name] = self._exits.enter_context(client)
        return self._clients[name]

    def http(self, name: str | None = None, **headers: str) -> httpx2.Client:
        """Plain HTTP, as that person or as nobody."""
        if name is not None:
            headers["authorization"] = f"Bearer {self.token(name)}"
        client = httpx2.Client(base_url=self.gateway.url, headers=headers, timeout=30)
        return self._exits.enter_context(client)


@contextmanager
def scene(
    directory: Path,
    settings: Mapping[str, str],
    prepare: Callable[[FakeUpstream], Mapping[str, str]] | None = None,
) -> Iterator[Scene]:
    """Running programs; `prepare` makes further settings once the upstream's address is known."""
    with FakeUpstream() as upstream, ExitStack() as exits:
        further = _one_pool(upstream) if prepare is None else prepare(upstream)
        installation = Installation(directory, {**settings, **further})
        gateway = exits.enter_context(installation)
        yield Scene(gateway, upstream, exits)


def _one_pool(upstream: FakeUpstream) -> Mapping[str, str]:
    return {"OPENAI_URL": upstream.url, "OPENAI_API_KEY": "sk-one@org,sk-two@org"}
