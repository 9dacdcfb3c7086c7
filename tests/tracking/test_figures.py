"""What trackers are told of a run, and what they say where they are not installed."""

from __future__ import annotations

import sys

import pytest

from fi_async import ConfigurationError, Report
from fi_async.reports.statistics import wilson
from fi_async.reports.tracking import figures_of


def test_figures_have_intervals_and_what_is_missing_is_no_zero(report):
    told = figures_of(report._tracked())
    passed = sum(bool(each.passed) for each in report.outcomes if each.template == "contains")
    interval = wilson(passed, 8)
    assert (told["contains/pass_rate"], told["contains/pass_rate.n"]) == (passed / 8, 8)
    assert (told["contains/pass_rate.low"], told["contains/pass_rate.high"]) == (interval.low, interval.high)
    assert (told["calm/total"], told["calm/scored"], told["calm/coverage"]) == (8, 4, 0.5)
    assert told["calm/mean.n"] == 4
    assert "calm/pass_rate" not in told
    assert [name for name in told if name.startswith("is_json/")] == [
        "is_json/total",
        "is_json/scored",
        "is_json/coverage",
    ]
    assert told["is_json/coverage"] == 0.0
    assert (told["evaluations"], told["scored"], told["invalid"]) == (19, 12, 7)
    summary = report.summary()
    assert (told["cost"], told["tokens.total"]) == (summary["cost"], summary["tokens"]["total"])
    assert told["calm/cost"] == summary["cost"]
    assert "contains/cost" not in told


def test_a_run_without_judges_has_no_tokens_and_no_cost():
    told = figures_of(Report([], 0.0)._tracked())
    assert "cost" not in told
    assert not [name for name in told if name.startswith("tokens")]


@pytest.mark.parametrize(("library", "log"), [("mlflow", "log_to_mlflow"), ("wandb", "to_wandb")])
def test_without_the_extra_it_says_what_to_install(library, log, report, monkeypatch):
    monkeypatch.setitem(sys.modules, library, None)
    with pytest.raises(ConfigurationError, match=rf"{log}\(\) needs {library}: pip install 'fi-async\[{library}\]'"):
        getattr(report, log)()
