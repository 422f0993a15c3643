"""Every line of the openai SDK, unchanged, through the real gateway: answers and streams."""

import asyncio
from collections.abc import Iterator
from typing import Any

import pytest
from openai import AsyncOpenAI

from tests.support.scene import Scene
from tests.support.sdks import LEGACY, LINES, Call, outcomes

HELLO = [{"role": "user", "content": "Hello!"}]
CALLS = {
    "chat": ("chat.completions.create", {"messages": HELLO}),
    "chat-stream": ("chat.completions.create", {"messages": HELLO, "stream": True}),
    "completion": ("completions.create", {"prompt": "Once"}),
    "completion-stream": ("completions.create", {"prompt": "Once", "stream": True}),
    "embeddings": ("embeddings.create", {"input": "text"}),
    "response": ("responses.create", {"input": "Hello!"}),
    "response-stream": ("responses.create", {"input": "Hello!", "stream": True}),
}
LEGACY_CALLS = {
    "chat": ("ChatCompletion.create", {"messages": HELLO}),
    "chat-stream": ("ChatCompletion.create", {"messages": HELLO, "stream": True}),
    "chat-async": ("ChatCompletion.acreate", {"messages": HELLO}),
    "chat-async-stream": ("ChatCompletion.acreate", {"messages": HELLO, "stream": True}),
    "completion": ("Completion.create", {"prompt": "Once"}),
    "completion-stream": ("Completion.create", {"prompt": "Once", "stream": True}),
    "embeddings": ("Embedding.create", {"input": "text"}),
}
SLASHED = "org/fake:free"
BASES = ("", "/openai", "/openai/v1", "/v1", "/v1/")


@pytest.fixture(scope="module", params=LINES)
def line(request: pytest.FixtureRequest) -> str:
    """A line of the SDK."""
    chosen: str = request.param
    return chosen


@pytest.fixture(scope="module")
def told(house: Scene, line: str) -> dict[str, Any]:
    """What came back from every call that this line of the SDK can make."""
    asked_before = len(house.upstream.requests)
    told = outcomes(line, list(_calls(house, line)))
    forwarded = [asked for asked in house.upstream.requests[asked_before:] if asked.body]
    assert len(forwarded) == len(told) - 2, "a list of models is local, any other call is made once"
    return told


def _calls(house: Scene, line: str) -> Iterator[Call]:
    """The name of a call is the model that it asks for."""
    url, key = house.gateway.url, house.token(f"sdk-{line}")
    table = LEGACY_CALLS if line == LEGACY else CALLS
    for name, (method, arguments) in table.items():
        for base in BASES:
            model = f"{name}{base}"
            yield Call(model, url + base, key, method, {**arguments, "model": model})
        if line == LEGACY:
            engine = f"engine-{name}"
            yield Call(engine, f"{url}/v1", key, method, {**arguments, "engine": engine})
        elif name.startswith("chat"):
            model = f"azure-{name}"
            yield Call(model, url, key, method, {**arguments, "model": model}, azure=True)
    models, one = ("Model", "id") if line == LEGACY else ("models", "model")
    yield Call("list", f"{url}/v1", key, f"{models}.list")
    yield Call("one", f"{url}/v1", key, f"{models}.retrieve", {one: SLASHED})


def test_every_call_is_answered_at_every_base_url(told: dict[str, Any]) -> None:
    assert [name for name, outcome in told.items() if "result" not in outcome] == []
    for name in told.keys() - {"list", "one"}:
        assert "Answer" in str(told[name]) or "embeddings" in name


def test_every_call_is_stored_once_with_its_usage(
    house: Scene, line: str, told: dict[str, Any]
) -> None:
    models = told.keys() - {"list", "one"}
    records = house.stored.records_of(f"sdk-{line}", len(models))
    assert sorted(record.model for record in records) == sorted(models)
    for record in records:
        assert (record.status, record.usage_source) == ("complete", "reported")
        _agrees(record, told[record.model]["result"])


def test_every_call_is_stored_under_its_endpoint(
    house: Scene, line: str, told: dict[str, Any]
) -> None:
    """However its path was spelled."""
    stored = {record.path for record in house.stored.records_of(f"sdk-{line}")}
    known = {"/chat/completions", "/completions", "/embeddings", "/responses"}
    assert stored == known - ({"/responses"} if line == LEGACY else set())


def test_models_are_listed_and_found_though_ids_hold_slashes(told: dict[str, Any]) -> None:
    assert {model["id"] for model in told["list"]["result"]["data"]} >= {"gpt-fake", SLASHED}
    assert told["one"]["result"]["id"] == SLASHED


def test_many_calls_at_once_have_a_record_each(house: Scene) -> None:
    token = house.token("async")

    async def ask() -> list[str]:
        async with AsyncOpenAI(api_key=token, base_url=house.base_url, max_retries=0) as client:
            chat = client.chat.completions.with_raw_response
            whole = [chat.create(model="m", messages=HELLO) for _ in range(20)]
            streams = [chat.create(model="m", messages=HELLO, stream=True) for _ in range(20)]
            made = await asyncio.gather(*whole, *streams)
            for raw in made[20:]:
                assert [chunk async for chunk in raw.parse()][-1].choices[0].finish_reason
            return [raw.headers["x-request-id"] for raw in made]

    ids = asyncio.run(ask())
    stored = house.stored.records_of("async", 40)
    assert sorted(str(record.id) for record in stored) == sorted(ids)
    assert {record.status for record in stored} == {"complete"}


def _agrees(record: Any, result: Any) -> None:
    """The usage stored is the one that the client was told, where it was told one."""
    usage = result.get("usage") if isinstance(result, dict) else None
    assert record.usage_source == "reported"
    if usage:
        prompt = usage.get("prompt_tokens") or usage.get("input_tokens")
        assert record.prompt_tokens == prompt
        completion = usage.get("completion_tokens") or usage.get("output_tokens") or 0
        assert (record.completion_tokens or 0) == completion
