"""What becomes of what people said: not stored where they ask so, taken along, erased."""

import json
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from openai import AuthenticationError
from sqlalchemy import func, select

from common.tables import conversations, exchanges, messages, records, users
from tests.support.asking import ask, ask_streamed, user
from tests.support.scene import Scene, scene
from tests.support.waiting import eventually

NO_STORE = {"x-gateway-no-store": "true"}


@pytest.mark.parametrize("asking", [ask, ask_streamed])
def test_what_must_not_be_stored_is_counted_and_dropped(house: Scene, asking: Any) -> None:
    client = house.client("discreet")
    kept = asking(client, [user("Between us: 42")])
    bare = asking(client, [user("Between us: 42")], extra_headers=NO_STORE)
    row, other = house.stored.record(bare.id), house.stored.record(kept.id)
    assert (row.request, row.response, row.status) == (None, None, "complete")
    assert house.stored.usage(bare.id) == house.stored.usage(kept.id)
    assert row.request_size_bytes == other.request_size_bytes
    house.stored.exchange(kept.id)
    house.stored.linked()
    assert house.stored.rows(select(exchanges.c.id).where(exchanges.c.id == UUID(bare.id))) == []
    shown = house.http("discreet").get(f"/records/{bare.id}").json()
    assert (shown["request"], shown["response"], shown["conversation_id"]) == (None, None, None)


def test_a_wish_that_is_neither_yes_nor_no_is_refused_before_it_costs_anything(
    house: Scene,
) -> None:
    asked = {"model": "gpt-fake", "messages": [user("Hi")]}
    client = house.http("discreet", **{"x-gateway-no-store": "maybe"})
    refused = client.post("/v1/chat/completions", json=asked)
    assert (refused.status_code, refused.json()["error"]["code"]) == (400, "invalid_request")


def test_records_are_taken_along(house: Scene) -> None:
    answers = [ask(house.client("packer"), [user(f"Number {n}")]) for n in range(3)]
    house.stored.records_of("packer", 3)
    done = house.gateway.run("gateway", "export", "--user", "packer", "--from", "2026-01-01")
    lines = [json.loads(line) for line in done.stdout.splitlines()]
    assert (done.returncode, done.stderr) == (0, "")
    assert [line["id"] for line in lines] == [answer.id for answer in answers]
    assert lines[0]["request"]["messages"] == [user("Number 0")]
    assert lines[0]["response"]["choices"][0]["message"]["content"] == answers[0].text


def test_a_person_is_erased_while_the_gateway_runs(house: Scene) -> None:
    answers = [ask(house.client(name), [user("Remember me")]) for name in ("leaver", "stayer")]
    for answer in answers:
        house.stored.exchange(answer.id)
    [[user_id]] = house.stored.rows(select(users.c.id).where(users.c.name == "leaver"))
    done = house.gateway.run("gateway", "user", "erase", "leaver", "--yes")
    assert done.returncode == 0 and "leaver is erased. Removed: " in done.stdout
    eventually(lambda: _is_refused(house, "leaver"), "the token to be refused")
    for table in (records, exchanges, conversations, messages):
        count = select(func.count()).select_from(table).where(table.c.user_id == user_id)
        eventually(lambda count=count: house.stored.rows(count)[0][0] == 0, table.name)  # type: ignore[misc]
    assert house.stored.record(answers[1].id).status == "complete"
    again = house.gateway.run("gateway", "user", "erase", "leaver", "--yes")
    assert (again.returncode, again.stderr) == (1, "There is no user called leaver.\n")


def _is_refused(house: Scene, name: str) -> bool:
    try:
        ask(house.client(name), [user("Am I still here?")])
    except AuthenticationError:
        return True
    return False


def test_a_gateway_that_stores_no_bodies_counts_all_the_same(tmp_path: Path) -> None:
    with scene(tmp_path, {"RECORD_BODIES": "none"}) as quiet:
        answer = ask(quiet.client("alice"), [user("Off the record")])
        again = ask(quiet.client("alice"), [user("Really?")], extra_headers=NO_STORE)
        row = quiet.stored.record(answer.id)
        assert (row.request, row.response, row.status) == (None, None, "complete")
        assert row.prompt_tokens == answer.usage.prompt_tokens > 0
        quiet.stored.record(again.id)
        [day] = quiet.http("alice").get("/auth/tokens").json()["data"]
        assert day["calls"] == 2
        assert quiet.stored.rows(select(conversations.c.id)) == []
