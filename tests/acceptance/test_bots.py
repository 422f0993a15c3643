"""Keys from the chat: real programs, embedded and with services and two workers, and a fake Feishu
that pushes, is slow, fails and pushes again."""

import json
import os
import signal
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Any

import httpx2
import pytest
from openai import OpenAI
from starlette.responses import PlainTextResponse

from tests.support.fake_feishu import FakeFeishu, Fault, Sent, fake_feishu
from tests.support.fake_feishu_events import GROUP, Pushing, click, legacy, message
from tests.support.places import own_services
from tests.support.scene import Scene, scene
from tests.support.waiting import eventually


@dataclass
class Chat:
    """A gateway with a bot, and the Feishu in which people write to it."""

    scene: Scene
    feishu: FakeFeishu
    pushing: Pushing

    def ask(self, text: str, person: str, **more: Any) -> Sent:
        """The bot's next answer to that person alone."""
        before = len(self.feishu.to(person))
        assert self.pushing.say(text, person, **more).status_code == 200
        return self.next_to(person, before)

    def next_to(self, person: str, before: int) -> Sent:
        return eventually(lambda: self.feishu.to(person)[before:], f"an answer to {person}", 60)[0]

    def key(self, person: str, text: str = "获取key") -> str:
        key = self.ask(text, person).key
        assert key is not None
        return key

    def keys_of(self, key: str) -> list[dict[str, Any]]:
        """Valid keys of whoever has this one, as `GET /me/tokens` lists them."""
        answer = self.http(key).get("/me/tokens")
        assert answer.status_code == 200, answer.text
        return [token for token in answer.json()["data"] if token.get("revoked_at") is None]

    def status(self, key: str) -> int:
        return self.http(key).get("/v1/models").status_code

    def http(self, key: str) -> httpx2.Client:
        return self.scene.http(authorization=f"Bearer {key}")

    def logged(self, event: str, **fields: Any) -> list[dict[str, Any]]:
        found = (json.loads(line) for line in self.scene.gateway.output.splitlines() if line)
        return [line for line in found if line["event"] == event and fields.items() <= line.items()]


@pytest.fixture(scope="module", params=["embedded", "services"])
def chat(
    request: pytest.FixtureRequest, services: Any, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Chat]:
    with ExitStack() as exits:
        feishu = exits.enter_context(fake_feishu())
        settings = settings_of(feishu)
        if request.param == "services":
            place = own_services(services.postgres, services.amqp, services.redis)
            settings |= {**exits.enter_context(place), "SERVER_WORKERS": "2"}
        directory = tmp_path_factory.mktemp(request.param)
        running = exits.enter_context(scene(directory, settings))
        yield Chat(running, feishu, Pushing(feishu, running.gateway.url))


def settings_of(feishu: FakeFeishu) -> dict[str, str]:
    return {
        "APP_ID": feishu.app_id,
        "APP_SECRET": feishu.app_secret,
        "FEISHU_VERIFICATION_TOKEN": feishu.verification_token,
        "FEISHU_ENCRYPT_KEY": feishu.encrypt_key,
        "FEISHU_TENANT_KEYS": "736DEMO",
        "FEISHU_OPEN_URL": feishu.url,
    }


def test_the_address_is_verified_in_time(chat: Chat) -> None:
    for encrypt in (True, False):
        answer = chat.pushing.verify_url("c-7", encrypt=encrypt)
        assert (answer.status_code, answer.json()) == (200, {"challenge": "c-7"})
    assert chat.pushing.verify_url(token="wrong").status_code == 401


def test_a_key_from_the_chat_works_in_the_sdk(chat: Chat) -> None:
    key = chat.key("sdk", "获取key 30天")
    with OpenAI(api_key=key, base_url=chat.scene.base_url) as client:
        question: Any = [{"role": "user", "content": "Hello!"}]
        answer = client.chat.completions.create(model="gpt-fake", messages=question)
    assert answer.choices[0].message.content
    (token,) = chat.keys_of(key)
    assert 29.9 * 86400 < token["expires_at"] - time.time() <= 30 * 86400


