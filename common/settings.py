"""Settings that both programs have: database, broker, data directory. Each reads its own."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pydantic import Field, SecretStr, ValidationError, field_validator
from pydantic_settings import BaseSettings, SettingsConfigDict
from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import ArgumentError


class SettingsError(Exception):
    """A setting cannot be used. The message names the setting and the remedy; exit code 2."""


class SharedSettings(BaseSettings):
    """What gateway and consumer must be told alike."""

    model_config = SettingsConfigDict(
        env_file=".env", extra="ignore", env_ignore_empty=True, frozen=True
    )

    data_dir: Path = Field(
        Path("data"),
        description="Directory of the spool, of the local socket and, embedded, of the database.",
    )
    database_url: SecretStr | None = Field(
        None,
        description="`postgresql://…` or `sqlite:///…`. None of the database settings given: SQLite"
        " in `DATA_DIR`.",
    )
    db_user: str = Field("postgres", description="With any `DB_…` given, Postgres is used.")
    db_password: SecretStr | None = Field(None, description="Password of `DB_USER`.")
    db_host: str = Field("127.0.0.1", description="Host of Postgres.")
    db_port: int = Field(5432, description="Port of Postgres.", ge=1, le=65535)
    db_name: str = Field("openai", description="Database name.")
    amqp_url: SecretStr | None = Field(
        None,
        description="`amqp://…` of RabbitMQ. Not given: the gateway runs a consumer of its own and"
        " reaches it by a local socket.",
    )
    amqp_prefix: str = Field(
        "records", description="Name of the exchange and beginning of the queues' names."
    )
    rocketmq_name_server: str | None = Field(
        None, description="No longer supported: RabbitMQ by `AMQP_URL` takes its place."
    )
    log_format: str = Field(
        "auto",
        description="`json`, `console`, or `auto`: console on a terminal.",
        pattern="^(auto|json|console)$",
    )
    log_level: str = Field(
        "info",
        description="`debug`, `info`, `warning` or `error`.",
        pattern="^(debug|info|warning|error)$",
    )

    @field_validator("amqp_url")
    @classmethod
    def _amqp(cls, value: SecretStr | None) -> SecretStr | None:
        if value and not value.get_secret_value().startswith(("amqp://", "amqps://")):
            raise ValueError("give an address as amqp://user:password@host:5672/")
        return value

    @property
    def database(self) -> URL:
        """Where the database is, with the asynchronous driver. Raises SettingsError."""
        if self.database_url is not None:
            return _with_driver(self.database_url.get_secret_value())
        if self.model_fields_set & {"db_user", "db_password", "db_host", "db_port", "db_name"}:
            password = self.db_password.get_secret_value() if self.db_password else None
            return URL.create(
                "postgresql+asyncpg",
                self.db_user,
                password,
                self.db_host,
                self.db_port,
                self.db_name,
            )
        return URL.create(
            "sqlite+aiosqlite", database=str(self.data_dir.absolute() / "gateway.sqlite")
        )

    @property
    def embedded(self) -> bool:
        """Without a broker, the gateway runs the consumer itself."""
        return self.amqp_url is None

    @property
    def consumer_socket(self) -> Path:
        """Where the local wire is."""
        return self.data_dir.absolute() / "consumer.sock"

    def refuse_unsupported(self) -> None:
        """Raises SettingsError for what was once a setting and is none now."""
        if self.rocketmq_name_server:
            raise SettingsError(
                "ROCKETMQ_NAME_SERVER is set, but RocketMQ is not supported: remove it and give"
                " RabbitMQ's address as AMQP_URL, which takes its place."
            )


_DRIVERS = {
    "postgres": "postgresql+asyncpg",
    "postgresql": "postgresql+asyncpg",
    "postgresql+asyncpg": "postgresql+asyncpg",
    "sqlite": "sqlite+aiosqlite",
    "sqlite+aiosqlite": "sqlite+aiosqlite",
}


def _with_driver(text: str) -> URL:
    try:
        url = make_url(text)
        return url.set(drivername=_DRIVERS[url.drivername])
    except (ArgumentError, KeyError, ValueError):
        raise SettingsError(
            "DATABASE_URL is not a database address: give postgresql://user:password@host/name"
            " or sqlite:///path/to/file."
        ) from None


_NOT_ASKED = "default_factory_not_called"
"""Of a setting that follows others, while one of those is wrong: that one alone is told of."""


def describe(error: ValidationError) -> str:
    """One sentence per wrong setting, without the value given: it may be a secret."""
    return " ".join(
        f"{str(e['loc'][0]).upper()} cannot be used: {plain_message(e)}; correct or remove it."
        for e in error.errors(include_input=False, include_url=False)
        if e["type"] != _NOT_ASKED
    )


def plain_message(mistake: Mapping[str, Any]) -> str:
    """What pydantic found, as part of a sentence, without the value."""
    message = str(mistake["msg"]).removeprefix("Value error, ")
    if mistake["type"] == "extra_forbidden":
        return "there is no such setting; remove it or correct its name"
    return message[:1].lower() + message[1:]
