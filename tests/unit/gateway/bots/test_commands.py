"""What people write, and what the bot makes of it."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.bots.commands import (
    PHRASES,
    Asked,
    Command,
    GetKey,
    Help,
    MyKeys,
    RevokeKey,
    Usage,
    understand,
)

CHINESE = {
    "帮助": Help(),
    "获取key": GetKey(None),
    "获取 KEY": GetKey(None),
    "获取key 30天": GetKey(30),
    "获取 key ３０ 天。": GetKey(30),
    "获取key30": GetKey(30),
    "@Gateway 获取key 7 天！": GetKey(7),
    "获取key @Gateway": GetKey(None),
    "　获取　ｋｅｙ　１　天　": GetKey(1),
    "申请密钥": GetKey(None),
    "获取key 0天": GetKey(0),
    "获取key 99999999999999999999天": GetKey(10**15),
    "我的key": MyKeys(),
    "撤销key 12": RevokeKey(12),
    "撤销 key #１２": RevokeKey(12),
    "撤销key": RevokeKey(None),
    "用量": Usage(),
}
ENGLISH = {
    "help": Help(),
    "Get key": GetKey(None),
    "get a key for 7 days": GetKey(7),
    "get key 1 day": GetKey(1),
    "/get key": GetKey(None),
    "  GET   KEY  30   DAYS ": GetKey(30),
    "my keys": MyKeys(),
    "revoke key 5": RevokeKey(5),
    "revoke key id: 5": RevokeKey(5),
    "usage": Usage(),
}


@pytest.mark.parametrize(("text", "command"), CHINESE.items())
def test_chinese_is_understood(text: str, command: Command) -> None:
    assert understand(text, "en") == Asked(command, "zh")


@pytest.mark.parametrize(("text", "command"), ENGLISH.items())
def test_english_is_understood(text: str, command: Command) -> None:
    assert understand(text, "zh") == Asked(command, "en")


@pytest.mark.parametrize(
    "text",
    ["get key 1.5 days", "get key 3 0 days", "get key -3 days", "get key 5 days please",
     "revoke key 1 2", "获取key n天", "you should get key", "getkeygetkey", "x" * 100_000],
)  # fmt: skip
def test_what_is_no_command_asks_for_help(text: str) -> None:
    assert understand(text, "en").command == Help()


@pytest.mark.parametrize(("text", "language"), [("你好", "zh"), ("hello", "en"), ("!", "zh")])
def test_help_is_in_the_language_of_the_question(text: str, language: str) -> None:
    assert understand(text, "zh").language == language


def test_every_language_says_every_command() -> None:
    assert {"zh", "en"} == set(PHRASES)


@given(st.text(max_size=400))
def test_any_text_is_understood_somehow(text: str) -> None:
    assert understand(text, "zh").language in PHRASES
