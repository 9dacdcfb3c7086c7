"""Chromium without a window, for tests, benchmarks and screenshots of pages. It loads nothing but what it is told."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from unittest.mock import patch

from selenium import webdriver

_BROWSER = shutil.which("chromium") or shutil.which("google-chrome")
_DRIVER = shutil.which("chromedriver")
_FLAGS = (
    "--headless",
    "--no-sandbox",  # which root cannot have
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--disable-dev-shm-usage",
    "--hide-scrollbars",
)
MISSING = "there is no Chromium with its driver here: apt-get install chromium chromium-driver"


def is_there() -> bool:
    return _BROWSER is not None and _DRIVER is not None


@contextmanager
def chromium(width: int = 1280, height: int = 900) -> Iterator[webdriver.Chrome]:
    """Start a browser with a profile of its own, and end it."""
    with TemporaryDirectory(ignore_cleanup_errors=True) as profile:
        options = webdriver.ChromeOptions()
        options.binary_location = _BROWSER or ""
        options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
        for flag in (*_FLAGS, f"--user-data-dir={profile}", f"--window-size={width},{height}"):
            options.add_argument(flag)
        with patch.dict(os.environ, {"no_proxy": "localhost"}):  # the driver is on this machine
            browser = webdriver.Chrome(options, webdriver.ChromeService(_DRIVER))
        try:
            yield browser
        finally:
            browser.quit()


def show(browser: webdriver.Chrome, page: Path, *, scheme: str = "light", width: int = 1280, height: int = 900) -> None:
    """Open a page as somebody would whose system is light or dark and whose window has this size."""
    show_address(browser, page.as_uri(), scheme=scheme, width=width, height=height)


def show_address(
    browser: webdriver.Chrome, address: str, *, scheme: str = "light", width: int = 1280, height: int = 900
) -> None:
    """Open what is at an address; see `show`."""
    browser.execute_cdp_cmd(
        "Emulation.setDeviceMetricsOverride",
        {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": width < 600},
    )
    browser.execute_cdp_cmd(
        "Emulation.setEmulatedMedia", {"features": [{"name": "prefers-color-scheme", "value": scheme}]}
    )
    browser.get(address)
