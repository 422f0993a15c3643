"""A gateway behind a firewall: Feishu over its long connection, keys handed over by link, and a
second provider, Slack, beside it."""

import re
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass

import pytest

from tests.support.fake_feishu import FakeFeishu, fake_feishu
from tests.support.fake_feishu_events import click, message
from tests.support.fake_feishu_socket import FakeSocket, fake_socket
from tests.support.fake_slack import FakeSlack, fake_slack
from tests.support.scene import Scene, scene
from tests.support.visitor import Visitor, shown_key
from tests.support.waiting import eventually


@dataclass
class Office:
    """A gateway of two workers that nobody can reach from outside but Slack."""

    scene: Scene
    feishu: FakeFeishu
    socket: FakeSocket
    slack: FakeSlack


@pytest.fixture(scope="module")
def office(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Office]:
    with ExitStack() as exits:
        feishu, slack = exits.enter_context(fake_feishu()), exits.enter_context(fake_slack())
        socket = exits.enter_context(fake_socket(feishu))
        settings = {
            "APP_ID": feishu.app_id,
            "APP_SECRET": feishu.app_secret,
            "FEISHU_MODE": "websocket",
            "FEISHU_OPEN_URL": feishu.url,
            "KEY_DELIVERY": "link",
            "SERVER_WORKERS": "2",
            **slack.settings(),
        }
        directory = tmp_path_factory.mktemp("office")
        yield Office(exits.enter_context(scene(directory, settings)), feishu, socket, slack)


def test_one_of_all_workers_is_connected_and_stays_so(office: Office) -> None:
    eventually(lambda: office.socket.pings > 2, "pings of a connection that lasts")
    assert len(office.socket.open) == 1


def test_events_over_the_connection_are_answered_in_the_chat(office: Office) -> None:
    assert office.socket.push(message(office.feishu, "help", "alice"))["code"] == 200
    said = eventually(lambda: office.feishu.to("alice"), "the help")[0]
    assert "get key n days" in said.text


def test_a_long_event_comes_in_parts(office: Office) -> None:
    event = message(office.feishu, "帮助", "parts")
    assert office.socket.push(event, parts=5)["code"] == 200
    eventually(lambda: office.feishu.to("parts"), "the help")


def test_there_is_no_endpoint_beside_the_connection(office: Office) -> None:
    answer = office.scene.http().post("/bots/feishu/events", json={"type": "url_verification"})
    assert (answer.status_code, answer.json()["error"]["code"]) == (404, "unknown_url")


def test_a_link_is_handed_over_that_shows_one_key_once(office: Office) -> None:
    office.socket.push(message(office.feishu, "获取key 30天", "linda"))
    said = eventually(lambda: office.feishu.to("linda"), "a link")[0]
    assert said.key is None
    found = re.search(r"/auth/links/[\w-]+", said.text)
    assert found is not None
    with Visitor(office.scene.gateway.url) as visitor:
        page = visitor.get(found[0])
        assert page.status_code == 200
        key = shown_key(visitor.http.post(found[0]))
    headers = {"authorization": f"Bearer {key}"}
    assert office.scene.http().get("/v1/models", headers=headers).status_code == 200
    office.socket.push(message(office.feishu, "我的key", "linda"))
    listed = eventually(lambda: office.feishu.to("linda")[1:], "her keys")[0]
    answer = office.socket.push(click(office.feishu, listed.buttons[0], "linda"))
    assert answer["data"]["toast"]["type"] == "success"


def test_a_connection_that_breaks_is_made_again(office: Office) -> None:
    before = office.socket.connected
    office.feishu.fail("endpoint", 200, code=1000040350, msg="too many connections")
    office.socket.refusals = 1
    office.socket.cut()
    eventually(lambda: office.socket.connected > before, "a new connection", 90)
    for reason in ("1000040350", "the ticket has expired"):
        assert reason in office.scene.gateway.output
    assert office.socket.push(message(office.feishu, "help", "again"))["code"] == 200
    eventually(lambda: office.feishu.to("again"), "the help")


def test_slack_answers_a_slash_command_to_one_person_alone(office: Office) -> None:
    answer = office.slack.command(office.scene.gateway.url, "get key 7 days", "1.1")
    assert (answer.status_code, answer.content) == (200, b"")
    said = eventually(lambda: office.slack.texts("ephemeral"), "an answer")[0]
    assert "/auth/links/" in said
    people = office.scene.gateway.told("user", "list")
    assert "Sally Slack" in people


def test_slack_delivers_again_and_is_answered_once(office: Office) -> None:
    url, office.slack.busy = office.scene.gateway.url, 1
    for _ in range(3):
        assert office.slack.message(url, "usage", "1763700000.1").status_code == 200
    said = eventually(lambda: office.slack.texts("D1"), "an answer")
    assert "Your usage" in said[0]
    mention = {"type": "app_mention", "channel_type": "channel", "channel": "C1"}
    office.slack.message(url, "<@UBOT> my keys", "1763700000.2", **mention)
    eventually(lambda: office.slack.texts("U1"), "a private answer")
    eventually(lambda: office.slack.texts("C1"), "a word in the channel")
    assert len(office.slack.texts("D1")) == 1


def test_the_doctor_knows_both(office: Office) -> None:
    looked = office.scene.gateway.run("gateway", "doctor").stdout
    assert "accepted, as gateway in Demo" in looked
    assert "over its own connection" in looked
