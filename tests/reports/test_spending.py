"""What runs took of judges: added up to the cent, and said for people."""

from __future__ import annotations

from dataclasses import replace
from xml.etree.ElementTree import ElementTree

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fi_async import (
    Case,
    EvalResult,
    JudgeError,
    Outcome,
    OutcomeStatus,
    Report,
    ServerError,
    Usage,
)
from fi_async._spending import Answerers, Spending, cost_cell, dollars, in_one, is_own
from fi_async.cli.ci import write_junit, write_step_summary
from fi_async.reports.quality_gate import gate_result
from fi_async.reports.template_scores import scores_by_template

USAGE = Usage(input_tokens=1_000, cached_tokens=400, output_tokens=100, reasoning_tokens=60)


def judged(cost, usage=USAGE, *, template="calm", index=0, model="m-1", **facts):
    result = EvalResult(name=template, output=1.0, output_type="score", model=model, backend="judge")
    told = {"result": result, "backend": "judge", "usage": usage, "cost": cost, **facts}
    return Outcome(index, Case({"output": "x"}), template, OutcomeStatus.SCORED, **told)


def failed(cost, usage=USAGE, error=None):
    error = error or JudgeError("no verdict")
    told = {"backend": "judge", "usage": usage, "cost": cost, "error": error}
    return Outcome(0, Case({"output": "x"}), "calm", OutcomeStatus.FAILED, **told)


def spent(*outcomes):
    spending = Spending()
    for each in outcomes:
        spending.add(each)
    return spending.as_dict()


def test_a_hundred_thousand_small_costs_are_their_sum():
    spending = Spending()
    for _ in range(100_000):
        spending.pay(None, 0.1)
    assert spending.dollars == 10_000.0
    assert sum([0.1] * 100_000) != 10_000.0


@given(st.lists(st.floats(0, 1e6)), st.randoms())
def test_a_sum_does_not_depend_on_the_order(costs, rng):
    sums = []
    for _ in range(2):
        spending = Spending()
        for cost in costs:
            spending.pay(None, cost)
        sums.append(spending.dollars)
        rng.shuffle(costs)
    assert sums[0] == (pytest.approx(sums[1]) if costs else None)


def test_what_nobody_knows_is_counted_and_is_not_nothing():
    tokens = {"input": 1_000, "cached": 400, "output": 100, "reasoning": 60, "total": 1_100}
    assert spent(judged(None)) == {"cost": None, "unknown_cost": 1, "tokens": tokens}
    assert spent(judged(None, None)) == {"cost": None, "unknown_cost": 1, "tokens": None}
    assert spent(judged(0.0, None)) == {"cost": 0.0, "unknown_cost": 0, "tokens": None}
    assert spent(failed(None, None)) == {"cost": None, "unknown_cost": 1, "tokens": None}


def test_a_failure_counts_what_it_took_and_one_that_nobody_answered_took_nothing():
    assert spent(failed(0.5), judged(0.25))["cost"] == 0.75
    assert spent(failed(None, None, ServerError("down"))) == {"cost": None, "unknown_cost": 0, "tokens": None}


@pytest.mark.parametrize(("origin", "cost"), [("replayed", 0.5), ("reused", None), ("duplicate", None)])
def test_what_was_paid_elsewhere_costs_nothing_here(origin, cost):
    assert spent(judged(0.5, origin=origin))["cost"] == cost


def test_the_platform_and_functions_take_nothing_that_is_known():
    assert spent(Outcome(0, Case({}), "t", OutcomeStatus.SCORED, EvalResult(output=1.0))) == {
        "cost": None,
        "unknown_cost": 0,
        "tokens": None,
    }


