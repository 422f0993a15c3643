"""Write docs/configuration.md from the descriptions that stand beside the settings.

python -m scripts.configuration
"""

from collections.abc import Iterator
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Any

from pydantic import BaseModel
from pydantic.fields import FieldInfo

from common.settings import SharedSettings
from consumer.settings import ConsumerSettings
from gateway.bots.table import BOTS
from gateway.gateway_toml import CredentialEntry, UpstreamEntry
from gateway.settings import GatewaySettings
from gateway.signin.providers import oidc, slack

PAGE = Path(__file__).parents[1] / "docs" / "configuration.md"

INTRODUCTION = """\
# Configuration

Settings come from the environment, or from a file `.env` in the directory where a program is
started; the environment goes before. An empty value counts as not given. A setting that cannot be
used stops the program at once, with exit code 2 and a sentence that names it. `gateway doctor`
shows what is set, secrets masked, and tries it.

Nothing has to be set: then the gateway serves on 127.0.0.1:8090 in embedded mode, with SQLite, and
answers from the demo upstream. Gateway and consumer must be given the same database and broker.

This page is written by `make docs` from the settings' own descriptions.
"""

TOML = """\
## gateway.toml

Upstreams besides the one of `OPENAI_API_KEY`, in the file that `GATEWAY_CONFIG` names. A
call goes to an upstream that serves its model. The file may be changed while the gateway runs; the
environment, with the keys that `key_env` names, is read at the start only.

```toml
[[upstream]]
name = "azure-eu"
url = "https://example.openai.azure.com/openai/v1"
key_style = "api-key"
models = ["gpt-4.1", "gpt-4.1-mini"]

[[upstream.credential]]
label = "team-a"
key_env = "AZURE_KEY_A"

[[upstream.credential]]
label = "team-b"
key_env = "AZURE_KEY_B"
account = "second-subscription"
```
"""


@dataclass(frozen=True)
class Group:
    """Settings that belong together: those whose names begin so."""

    heading: str
    model: type[BaseModel]
    beginnings: tuple[str, ...]
    remark: str = ""


def _bots() -> Iterator[Group]:
    """Settings that a chat provider's own file declares."""
    for bot in BOTS:
        module = import_module(f"gateway.bots.providers.{bot.name}")
        if model := getattr(module, "Settings", None):
            remark = f"Of the gateway. {bot.name.title()} delivers to `/bots/{bot.name}/events`."
            yield Group(f"Bot at {bot.name.title()}", model, (f"{bot.name}_",), remark)


GROUPS = (
    Group(
        "Providers",
        GatewaySettings,
        tuple(
            "openai_api openai_url openai_proxy gateway_ load_ retry_ pool_ connect_ first_ idle_"
            " total_ upstream_".split()
        ),
        "Of the gateway.",
    ),
    Group(
        "Server",
        GatewaySettings,
        (
            "host",
            "openai_service",
            "server_",
            "auth_",
            "trusted_",
            "drain_",
            "body_",
            "max_",
            "send_",
            "stream_",
            "allowed_",
        ),
        "Of the gateway.",
    ),
    Group("Database and disk", SharedSettings, ("data_dir", "database_", "db_"), "Of both."),
    Group("Broker", SharedSettings, ("amqp_", "rocketmq_"), "Of both."),
    Group(
        "Redis",
        GatewaySettings,
        ("redis_",),
        "Of the gateway. With Redis, a revoked token is announced to every worker; without, each"
        " asks the database again after a second. What one worker finds of a provider key (rate"
        " limited, rejected, failing) holds for all of them; without, each finds out for itself.",
    ),
    Group("Access tokens", GatewaySettings, ("token", "key_"), "Of the gateway."),
    Group(
        "Feishu and Lark",
        GatewaySettings,
        ("app_", "feishu_"),
        "Of the gateway, for bot and login.",
    ),
    Group(
        "Signing in with OpenID Connect",
        oidc.Settings,
        ("oidc_",),
        "Of the gateway. The provider must know the redirect URL `/auth/callback/oidc` below"
        " `AUTH_SERVICE_URL`.",
    ),
    Group(
        "Signing in with Slack",
        slack.Settings,
        ("slack_",),
        "Of the gateway. The app must know the redirect URL `/auth/callback/slack` below"
        " `AUTH_SERVICE_URL`.",
    ),
    *_bots(),
    Group("Records", GatewaySettings, ("record_", "spool_", "allow_no_"), "Of the gateway."),
    Group("Storing", ConsumerSettings, ("batch_", "prefetch_", "retention_"), "Of the consumer."),
    Group("Logs", SharedSettings, ("log_",), "Of both. docs/events.md lists every event."),
)


def page() -> str:
    parts = [INTRODUCTION]
    for group in GROUPS:
        rows = [_row(f"`{n.upper()}`", f) for n, f in _fields(group)]
        parts.append(f"## {group.heading}\n\n{group.remark}\n\n{_table(rows)}")
    parts.append(TOML)
    for title, model in (("upstream", UpstreamEntry), ("upstream.credential", CredentialEntry)):
        rows = [_row(f"`{name}`", field) for name, field in model.model_fields.items()]
        parts.append(f"### `[[{title}]]`\n\n{_table(rows)}")
    return "\n".join(parts)


def _fields(group: Group) -> Iterator[tuple[str, FieldInfo]]:
    for name, field in group.model.model_fields.items():
        if name.startswith(group.beginnings):
            yield name, field


def _row(name: str, field: FieldInfo) -> str:
    return f"| {name} | {_default(field)} | {field.description} |\n"


def _table(rows: list[str]) -> str:
    return "| name | default | what it is |\n| --- | --- | --- |\n" + "".join(rows)


def _default(field: FieldInfo) -> str:
    if field.is_required():
        return "required"
    if field.default_factory is not None:  # the description says what comes of it
        return ""
    value: Any = field.default
    if not value and not isinstance(value, int | float):
        return ""
    if isinstance(value, bool):
        value = str(value).lower()
    if isinstance(value, int) and value >= 1024**3 and value % 1024**3 == 0:
        return f"`{value}` ({value // 1024**3} GiB)"
    return f"`{value}`"


if __name__ == "__main__":
    PAGE.write_text(page())
