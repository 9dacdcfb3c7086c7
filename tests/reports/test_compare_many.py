from __future__ import annotations

from collections import Counter
from dataclasses import replace
from random import Random

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats
from statsmodels.stats.multitest import multipletests

from fi_async import ConfigurationError, Report, compare_runs
from fi_async.reports.compare import compare
from fi_async.reports.statistics import holm, mcnemar, skewed_t_interval
from runs_of import outcome, outcomes

HUNDRED = "P" * 80 + "F" * 20


def letters(*pairs):
    """The verdicts of two runs: a pair, such as "PF", and how often it comes."""
    return tuple("".join(pair[side] * times for pair, times in pairs) for side in (0, 1))


@pytest.mark.parametrize("count", [1, 2, 7, 40])
def test_holm_is_that_of_statsmodels(count):
    rng = Random(count)
    p_values = [rng.choice([0.0, 0.01, 0.5, 1.0, rng.random() ** 4]) for _ in range(count)]
    assert holm(p_values) == pytest.approx(list(multipletests(p_values, method="holm")[1]), abs=1e-12)
    assert holm([]) == []


@pytest.mark.parametrize("n", [20, 47, 1_000])
def test_without_skewness_an_interval_is_students(n):
    values = [0.1, 0.9] * (n // 2) + [0.5] * (n % 2)
    found = skewed_t_interval(Counter(values), 0.99)
    low, high = stats.t.interval(0.99, n - 1, np.mean(values), stats.sem(values))
    assert (found.low, found.high) == pytest.approx((low, high), abs=1e-4)


def test_no_skewness_leaves_the_mean_out():
    found = skewed_t_interval({0.25: 13, -0.25: 1}, 0.95)
    mean, error, t = 12 / 14 * 0.25, stats.sem([0.25] * 13 + [-0.25]), stats.t.ppf(0.975, 13)
    assert (found.low, found.high) == pytest.approx((mean - error * t * 3 / 2, 0.25), abs=1e-4)


def test_with_skewness_an_interval_is_that_of_johnson():
    values = [0.0] * 80 + [1.0] * 20
    found = skewed_t_interval(Counter(values), 0.95)
    error, t = stats.sem(values), stats.t.ppf(0.975, 99)
    lean = stats.skew(values) / 60 * (2 * t * t + 1)
    assert (found.low, found.high) == pytest.approx((0.2 - error * (t - lean), 0.2 + error * (t + lean)), abs=1e-6)


def test_few_changes_of_scores_leave_room_for_those_that_were_not_seen():
    before, after = [0.5] * 20, [0.5] * 19 + [0.25]
    (found,) = compare_runs([outcomes(before), outcomes(after)]).differences
    assert found.interval == skewed_t_interval({0.0: 19, -0.25: 2, 0.25: 1}, 0.95)
    (found,) = compare_runs([outcomes([0.5] * 40), outcomes([0.25] * 30 + [0.5] * 10)]).differences
    assert found.interval == skewed_t_interval({0.0: 10, -0.25: 30}, 0.95)
    (found,) = compare_runs([outcomes([0.25] * 12), outcomes([0.5] * 12)]).differences
    assert (found.interval.low, found.interval.high) == (pytest.approx(0.0986, abs=1e-4), found.difference)
    (found,) = compare_runs([outcomes([0.5, 0.25] * 10), outcomes([0.5, 0.25] * 10)]).differences
    assert found.interval == skewed_t_interval({0.0: 20, -0.25: 1, 0.25: 1}, 0.95)


def test_an_interval_is_not_invented():
    assert skewed_t_interval({0.5: 4, 0.0: 5}) is None
    assert skewed_t_interval({0.5: 1_000}) is None
    assert skewed_t_interval({0.5: 4, 0.0: 6}) is not None


def test_three_runs_against_the_first():
    before, after = letters(("PP", 60), ("PF", 20), ("FP", 2), ("FF", 18))
    found = compare_runs([outcomes(before), outcomes(after), outcomes(before)], names=["old", "worse", "same"])
    worse, same = found.differences
    assert (found.names, found.baseline, found.paired_by, found.comparisons) == (
        ("old", "worse", "same"),
        "old",
        "inputs",
        2,
    )
    assert (worse.pairs, worse.wins, worse.losses, worse.ties, worse.verdict) == (100, 2, 20, 78, "worse")
    assert (worse.baseline_mean, worse.mean, worse.difference) == (0.8, 0.62, pytest.approx(-0.18))
    assert (worse.p_value, worse.adjusted_p) == (mcnemar(20, 2), 2 * mcnemar(20, 2))
    assert worse.interval == skewed_t_interval({-1.0: 21, 1.0: 3, 0.0: 78}, 0.975)
    assert (same.p_value, same.adjusted_p, same.verdict, same.difference) == (1.0, 1.0, "unclear", 0.0)
    assert found.means == {"groundedness": [(0.8, 100), (0.62, 100), (0.8, 100)]}
    assert (found.worse, found.untold) == ([worse], [])
    assert found.difference("worse") == worse == found.difference("worse", "groundedness")


def test_of_so_few_cases_nobody_can_tell():
    for cases, others, is_told in ((5, 1, False), (6, 1, True), (6, 2, False), (7, 2, True)):
        found = compare_runs([outcomes("P" * cases)] * (1 + others), names=[*"abc"][: 1 + others])
        assert (found.too_few, found.untold) == (([], []) if is_told else (list(found.differences),) * 2)
        lost = compare_runs([outcomes("P" * cases), *[outcomes("F" * cases)] * others])
        assert len(lost.worse) == (others if is_told else 0)


def test_p_values_are_adjusted_over_all_templates_and_runs():
    before, after = letters(("PP", 80), ("PF", 8), ("FP", 1), ("FF", 11))
    one = compare_runs([outcomes(before), outcomes(after)])
    assert (one.differences[0].adjusted_p, one.differences[0].verdict) == (pytest.approx(0.0390625), "worse")
    both = [[*outcomes(run), *outcomes(run, "tone")] for run in (before, after)]
    several = compare_runs(both)
    assert [each.adjusted_p for each in several.differences] == pytest.approx([2 * 0.0390625] * 2)
    assert [each.verdict for each in several.differences] == ["unclear", "unclear"]
    assert several.comparisons == 2


@pytest.mark.parametrize(("little", "far"), [(0.51, 0.0), (0.49, 1.0)])
def test_a_change_of_few_scores_far_and_of_many_a_little_the_other_way_is_unclear(little, far):
    found = compare_runs([outcomes([0.5] * 40), outcomes([little] * 30 + [far] * 10)]).differences[0]
    assert {found.wins, found.losses} == {30, 10}
    assert (found.wins > found.losses) == (found.difference < 0)
    assert (found.verdict, found.adjusted_p < 0.05) == ("unclear", True)


@pytest.mark.parametrize(("lower", "verdict"), [((), "better"), (("groundedness",), "worse")])
def test_lower_may_be_better(lower, verdict):
    found = compare_runs([outcomes([0.25] * 40), outcomes([0.5] * 40)], lower_is_better=lower).differences[0]
    assert (found.difference, found.interval, found.said) == (0.25, None, "no interval: all differ alike")
    assert found.verdict == verdict
    assert (
        compare_runs([outcomes("F" * 12), outcomes("P" * 12)], lower_is_better=lower).differences[0].verdict == "better"
    )


def test_the_cases_on_which_runs_disagree_most_come_first():
    runs = {
        "a": outcomes([0.5, 0.5, 0.5, 0.5, 0.5], ids="vwxyz"),
        "b": outcomes([0.5, 0.9, 0.1, 0.5, 0.7], ids="vwxyz"),
        "c": outcomes([0.5, 0.1, 0.9, 0.4, "-"], ids="vwxyz"),
    }
    found = compare_runs(runs, baseline="b")
    assert [(each.name, each.spread, each.changes) for each in found.cases] == [
        ("w", pytest.approx(0.8), "- -"),
        ("x", pytest.approx(0.8), "+ +"),
        ("z", pytest.approx(0.2), "-  "),
        ("y", pytest.approx(0.1), "= -"),
        ("v", 0.0, "= ="),
    ]
    assert [each.name for each in found.disagreements] == ["w", "x", "z", "y"]
    assert [score.score for score in found.cases[0].scores] == [0.5, 0.9, 0.1]


def test_what_splits_runs_evenly_comes_before_what_one_says_alone():
    found = compare_runs([outcomes(run) for run in ("PP", "PP", "FP", "FF")])
    assert [each.any_score.index for each in found.cases] == [0, 1]


def test_other_cases_and_templates_are_told():
    before = [*outcomes("PPP", ids="abc"), *outcomes("P", "tone", ids="a")]
    after = [*outcomes("PP-", ids="bcd"), *outcomes("F", "bias", ids="b")]
    found = compare_runs([before, after])
    told = {each.template: each for each in found.differences}
    assert (told["groundedness"].pairs, told["groundedness"].only_baseline, told["groundedness"].only_run) == (2, 1, 1)
    assert told["groundedness"].said == "an interval needs 10 pairs, not 2"
    assert (told["tone"].said, told["tone"].p_value, told["tone"].adjusted_p) == ("not in this run", None, None)
    assert told["bias"].said == "not in the baseline"
    assert [each.template for each in found.untold] == ["groundedness", "tone"]
    third = compare_runs([before, after, before]).difference("run 3", "bias")
    assert (third.pairs, third.said) == (0, "neither run has it")
    assert sum(score is not None for case in found.cases for score in case.scores) == len(before) + len(after)


def test_cases_that_lost_their_score_leave_it_open_whether_a_run_is_worse():
    found = compare_runs([outcomes("P" * 20), outcomes("P" * 12 + "-" * 8)])
    (each,) = found.differences
    assert (each.verdict, each.unscored, each.lost_scores, each.may_be_worse) == ("unclear", 8, 8, True)
    assert found.untold == [each]
    found = compare_runs([outcomes("P" * 20), outcomes("P" * 18 + "-" * 2)])
    assert found.untold == []
    found = compare_runs([outcomes("P" * 12 + "-" * 8), outcomes("P" * 20)])
    assert (found.differences[0].lost_scores, found.untold) == (0, [])


def test_samples_of_a_case_count_once():
    before, after = outcomes("PF" * 10), outcomes([1.0, 0.5] * 10)
    alone = compare_runs([before, after])
    sampled = [replace(each, samples=tuple(outcomes("PFP"))) for each in after]
    assert compare_runs([before, sampled]).differences == alone.differences


def test_labels_are_not_numbers():
    (each,) = compare_runs([outcomes(["a", "b"]), outcomes(["b", "b"])]).differences
    assert (each.pairs, each.said, each.lost_scores) == (0, "no case has a number in both", 0)
    assert compare_runs([outcomes(["a"]), outcomes(["b"])]).untold == []


def test_equal_inputs_with_other_ids_pair_in_their_order():
    before = [outcome(0, "P", own_id="a", inputs={"output": "x"}), outcome(1, "F", own_id="b", inputs={"output": "x"})]
    after = [outcome(0, "P", own_id="c", inputs={"output": "x"}), outcome(1, "P", own_id="d", inputs={"output": "x"})]
    by_id = compare_runs([before, after])
    assert (by_id.paired_by, by_id.differences[0].pairs, len(by_id.cases)) == ("id", 0, 4)
    by_inputs = compare_runs([before, after], by="inputs")
    assert [[score.id for score in each.scores] for each in by_inputs.cases] == [["b", "d"], ["a", "c"]]
    nameless = [outcome(0, "P", inputs={"output": "x"})]
    assert compare_runs([before, after, nameless]).paired_by == "inputs"


@given(st.lists(st.lists(st.sampled_from("PF-"), max_size=8), min_size=2, max_size=4))
def test_two_of_several_runs_are_compared_as_two_alone(runs):
    given_runs = [outcomes(values) for values in runs]
    found = compare_runs(given_runs)
    for number, run in enumerate(given_runs[1:], 2):
        alone = {each.template: each for each in compare(given_runs[0], run).templates}
        for each in (each for each in found.differences if each.run == f"run {number}"):
            pair = alone.get(each.template)
            expected = (pair.pairs, pair.p_value, len(pair.won), len(pair.lost)) if pair else (0, None, 0, 0)
            assert (each.pairs, each.p_value, each.wins, each.losses) == expected
            marks = [case.changes[number - 1] for case in found.cases if case.template == each.template]
            assert (marks.count("+"), marks.count("-"), marks.count("=")) == (each.wins, each.losses, each.ties)


@pytest.mark.parametrize(
    ("runs", "options", "said"),
    [
        ([[]], {}, "runs: 1, and a comparison is of 2 to 20"),
        ([[]] * 21, {}, "runs: 21, and a comparison is of 2 to 20"),
        ([[], []], {"names": ["a"]}, "names: 1 for 2 runs: give as many"),
        ([[], []], {"names": ["a", "a"]}, "names: two runs are called 'a': give each a name of its own"),
        ([[], []], {"names": ["old", "new"], "baseline": "olt"}, "baseline: no run is called 'olt'; did you mean old?"),
        ({"a": [], "b": []}, {"names": ["a", "b"]}, "names: the runs have names already, as they are a dict"),
        ([[], []], {"confidence": 1.0}, "confidence must be between 0 and 1, not 1.0"),
        ([[], [1]], {}, "run 'run 2' holds a int, not outcomes: give a Report or a path"),
        ("a.db", {}, "runs must be a list of two or more, such as compare_runs([old, new])"),
        (["lost.db", []], {}, "lost.db: no such file"),
    ],
)
def test_what_cannot_be_compared(runs, options, said):
    with pytest.raises(ConfigurationError) as raised:
        compare_runs(runs, **options)
    assert str(raised.value).startswith(said)


def test_a_difference_that_there_is_not():
    found = compare_runs({"a": [*outcomes("P"), *outcomes("P", "tone")], "b": outcomes("P")})
    for asked, said in [
        (("c",), "no run 'c' is compared with 'a'; there are b"),
        (("b",), "template: name one of groundedness, tone"),
        (("b", "ton"), "template: the runs have no 'ton'; did you mean tone?"),
    ]:
        with pytest.raises(ConfigurationError) as raised:
            found.difference(*asked)
        assert str(raised.value) == said


def test_reports_and_a_dict_of_runs_will_do_and_become_a_page(tmp_path):
    report = Report(outcomes=outcomes(HUNDRED), wall_s=0.0)
    found = compare_runs({"old": report, "new": outcomes(HUNDRED)})
    assert found.differences[0].ties == 100
    found.to_html(tmp_path / "matrix.html")
    assert "<title>old, new (fi-async comparison)</title>" in (tmp_path / "matrix.html").read_text(encoding="utf-8")


def test_in_plain_values_and_printed():
    found = compare_runs({"a": outcomes("PP", ids="xy"), "b": outcomes("PF", ids="xy")})
    told = found.to_dict()
    assert told["differences"][0] | {"p_value": 0, "adjusted_p": 0} == {
        "run": "b",
        "template": "groundedness",
        "pairs": 2,
        "baseline_mean": 1.0,
        "mean": 0.5,
        "interval": None,
        "p_value": 0,
        "adjusted_p": 0,
        "wins": 0,
        "losses": 1,
        "ties": 1,
        "unscored": 0,
        "lost_scores": 0,
        "only_baseline": 0,
        "only_run": 0,
        "verdict": "unclear",
        "may_be_worse": False,
        "difference": -0.5,
        "said": "an interval needs 10 pairs, not 2",
    }
    assert told["means"] == {"groundedness": {"a": {"mean": 1.0, "n": 2}, "b": {"mean": 0.5, "n": 2}}}
    assert [(each["id"], each["runs"]["b"]["passed"]) for each in told["disagreements"]] == [("y", False)]
    assert found.to_dict(most_cases=0)["disagreements"] == []
    assert str(found).splitlines() == [
        "2 runs, paired by id, against a; 0.95 for all 1 comparisons together (Holm)",
        "  groundedness, b: -0.500, 0 better, 1 worse, p 1.000: unclear; an interval needs 10 pairs, not 2",
        "the runs disagree on 1 of 2 cases",
        "  y groundedness: passed, failed",
    ]


def test_as_a_notebook_shows_it():
    hostile = "<script>"
    shown = compare_runs({hostile: outcomes("P" * 12, hostile), "b": [*outcomes("P" * 12, hostile), *outcomes("P")]})
    html = shown._repr_html_()
    assert hostile not in html
    cells = "".join(f"<td>{text}</td>" for text in ("12", "1.000", "+0.000", "-0.226 to +0.226", "1.000", "unclear"))
    assert cells in html
    assert "<td>not compared: not in the baseline</td>" in html


def test_all_intervals_of_a_family_hold_the_truth_in_nineteen_of_twenty():
    """A small one; benchmarks/coverage.py prints the table."""
    rng, n, size, samples = np.random.default_rng(5), 200, 6, 300
    held = 0
    for _ in range(samples):
        baseline = rng.random(n) < 0.8
        ends = []
        for drop in (0.02, 0.1, 0.2) * (size // 3):
            changes = np.where(baseline, -1.0 * (rng.random(n) < drop), (rng.random(n) < 0.1) * 1.0)
            found = skewed_t_interval(Counter(changes.tolist()) + Counter((1.0, -1.0)), 1 - 0.05 / size)
            ends.append(found.low <= 0.02 - 0.8 * drop <= found.high)
        held += all(ends)
    assert 0.92 * samples <= held < samples


def test_of_equal_runs_one_in_twenty_families_at_most_says_worse_or_better():
    rng, families = Random(3), 400
    wrong = 0
    for _ in range(families):
        changed = [rng.choices("+-", k=15) for _ in range(8)]
        wrong += min(holm([mcnemar(each.count("-"), each.count("+")) for each in changed])) <= 0.05
    assert wrong <= 0.05 * families
