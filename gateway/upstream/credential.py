"""Upstreams and their credentials, as configured. Plain data; health is kept elsewhere."""

from dataclasses import dataclass, field
from typing import Literal

KeyStyle = Literal["bearer", "api-key"]


@dataclass(frozen=True, slots=True)
class Timeouts:
    """Seconds; None: no limit."""

    connect_s: float = 5
    first_byte_s: float = 600
    idle_s: float = 300
    total_s: float | None = None


@dataclass(frozen=True, slots=True)
class Upstream:
    """A model provider's OpenAI-compatible endpoint."""

    name: str
    url: str
    """Base URL without a trailing slash; paths below `/v1` are appended to it as they are."""
    key_style: KeyStyle = "bearer"
    models: frozenset[str] | None = None
    """Exactly these are served; None: any model."""
    include_usage: bool = True
    """Whether `stream_options.include_usage` may be asked of it."""
    proxy: str | None = field(default=None, repr=False)
    """URL of an HTTP proxy, reached by CONNECT; may hold a password."""
    timeouts: Timeouts = Timeouts()
    probe_path: str = "/models"
    """Path below `url` that a GET with a good key is not rejected at."""

    def serves(self, model: str | None) -> bool:
        return self.models is None or model is None or model in self.models


@dataclass(frozen=True, slots=True)
class Credential:
    """One API key of one upstream: what balancing picks and health is kept for."""

    upstream: Upstream
    label: str
    account: str
    """The provider account it belongs to, and with it the files and responses made with it."""
    key: str = field(repr=False)
    weight: float = 1
    priority: int = 0
    id: str = field(init=False)
    """Upstream and label; made once, as it is asked for at every call."""

    def __post_init__(self) -> None:
        object.__setattr__(self, "id", f"{self.upstream.name}/{self.label}")