def test_the_same_event_at_all_workers_at_once_is_one_key(chat: Chat) -> None:
    event = message(chat.feishu, "get key", "twice")
    with ThreadPoolExecutor(8) as threads:
        pushed = [threads.submit(chat.pushing.push, event) for _ in range(8)]
        assert {push.result().status_code for push in pushed} == {200}
    again = message(chat.feishu, "get key", "twice",
                    message_id=event["event"]["message"]["message_id"])  # fmt: skip
    assert chat.pushing.push(again).status_code == 200
    key = chat.next_to("twice", 0).key
    assert key is not None
    assert chat.ask("help", "twice").key is None
    assert len(chat.keys_of(key)) == 1
    assert len([sent for sent in chat.feishu.to("twice") if sent.key]) == 1


def test_in_a_group_the_key_is_sent_privately(chat: Chat) -> None:
    before = len(chat.feishu.in_chat(GROUP))
    assert chat.ask("get key", "grouped", group=True).key
    said = eventually(lambda: chat.feishu.in_chat(GROUP)[before:], "a word in the group")[0]
    assert "privately" in said.text
    assert said.key is None
    chat.pushing.say("get key", "grouped", group=True, mention=False)
    assert chat.ask("help", "grouped").key is None
    assert len(chat.feishu.in_chat(GROUP)) == before + 1


def test_the_button_revokes_for_its_owner_alone(chat: Chat) -> None:
    sent = chat.ask("get key", "clicks")
    assert sent.key and chat.status(sent.key) == 200
    (value,) = sent.buttons
    chat.key("other")
    refused = chat.pushing.push(click(chat.feishu, value, "other")).json()
    assert refused["toast"]["type"] == "error"
    assert chat.status(sent.key) == 200
    done = chat.pushing.push(click(chat.feishu, value, "clicks")).json()
    assert done["toast"]["type"] == "success"
    assert sent.key not in json.dumps(done)
    eventually(lambda: chat.status(str(sent.key)) == 401, "the key to be refused")


def test_usage_in_the_chat_agrees_with_the_one_by_http(chat: Chat) -> None:
    key = chat.key("usage")
    with OpenAI(api_key=key, base_url=chat.scene.base_url) as client:
        question: Any = [{"role": "user", "content": "Hello!"}]
        for _ in range(3):
            client.chat.completions.create(model="gpt-fake", messages=question)

    def told() -> list[dict[str, Any]]:
        found = chat.http(key).get("/auth/tokens", params={"group_by": "model"}).json()["data"]
        return [row for row in found if row["calls"] == 3]

    (row,) = eventually(told, "three calls in the usage")
    said = chat.ask("用量", "usage").text
    line = (
        f"{row['model']}：{row['calls']} 次调用，{row['total_tokens']} tokens"
        f"（输入 {row['prompt_tokens']}，输出 {row['completion_tokens']}）"
    )
    assert said.count(line) == 3


def test_what_is_not_to_be_believed_is_refused_and_makes_no_key(chat: Chat) -> None:
    for how in (
        {"sign": False},
        {"signature": "0" * 64},
        {"key": "another"},
        {"cut": 1},
        {"cut": 16},
        {"at": time.time() - 3600},
        {"encrypt": False, "sign": False},
    ):
        answer = chat.pushing.push(message(chat.feishu, "get key", "mallory"), **how)
        assert answer.status_code == 401, how
        assert answer.json()["error"]["code"] in ("unverified_event", "stale_event")
    large = message(chat.feishu, "x" * 1_000_000, "mallory")
    assert chat.pushing.push(large).status_code == 413
    assert chat.pushing.push(large, encrypt=False).status_code == 413
    assert httpx2.post(chat.pushing.address, content=b"{").status_code == 400
    refused = {line["code"] for line in chat.logged("bot_event_refused")}
    assert refused >= {"unverified_event", "stale_event", "request_too_large", "malformed_event"}
    assert chat.feishu.to("mallory") == []


