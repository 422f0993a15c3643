"""The pages as HTML: everything from outside is escaped, nothing is loaded from elsewhere."""

import re
from datetime import UTC, datetime
from pathlib import Path

import pytest
from markupsafe import escape

import gateway.signin.pages as module
from gateway.errors import GatewayError, InvalidRequest, LoginProviderFailed
from gateway.signin.pages import Pages, moment
from gateway.signin.words import FAILURES, Words

PAGES = Pages("/below", "https://team.example/below")
ENGLISH = Words("en")


def kinds(error: type[GatewayError] = GatewayError) -> list[type[GatewayError]]:
    return [error, *(one for sub in error.__subclasses__() for one in kinds(sub))]


def test_what_comes_from_outside_is_escaped() -> None:
    error = InvalidRequest("<script>alert(1)</script>")
    html = PAGES.failure(error, ENGLISH, "", "back")
    assert "<script>alert" not in html and "&lt;script&gt;" in html


@pytest.mark.parametrize("code", FAILURES)
def test_every_failure_that_has_words_is_an_error_and_is_shown(code: str) -> None:
    error = next(kind for kind in kinds() if kind.code == code)()
    for language in ("en", "zh"):
        words = Words(language)
        html = PAGES.failure(error, words, "/auth/login", "again")
        title, _ = words.failure(code)
        assert f"<h1>{escape(title)}</h1>" in html and f"{error.status} {code}" in html
        assert 'href="/below/auth/login"' in html


def test_a_failure_without_a_way_on_has_no_button() -> None:
    assert 'class="button"' not in PAGES.failure(LoginProviderFailed(), ENGLISH, "", "back")


def test_templates_load_nothing_from_elsewhere_and_have_no_inline_script_or_style() -> None:
    files = sorted((Path(module.__file__).parent / "templates").glob("*.html"))
    assert len(files) >= 5
    for path in files:
        text = path.read_text()
        assert not re.search(r"(src|href|action)=\"(?!{{ base }}|\")", text), path.name
        assert not re.search(r"\sstyle=|<style|\son\w+=|javascript:|<script>", text), path.name


def test_snippets_hold_the_key_and_the_address_once() -> None:
    snippets = PAGES.fresh("ogw_secret", ENGLISH)
    joined = "\n".join(text for _, _, text in snippets)
    assert joined.count("ogw_secret") == 1
    assert joined.count("https://team.example/below/v1") == 1
    assert len({id_ for id_, _, _ in snippets}) == 3


def test_a_moment_is_in_utc_for_those_without_a_script() -> None:
    at = datetime(2026, 12, 1, 9, 5, tzinfo=UTC)
    assert moment(at) == '<time datetime="2026-12-01T09:05:00Z">2026-12-01 09:05 UTC</time>'


def test_assets_are_there() -> None:
    assert {"style.css", "page.js", "icon.svg"} == set(PAGES.assets)
