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


@pytest.mark.parametrize(("concurrency", "peak"), [("64", 8), ("8", 4)])
def test_a_worker_evaluates_what_it_was_handed_with_its_share_of_the_concurrency(
    pytester, monkeypatch, concurrency, peak
):
    monkeypatch.setenv("PYTEST_DISABLE_PLUGIN_AUTOLOAD", "1")
    monkeypatch.setenv("FI_API_KEY", "any")
    monkeypatch.setenv("FI_SECRET_KEY", "any")
    pytester.makepyfile(test_it=MARKED)
    backend = LocalBackend(Switches(latency=0.3))
    with running(backend) as url:
        monkeypatch.setenv("FI_BASE_URL", url)
        plugins = ("-p", "fi_async.integrations.pytest_plugin", "-p", "xdist", "-p", "no:cacheprovider")
        # Whole files: with one file, one of the two workers has all.
        ran = pytester.runpytest_subprocess(*plugins, "-n", "2", "--dist", "loadfile", "--fi-concurrency", concurrency)
    ran.assert_outcomes(passed=8)
    told = backend.statistics()
    assert (told["evaluations_made"], told["duplicates"], told["peak_in_flight"]) == (8, 0, peak)
