"""`/records` and `/conversations` on both databases, behind the real linker."""

import base64
import json
import zlib
from collections.abc import AsyncIterator, Callable
from typing import Any
from uuid import UUID

import httpx2
import pytest
from sqlalchemy.engine import make_url
from sqlalchemy.ext.asyncio import AsyncEngine

from common.database import make_engine
from consumer.linker import Linker
from tests.support.read_side import Reader, read_side
from tests.support.talking import EPOCH, Talk, arrive, assistant, call_at, system, user

CHUNKS = [{"role": "assistant", "content": "He"}, {"content": "llo"}]
STREAM = b"".join(
    b"data: %s\n\n" % json.dumps({"choices": [{"index": 0, "delta": delta}]}).encode()
    for delta in CHUNKS
)
USAGE = {
    "prompt_tokens": 11,
    "completion_tokens": 7,
    "cached_tokens": 0,
    "reasoning_tokens": None,
    "usage_source": "reported",
}


@pytest.fixture
async def engine(database_url: str) -> AsyncIterator[AsyncEngine]:
    engine = make_engine(make_url(database_url))
    yield engine
    await engine.dispose()


@pytest.fixture
async def client(engine: AsyncEngine) -> AsyncIterator[httpx2.AsyncClient]:
    async with read_side(engine) as client:
        yield client


@pytest.fixture
def stored(engine: AsyncEngine) -> Callable[..., Any]:
    async def stored(*talks: Talk) -> None:
        for talk in talks:
            await arrive(engine, talk.rows)
        while await Linker(engine).link_pending():
            pass

    return stored


async def test_record_is_shown_with_what_travelled(
    client: httpx2.AsyncClient, stored: Callable[..., Any]
) -> None:
    talk, odd = Talk(), b'{ "model": "m", "messages": [], "n": 1.0, "n": 12345678901234567890123 }'
    attempt = {"upstream": "openai", "credential": "key-0", "seconds": 0.5, "status": 200}
    first = talk.chat([user("Hello!")], attempts=json.dumps([attempt]), **USAGE)
    next_ = talk.chat([user("Hello!"), assistant("Hi!"), user("Go on")])
    talk.rows[-1] |= {"request": zlib.compress(odd), "model": None, "http_status": None}
    talk.rows[-1] |= {"response": zlib.compress(STREAM), "response_type": "text/event-stream"}
    await stored(talk)
    alice = Reader(client, "alice")
    shown = await alice.read(f"/records/{first}")
    assert shown == {
        "id": str(first),
        "object": "record",
        "kind": "chat",
        "model": "m",
        "model_used": "m-1",
        "status": "complete",
        "http_status": 200,
        "conversation_id": str(first),
        "parent_id": None,
        "user": "alice",
        "created_at": int(EPOCH.timestamp()) + 1,
        "attempts": [attempt],
        "usage": {
            "prompt_tokens": 11,
            "completion_tokens": 7,
            "cached_tokens": 0,
            "reasoning_tokens": 0,
            "total_tokens": 18,
            "source": "reported",
        },
        "request": {"model": "m", "messages": [user("Hello!")]},
        "response": {"choices": [{"index": 0, "message": assistant("Hi!")}]},
    }
    streamed = await alice.get(f"/records/{next_}")
    assert odd in streamed.content, "as it was sent, to the last blank"
    assert streamed.json()["response"]["choices"][0]["message"]["content"] == "Hello"
    assert streamed.json()["usage"] is None
    raw = await alice.get(f"/records/{next_}", raw="response")
    assert (raw.content, raw.headers["content-type"]) == (STREAM, "text/event-stream")
    assert raw.headers["content-disposition"].startswith("attachment")
    assert (await alice.get(f"/records/{next_}", raw="request")).content == odd