def test_what_is_not_for_the_bot_is_accepted_and_left_alone(chat: Chat) -> None:
    events = {
        "foreign_tenant": message(chat.feishu, "get key", "eve", tenant="other"),
        "not_a_person": message(chat.feishu, "get key", "eve", sender="bot"),
        "envelope_version": legacy(chat.feishu),
    }
    unknown = message(chat.feishu, "get key", "eve")
    unknown["header"]["event_type"] = "im.chat.disbanded_v1"
    for reason, event in {**events, "event_type": unknown}.items():
        assert chat.pushing.push(event).status_code == 200
        assert chat.logged("bot_event_ignored", reason=reason)
    assert chat.feishu.to("eve") == []


def test_a_replayed_event_makes_no_second_key(chat: Chat) -> None:
    event = message(chat.feishu, "get key", "replay")
    assert list(chat.pushing.insist(event)) == [200]
    key = chat.next_to("replay", 0).key
    for _ in range(3):
        assert chat.pushing.push(event).status_code == 200
    assert chat.ask("help", "replay").key is None
    assert key is not None and len(chat.keys_of(key)) == 1


def test_a_slow_provider_blocks_nobody_and_says_it_once(chat: Chat) -> None:
    chat.feishu.faults.append(Fault("reply", slow_s=7, done_first=True))
    pushed = time.monotonic()
    assert chat.pushing.say("get key", "slow").status_code == 200
    for _ in range(10):
        assert chat.scene.http().get("/healthz").status_code == 200
    assert time.monotonic() - pushed < 10, "an acknowledgement waited for the provider"
    eventually(lambda: chat.feishu.asked.count("reply") and not chat.feishu.faults, "the fault", 60)
    key = chat.next_to("slow", 0).key
    assert key is not None
    eventually(lambda: chat.logged("bot_key_sent", user="Slow"), "the key to count as sent", 60)
    assert len([sent for sent in chat.feishu.to("slow") if sent.key]) == 1
    assert len(chat.keys_of(key)) == 1


@pytest.mark.parametrize(
    ("status", "body"),
    [
        (500, {}),
        (200, {"code": 230020, "msg": "frequency limit"}),
        (429, {"code": 99991400, "msg": "rate limit"}),
        (400, {"code": 99991663, "msg": "invalid access token"}),
        (400, {"code": 230099, "msg": "bad card"}),
    ],
)
def test_a_provider_that_fails_for_a_while_leaves_one_key(
    chat: Chat, status: int, body: dict[str, Any]
) -> None:
    person = f"fails{status}{body.get('code', '')}"
    chat.feishu.fail("reply", status, **body)
    key = chat.key(person, "get key")
    assert len(chat.keys_of(key)) == 1


def test_a_person_who_cannot_be_reached_has_no_key(chat: Chat) -> None:
    chat.feishu.unreachable.add("hidden")
    before = len(chat.feishu.in_chat(GROUP))
    chat.pushing.say("get key", "hidden", group=True)
    said = eventually(lambda: chat.feishu.in_chat(GROUP)[before:], "a word in the group")[0]
    assert "cannot write to you" in said.text
    chat.feishu.unreachable.clear()
    assert "no valid access token" in chat.ask("my keys", "hidden").text


def test_no_key_is_in_the_log_or_in_what_the_doctor_says(chat: Chat) -> None:
    key = chat.key("secretive")
    assert key not in chat.scene.gateway.output
    looked = chat.scene.gateway.run("gateway", "doctor")
    assert "accepted, as Gateway" in looked.stdout
    for secret in (chat.feishu.app_secret, chat.feishu.encrypt_key, key):
        assert secret not in looked.stdout + chat.scene.gateway.output


def test_a_worker_killed_in_the_middle_leaves_one_key(chat: Chat) -> None:
    lost = PlainTextResponse("too late", 500)
    chat.feishu.faults.append(Fault("reply", lost, slow_s=4))
    assert chat.pushing.say("get key", "killed").status_code == 200
    eventually(lambda: not chat.feishu.faults, "the bot to be at it")
    started = chat.logged("child_started")
    for pid in {line["name"]: line["pid"] for line in started if "http" in line["name"]}.values():
        os.kill(pid, signal.SIGKILL)
    key = chat.next_to("killed", 0).key
    assert key is not None
    eventually(lambda: chat.status(key) == 200, "the gateway to be back", 60)
    assert len(chat.keys_of(key)) == 1
    assert chat.logged("bot_key_taken_back")
