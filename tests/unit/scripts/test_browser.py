"""Where the tests' browser is sought, under the names that distributions give it."""

import pytest

from scripts.services import browser, packages
from scripts.services.browser import Browser, found, lacking


@pytest.mark.parametrize(
    ("there", "expected"),
    [
        ({"chromium", "chromedriver"}, Browser("/bin/chromium", "/bin/chromedriver")),
        ({"google-chrome", "chromedriver"}, Browser("/bin/google-chrome", "/bin/chromedriver")),
        ({"chromium"}, None),
        ({"chromedriver"}, None),
        (set(), None),
    ],
)
def test_both_programs_must_be_there(there: set[str], expected: Browser | None) -> None:
    assert found(lambda name: f"/bin/{name}" if name in there else None) == expected


def test_what_cannot_be_installed_is_said_with_the_remedy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(browser, "found", lambda: None)
    monkeypatch.setattr(packages, "may_install", lambda: "no")
    assert browser.prepare() == lacking("no")
    assert "sudo apt-get install chromium chromium-driver" in lacking("no")


def test_it_is_installed_where_that_may_be_done(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[object] = []
    places = iter([None, Browser("a", "b")])
    monkeypatch.setattr(browser, "found", lambda: next(places))
    monkeypatch.setattr(packages, "may_install", lambda: "sudo")
    monkeypatch.setattr(packages, "install", lambda *what: asked.append(what))
    assert browser.prepare() == ""
    assert asked == [(("chromium", "chromium-driver"), "sudo")]