def test_a_report_says_what_was_spent_and_on_which_template():
    plain = Outcome(0, Case({}), "is_json", OutcomeStatus.SCORED, EvalResult(output=1.0))
    report = Report([judged(0.1), plain, judged(0.2, index=1), judged(0.4, template="clear", model="m-2")], 1.0)
    summary = report.summary()
    assert (summary["cost"], summary["tokens"]["total"], summary["unknown_cost"]) == (0.7, 3_300, 0)
    by_template = {name: (of["cost"], of["answered_by"]) for name, of in summary["templates"].items()}
    assert by_template == {
        "calm": (0.3, ["judge m-1"]),
        "is_json": (None, ["cloud"]),
        "clear": (0.4, ["judge m-2"]),
    }
    assert str(report).splitlines() == [
        "Report 4 scored, coverage 100.0%, 1.0 s, 3,300 tokens, $0.7000",
        "  calm: mean score 1.000 (n=2), by judge m-1, 2,200 tokens, $0.3000",
        "  is_json: mean score 1.000 (n=1)",
        "  clear: mean score 1.000 (n=1), by judge m-2, 1,100 tokens, $0.4000",
    ]
    assert repr(Report([judged(None), judged(None)], 1.0)).endswith("2,200 tokens, unknown cost of 2 answers>")


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0.0, "$0.00"),
        (1234.567, "$1,234.57"),
        (0.25, "$0.2500"),
        (0.000123, "$0.000123"),
        (0.0000001, "<$0.000001"),
    ],
)
def test_an_amount_for_people_is_nothing_only_if_it_is(value, text):
    assert dollars(value) == text


def test_who_answered_is_named_once_with_its_model():
    names = Answerers()
    estimate = EvalResult(output=1.0, backend="local", estimate=True)
    for each in (failed(None), judged(0.1), judged(0.1), replace(judged(0.1), result=estimate, backend="local")):
        names.add(each)
    assert names.names() == ["judge m-1", "local (estimate)"]
    assert in_one(["judge", "cloud", "judge m"]) == ["cloud", "judge m"]
    assert [is_own([name]) for name in ("judge m", "code", "cloud", "local", "server")] == [True, True, *[False] * 3]


def test_a_notebook_tells_who_answered_and_what_it_took():
    plain = Outcome(0, Case({}), "is_json", OutcomeStatus.SCORED, EvalResult(output=1.0))
    html = Report([judged(0.1), plain, judged(None, index=1)], 1.0)._repr_html_()
    assert "1.0 s &middot; 2,200 tokens &middot; $0.1000 &middot; unknown cost of 1 answer" in html
    assert "judge m-1: a judge of your own, not the platform&#x27;s" in html
    assert "$0.1000 + ?" in html
    assert "answered by" not in Report([plain], 1.0)._repr_html_()


def test_a_gate_tells_ci_systems_who_answered_and_what_it_took(tmp_path, monkeypatch):
    step, junit = tmp_path / "step.md", tmp_path / "junit.xml"
    monkeypatch.setenv("GITHUB_STEP_SUMMARY", str(step))
    found = gate_result([], scores_by_template([judged(0.1), judged(0.2, index=1)]))
    assert (
        found.as_dict().items() >= {"cost": 0.3, "judges": "judge m-1: a judge of your own, not the platform's"}.items()
    )
    write_step_summary(found, "run.db")
    write_junit(junit, found, "run.db")
    assert "judge m-1: a judge of your own, not the platform's\n\nSpent: 2,200 tokens, $0.3000\n" in step.read_text()
    properties = {each.get("name"): each.get("value") for each in ElementTree().parse(junit).iter("property")}
    assert properties["cost"] == "0.3"
    assert properties["tokens"] == "2200"
    plain = gate_result(
        [], scores_by_template([Outcome(0, Case({}), "t", OutcomeStatus.SCORED, EvalResult(output=1.0))])
    )
    write_junit(junit, plain, "run.db")
    assert "property" not in junit.read_text()


@pytest.mark.parametrize(
    ("cost", "unknown", "shown"), [(None, 0, "-"), (None, 3, "?"), (0.1, 0, "$0.1000"), (0.1, 3, "$0.1000 + ?")]
)
def test_what_is_not_known_of_the_cost_is_a_question_mark(cost, unknown, shown):
    assert cost_cell(cost, unknown) == shown
