"""gateway.toml: upstreams and their credentials, read and refused with the place of each mistake.

Also what an address and a key must look like, wherever they come from. What the environment says
is in `gateway.settings`, which hands its variables in for `key_env`.
"""

import tomllib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from urllib.parse import urlsplit

from pydantic import BaseModel, ConfigDict, Field, SecretStr, ValidationError, field_validator

from common.settings import SettingsError, plain_message
from gateway.upstream.credential import Credential, KeyStyle, Timeouts, Upstream


class CredentialEntry(BaseModel):
    """One `[[upstream.credential]]`."""

    model_config = ConfigDict(extra="forbid")
    label: str = Field(
        pattern=r"^[\w.-]{1,64}$",
        description="Its name in records, logs and metrics; different from the upstream's others.",
    )
    key: SecretStr | None = Field(None, description="The key itself; or else `key_env`.")
    key_env: str | None = Field(None, description="Name of the variable that holds the key.")
    account: str | None = Field(
        None,
        pattern=r"^[\w.-]{1,64}$",
        description="The provider account it belongs to, with the files and responses made there."
        " Not given: the upstream's name.",
    )
    weight: float = Field(
        1,
        gt=0,
        allow_inf_nan=False,
        description="Its share of the calls among credentials of the same priority: 2 gets twice as"
        " many as 1.",
    )
    priority: int = Field(
        0,
        ge=-1000,
        le=1000,
        description="Greater numbers are tried first; smaller ones serve while all greater ones"
        " rest: -1 makes a reserve.",
    )


class UpstreamEntry(BaseModel):
    """One `[[upstream]]`."""

    model_config = ConfigDict(extra="forbid")
    name: str = Field(
        pattern=r"^[\w.-]{1,64}$",
        description="Its name in records, logs, metrics and `x-gateway-upstream`.",
    )
    url: str = Field(description="Base URL, taken literally: it usually ends in `/v1`.")
    key_style: KeyStyle = Field(
        "bearer", description="How it wants the key: `bearer`, or `api-key` for that header."
    )
    models: list[str] | None = Field(
        None,
        min_length=1,
        description="Exactly these models are served. Not given: any, and its list is asked for.",
    )
    include_usage: bool = Field(
        True, description="Whether the usage of a stream may be asked for with `stream_options`."
    )
    proxy: SecretStr | None = Field(
        None, description="HTTP proxy to it (CONNECT): `http://user:password@host:port`."
    )
    probe_path: str = Field(
        "/models",
        pattern=r"^/[!-~]{0,255}$",
        description="Path below `url` that is asked with GET whether a rejected key is accepted"
        " again.",
    )
    credential: list[CredentialEntry] = Field(
        min_length=1, description="Its keys, each an `[[upstream.credential]]`."
    )

    @field_validator("url")
    @classmethod
    def _url(cls, value: str) -> str:
        return base_url(value)

    @field_validator("proxy")
    @classmethod
    def _proxy(cls, value: SecretStr | None) -> SecretStr | None:
        return proxy_url(value)


class ConfigFile(BaseModel):
    """The whole file."""

    model_config = ConfigDict(extra="forbid")
    upstream: list[UpstreamEntry] = []


def read_upstreams(
    path: Path, environment: Mapping[str, str], timeouts: Timeouts
) -> Iterator[Credential]:
    """The credentials of every upstream in the file, in its order. Raises SettingsError."""
    for entry in _parse(path).upstream:
        upstream = Upstream(
            entry.name,
            entry.url,
            entry.key_style,
            frozenset(entry.models) if entry.models else None,
            entry.include_usage,
            entry.proxy.get_secret_value() if entry.proxy else None,
            timeouts,
            entry.probe_path,
        )
        for c in entry.credential:
            place = f"{path}, upstream {entry.name}, credential {c.label}"
            key = _key(c, environment, place)
            yield Credential(upstream, c.label, c.account or entry.name, key, c.weight, c.priority)


