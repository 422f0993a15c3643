"""Which deliveries of Feishu's are believed, and what they are understood as."""

import json
import time
from base64 import b64decode, b64encode
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.bots.message import Delivery, Person, Received
from gateway.bots.providers.feishu_cards import reply
from gateway.bots.providers.feishu_events import Events, Secrets, _decrypted, seconds
from gateway.errors import MalformedEvent, StaleEvent, UnverifiedEvent
from tests.support.fake_feishu import FakeFeishu
from tests.support.fake_feishu_events import click, delivered, message

DATA = Path(__file__).parents[4] / "data" / "feishu"
FAKE = FakeFeishu()
BOTH = Secrets(FAKE.verification_token, FAKE.encrypt_key)
TOKEN_ONLY, KEY_ONLY = Secrets(FAKE.verification_token, ""), Secrets("", FAKE.encrypt_key)
EVENTS = Events(FAKE.app_id, ("736DEMO",), reply)
CHECK = {"challenge": "c-1", "token": FAKE.verification_token, "type": "url_verification"}


def recorded(name: str) -> bytes:
    return (DATA / f"{name}.json").read_bytes()


def received(event: Any, secrets: Secrets = BOTH, **how: Any) -> Received:
    headers, body = delivered(FAKE, event, **how)
    lower = {name.lower(): value for name, value in headers.items()}
    return EVENTS.receive(Delivery(lower, body), secrets, time.time())


def test_feishus_own_test_vector_is_decrypted() -> None:
    assert _decrypted("P37w+VZImNgPEO1RBhJ6RtKl7n6zymIbEG1pReEzghk=", "test key") == b"hello world"


@pytest.mark.parametrize("secrets", [BOTH, KEY_ONLY])
def test_an_encrypted_url_check_is_answered_unsigned(secrets: Secrets) -> None:
    assert received(CHECK, secrets, sign=False).reply == b'{"challenge":"c-1"}'


@pytest.mark.parametrize("secrets", [BOTH, TOKEN_ONLY])
def test_a_plain_url_check_is_answered(secrets: Secrets) -> None:
    found = received(CHECK, secrets, sign=False, encrypt=False)
    assert json.loads(found.reply) == {"challenge": "c-1"}


@pytest.mark.parametrize("encrypt", [True, False])
@pytest.mark.parametrize("token", ["wrong", "", "Feishu-verification"])
def test_a_url_check_with_a_wrong_token_is_refused(token: str, encrypt: bool) -> None:
    with pytest.raises(UnverifiedEvent):
        received({**CHECK, "token": token}, sign=False, encrypt=encrypt)


def test_a_plain_url_check_is_refused_where_there_is_no_token_to_check() -> None:
    with pytest.raises(UnverifiedEvent):
        received({**CHECK, "token": ""}, KEY_ONLY, sign=False, encrypt=False)


@pytest.mark.parametrize("secrets", [BOTH, KEY_ONLY])
def test_a_signed_event_is_believed(secrets: Secrets) -> None:
    assert received(message(FAKE, "help"), secrets).inbound is not None


def test_an_event_with_the_token_alone_is_believed_where_there_is_no_encrypt_key() -> None:
    found = received(message(FAKE, "help"), TOKEN_ONLY, encrypt=False, sign=False)
    assert found.inbound is not None


@pytest.mark.parametrize(
    "how",
    [
        {"sign": False},
        {"signature": "0" * 64},
        {"key": "another key"},
        {"cut": 1},
        {"cut": 16},
        {"cut": 10_000},
        {"encrypt": False, "sign": False},
        {"encrypt": False, "key": ""},
    ],
)
def test_what_is_not_signed_or_not_whole_is_refused_alike(how: dict[str, Any]) -> None:
    with pytest.raises(UnverifiedEvent) as refused:
        received(message(FAKE, "get key"), **how)
    assert refused.value.message == UnverifiedEvent("").message


def test_whether_padding_is_right_is_told_to_nobody() -> None:
    """Vaudenay's oracle: by what is answered to altered ciphertexts, a captured one is read."""
    known = "P37w+VZImNgPEO1RBhJ6RtKl7n6zymIbEG1pReEzghk="  # Feishu's own: `hello world`, no JSON
    right = b64decode(known)
    wrong = right[:15] + bytes([right[15] ^ 1]) + right[16:]
    for data in (right, wrong):
        body = json.dumps({"encrypt": b64encode(data).decode()}).encode()
        with pytest.raises(UnverifiedEvent) as refused:
            EVENTS.receive(Delivery({}, body), Secrets("", "test key"), 0)
        assert refused.value.message == UnverifiedEvent("").message


@pytest.mark.parametrize("off_s", [-86_400, -700, 700, 86_400])
def test_a_signature_of_another_time_is_stale(off_s: float) -> None:
    with pytest.raises(StaleEvent):
        received(message(FAKE, "get key"), at=time.time() + off_s)