async def test_record_of_other_kinds_is_shown_as_far_as_it_was_kept(
    client: httpx2.AsyncClient, stored: Callable[..., Any]
) -> None:
    talk = Talk()
    sound = talk.call("audio", {"input": "Say it"}, None)
    talk.rows[-1] |= {"response": zlib.compress(b"\xff\x00"), "response_type": "audio/mpeg"}
    upload = talk.call("files", None, None)
    talk.rows[-1] |= {
        "request": None,
        "request_type": "multipart/form-data\r\nx: y",
        "request_size_bytes": 5,
        "request_sha256": b"\1" * 32,
        "response": zlib.compress(b'{"cut'),
    }
    await stored(talk)
    alice = Reader(client, "alice")
    heard = await alice.read(f"/records/{sound}")
    assert heard["response"] == {
        "type": "audio/mpeg",
        "base64": base64.b64encode(b"\xff\x00").decode(),
    }
    assert (heard["conversation_id"], heard["parent_id"]) == (None, None)
    sent = await alice.read(f"/records/{upload}")
    assert (sent["request"]["size_bytes"], sent["request"]["sha256"]) == (5, "01" * 32)
    assert base64.b64decode(sent["response"]["base64"]) == b'{"cut'
    assert await alice.refusal(f"/records/{upload}", raw="request") == (404, None)
    assert await alice.refusal(f"/records/{upload}", raw="both") == (400, "raw")


async def test_records_are_paged_and_filtered(
    client: httpx2.AsyncClient, stored: Callable[..., Any]
) -> None:
    talk, other = Talk(), Talk(2, second=50)
    ids = [str(talk.chat([user(f"Question {n}")])) for n in range(5)]
    talk.rows[1]["kind"], talk.rows[2]["model"] = "response", "other"
    talk.rows[3]["status"] = "interrupted"
    bobs = str(other.chat([user("Hello!")]))
    await stored(talk, other)
    alice, root = Reader(client, "alice"), Reader(client, "root")
    page = await alice.read("/records", limit=2)
    assert [one["id"] for one in page["data"]] == [ids[4], ids[3]]
    assert (page["object"], page["has_more"]) == ("list", True)
    assert (page["first_id"], page["last_id"]) == (ids[4], ids[3])
    rest = await alice.read("/records", after=page["last_id"], limit=3)
    assert ([one["id"] for one in rest["data"]], rest["has_more"]) == (ids[2::-1], False)
    assert "request" not in page["data"][0]
    assert await alice.ids("/records", kind="response") == [ids[1]]
    assert await alice.ids("/records", model="other") == [ids[2]]
    assert await alice.ids("/records", status="interrupted") == [ids[3]]
    assert await alice.ids("/records", conversation=ids[0]) == [ids[0]]
    assert await alice.ids("/records", conversation=bobs) == []
    second = int(EPOCH.timestamp())
    assert await alice.ids("/records", from_=second + 2, to=second + 3) == [ids[2], ids[1]]
    assert await alice.ids("/records", from_="2026-11-21T00:00:05Z") == [ids[4]]
    assert await alice.ids("/records", from_="2026-11-21T01:00:05+01:00") == [ids[4]]
    assert await root.ids("/records") == [bobs, *reversed(ids)]
    assert await root.ids("/records", user="bob") == [bobs]
    empty = await alice.read("/records", kind="none")
    assert (empty["data"], empty["first_id"], empty["last_id"]) == ([], None, None)


async def test_conversation_shows_what_each_exchange_added(
    client: httpx2.AsyncClient, stored: Callable[..., Any]
) -> None:
    talk, prompt = Talk(), [system("Be brief."), user("Hello!")]
    root = talk.chat(prompt, "Hi!", **USAGE)
    prompt += [assistant("Hi!"), user("And?")]
    second = talk.chat(prompt, None, status="interrupted")
    again = talk.chat([system("Be long."), *prompt[1:]], "So.", took=9)
    await stored(talk)
    alice = Reader(client, "alice")
    shown = await alice.read(f"/conversations/{root}")
    told = [
        (one["id"], one["parent_id"], one["messages"], one["answer"]) for one in shown["exchanges"]
    ]
    assert told == [
        (str(root), None, [system("Be brief."), user("Hello!")], assistant("Hi!")),
        (str(second), str(root), [user("And?")], None),
        (str(again), str(root), [system("Be long."), user("And?")], assistant("So.")),
    ]
    assert shown["exchanges"][0]["usage"]["total_tokens"] == 18
    assert [one["model"] for one in shown["exchanges"]] == ["m"] * 3
    assert {name: shown[name] for name in ("id", "object", "user", "title")} == {
        "id": str(root),
        "object": "conversation",
        "user": "alice",
        "title": "Hello!",
    }
    started = int(EPOCH.timestamp())
    assert (shown["created_at"], shown["updated_at"]) == (started + 1, started + 12)


