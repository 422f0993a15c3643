"""A headless Chromium, of the distribution's packages, driven through chromedriver.

Nothing is downloaded: both programs must be there (`scripts.services` sees to it).
"""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from selenium.webdriver import Chrome, ChromeOptions, ChromeService

from scripts.services.browser import found, lacking

PLAIN_HOST = "team.test"
"""This machine under a name that is no secure context over http://, as 127.0.0.1 is one."""
ARGUMENTS = (
    "--headless",
    "--no-sandbox",  # which root cannot have
    "--disable-gpu",
    "--disable-quic",
    "--disable-dev-shm-usage",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--no-proxy-server",
    f"--host-resolver-rules=MAP {PLAIN_HOST} 127.0.0.1",
)


@contextmanager
def browser(
    directory: Path, *, language: str = "en-GB", width: int = 1200, dark: bool = False
) -> Iterator[Chrome]:
    """With a profile of its own, below `directory`."""
    if (programs := found()) is None:
        pytest.fail(lacking("no"), pytrace=False)
    options = ChromeOptions()
    for argument in (*ARGUMENTS, f"--user-data-dir={directory / 'profile'}"):
        options.add_argument(argument)
    options.add_experimental_option("prefs", {"intl.accept_languages": language})
    options.binary_location = programs.chromium
    service = ChromeService(
        programs.driver,
        log_output=str(directory / "chromedriver.log"),
        env={**os.environ, "HOME": str(directory)},
    )
    chrome = Chrome(options, service)
    try:
        look(chrome, width=width, dark=dark)
        yield chrome
    finally:
        chrome.quit()


def look(chrome: Chrome, *, width: int, dark: bool, height: int = 900) -> None:
    """As on a screen of that size, in the light or in the dark."""
    size = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": width < 600}
    chrome.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)
    scheme = {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}
    chrome.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": [scheme]})
