"""Slack's deliveries: which are believed, and what they are understood as."""

import hmac
import json
from hashlib import sha256
from pathlib import Path
from typing import Any

import httpx2
import pytest
from pydantic import SecretStr

from gateway.bots.calling import Caller
from gateway.bots.message import Delivery, Person, Received
from gateway.bots.providers.slack import Settings, Slack
from gateway.errors import MalformedEvent, StaleEvent, UnverifiedEvent

DATA = Path(__file__).parents[4] / "data" / "slack"
NOW = 1763700010
ALICE = Person("slack", "T1", "U1")


def bot(signing: str = "signing") -> Slack:
    settings = Settings(
        slack_signing_secret=SecretStr(signing),
        slack_bot_token=SecretStr("xoxb-fake"),
        slack_team_ids="T0, T1",
    )
    return Slack(settings, Caller(httpx2.AsyncClient(), "slack"))


def signed(body: bytes, kind: str = "application/json", **how: Any) -> Delivery:
    at, secret = str(how.get("at", NOW)), how.get("secret", "signing")
    made = hmac.new(secret.encode(), f"v0:{at}:".encode() + body, sha256).hexdigest()
    return Delivery(
        {
            "content-type": kind,
            "x-slack-request-timestamp": at,
            "x-slack-signature": how.get("signature", f"v0={made}"),
        },
        body,
    )


def received(name: str) -> Received:
    body = (DATA / name).read_bytes()
    kind = "application/x-www-form-urlencoded" if name.endswith(".txt") else "application/json"
    return bot().receive(signed(body, kind), NOW)


def pressed(**changes: Any) -> Received:
    payload = json.loads((DATA / "block_actions.json").read_bytes()) | changes
    form = httpx2.QueryParams({"payload": json.dumps(payload)})
    delivery = signed(str(form).encode(), "application/x-www-form-urlencoded")
    return bot().receive(delivery, NOW)


def test_the_url_check_is_answered() -> None:
    assert json.loads(received("url_verification.json").reply)["challenge"].startswith("3eZbrw")


def test_a_private_message_is_understood() -> None:
    found = received("message_im.json")
    assert found.keys == ("event Ev1", "message D1 1763700000.000100")
    assert found.inbound is not None
    assert (found.inbound.person, found.inbound.private) == (ALICE, True)
    assert found.inbound.text == "get key 30 days"


def test_a_mention_is_answered_in_its_thread() -> None:
    inbound = received("app_mention.json").inbound
    assert inbound is not None
    assert (inbound.text.strip(), inbound.private) == ("usage", False)
    assert inbound.context == {"channel": "C1", "thread": "1763700001.000200"}


def test_a_slash_command_is_between_two() -> None:
    found = received("slash_command.txt")
    assert found.inbound is not None
    assert found.reply == b""
    assert (found.inbound.text, found.inbound.private) == ("get key ３０ days", True)
    assert found.inbound.context["response_url"].startswith("https://hooks.slack.com/")


def test_a_button_is_the_command_it_stands_for() -> None:
    inbound = pressed().inbound
    assert inbound is not None
    assert (inbound.text, inbound.person) == ("revoke key 7", ALICE)


@pytest.mark.parametrize(
    ("name", "reason"),
    [("message_bot.json", "not_a_person"), ("message_changed.json", "event_type")],
)
def test_what_nobody_wrote_is_ignored(name: str, reason: str) -> None:
    assert received(name).ignored == reason


def test_other_workspaces_are_not_heard() -> None:
    assert pressed(user={"id": "U1", "team_id": "T2"}).ignored == "foreign_tenant"


@pytest.mark.parametrize("url", ["http://169.254.169.254/", "https://hooks.slack.com.evil/", ""])
def test_answers_go_nowhere_but_to_slack(url: str) -> None:
    with pytest.raises(MalformedEvent):
        pressed(response_url=url)


@pytest.mark.parametrize("actions", [None, [], ["x"], [{"value": 1}], [{"value": "{}"}]])
def test_a_button_that_is_not_ours_is_ignored(actions: Any) -> None:
    assert pressed(actions=actions).ignored == "unknown_button"


@pytest.mark.parametrize(
    "how", [{"signature": ""}, {"signature": "v0=00"}, {"secret": "other"}, {"secret": ""}]
)
def test_what_is_not_signed_is_refused(how: dict[str, Any]) -> None:
    with pytest.raises(UnverifiedEvent):
        bot().receive(signed(b"{}", **how), NOW)


def test_an_empty_secret_verifies_nothing() -> None:
    with pytest.raises(UnverifiedEvent):
        bot("").receive(signed(b"{}", secret=""), NOW)


@pytest.mark.parametrize("at", [NOW - 301, NOW + 301, "", "soon", "9" * 20])
def test_an_old_signature_is_stale(at: Any) -> None:
    with pytest.raises(StaleEvent):
        bot().receive(signed(b"{}", at=at), NOW)


@pytest.mark.parametrize("body", [b"nonsense", b"[]", b'{"type": "\xff"}', b"[" * 100_000])
def test_what_is_no_json_is_malformed(body: bytes) -> None:
    with pytest.raises(MalformedEvent):
        bot().receive(signed(body), NOW)


def test_a_mention_that_does_not_end_is_no_mention() -> None:
    """Were each looked for to the end of the text, a long text would take long."""
    body = json.loads((DATA / "message_im.json").read_bytes())
    body["event"]["text"] = "<@<@U2> help"
    found = bot().receive(signed(json.dumps(body).encode()), NOW)
    assert found.inbound is not None and found.inbound.text.split() == ["<@", "help"]
