"""Accounts in running programs: keys for scripts, blocking, registration, in every worker."""

import json
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing
from http.client import HTTPConnection
from typing import Any

import httpx2
import pytest
from openai import OpenAI

from tests.support.asking import ask, user
from tests.support.fake_behaviour import HANGING, Behaviour
from tests.support.scene import Scene
from tests.support.waiting import eventually

ENDLESS = Behaviour(text="on and on", cut_after=2, cut="hang")
CHAT, STREAMS = "/v1/chat/completions", 6
"""So many connections that every worker has some."""


def asked(**more: Any) -> dict[str, Any]:
    return {"model": "gpt-fake", "messages": [{"role": "user", "content": "Go on!"}], **more}


def admin(house: Scene) -> httpx2.Client:
    house.token("the-admin", admin=True)
    return house.http("the-admin")


def code(house: Scene, token: str) -> str:
    """What a call on a connection of its own is told."""
    with closing(HTTPConnection("127.0.0.1", house.gateway.port, timeout=30)) as connection:
        connection.request("GET", "/v1/models", headers={"authorization": f"Bearer {token}"})
        answer = connection.getresponse()
        body = json.loads(answer.read())
    return "" if answer.status == 200 else str(body["error"]["code"])


def everywhere(house: Scene, token: str, told: str) -> None:
    """In whichever worker answers."""
    eventually(lambda: {code(house, token) for _ in range(6)} == {told}, f"{told!r} everywhere")


@pytest.mark.parametrize("way", ["http", "command"])
def test_a_block_stops_tokens_and_cuts_streams(house: Scene, way: str) -> None:
    name = f"mallory-{way}"
    house.upstream.behave(ENDLESS)
    mallory = house.http(name)
    with ExitStack() as exits:
        answers = [
            exits.enter_context(mallory.stream("POST", CHAT, json=asked(stream=True)))
            for _ in range(STREAMS)
        ]
        carol = house.http("carol")
        other = exits.enter_context(carol.stream("POST", CHAT, json=asked(stream=True)))
        if way == "http":
            blocked = admin(house).put(f"/admin/users/{name}", json={"blocked": True})
            assert blocked.status_code == 200 and blocked.json()["blocked_at"]
        else:
            house.gateway.told("user", "block", name)
        with ThreadPoolExecutor(STREAMS) as threads:
            told = [*threads.map(lambda answer: answer.read().decode(), answers)]
        for events in told:
            event, data = events.strip().split("\n\n")[-1].split("\n")
            assert event == "event: error" and "[DONE]" not in events
            assert json.loads(data.removeprefix("data: "))["error"]["code"] == "user_blocked"
        assert not other.is_closed
    for answer, events in zip(answers, told, strict=True):
        id_ = answer.headers["x-request-id"]
        assert house.stored.record(id_).status == "interrupted"
        assert house.stored.answer(id_).decode() == events
    everywhere(house, house.token(name), "user_blocked")
    if way == "http":
        admin(house).put(f"/admin/users/{name}", json={"blocked": False})
    else:
        house.gateway.told("user", "unblock", name)
    everywhere(house, house.token(name), "")


def test_a_call_that_waits_for_its_first_byte_is_cut_too(house: Scene) -> None:
    house.upstream.behave(HANGING)
    with ThreadPoolExecutor() as threads:
        seen = len(house.upstream.requests)
        waiting = threads.submit(house.http("trudy").post, CHAT, json=asked())
        eventually(lambda: len(house.upstream.requests) > seen, "the call upstream")
        admin(house).put("/admin/users/trudy", json={"blocked": True})
        answer = waiting.result(30)
    assert (answer.status_code, answer.json()["error"]["code"]) == (401, "user_blocked")
    record = house.stored.record(answer.headers["x-request-id"])
    assert (record.status, record.http_status) == ("interrupted", 401)


def test_a_script_makes_itself_a_key_and_revokes_it(house: Scene) -> None:
    script = house.http("scripted")
    made = script.post("/me/tokens", json={"days": 1, "name": "night job"}).json()
    assert code(house, made["token"]) == ""
    everywhere(house, made["token"], "")
    listed = script.get("/me/tokens").json()["data"]
    assert listed[0]["name"] == "night job"
    assert made["token"] not in json.dumps(listed)
    assert script.delete(f"/me/tokens/{made['id']}").status_code == 200
    everywhere(house, made["token"], "revoked_api_key")
    assert admin(house).delete(f"/me/tokens/{listed[-1]['id']}").status_code == 404


def test_a_stream_outlives_the_revocation_of_its_key(house: Scene) -> None:
    script = house.http("revoked")
    made = script.post("/me/tokens").json()
    house.upstream.behave(Behaviour(text="on and on " * 10, delay_chunk_s=0.1))
    headers = {"authorization": f"Bearer {made['token']}"}
    with house.http(**headers).stream("POST", CHAT, json=asked(stream=True)) as answer:
        lines = answer.iter_lines()
        next(lines)
        script.delete(f"/me/tokens/{made['id']}")
        everywhere(house, made["token"], "revoked_api_key")
        assert [line for line in lines if line][-1] == "data: [DONE]"


def test_registration_is_opened_used_and_closed(house: Scene) -> None:
    boss, nobody = admin(house), house.http()
    alice = {"email": "alice@example.com", "password": "correct horse"}
    assert nobody.post("/register", json=alice).json()["error"]["code"] == "registration_closed"
    assert boss.put("/admin/registration", json={"enabled": True}).json()["enabled"]
    made = eventually(lambda: registered(nobody, alice), "registration to be open everywhere")
    again = nobody.post("/login", json=alice).json()
    assert again["user"] == made["user"] and again["user"]["role"] == "member"
    for answer in (made, again):
        with OpenAI(api_key=answer["token"]["token"], base_url=house.base_url) as client:
            assert ask(client, [user("Hello!")]).text
    boss.put("/admin/registration", json={"enabled": False})
    bob = {"email": "bob@example.com", "password": "battery staple"}
    eventually(
        lambda: nobody.post("/register", json=bob).status_code == 403, "registration to be closed"
    )
    assert alice["password"] not in house.gateway.output
    assert again["token"]["token"] not in house.gateway.output


def registered(client: httpx2.Client, who: dict[str, str]) -> Any:
    answer = client.post("/register", json=who)
    return answer.json() if answer.status_code == 200 else None
