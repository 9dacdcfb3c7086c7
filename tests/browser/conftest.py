from __future__ import annotations

import pytest
from selenium.webdriver.support.ui import WebDriverWait

from chromium import MISSING, chromium, is_there, show
from fi_async.runs import html
from made import info


@pytest.fixture(scope="session")
def browser():
    """One browser for all tests; each opens a page of its own in it."""
    if not is_there():
        pytest.skip(MISSING)
    with chromium() as started:
        yield started


@pytest.fixture
def opened(browser, tmp_path):
    """Open the report of records; afterwards, nothing may stand on the console."""

    def open_report(*records, pending=0, **how):
        page = tmp_path / "run.html"
        templates = dict.fromkeys(record.outcome.template for record in records)
        html.write(page, info(*templates, settings={"concurrency": 8}), records, pending)
        show(browser, page, **how)
        ready = "return document.documentElement.dataset.ready"
        WebDriverWait(browser, 30, 0.02).until(lambda found: found.execute_script(ready) == "texts")
        return browser

    browser.get_log("browser")
    yield open_report
    assert browser.get_log("browser") == []
