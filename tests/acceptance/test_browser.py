"""A real browser on the pages: sign in, copy the key, call with it, revoke it, be refused.

One Chromium for all tests here, as starting one takes a second or two.
"""

import asyncio
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
from openai import AuthenticationError, OpenAI
from selenium.webdriver import Chrome
from selenium.webdriver.common.by import By

from tests.support.browser import PLAIN_HOST, browser, look
from tests.support.fake_oidc import FakeOidc, fake_oidc
from tests.support.people import make_link
from tests.support.scene import Scene, scene
from tests.support.waiting import eventually


@pytest.fixture(scope="module")
def stage(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Scene, FakeOidc, Chrome]]:
    directory = tmp_path_factory.mktemp("browser")
    with ExitStack() as exits:
        oidc = exits.enter_context(fake_oidc())
        settings = {
            "OIDC_ISSUER": oidc.url,
            "OIDC_CLIENT_ID": oidc.client_id,
            "OIDC_CLIENT_SECRET": oidc.client_secret,
            "OIDC_TITLE": "Example Login",
        }
        running = exits.enter_context(scene(directory, settings))
        oidc.redirect_uris.add(f"{running.gateway.url}/auth/callback/oidc")
        yield running, oidc, exits.enter_context(browser(directory))


def text(chrome: Chrome) -> str:
    return chrome.find_element(By.TAG_NAME, "body").text


def click(chrome: Chrome, selector: str) -> None:
    chrome.find_element(By.CSS_SELECTOR, selector).click()


def pasted(chrome: Chrome) -> str:
    """What the clipboard holds, put into the field for a key's name as a person would."""
    chrome.execute_script("document.querySelector('details.new').open = true")
    field = chrome.find_element(By.NAME, "name")
    field.clear()
    field.send_keys("\ue009v")  # Ctrl+V
    return str(field.get_property("value"))


def sign_in(chrome: Chrome, running: Scene, oidc: FakeOidc, user: str) -> str:
    """From the start page, with a page of the provider's on the way. The key that is shown."""
    oidc.user, oidc.asks = user, True
    chrome.get(f"{running.gateway.url}/")
    click(chrome, "a.button")
    click(chrome, "#agree")
    return chrome.find_element(By.ID, "key").text


def test_a_key_is_copied_used_and_revoked(stage: tuple[Scene, FakeOidc, Chrome]) -> None:
    running, oidc, chrome = stage
    chrome.delete_all_cookies()
    shown = sign_in(chrome, running, oidc, "alice")
    assert "Get a key" not in text(chrome) and shown.startswith("ogw_")
    click(chrome, "[data-copy=key]")
    eventually(lambda: "Copied" in text(chrome), "the button to say so")
    key = pasted(chrome)
    assert key == shown
    with OpenAI(api_key=key, base_url=running.base_url, max_retries=0) as client:
        question = {"role": "user", "content": "Hello!"}
        answer = client.chat.completions.create(model="gpt-fake", messages=[question])  # type: ignore[list-item]
        assert answer.choices[0].message.content
        click(chrome, ".sure summary")
        click(chrome, ".sure button")
        eventually(lambda: f"The key …{key[-4:]} is revoked" in text(chrome), "the page to say so")
        with pytest.raises(AuthenticationError, match="revoked"):
            eventually(lambda: not client.models.list().data, "the refusal", 10)
    assert key not in chrome.page_source


def test_the_old_way_to_the_clipboard_serves_where_the_new_one_is_not(
    stage: tuple[Scene, FakeOidc, Chrome],
) -> None:
    """Over plain HTTP within a company's network, which is no secure context."""
    running, oidc, chrome = stage
    chrome.delete_all_cookies()
    sign_in(chrome, running, oidc, "bob")
    link = asyncio.run(make_link(running.gateway.database, running.gateway.url, "linked"))
    chrome.get(link.replace("127.0.0.1", PLAIN_HOST))
    assert chrome.execute_script("return isSecureContext || !!navigator.clipboard") is False
    click(chrome, "form button")
    shown = chrome.find_element(By.ID, "key").text
    click(chrome, "[data-copy=key]")
    eventually(lambda: "Copied" in text(chrome), "the button to say so")
    chrome.get(f"{running.gateway.url}/auth/keys")
    assert pasted(chrome) == shown


def test_declining_and_coming_back(stage: tuple[Scene, FakeOidc, Chrome]) -> None:
    running, oidc, chrome = stage
    chrome.delete_all_cookies()
    oidc.user, oidc.asks = "carol", True
    chrome.get(f"{running.gateway.url}/auth/login/oidc")
    click(chrome, "#decline")
    assert "You did not agree" in text(chrome)
    click(chrome, "a.button")
    click(chrome, "a.button")
    click(chrome, "#agree")
    assert "Signed in as Carol" in text(chrome)
    click(chrome, "form.account button")
    assert "You are signed out" in text(chrome)


@pytest.mark.parametrize("width", [360, 1200])
@pytest.mark.parametrize("dark", [False, True])
def test_pages_fit_every_screen_and_break_no_rule_of_theirs(
    stage: tuple[Scene, FakeOidc, Chrome], width: int, dark: bool, tmp_path: Path
) -> None:
    """Nothing sticks out sideways; the browser reports nothing that the policy forbids."""
    running, oidc, chrome = stage
    chrome.delete_all_cookies()
    look(chrome, width=width, dark=dark)
    sign_in(chrome, running, oidc, f"looker {width} {dark}")
    for path in (None, "/auth/keys", "/", "/auth/login", "/auth/callback/oidc?state=x&code=y"):
        if path is not None:
            chrome.get(f"{running.gateway.url}{path}")
        wide = chrome.execute_script("return document.documentElement.scrollWidth")
        assert wide <= width, path or "the fresh key"
        background = chrome.execute_script("return getComputedStyle(document.body).backgroundColor")
        assert ("rgb(19" in background) is dark, "the style sheet is there, in its colours"
    told = [entry["message"] for entry in chrome.get_log("browser")]  # type: ignore[no-untyped-call]
    assert [message for message in told if "Content Security Policy" in message] == []
