from __future__ import annotations

import pytest

from fi_async import EvalResult
from fi_async.reports.statistics import Interval, mean_interval, wilson
from fi_async.reports.template_scores import TemplateScores, scores_by_template
from runs_of import outcome, outcomes


def counted(values, total=None):
    found = TemplateScores("groundedness")
    for each in outcomes(values):
        found.add(each)
    if total:
        found.expect(total)
    return found


def test_missing_cases_are_neither_zeros_nor_passes():
    found = counted("PPPF-")
    assert (found.total, found.scored, found.coverage) == (5, 4, 0.8)
    assert found.pass_rate.value == found.mean.value == 0.75
    assert found.pass_rate.bounds() == Interval(0.6, 0.8)
    assert found.pass_rate.interval(0.9) == wilson(3, 4, 0.9)
    assert found.pass_rate.reach() == Interval(0.6, 0.8)
    assert found.pass_rate.reach(0.9) == Interval(wilson(3, 5, 0.9).low, wilson(4, 5, 0.9).high)


def test_means_of_scores_have_the_interval_of_the_bootstrap():
    found = counted([0.25, 0.5, 0.5, None, 1.0])
    assert found.mean.value == 0.5625
    assert found.mean.bounds() == Interval(0.45, 0.65)
    assert found.mean.interval(0.9) == mean_interval({0.25: 1, 0.5: 2, 1.0: 1}, 0.9)
    worst, best = ({value: 1, 0.25: 1, 0.5: 2} | {1.0: 1 + (value == 1.0)} for value in (0.0, 1.0))
    assert found.mean.reach(0.9) == Interval(mean_interval(worst, 0.9).low, mean_interval(best, 0.9).high)


def test_the_mean_of_verdicts_is_their_rate():
    found = counted("PPF")
    assert found.mean.interval(0.95) == found.pass_rate.interval(0.95) == wilson(2, 3)


def test_scores_beyond_0_and_1_have_bounds_only_if_none_is_missing():
    assert counted([3, 5]).mean.bounds() == Interval(4, 4)
    found = counted([3, 5, None]).mean
    assert (found.value, found.bounds(), found.reach(0.9)) == (4, None, None)


@pytest.mark.parametrize("value", [1.0, 0.8, 0.0])
def test_of_equal_scores_so_many_others_may_exist_as_of_equal_verdicts(value):
    equal = wilson(9, 9, 0.9).low
    found = counted([value] * 9).mean
    assert found.interval(0.9) == found.reach(0.9) == Interval(equal * value, equal * value + 1 - equal)
    assert counted([7] * 9).mean.reach(0.9) is None


def test_nothing_is_known_of_none():
    found = counted("").mean
    assert (found.value, found.bounds(), found.interval(0.9), found.reach()) == (None, None, None, None)
    assert counted("").coverage == 1.0
    assert counted([0.5]).mean.reach(0.9) is None
    assert counted("-").pass_rate.interval(0.9) is None


def test_labels_are_covered_and_have_no_number():
    found = counted(["joy", "Passed"])
    assert (found.coverage, found.mean.value, found.pass_rate.value) == (1.0, None, None)


@pytest.mark.parametrize(("values", "name"), [("PF", "pass_rate"), ([0.5], "mean"), ("-", "mean")])
def test_the_average_that_is_meant_if_none_is_named(values, name):
    found = counted(values)
    assert found.average() == (name, getattr(found, name))
    assert found.average("mean") == ("mean", found.mean)


def test_pending_cases_are_missing():
    found = counted("PF", total=5)
    assert (found.pending, found.total, found.coverage, found.pass_rate.missing) == (3, 5, 0.4, 3)
    found.add(outcome(2, "P"))
    found.expect(5)
    assert (found.pending, found.total) == (2, 5)


def test_pending_outcomes_are_those_that_templates_lack():
    found = scores_by_template(
        [*outcomes("PPP"), *outcomes([0.5], "tone")], ["groundedness", "tone", "bias"], pending=5
    )
    assert {name: (each.total, each.pending) for name, each in found.items()} == {
        "groundedness": (3, 0),
        "tone": (3, 2),
        "bias": (3, 3),
    }


def test_plain_values():
    estimate = outcome(1, "F")
    object.__setattr__(estimate, "result", EvalResult(output="Failed", estimate=True))
    found = scores_by_template([outcome(0, "P"), estimate, outcome(2, None)])["groundedness"].as_dict(0.9)
    interval = wilson(1, 2, 0.9)
    average = {
        "value": 0.5,
        "n": 2,
        "confidence": 0.9,
        "interval": [interval.low, interval.high],
        "bounds": [1 / 3, 2 / 3],
    }
    assert found == {
        "total": 3,
        "scored": 2,
        "pending": 0,
        "coverage": 2 / 3,
        "estimate": True,
        "pass_rate": average,
        "mean": average,
    }
    assert counted(["joy"]).as_dict()["mean"] is None
