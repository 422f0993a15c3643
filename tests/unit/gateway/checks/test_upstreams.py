"""Each provider key tried against a provider that answers as told, on a real socket."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from gateway.checks.upstreams import check_addresses, check_key
from gateway.upstream.credential import Credential, Upstream

KEY = "sk-canary-0123456789"


def credential(url: str, **more: object) -> Credential:
    return Credential(Upstream("openai", url, **more), "key-0", "openai", KEY)  # type: ignore[arg-type]


@asynccontextmanager
async def provider(answer: str, body: str = "") -> AsyncIterator[tuple[str, list[str]]]:
    """Its base URL, and the heads of the requests that came."""
    heads: list[str] = []

    async def respond(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        heads.append((await reader.readuntil(b"\r\n\r\n")).decode().lower())
        writer.write(f"HTTP/1.1 {answer}\r\ncontent-length: {len(body)}\r\n\r\n{body}".encode())
        await writer.drain()
        writer.close()

    async with await asyncio.start_server(respond, "127.0.0.1", 0) as server:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/v1", heads


@pytest.mark.parametrize(
    ("answer", "state", "detail"),
    [
        ("200 OK", "ok", "accepted, 2 models"),
        ("401 Unauthorized", "fail", "rejected by {url} with 401"),
        ("403 Forbidden", "fail", "rejected by {url} with 403"),
        ("404 Not Found", "warn", "{url}/models is not there"),
        ("429 Too Many Requests", "warn", "rate limited or out of quota"),
        ("500 Oops", "warn", "answered with status 500"),
    ],
)
async def test_answer_is_judged(answer: str, state: str, detail: str) -> None:
    async with provider(answer, '{"data": [{"id": "a"}, {"id": "b"}]}') as (url, _):
        check = await check_key(credential(url))
    assert (check.name, check.ok) == ("key openai/key-0", state)
    assert detail.format(url=url) in check.detail and bool(check.remedy) == (state != "ok")
    assert KEY not in repr(check)


async def test_answer_that_is_no_list_is_accepted_all_the_same() -> None:
    async with provider("200 OK", "<html>") as (url, _):
        assert (await check_key(credential(url))).ok == "ok"


@pytest.mark.parametrize(
    ("style", "header"),
    [("bearer", f"authorization: bearer {KEY}"), ("api-key", f"api-key: {KEY}")],
)
async def test_key_goes_where_the_upstream_wants_it(style: str, header: str) -> None:
    async with provider("200 OK") as (url, heads):
        await check_key(credential(url, key_style=style))
    assert heads[0].startswith("get /v1/models ") and header in heads[0]


async def test_proxy_is_used_and_its_failure_named() -> None:
    async with provider("403 Forbidden") as (proxy, heads):
        origin = proxy.removesuffix("/v1").replace("http://", "http://user:hunter2@")
        check = await check_key(credential("https://provider.invalid/v1", proxy=origin))
    assert heads[0].startswith("connect provider.invalid:443")
    assert check.ok == "fail" and "proxy" in check.detail and "hunter2" not in repr(check)


async def test_provider_that_is_not_there_is_a_failure() -> None:
    async with provider("200 OK") as (url, _):
        pass
    check = await check_key(credential(url))
    assert check.ok == "fail" and "cannot be reached" in check.detail
    assert "OPENAI_URL" in check.remedy


def test_address_without_version_is_warned_of() -> None:
    addresses = ("https://api.openai.com", "https://api.openai.com/v1", "https://a.b/openai")
    found = [check_addresses([credential(url)]) for url in addresses]
    assert [len(rows) for rows in found] == [1, 0, 0]
    assert found[0][0].ok == "warn" and "https://api.openai.com/v1" in found[0][0].remedy
