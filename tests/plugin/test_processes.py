"""The plugin in processes of its own: workers, and what loading it costs."""

from __future__ import annotations

from contextlib import contextmanager
from types import SimpleNamespace

import pytest

from fi_async.integrations import pytest_plugin

pytest_plugins = "pytester"

MARKED = """
import pytest

@pytest.mark.fi_eval("contains", inputs="text", eval_config={"keyword": "needle"}, threshold=1)
@pytest.mark.parametrize("text", [f"needle {n}" if n else "straw" for n in range(12)])
def test_it(text):
    pass
"""
LOADED = """
import sys

def test_it():
    heavy = {"httpx", "pydantic", "anyio.from_thread", "asyncio", "fi_async.evaluator", "fi_async.local", "uvicorn"}
    assert heavy & set(sys.modules) == set()
"""
PLUGIN = ("-p", "fi_async.integrations.pytest_plugin")


@pytest.fixture
def run(pytester, monkeypatch):
    """Run without the other plugins that happen to be installed: each worker would load them anew."""
    monkeypatch.setenv("FI_BASE_URL", "local")
    monkeypatch.setenv("PYTEST_DISABLE_PLUGIN_AUTOLOAD", "1")

    def run(source, *arguments):
        pytester.makepyfile(test_it=source)
        return pytester.runpytest_subprocess("-p", "no:cacheprovider", "-W", "error", *arguments)

    return run


def test_workers_share_the_work_and_the_summary(run, pytester):
    two_workers = (*PLUGIN, "-p", "xdist", "-n", "2", "--fi-runs", "kept", "--junitxml=it.xml")
    first = run(MARKED, *two_workers)
    first.assert_outcomes(passed=11, failed=1)
    first.stdout.fnmatch_lines(["fi_async: 12 evaluations, 11 of 12 passed (91.7%)"])
    assert (pytester.path / "it.xml").read_text(encoding="utf-8").count('name="contains.score"') == 12
    assert len(list((pytester.path / "kept" / "local").glob("contains-*-gw?.db"))) == 2
    second = run(MARKED, *two_workers)
    second.stdout.fnmatch_lines(["fi_async: 12 evaluations, 11 of 12 passed (91.7%), 12 kept from earlier"])


def test_loading_it_loads_nothing_else(run):
    run(LOADED, *PLUGIN).assert_outcomes(passed=1)


def test_it_can_be_left_out(pytester):
    pytester.makepyfile(test_it="def test_it(fi_eval): pass")
    ran = pytester.runpytest_subprocess("-p", "no:cacheprovider", "-p", "no:fi_async", "-p", "no:hypothesispytest")
    ran.assert_outcomes(errors=1)
    ran.stdout.fnmatch_lines(["E       fixture 'fi_eval' not found"])


class Queue(list):
    """A stand-in for the queue of a worker of pytest-xdist."""

    @contextmanager
    def lock(self):
        yield self


def test_a_worker_looks_at_what_it_was_handed_since_and_not_at_all_again():
    plugin = SimpleNamespace(torun=Queue([1, 2]), nextitem_index=0)
    config = SimpleNamespace(pluginmanager=SimpleNamespace(get_plugins=lambda: [object(), plugin]))
    item, seen = SimpleNamespace(config=config, session=SimpleNamespace(items="abcdef")), set()
    assert pytest_plugin._queued(item, seen) == ["a", "b", "c"]
    plugin.nextitem_index, plugin.torun = 1, Queue([2, 5, 4, "the end"])
    assert pytest_plugin._queued(item, seen) == ["f", "e"]
    assert pytest_plugin._queued(item, seen) == []
