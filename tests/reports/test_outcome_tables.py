"""What a report looks like as a frame and in a notebook."""

from __future__ import annotations

import datetime as dt
import sys

import pandas as pd
import polars as pl
import pytest

from fi_async import (
    Case,
    ConfigurationError,
    EvalResult,
    InvalidCaseError,
    Outcome,
    OutcomeStatus,
    RateLimitError,
    Report,
)
from fi_async.reports.outcome_tables import COLUMNS
from fi_async.sources.rows import TableCase

OUTCOMES = [
    Outcome(
        0,
        Case({"output": "a", "n": 1, "tags": ["é", 2]}, id="q-1"),
        "tone",
        OutcomeStatus.SCORED,
        EvalResult(output=["joy"], reason="why", eval_id="e-1"),
        attempts=1,
        latency_s=0.5,
    ),
    Outcome(
        0,
        TableCase({"output": "b"}, None, {"answer": "b", "day": dt.date(2026, 1, 2)}),
        "groundedness",
        OutcomeStatus.SCORED,
        EvalResult(output="Passed"),
    ),
    Outcome(1, Case({}), "tone", OutcomeStatus.INVALID, error=InvalidCaseError("case 1: the fault")),
    Outcome(
        2, TableCase({}, None, None, "in.csv, line 3"), "tone", OutcomeStatus.FAILED, error=RateLimitError("too many")
    ),
]
REPORT = Report(OUTCOMES, 2.0)


def test_an_outcome_as_a_dict():
    assert REPORT.to_dicts()[0] == {
        "index": 0,
        "id": "q-1",
        "template": "tone",
        "status": "scored",
        "score": None,
        "passed": None,
        "output": ["joy"],
        "reason": "why",
        "error": None,
        "backend": "cloud",
        "model": None,
        "estimate": False,
        "eval_id": "e-1",
        "attempts": 1,
        "latency_s": 0.5,
        "tokens": None,
        "input_tokens": None,
        "cached_tokens": None,
        "output_tokens": None,
        "reasoning_tokens": None,
        "cost": None,
        "origin": "evaluated",
        "inputs": {"output": "a", "n": 1, "tags": ["é", 2]},
    }
    assert [each["error"] for each in REPORT.to_dicts()] == [
        None,
        None,
        "case 1: the fault",
        "RateLimitError: too many",
    ]
    assert [each["inputs"] for each in REPORT.to_dicts()[1:]] == [
        {"answer": "b", "day": "2026-01-02"},
        {},
        None,
    ]
    assert [*REPORT.to_dicts()[0]] == [*COLUMNS]


INPUTS = {
    "inputs.output": ["a", None, None, None],
    "inputs.n": [1, None, None, None],
    "inputs.tags": ['["é", 2]', None, None, None],
    "inputs.answer": [None, "b", None, None],
    "inputs.day": [None, "2026-01-02", None, None],
}


def test_as_a_polars_frame():
    frame = REPORT.to_polars()
    assert frame.columns == [*(name for name in COLUMNS if name != "inputs"), *INPUTS]
    assert frame.select(*INPUTS).to_dict(as_series=False) == INPUTS
    assert frame["output"].to_list() == ['["joy"]', "Passed", None, None]
    assert frame["score"].to_list() == [None, 1.0, None, None]
    assert (frame["passed"].dtype, frame["passed"].mean()) == (pl.Boolean, 1.0)
    assert Report([], 0.0).to_polars().schema["score"] == pl.Float64


def test_as_a_pandas_frame():
    frame = REPORT.to_pandas()
    assert list(frame.columns) == [*(name for name in COLUMNS if name != "inputs"), *INPUTS]
    assert (frame["passed"].dtype, frame["passed"].mean(), frame["score"].isna().tolist()) == (
        "boolean",
        1.0,
        [True, False, True, True],
    )
    assert frame["output"].tolist() == ['["joy"]', "Passed", pd.NA, pd.NA]
    assert frame["inputs.tags"].tolist()[0] == '["é", 2]'
    assert frame.groupby("template")["score"].count().to_dict() == {"groundedness": 1, "tone": 0}
    assert list(Report([], 0.0).to_pandas().columns) == [name for name in COLUMNS if name != "inputs"]


def test_cells_of_unlike_kinds_become_text():
    outcomes = [Outcome(n, Case({"v": value}), "t", OutcomeStatus.SCORED) for n, value in enumerate([1, "x", True])]
    assert Report(outcomes, 0.0).to_polars()["inputs.v"].to_list() == ["1", "x", "true"]


@pytest.mark.parametrize("library", ["pandas", "polars"])
def test_a_missing_library_is_named(library, monkeypatch):
    monkeypatch.setitem(sys.modules, library, None)
    with pytest.raises(ConfigurationError) as caught:
        getattr(REPORT, f"to_{library}")()
    assert caught.value.message == f"to_{library}() needs {library}: pip install '{library}'"


def test_a_notebook_shows_counts_templates_and_the_first_outcomes():
    html = REPORT._repr_html_()
    assert "<b>2 scored, 1 failed, 1 invalid</b> &middot; coverage 50.0% &middot; 2.0 s" in html
    assert html.count("<tr>") == 1 + 2 + 1 + 4
    assert "RateLimitError: too many" in html
    assert "more:" not in html
    many = Report([OUTCOMES[0]] * 1012, 2.0)._repr_html_()
    assert "and 1,002 more: <code>.to_pandas()</code>, <code>.to_dicts()</code>" in many
    assert many.count("<tr>") == 1 + 1 + 1 + 10
    assert "<b>no cases</b>" in Report([], 0.0)._repr_html_()


def test_a_case_cannot_put_html_into_a_notebook():
    nasty = '<script>alert("1")</script>'
    result = EvalResult(output=nasty, reason=nasty)
    html = Report([Outcome(0, Case({}, id=nasty), nasty, OutcomeStatus.SCORED, result)], 0.0)._repr_html_()
    assert "<script" not in html
    assert html.count("&lt;script&gt;alert(&quot;1&quot;)&lt;/script&gt;") == 4
    assert "…" in Report([Outcome(0, Case({}, id="x" * 999), "t", OutcomeStatus.SCORED)], 0.0)._repr_html_()