def distinct(credentials: Iterable[Credential]) -> tuple[Credential, ...]:
    """Without keys that an upstream has twice. Raises SettingsError where two share a name."""
    kept: dict[tuple[str, str], Credential] = {}
    upstreams: dict[str, Upstream] = {}
    for c in credentials:
        if upstreams.setdefault(c.upstream.name, c.upstream) != c.upstream:
            raise SettingsError(
                f"Two upstreams are called {c.upstream.name}: give one of them another name in"
                " GATEWAY_CONFIG (`openai` is the upstream of OPENAI_API_KEY)."
            )
        kept.setdefault((c.upstream.name, c.key), c)
    labels = [c.id for c in kept.values()]
    if twice := {label for label in labels if labels.count(label) > 1}:
        raise SettingsError(
            f"GATEWAY_CONFIG has two keys under the label {min(twice)}: every credential of an"
            " upstream needs a label of its own."
        )
    return tuple(kept.values())


def labelled(upstream: Upstream, keys: Iterable[str]) -> Iterator[Credential]:
    """Keys without names of their own: key-0, key-1, …, all of the upstream's account."""
    blank = Credential(upstream, "", upstream.name, "")
    for number, key in enumerate(dict.fromkeys(keys)):
        yield replace(blank, label=f"key-{number}", key=key)


def base_url(text: str) -> str:
    """Without a trailing slash. Raises ValueError."""
    parts = urlsplit(text.strip())
    if parts.scheme not in ("http", "https") or not parts.hostname or not _port_is_valid(text):
        raise ValueError("give an address that begins with http:// or https:// and a host")
    if parts.username or parts.password:
        raise ValueError("an address may not hold a user name or password")
    if parts.query or parts.fragment:
        raise ValueError("an address ends with its path: leave out what follows ? or #")
    return text.strip().rstrip("/")


def proxy_url(value: SecretStr | None) -> SecretStr | None:
    """Raises ValueError."""
    if value is None:
        return None
    text = value.get_secret_value()
    parts = urlsplit(text)
    if parts.scheme != "http" or not parts.hostname or not _port_is_valid(text):
        raise ValueError("give an HTTP proxy as http://host:port or http://user:password@host:port")
    return value


def usable_key(key: str, place: str) -> str:
    """A key that may stand in a header. Raises SettingsError, which never shows the key."""
    key = key.strip()
    if not key:
        raise SettingsError(f"{place} is empty: give the key or remove the entry.")
    if not all("!" <= letter <= "~" for letter in key):
        raise SettingsError(
            f"{place} holds a space, line break or other character that no key has: copy the key"
            " again."
        )
    return key


def _parse(path: Path) -> ConfigFile:
    try:
        return ConfigFile.model_validate(tomllib.loads(path.read_text("utf-8")))
    except tomllib.TOMLDecodeError as error:
        raise SettingsError(f"{path} of GATEWAY_CONFIG is not TOML: {error}. Correct it.") from None
    except ValidationError as error:
        raise SettingsError(" ".join(_mistakes(path, error))) from None
    except UnicodeDecodeError:
        raise SettingsError(f"{path} of GATEWAY_CONFIG is not UTF-8: save it so.") from None
    except OSError as error:
        raise SettingsError(
            f"{path} of GATEWAY_CONFIG cannot be read ({error.strerror}): name a file that exists,"
            " or remove the setting."
        ) from None


def _mistakes(path: Path, error: ValidationError) -> Iterator[str]:
    for mistake in error.errors(include_input=False, include_url=False):
        yield f"{path} of GATEWAY_CONFIG, {_place(mistake['loc'])}: {plain_message(mistake)}."


def _place(location: tuple[int | str, ...]) -> str:
    """("upstream", 0, "credential", 1, "label") is `upstream[1].credential[2].label`."""
    steps = (f"[{s + 1}]" if isinstance(s, int) else f".{s}" for s in location)
    return "".join(steps).lstrip(".")


def _key(entry: CredentialEntry, environment: Mapping[str, str], place: str) -> str:
    if (entry.key is None) == (entry.key_env is None):
        raise SettingsError(f"{place}: give either key or key_env, the name of a variable.")
    if entry.key is not None:
        return usable_key(entry.key.get_secret_value(), f"{place}: key")
    if not (key := environment.get(entry.key_env or "")):
        raise SettingsError(
            f"{place}: key_env names {entry.key_env}, which is not set: set it or correct it."
        )
    return usable_key(key, f"{place}: the variable {entry.key_env}")


def _port_is_valid(text: str) -> bool:
    try:
        return urlsplit(text).port != 0
    except ValueError:
        return False