@pytest.mark.parametrize("at", ["", "soon", "9" * 30, "٣"])
def test_a_time_that_is_none_is_stale(at: str) -> None:
    with pytest.raises(StaleEvent):
        received(message(FAKE, "get key"), at=at)


def test_a_wrong_verification_token_is_refused_though_signed() -> None:
    event = message(FAKE, "get key")
    event["header"]["token"] = "wrong"
    with pytest.raises(UnverifiedEvent):
        received(event)


@pytest.mark.parametrize("body", [b"", b"null", b"[]", b'{"encrypt": 1}', b"[" * 100_000, b"\xff"])
def test_what_is_no_event_is_malformed(body: bytes) -> None:
    with pytest.raises(MalformedEvent):
        EVENTS.receive(Delivery({}, body), BOTH, 0)


def test_nothing_is_believed_by_an_empty_secret() -> None:
    with pytest.raises(UnverifiedEvent):
        received({**CHECK, "token": ""}, Secrets("", ""), sign=False, encrypt=False)


def test_a_private_message_is_understood() -> None:
    found = EVENTS.understand(recorded("message_p2p"))
    assert found.keys == ("message om_demo1", "event 6f0a2c1d9e8b4a53b7c0d1e2f3a4b5c6")
    assert found.inbound is not None
    assert found.inbound.person == Person("feishu", "736DEMO", "on_alice")
    assert (found.inbound.text, found.inbound.private) == ("获取key 30天", True)
    assert found.inbound.context["message_id"] == "om_demo1"


def test_a_group_message_is_understood_without_its_mentions() -> None:
    inbound = EVENTS.understand(recorded("message_group")).inbound
    assert inbound is not None
    assert not inbound.private
    assert inbound.text.split() == ["get", "key", "5", "days"]
    assert json.loads(inbound.context["mentions"])[0] == ["ou_bot", "bot"]


def test_what_is_no_text_is_a_message_without_one() -> None:
    inbound = EVENTS.understand(recorded("message_image")).inbound
    assert inbound is not None
    assert inbound.text == ""


def test_a_click_is_understood() -> None:
    clicked = EVENTS.understand(recorded("card_action")).click
    assert clicked is not None
    assert (clicked.op, clicked.id, clicked.language) == ("revoke", 7, "zh")
    assert clicked.person == Person("feishu", "736DEMO", "on_alice")


@pytest.mark.parametrize(
    "value", ["revoke", None, {"op": "revoke"}, {"op": "revoke", "id": "7", "language": "zh"}]
)
def test_a_button_that_is_not_ours_is_ignored(value: Any) -> None:
    assert received(click(FAKE, value)).ignored == "unknown_button"


def test_events_that_are_not_for_the_bot_are_ignored() -> None:
    assert EVENTS.understand(recorded("message_v1")).ignored == "envelope_version"
    assert received(message(FAKE, "get key", sender="bot")).ignored == "not_a_person"
    assert received(message(FAKE, "get key", tenant="other")).ignored == "foreign_tenant"
    other = message(FAKE, "get key")
    other["header"]["app_id"] = "cli_other"
    assert received(other).ignored == "other_app"
    other["header"].update(app_id=FAKE.app_id, event_type="im.chat.updated_v1")
    assert received(other).ignored == "event_type"


def test_a_foreign_tenant_cannot_hide_behind_the_app_s_own() -> None:
    event = message(FAKE, "get key")
    event["event"]["sender"]["tenant_key"] = "other"
    assert received(event).ignored == "foreign_tenant"


@pytest.mark.parametrize(
    ("timestamp", "expected"),
    [
        ("1763700000", 1763700000),
        ("1763700000123", 1763700000.123),
        ("1763700000123456", 1763700000.123456),
        ("2026-10-04 18:23:46.052290112 +0800 CST m=+3612.1", 1791109426),
        ("yesterday", float("inf")),
        ("2026-13-40 99:23:46 +0800", float("inf")),
    ],
)
def test_times_are_read_in_any_of_their_forms(timestamp: str, expected: float) -> None:
    assert seconds(timestamp) == pytest.approx(expected)


def mutated(whole: Any, path: list[int], value: Any) -> Any:
    """The same with one thing in it replaced, found by turning where the path says."""
    if not path or not isinstance(whole, dict) or not whole:
        return value
    name = list(whole)[path[0] % len(whole)]
    return {**whole, name: mutated(whole[name], path[1:], value)}


values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.text(max_size=3), inner),
    max_leaves=5,
)


@given(
    st.sampled_from(["message_p2p", "message_group", "card_action", "url_verification"]),
    st.lists(st.integers(0, 20), min_size=1, max_size=5),
    values,
)
def test_whatever_is_in_an_event_it_is_understood_or_refused(
    name: str, path: list[int], value: Any
) -> None:
    body = json.dumps(mutated(json.loads(recorded(name)), path, value)).encode()
    for secrets in (TOKEN_ONLY, BOTH):
        try:
            EVENTS.receive(Delivery({}, body), secrets, time.time())
        except (MalformedEvent, UnverifiedEvent):
            continue
