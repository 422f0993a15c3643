"""The gateway's settings: the only reader of the environment and of `.env`.

`load_settings` is the way to them. What gateway.toml may say is in `gateway.gateway_toml`.
"""

import os
import re
from collections.abc import Iterable, Iterator, Mapping
from ipaddress import IPv4Network, IPv6Network, ip_network
from pathlib import Path
from typing import Annotated, Any, Literal, TypeVar
from urllib.parse import quote

from dotenv import dotenv_values
from pydantic import BaseModel, Field, PrivateAttr, SecretStr, ValidationError, field_validator
from pydantic_settings import NoDecode

from common.settings import SettingsError, describe
from gateway.gateway_toml import (
    base_url,
    distinct,
    labelled,
    proxy_url,
    read_upstreams,
    usable_key,
)
from gateway.settings_feishu import FeishuSettings
from gateway.upstream.credential import Credential, Timeouts, Upstream

Network = IPv4Network | IPv6Network
Section = TypeVar("Section", bound=BaseModel)
RULES = ("round_robin", "random", "ip_hash", "least_busy", "prompt_affinity")
"""What `gateway.upstream.balancer` offers; a test compares."""


class GatewaySettings(FeishuSettings):
    """What the gateway alone must be told."""

    openai_api_key: SecretStr | None = Field(
        None,
        description="Provider keys, comma-separated. `GPT_KEY_0`, `GPT_KEY_1`, … are read as well.",
    )
    openai_url: str = Field(
        "https://api.openai.com/v1",
        description="The provider's base URL, taken literally: it usually ends in `/v1`.",
    )
    openai_proxy: SecretStr | None = Field(
        None, description="HTTP proxy to the provider (CONNECT): `http://user:password@host:port`."
    )
    gateway_config: Path = Field(
        Path("gateway.toml"),
        description="File of further upstreams: models, key styles, labels, accounts. May be"
        " missing unless it is named here.",
    )
    gateway_demo: Literal["auto", "on", "off"] = Field(
        "auto",
        description="The demo upstream with made-up answers: `auto` uses it when no provider key is"
        " given, `off` refuses to start then.",
    )
    load_balancer_rule: str = Field(
        "round_robin",
        description="Order in which a call tries the credentials: `round_robin`, `random`,"
        " `ip_hash`, `least_busy` or `prompt_affinity` (a conversation stays at one account, which"
        " has its prompt cached).",
    )
    retry_count: int = Field(3, description="Most retries of one call.", ge=0, le=20)
    retry_time: float = Field(
        1, description="Base of the back-off between retries, in seconds.", ge=0, le=60
    )
    pool_wait_s: float = Field(
        10, description="Longest wait for a credential that is cooling, in seconds.", ge=0
    )
    connect_timeout_s: float = Field(5, description="To connect to a provider, in seconds.", gt=0)
    first_byte_timeout_s: float = Field(
        600, description="From the request to the first byte of the answer, in seconds.", gt=0
    )
    idle_timeout_s: float = Field(
        300, description="Between two bytes of an answer, in seconds.", gt=0
    )
    total_timeout_s: float | None = Field(
        None, description="For a whole answer, in seconds. Not given: no limit.", gt=0
    )
    upstream_transport: Literal["own", "httpx2"] = Field(
        "own", description="The client that calls providers: `own`, or `httpx2` to compare with."
    )

    host: str = Field("127.0.0.1", description="Address to listen on.")
    openai_service_port: int = Field(8090, description="Port to listen on.", ge=0, le=65535)
    server_workers: int | None = Field(
        None,
        description="HTTP worker processes. Not given: 1 embedded, 2 with a broker.",
        ge=1,
        le=256,
    )
    auth_service_url: str = Field(
        default_factory=lambda given: _local_url(given),
        description="The gateway's public base URL, as people and login providers reach it. Not"
        " given: `http://127.0.0.1:8090`, with the port of `OPENAI_SERVICE_PORT`.",
    )
    trusted_proxies: Annotated[tuple[Network, ...], NoDecode] = Field(
        (), description="CIDRs of proxies whose `X-Forwarded-For` is believed, comma-separated."
    )
    drain_announce_s: float = Field(
        1,
        description="How long after SIGTERM `/readyz` says 503 while new connections are still"
        " taken, in seconds: as long as the load balancer needs to notice.",
        ge=0,
    )
    drain_timeout_s: float = Field(
        60,
        description="How long calls under way may go on after that, in seconds; then they are cut.",
        ge=0,
    )
    body_timeout_s: float = Field(
        60,
        description="How long a client may take for the head of a request, and between two pieces"
        " of its body, in seconds; then it gets 408.",
        gt=0,
    )
    body_total_timeout_s: float = Field(
        300,
        description="How long a client may take for a whole request, in seconds, and one more for"
        " each 16 KiB of it; then it gets 408.",
        gt=0,
    )
    send_timeout_s: float = Field(
        300,
        description="How long a client may take nothing of an answer that waits for it, in seconds;"
        " then its connection is closed.",
        gt=0,
    )
    max_in_flight: int = Field(
        1000,
        description="Most calls under way in one worker; beyond it they get 503 with"
        " `retry-after`, before their bodies are read.",
        ge=1,
    )
    max_held_bytes: int = Field(
        512 * 1024**2,
        description="Most bytes of requests and answers that one worker may hold in memory; beyond"
        " it new calls get 503 with `retry-after`.",
        ge=1024**2,
    )
    stream_ping_s: float | None = Field(
        None,
        description="Seconds of silence after which a streamed answer that has begun gets a comment"
        " line, for balancers that cut what is silent. Not given: never.",
        gt=0,
    )
    allowed_endpoints: Annotated[frozenset[str], NoDecode] = Field(
        frozenset(),
        description="Refused endpoints that everybody may use after all, comma-separated: `lists`"
        " (lists of files, responses, …), `organization`, `projects`.",
    )

    redis_url: SecretStr | None = Field(
        None, description="`redis://…`; any of the `REDIS_…` settings will do as well."
    )
    redis_host: str = Field("127.0.0.1", description="Host of Redis.")
    redis_port: int = Field(6379, description="Port of Redis.", ge=1, le=65535)
    redis_db: int = Field(0, description="Database number of Redis.", ge=0)
    redis_username: str | None = Field(None, description="User name at Redis.")
    redis_password: SecretStr | None = Field(None, description="Password at Redis.")
    redis_prefix: str = Field("ogw", description="Beginning of every key and channel in Redis.")

    token_days: int = Field(10, description="Days that an access token lasts.", ge=1)
    token_days_max: int = Field(90, description="Most days that one may be asked for.", ge=1)
    tokens_per_user: int = Field(5, description="Most valid access tokens of one user.", ge=1)
    key_delivery: Literal["message", "link"] = Field(
        "message",
        description="How a bot hands over a key: in a private `message`, or by a one-time `link`"
        " that is valid for 10 minutes, so that no key stays in the chat's history.",
    )

    record_durability: Literal["process", "power"] = Field(
        "process",
        description="What a record survives before its answer is whole: the death of the `process`,"
        " or loss of `power` too.",
    )
    spool_max_bytes: int = Field(
        2 * 1024**3, description="Most bytes of records waiting on this disk.", ge=1024**2
    )

    record_bodies: Literal["full", "none"] = Field(
        "full",
        description="What of a call's bodies is stored: all, or `none`: they are counted, then"
        " dropped, and there are no conversations.",
    )
    allow_no_store: bool = Field(
        False,
        description="Whether callers may ask for that by the header `x-gateway-no-store: true`; if"
        " not, such calls get 403.",
    )

    _credentials: tuple[Credential, ...] = PrivateAttr(())
    _variables: Mapping[str, str] = PrivateAttr({})

    @field_validator("openai_url", "auth_service_url")
    @classmethod
    def _urls(cls, value: str) -> str:
        return base_url(value)

    @field_validator("openai_proxy")
    @classmethod
    def _proxy(cls, value: SecretStr | None) -> SecretStr | None:
        return proxy_url(value)

    @field_validator("redis_url")
    @classmethod
    def _redis(cls, value: SecretStr | None) -> SecretStr | None:
        if value and not re.match(r"(rediss?|unix)://.", value.get_secret_value()):
            raise ValueError("give an address as redis://user:password@host:6379/0")
        return value

    @field_validator("load_balancer_rule")
    @classmethod
    def _rule(cls, value: str) -> str:
        if value not in RULES:
            raise ValueError(f"there is no such rule; choose from {', '.join(RULES)}")
        return value

    @field_validator("trusted_proxies", mode="before")
    @classmethod
    def _networks(cls, value: object) -> object:
        if not isinstance(value, str):
            return value
        try:
            return tuple(
                ip_network(part.strip(), strict=False) for part in value.split(",") if part.strip()
            )
        except ValueError:
            raise ValueError("give networks as 10.0.0.0/8, comma-separated") from None

    @field_validator("allowed_endpoints", mode="before")
    @classmethod
    def _names(cls, value: object) -> object:
        if not isinstance(value, str):
            return value
        names = frozenset(part.strip() for part in value.split(",") if part.strip())
        if unknown := names - {"lists", "organization", "projects"}:
            raise ValueError(
                f"there is no {', '.join(sorted(unknown))}: choose from lists,"
                " organization, projects"
            )
        return names

    @property
    def workers(self) -> int:
        return self.server_workers or (1 if self.embedded else 2)

    @property
    def timeouts(self) -> Timeouts:
        return Timeouts(
            self.connect_timeout_s,
            self.first_byte_timeout_s,
            self.idle_timeout_s,
            self.total_timeout_s,
        )

    @property
    def redis(self) -> str | None:
        """Address of Redis, with its password; None: there is no Redis."""
        if self.redis_url is not None:
            return self.redis_url.get_secret_value()
        if not any(name.startswith("redis_") for name in self.model_fields_set - {"redis_prefix"}):
            return None
        password = self.redis_password.get_secret_value() if self.redis_password else ""
        login = f"{quote(self.redis_username or '', safe='')}:{quote(password, safe='')}@"
        host = f"[{self.redis_host}]" if ":" in self.redis_host else self.redis_host
        return f"redis://{login if login != ':@' else ''}{host}:{self.redis_port}/{self.redis_db}"

    @property
    def credentials(self) -> tuple[Credential, ...]:
        """Every provider key, those of the environment first; none: there is only the demo."""
        return self._credentials

    @property
    def demo(self) -> bool:
        """Whether the demo upstream answers."""
        return self.gateway_demo == "on" or (self.gateway_demo == "auto" and not self.credentials)

    def lacking(self, names: Iterable[str]) -> list[str]:
        """Those of these settings that are not given, or blank; names in upper case."""
        given = {name.upper(): value.strip() for name, value in self._variables.items()}
        return [name for name in names if not given.get(name)]

    def section(self, model: type[Section]) -> Section:
        """The settings that a plug-in declares in its own file, by their names in upper case.

        Raises SettingsError.
        """
        given = {name.lower(): value for name, value in self._variables.items()}
        try:
            return model.model_validate({n: given[n] for n in model.model_fields if n in given})
        except ValidationError as error:
            raise SettingsError(describe(error)) from None

    def model_post_init(self, _context: Any) -> None:
        """Gathers the credentials. Raises SettingsError."""
        self._variables = _environment()
        self._credentials = self.read_credentials()

    def read_credentials(self) -> tuple[Credential, ...]:
        """By the environment as it was at the start, and gateway.toml as it is now.

        Raises SettingsError.
        """
        environment = self._variables
        upstream = Upstream(
            "openai",
            self.openai_url,
            proxy=self.openai_proxy.get_secret_value() if self.openai_proxy else None,
            timeouts=self.timeouts,
        )
        found = list(labelled(upstream, _pool(self.openai_api_key, environment)))
        if "gateway_config" in self.model_fields_set or self.gateway_config.exists():
            found += read_upstreams(self.gateway_config, environment, self.timeouts)
        return distinct(found)


