"""Each provider key, tried with the one call that costs nothing: GET {url}/models."""

import re
from collections.abc import Sequence
from urllib.parse import urlsplit

import httpx2
import msgspec

from common.foreign_json import UNREADABLE
from gateway.checks.check import Check
from gateway.supervision.reason import reason
from gateway.upstream.credential import Credential, Upstream

_MAX_BYTES = 8 * 1024**2


class _Models(msgspec.Struct):
    data: list[msgspec.Raw] = []


def check_addresses(credentials: Sequence[Credential]) -> list[Check]:
    """Base URLs are taken literally, so a forgotten `/v1` gives 404 to every call."""
    upstreams = {c.upstream.name: c.upstream for c in credentials}.values()
    return [
        Check(
            f"upstream {upstream.name}",
            "warn",
            f"{upstream.url} names no version of the API",
            f"Most providers want /v1 at the end: {_setting(upstream)} = {upstream.url}/v1",
        )
        for upstream in upstreams
        if not re.search(r"/v\d|/openai", urlsplit(upstream.url).path)
    ]


async def check_key(credential: Credential) -> Check:
    upstream, name = credential.upstream, f"key {credential.id}"
    try:
        async with (
            httpx2.AsyncClient(proxy=upstream.proxy, timeout=5, trust_env=False) as client,
            client.stream("GET", f"{upstream.url}/models", headers=_headers(credential)) as answer,
        ):
            return _judged(name, upstream, answer.status_code, await _read(answer))
    except (httpx2.HTTPError, httpx2.InvalidURL, OSError) as error:
        through = ", through its proxy" if upstream.proxy else ""
        return Check(
            name,
            "fail",
            f"{upstream.url} cannot be reached{through}: {reason(error)}",
            f"Check {_setting(upstream)}, OPENAI_PROXY and this machine's way out.",
        )


def _headers(credential: Credential) -> dict[str, str]:
    if credential.upstream.key_style == "api-key":
        return {"api-key": credential.key}
    return {"authorization": f"Bearer {credential.key}"}


async def _read(answer: httpx2.Response) -> bytes:
    body = bytearray()
    async for piece in answer.aiter_bytes():
        body += piece
        if len(body) > _MAX_BYTES:
            break
    return bytes(body)


def _judged(name: str, upstream: Upstream, status: int, body: bytes) -> Check:
    if status == 200:
        return Check(name, "ok", f"accepted, {_count(body)}")
    if status in (401, 403):
        return Check(
            name,
            "fail",
            f"rejected by {upstream.url} with {status}",
            f"Replace this key in {_keys(upstream)}, or see whether it belongs to this upstream.",
        )
    if status == 404:
        return Check(
            name,
            "warn",
            f"{upstream.url}/models is not there (404), so the key could not be tried",
            f"See whether {_setting(upstream)} is the whole base URL; it usually ends in /v1.",
        )
    if status == 429:
        return Check(name, "warn", "rate limited or out of quota (429)", "Look at its account.")
    return Check(
        name, "warn", f"{upstream.url} answered with status {status}", "Try again in a while."
    )


def _count(body: bytes) -> str:
    try:
        return f"{len(msgspec.json.decode(body, type=_Models).data)} models"
    except UNREADABLE:
        return "but its list of models cannot be read"


def _setting(upstream: Upstream) -> str:
    return "OPENAI_URL" if upstream.name == "openai" else f"url of {upstream.name} in gateway.toml"


def _keys(upstream: Upstream) -> str:
    return "OPENAI_API_KEY" if upstream.name == "openai" else "gateway.toml"
