"""The pages' words: both languages whole, and the one that a browser asks for."""

import re
from pathlib import Path

import pytest

import gateway.signin.words as module
from gateway.signin.web import WAYS_ON
from gateway.signin.words import FAILURES, WORDS, Words, language_of

TEMPLATES = Path(module.__file__).parent / "templates"


def test_every_word_is_there_in_both_languages_with_the_same_gaps() -> None:
    pairs = [*WORDS.values(), *(pair for both in FAILURES.values() for pair in both)]
    for english, chinese in pairs:
        assert english.strip() and chinese.strip()
        assert set(re.findall(r"{\w+}", english)) == set(re.findall(r"{\w+}", chinese)), english


def test_templates_and_code_use_words_that_exist_and_every_word_is_used() -> None:
    texts = [path.read_text() for path in TEMPLATES.glob("*.html")]
    texts += [path.read_text() for path in TEMPLATES.parent.glob("*.py") if path.stem != "words"]
    used = set(re.findall(r"words\[['\"](\w+)['\"]\]", "".join(texts)))
    used |= {name for _, name in WAYS_ON.values()}
    last_resort = {"error_title", "error_text"}
    assert used | last_resort == set(WORDS)


@pytest.mark.parametrize(
    ("header", "language"),
    [
        ("", "en"),
        ("zh-CN,zh;q=0.9,en;q=0.8", "zh"),
        ("zh-Hant-TW", "zh"),
        ("en-GB,en;q=0.9,zh;q=0.8", "en"),
        ("en;q=0.5,zh;q=0.7", "zh"),
        ("de,fr;q=0.9", "en"),
        ("de,zh;q=0.3", "zh"),
        ("zh;q=0", "en"),
        ("zh;q=x,*;q=0.1", "en"),
        ("*", "en"),
        (",;q=1,,", "en"),
    ],
)
def test_the_language_that_a_browser_would_rather_have(header: str, language: str) -> None:
    assert language_of(header) == language


def test_an_error_without_words_of_its_own_has_some() -> None:
    title, text = Words("zh").failure("never_heard_of")
    assert title == WORDS["error_title"][1] and text == WORDS["error_text"][1]
