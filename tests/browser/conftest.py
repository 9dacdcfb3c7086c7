from __future__ import annotations

from collections import Counter

import pytest
from selenium.webdriver.support.ui import WebDriverWait

from chromium import MISSING, chromium, is_there, show
from fi_async.journal.records import RunCount
from fi_async.reports.compare import compare
from fi_async.reports.comparison_page import write_comparison
from fi_async.reports.report_page import write_report
from fi_async.reports.run_files import LoadedRun, outcomes_of
from made import info


@pytest.fixture(scope="session")
def browser():
    """One browser for all tests; each opens a page of its own in it."""
    if not is_there():
        pytest.skip(MISSING)
    with chromium() as started:
        yield started


@pytest.fixture
def shown(browser):
    """Open a page and wait until it is complete; afterwards, nothing may stand on the console."""

    def open_page(page, **how):
        show(browser, page, **how)
        ready = "return document.documentElement.dataset.ready"
        WebDriverWait(browser, 30, 0.02).until(lambda found: found.execute_script(ready) == "texts")
        return browser

    browser.get_log("browser")
    yield open_page
    assert browser.get_log("browser") == []


@pytest.fixture
def opened(shown, tmp_path):
    """Open the report of records."""

    def open_report(*records, pending=0, **how):
        page = tmp_path / "run.html"
        templates = dict.fromkeys(record.outcome.template for record in records)
        statuses = Counter(record.outcome.status.value for record in records)
        paid = sum(record.outcome.possible_duplicates for record in records)
        count = RunCount(len(records) + pending, statuses, possible_duplicates=paid)
        write_report(page, info(*templates, settings={"concurrency": 8}), records, count)
        return shown(page, **how)

    return open_report


@pytest.fixture
def compared(shown, tmp_path):
    """Open the comparison of two runs, each the records of one."""

    def open_comparison(before, after, *, how=None, **options):
        one, other = (LoadedRun(info(name=name), tuple(records)) for name, records in (("old", before), ("new", after)))
        found = compare(outcomes_of(one), outcomes_of(other), **options)
        page = tmp_path / "changes.html"
        write_comparison(page, found, one, other)
        return shown(page, **(how or {}))

    return open_comparison