def _local_url(given: Mapping[str, Any]) -> str:
    return f"http://127.0.0.1:{given.get('openai_service_port', 8090)}"


def load_settings() -> GatewaySettings:
    """From the environment, `.env` and gateway.toml. Raises SettingsError."""
    try:
        settings = GatewaySettings()
    except ValidationError as error:
        raise SettingsError(describe(error)) from None
    except UnicodeDecodeError:
        raise SettingsError("The file .env is not UTF-8: save it so.") from None
    except OSError as error:
        raise SettingsError(f"The file .env cannot be read: {error.strerror}.") from None
    _refuse_contradictions(settings)
    return settings


def _refuse_contradictions(settings: GatewaySettings) -> None:
    settings.refuse_unsupported()
    _ = settings.database  # raises SettingsError where DATABASE_URL is none
    if settings.token_days > settings.token_days_max:
        raise SettingsError(
            f"TOKEN_DAYS ({settings.token_days}) is more than TOKEN_DAYS_MAX"
            f" ({settings.token_days_max}): lower the one or raise the other."
        )
    if settings.gateway_demo == "off" and not settings.credentials:
        raise SettingsError(
            "There is no provider key, and GATEWAY_DEMO=off rules out the demo upstream: set"
            " OPENAI_API_KEY, name upstreams in gateway.toml, or remove GATEWAY_DEMO."
        )


def _environment() -> Mapping[str, str]:
    """Variables by name; what the environment says goes before what `.env` says."""
    written = {name: value for name, value in dotenv_values(".env").items() if value}
    return written | {name: value for name, value in os.environ.items() if value}


def _pool(keys: SecretStr | None, environment: Mapping[str, str]) -> Iterator[str]:
    """The keys of OPENAI_API_KEY, then those of GPT_KEY_0, GPT_KEY_1, … by number."""
    for key in (keys.get_secret_value() if keys else "").split(","):
        if key.strip():
            yield usable_key(key, "A key in OPENAI_API_KEY")
    names = (re.fullmatch(r"GPT_KEY_(\d+)", name, re.IGNORECASE) for name in environment)
    for match in sorted((m for m in names if m), key=lambda m: int(m[1])):
        if environment[match[0]].strip():
            yield usable_key(environment[match[0]], match[0].upper())
