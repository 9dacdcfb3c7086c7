from __future__ import annotations

import pytest

from fi_async import InvalidCaseError, StalledError
from fi_async.journal.records import RunCount
from fi_async.reports.figures import CauseFigures, ChartBar, Figures, FiguresBuilder, cause_of
from fi_async.reports.statistics import Interval, wilson
from made import scored, unscored


def figures_of(*records, names=(), pending=0) -> Figures:
    tally = FiguresBuilder()
    for record in records:
        tally.add(record)
    count = RunCount(len(records) + pending, {"scored": len(records)})  # only how many are pending matters
    return tally.figures(names, count if pending else None)


def test_verdicts_are_a_rate_with_its_interval_and_its_bounds():
    [found] = figures_of(
        *(scored(index, "Passed") for index in range(6)), scored(6, "Failed"), unscored(7, StalledError("late"))
    ).templates
    assert (found.name, found.all, found.scored, found.kind) == ("is_json", 8, 7, "rate")
    assert found.value == 6 / 7
    assert found.interval == wilson(6, 7)
    assert found.bounds == Interval(6 / 8, 7 / 8)
    assert found.bars == [ChartBar("Passed", 6), ChartBar("Failed", 1)]


def test_scores_are_a_mean_and_twenty_ranges():
    [found] = figures_of(scored(0, 0.0), scored(1, 0.05), scored(2, 0.15), scored(3, 1.0)).templates
    assert (found.kind, found.value) == ("mean", 0.3)
    assert len(found.bars) == 20
    assert [bar for bar in found.bars if bar.count] == [
        ChartBar("0 to 0.05", 1),
        ChartBar("0.05 to 0.1", 1),
        ChartBar("0.15 to 0.2", 1),
        ChartBar("0.95 to 1", 1),
    ]
    assert found.bounds == Interval(0.3, 0.3)


def test_scores_beyond_one_have_no_bounds():
    [found] = figures_of(scored(0, -10), scored(1, 10)).templates
    assert found.bounds is None
    assert (found.bars[0], found.bars[-1]) == (ChartBar("-10 to -9", 1), ChartBar("9 to 10", 1))


def test_equal_scores_beyond_one_are_one_bar():
    [found] = figures_of(scored(0, 7), scored(1, 7)).templates
    assert found.bars == [ChartBar("7", 2)]


@pytest.mark.parametrize("output", [1e308, float("inf"), float("nan")])
def test_a_score_that_measures_nothing_is_left_out(output):
    [found] = figures_of(scored(0, output), scored(1, 0.5)).templates
    assert (found.scored, found.value, found.bounds) == (2, 0.5, Interval(0.25, 0.75))


def test_a_number_among_verdicts_is_no_verdict():
    [found] = figures_of(scored(0, "Passed"), scored(1, 7.0), scored(2, "Failed")).templates
    assert (found.kind, found.scored, found.value, found.interval) == ("rate", 3, 0.5, wilson(1, 2))
    assert found.bars == [ChartBar("Passed", 1), ChartBar("Failed", 1)]


def test_labels_are_counted():
    [found] = figures_of(
        scored(0, ["joy", "love"], output_type="choices"), scored(1, ["joy"], output_type="choices")
    ).templates
    assert (found.kind, found.value, found.interval, found.bounds) == ("labels", None, None, None)
    assert found.bars == [ChartBar("joy", 2), ChartBar("love", 1)]


def test_what_has_no_number_and_no_label_is_not_summed_up():
    [found] = figures_of(scored(0, "because", output_type="reason"), scored(1, float("nan"))).templates
    assert (found.kind, found.value, found.bars, found.scored) == ("none", None, [], 2)


def test_templates_come_in_the_order_of_the_run_also_those_without_an_outcome():
    found = figures_of(scored(0, "Passed", template="b"), names=["a", "b"], pending=1).templates
    assert [(each.name, each.all, each.scored, each.value) for each in found] == [("a", 1, 0, None), ("b", 1, 1, 1.0)]


def test_what_is_pending_widens_the_bounds():
    found = figures_of(scored(0, "Passed"), pending=3)
    assert (found.evaluations, found.pending) == (4, 3)
    assert found.templates[0].bounds == Interval(0.25, 1.0)


def test_an_empty_run():
    found = figures_of()
    assert (found.cases, found.evaluations, found.templates, found.causes) == (0, 0, [], [])
    assert (found.latency_s, found.timeline) == ({}, None)


def test_everything_is_counted():
    found = figures_of(
        scored(0, "Passed", estimate=True, possible_duplicates=1),
        scored(0, 0.5, template="other", origin="reused"),
        unscored(1, None, "cancelled"),
    )
    assert (found.cases, found.evaluations, found.possible_duplicates, found.estimate) == (2, 3, 1, True)
    assert found.statuses == {"scored": 2, "failed": 0, "stalled": 0, "cancelled": 1, "invalid": 0}
    assert found.origins == {"evaluated": 2, "reused": 1}


def test_a_cause_is_the_same_whatever_the_case():
    blank = [InvalidCaseError(f"case {index}: the input 'text' is blank") for index in (3, 12)]
    tally = FiguresBuilder()
    numbers = [
        tally.add(record)
        for record in (
            unscored(2, StalledError("late"), "stalled"),
            unscored(3, blank[0], "invalid"),
            scored(4, "Passed"),
            unscored(12, blank[1], "invalid"),
        )
    ]
    assert numbers == [0, 1, None, 1]
    assert tally.figures(()).causes == [
        CauseFigures(1, "InvalidCaseError", "the input 'text' is blank", 3, 2, {"invalid": 2}),
        CauseFigures(0, "StalledError", "late", 2, 1, {"stalled": 1}),
    ]


@pytest.mark.parametrize(
    "place", ["case 7", "rows.jsonl, line 31", "a, b.csv, line 4", "rows.parquet, row 9", "row 2", "all.json[5]"]
)
def test_a_cause_is_the_same_wherever_its_case_stands(place):
    error = InvalidCaseError(f"{place}: row 3 of the input 'text' is blank")
    expected = ("InvalidCaseError", "row 3 of the input 'text' is blank")
    assert cause_of(unscored(3, error, "invalid").outcome) == expected


def test_an_outcome_without_an_error_is_its_own_cause():
    assert cause_of(unscored(0, None, "cancelled").outcome) == ("cancelled", "")


def test_causes_do_not_grow_with_the_cases():
    causes = figures_of(*(unscored(index, StalledError(f"late by {index}")) for index in range(300))).causes
    assert len(causes) == 201
    assert (causes[0].type, causes[0].message, causes[0].count) == ("other", "further causes", 100)