async def test_conversations_are_listed_by_their_last_exchange(
    client: httpx2.AsyncClient, stored: Callable[..., Any]
) -> None:
    talk, other = Talk(), Talk(2, second=50)
    old, middle = talk.chat([user("Old")]), talk.chat([user("Middle")])
    talk.chat([user("Old"), assistant("Hi!"), user("Again")])
    bobs = other.chat([user("Hello!")])
    await stored(talk, other)
    alice, root = Reader(client, "alice"), Reader(client, "root")
    first = await alice.read("/conversations", limit=1)
    assert ([one["title"] for one in first["data"]], first["has_more"]) == (["Old"], True)
    assert first["data"][0]["exchange_count"] == 2
    assert await alice.ids("/conversations", after=str(old)) == [str(middle)]
    assert await root.ids("/conversations") == [str(bobs), str(old), str(middle)]
    assert await root.ids("/conversations", user="alice") == [str(old), str(middle)]
    assert await root.ids("/conversations", from_=int(EPOCH.timestamp()) + 40) == [str(bobs)]
    assert await alice.refusal("/conversations", after=str(bobs)) == (400, "after")


async def test_long_conversation_is_shown(
    client: httpx2.AsyncClient, stored: Callable[..., Any]
) -> None:
    talk, prompt = Talk(), [user("Question 0")]
    for turn in range(300):
        talk.chat(prompt, f"Answer {turn}")
        prompt += [assistant(f"Answer {turn}"), user(f"Question {turn + 1}")]
    await stored(talk)
    shown = await Reader(client, "alice").read(f"/conversations/{call_at(1)}")
    messages = [one["messages"] for one in shown["exchanges"]]
    assert messages == [[user(f"Question {turn}")] for turn in range(300)]
    assert shown["exchanges"][-1]["answer"] == assistant("Answer 299")


async def test_what_is_somebody_else_s_is_not_there(
    client: httpx2.AsyncClient, stored: Callable[..., Any]
) -> None:
    talk = Talk()
    own = talk.chat([user("Secret")])
    await stored(talk)
    bob, root = Reader(client, "bob"), Reader(client, "root")
    for path in ("/records", "/conversations"):
        for id in (own, UUID(int=7), "x", own.hex, f"{own}'--"):
            assert await bob.refusal(f"{path}/{id}") == (404, None)
        assert await bob.ids(path) == []
        assert await bob.refusal(path, user="alice") == (403, "user")
        assert (await root.read(f"{path}/{own}"))["user"] == "alice"
        assert (await Reader(client, "alice").read(f"{path}/{own}"))["id"] == str(own)


async def test_wrong_parameters_are_named(client: httpx2.AsyncClient) -> None:
    alice = Reader(client, "alice")
    for path in ("/records", "/conversations"):
        for name, value in [
            ("limit", "0"),
            ("limit", "101"),
            ("limit", "-1"),
            ("limit", "²"),
            ("after", "x"),
            ("from", "soon"),
            ("to", "99999999999999999999"),
            ("page", "2"),
            ("user", "a\0"),
        ]:
            assert await alice.refusal(path, **{name: value}) == (400, name)
        assert await alice.refusal(path, from_="2000000002", to="2000000001") == (400, "to")
        assert await alice.refusal(path, limit=[1, 2]) == (400, "limit")
        assert await Reader(client, "mallory").refusal(path) == (401, None)
    assert await alice.refusal("/records", conversation="x") == (400, "conversation")
