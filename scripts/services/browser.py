"""The browser of the tests: Chromium and its driver, from the distribution's packages.

Not a service: it is found or installed here, and started by the tests that need it.
"""

import shutil
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from scripts.services import packages

NAMES = {
    "chromium": ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable"),
    "chromium-driver": ("chromedriver", "chromium.chromedriver"),
}
"""By Debian's package: what its program may be called, there and elsewhere."""


@dataclass(frozen=True)
class Browser:
    """Where its two programs are."""

    chromium: str
    driver: str


def found(which: Callable[[str], str | None] = shutil.which) -> Browser | None:
    """None: one of them is not there."""
    places = [next(filter(None, map(which, names)), None) for names in NAMES.values()]
    chromium, driver = places
    return Browser(chromium, driver) if chromium and driver else None


def prepare() -> str:
    """Install it if it is not there. Why that cannot be, in a sentence; empty: it is there.

    Raises CalledProcessError.
    """
    if found() is not None:
        return ""
    if (who := packages.may_install()) == "no":
        return lacking(who)
    packages.install(tuple(NAMES), who)
    return lacking(who) if found() is None else ""


def lacking(who: Literal["root", "sudo", "no"]) -> str:
    """What to do."""
    why = (
        "packages cannot be installed here (that takes Debian or Ubuntu, and root or sudo without"
        " a password)"
        if who == "no"
        else "its packages brought none"
    )
    return (
        f"The tests of the pages need Chromium and chromedriver, which cannot be found: {why}."
        f" Install them: sudo apt-get install {' '.join(NAMES)}"
    )
