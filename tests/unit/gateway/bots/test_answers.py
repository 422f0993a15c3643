"""What the bot says: the same in every language, and nothing of anybody's own looks like ours."""

import re
from dataclasses import fields
from datetime import UTC, datetime

import pytest

from gateway.bots.answers import Answers, Key, Terms, Used, quiet
from gateway.bots.commands import Language
from gateway.bots.message import plain
from gateway.bots.texts import TEXTS, Texts

TERMS = Terms(10, 90, 5, "https://gw.example/v1")
NOON = datetime(2026, 12, 1, 12, tzinfo=UTC)


def places(texts: Texts) -> dict[str, list[str]]:
    """The words in braces of each sentence."""
    return {
        field.name: sorted(re.findall(r"\{(\w+)\}", str(getattr(texts, field.name))))
        for field in fields(texts)
    }


def test_every_language_fills_in_the_same_words() -> None:
    assert places(TEXTS["zh"]) == places(TEXTS["en"])


@pytest.mark.parametrize("language", ["zh", "en"])
def test_a_key_is_shown_with_its_end_and_its_use(language: Language) -> None:
    message = Answers(language, TERMS).key(7, "ogw_secret", NOON, again=False)
    said = plain(message)
    assert "ogw_secret" in said
    assert "2026-12-01 12:00 UTC" in said
    assert "https://gw.example/v1" in said
    assert [(button.op, button.id) for button in message.buttons] == [("revoke", 7)]


def test_a_second_attempt_warns_of_the_first() -> None:
    first, again = (
        Answers("en", TERMS).key(7, "ogw_x", NOON, again=again) for again in (False, True)
    )
    assert "void" in plain(again)
    assert "void" not in plain(first)


def test_usage_has_a_part_for_each_span() -> None:
    used = Used("gpt-4.1", {"calls": 3, "prompt_tokens": 1000, "completion_tokens": 234})
    message = Answers("en", TERMS).usage([[], [used], [used, used]])
    assert [part.count("1,234 tokens") for part in message.paragraphs] == [0, 1, 2]
    assert "no calls" in message.paragraphs[0]


def test_names_of_keys_cannot_steer_a_message() -> None:
    key = Key(1, "abcd", "**[x](https://evil)** <at id=all></at> `", NOON)
    listed = plain(Answers("en", TERMS).keys([key]))
    assert not set("[]<>*`") & set(listed)
    assert quiet("a\n\n# b") == "a # b"


def test_a_name_that_a_bot_has_given_is_not_shown() -> None:
    said = plain(Answers("en", TERMS).keys([Key(1, "abcd", "feishu 0a1b2c3d", NOON)]))
    assert "1 …abcd, good until" in said
    assert "laptop" in plain(Answers("zh", TERMS).reminder(Key(1, "abcd", "laptop", NOON)))


def test_a_long_list_is_cut() -> None:
    keys = [Key(number, "abcd", "", NOON) for number in range(100)]
    assert len(Answers("zh", TERMS).keys(keys).buttons) == 20
