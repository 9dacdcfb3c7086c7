"""The plugin under pytest-xdist, against a server on a socket: what a worker is handed is evaluated at once."""

from __future__ import annotations

import pytest

from fi_async.local import LocalBackend, Switches
from fi_async.local.server import running

pytest_plugins = "pytester"

MARKED = """
import pytest

@pytest.mark.fi_eval("contains", inputs="text", eval_config={"keyword": "needle"})
@pytest.mark.parametrize("text", [f"needle {n}" for n in range(8)])
def test_it(text):
    pass
"""


@pytest.fixture
def run(pytester, monkeypatch):
    """Run a file in two workers before a server, and return what was said and what the server was asked."""
    monkeypatch.setenv("PYTEST_DISABLE_PLUGIN_AUTOLOAD", "1")
    monkeypatch.setenv("FI_API_KEY", "any")
    monkeypatch.setenv("FI_SECRET_KEY", "any")

    def run(source, *arguments):
        pytester.makepyfile(test_it=source)
        backend = LocalBackend(Switches(latency=0.3))
        plugins = ("-p", "fi_async.integrations.pytest_plugin", "-p", "xdist", "-p", "no:cacheprovider")
        with running(backend) as url:
            monkeypatch.setenv("FI_BASE_URL", url)
            return pytester.runpytest_subprocess(*plugins, "-n", "2", *arguments), backend.statistics()

    return run


@pytest.mark.parametrize(("concurrency", "peak"), [("64", 8), ("8", 4)])
def test_a_worker_evaluates_what_it_was_handed_with_its_share_of_the_concurrency(run, concurrency, peak):
    # Whole files: with one file, one of the two workers has all.
    ran, told = run(MARKED, "--dist", "loadfile", "--fi-concurrency", concurrency)
    ran.assert_outcomes(passed=8)
    assert (told["evaluations_made"], told["duplicates"], told["peak_in_flight"]) == (8, 0, peak)


SLOW = """
import time
import pytest

@pytest.mark.fi_eval("contains", inputs="text", eval_config={"keyword": "needle"})
@pytest.mark.parametrize("text", [f"needle {n}" if n else "straw 0" for n in range(12)])
def test_it(text, fi_eval):
    assert fi_eval.result.name == "contains"
    time.sleep(0.5 if int(text.split()[1]) < 6 else 0)
"""


def test_what_one_worker_has_begun_is_not_paid_again_by_another_that_takes_the_test_over(run):
    ran, told = run(SLOW, "--dist", "worksteal")
    ran.assert_outcomes(passed=11, failed=1)
    ran.stdout.fnmatch_lines(["fi_async: 12 evaluations, 11 of 12 passed (91.7%)"])
    assert told["evaluations_made"] == 12


CRASH = """
import os
import pytest

@pytest.mark.fi_eval("contains", inputs="text", eval_config={"keyword": "needle"})
@pytest.mark.parametrize("text", [f"needle {n}" for n in range(8)])
def test_it(text):
    if text == "needle 0":
        os._exit(1)
"""


def test_what_a_worker_that_crashed_had_begun_is_made_by_the_others(run):
    ran, told = run(CRASH, "--dist", "worksteal", "--fi-concurrency", "2")
    ran.assert_outcomes(passed=7, failed=1)
    ran.stdout.fnmatch_lines(["fi_async: 7 evaluations, 7 of 7 passed (100.0%)"])
    assert told["duplicates"] <= 1  # the one that was under way
