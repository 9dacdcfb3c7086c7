from __future__ import annotations

import csv
from collections import Counter
from statistics import fmean

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fi_async import ConfigurationError
from fi_async.reports.label_draws import draw_cases, write_sheet
from fi_async.reports.labels import match_labels
from runs_of import outcome, outcomes

VERDICTS = outcomes("PPPPPPPPPF" * 10)
SCORES = outcomes([place / 200 for place in range(200)])


def test_at_random_each_stands_for_as_many():
    drawn = draw_cases(VERDICTS, 20, seed=3)
    assert len(drawn) == 20
    assert {weight for _, weight in drawn} == {5.0}
    assert [each.index for each, _ in drawn] == sorted({each.index for each, _ in drawn})
    assert drawn == draw_cases(VERDICTS, 20, seed=3) != draw_cases(VERDICTS, 20, seed=4)


def test_balanced_draws_as_many_of_each_and_all_of_what_is_rare():
    drawn = draw_cases(VERDICTS, 12, "balanced")
    assert Counter((each.passed, weight) for each, weight in drawn) == {(True, 15.0): 6, (False, 10 / 6): 6}
    drawn = draw_cases(VERDICTS, 40, "balanced")
    assert Counter((each.passed, weight) for each, weight in drawn) == {(True, 3.0): 30, (False, 1.0): 10}
    moods = outcomes(["joy", "calm", "joy", "fear", "joy", "joy"], "mood")
    assert len({each.result.output for each, _ in draw_cases(moods, 3, "balanced")}) == 3
    drawn = draw_cases(SCORES, 10, "balanced", threshold=0.9)
    assert sum(each.score >= 0.9 for each, _ in drawn) == 5


def test_uncertain_draws_near_the_threshold_and_weighs_what_is_far():
    drawn = [each for seed in range(200) for each in draw_cases(SCORES, 20, "uncertain", seed=seed)]
    assert len(drawn) == pytest.approx(200 * 20, abs=200)
    near, far = (sum(low <= each.score <= high for each, _ in drawn) for low, high in ((0.45, 0.55), (0.0, 0.1)))
    assert 3 < near / far < 5
    estimates = []
    for seed in range(200):
        some = draw_cases(SCORES, 20, "uncertain", seed=seed)
        estimates.append(sum(weight * each.score**2 for each, weight in some) / 200)
    assert fmean(estimates) == pytest.approx(fmean(each.score**2 for each in SCORES), rel=0.03)


@settings(max_examples=50)
@given(st.lists(st.floats(0, 1), min_size=2, max_size=40), st.integers(1, 40), st.sampled_from(["random", "balanced"]))
def test_weights_sum_up_to_the_run_where_every_kind_is_drawn(scores, size, by):
    drawn = draw_cases(outcomes(scores), size, by)
    assert len(drawn) == min(size, len(scores))
    assert len({each.index for each, _ in drawn}) == len(drawn)
    if size > 1:
        assert sum(weight for _, weight in drawn) == pytest.approx(len(scores))


def test_those_surely_drawn_count_once():
    scores = outcomes([0.5, *([0.0] * 20)])
    for seed in range(20):
        drawn = {each.index: weight for each, weight in draw_cases(scores, 15, "uncertain", seed=seed)}
        assert drawn[0] == 1.0
        assert len(drawn) == 15


def test_what_cannot_be_drawn():
    assert [weight for _, weight in draw_cases(outcomes("PF-"), 5, "uncertain")] == [1.0, 1.0]
    with pytest.raises(ConfigurationError, match="--draw uncertain needs scores of different degrees"):
        draw_cases(VERDICTS, 5, "uncertain")
    with pytest.raises(ConfigurationError, match="--draw uncertain needs scores of different degrees"):
        draw_cases(outcomes([0.2] * 9), 5, "uncertain")
    with pytest.raises(ConfigurationError, match="no case has a result: there is nothing to label yet"):
        draw_cases(outcomes("--"), 5)


def test_a_sheet_has_the_inputs_and_not_the_judges_words(tmp_path):
    cases = [
        outcome(0, "P", own_id="=1", inputs={"output": "=cmd()", "n": [1, 2]}),
        outcome(1, "F", inputs={"output": "a\nb", "context": "c"}),
    ]
    path = tmp_path / "labels.csv"
    write_sheet(path, [(cases[0], 2.5), (cases[1], 1.0)])
    with path.open(newline="", encoding="utf-8") as file:
        rows = list(csv.reader(file))
    assert rows == [
        ["index", "id", "weight", "label", "inputs.output", "inputs.n", "inputs.context"],
        ["0", "'=1", "2.5", "", "'=cmd()", "[1, 2]", ""],
        ["1", "", "1.0", "", "a\nb", "", "c"],
    ]
    assert "why" not in path.read_text()
    path.write_text(path.read_text().replace(",2.5,,", ",2.5,yes,").replace(",1.0,,", ",1.0,no,"))
    matched = match_labels(path, cases)
    found, is_weighted = matched.pairs, matched.is_weighted
    assert [(each.index, label.value, label.weight) for each, label in found] == [(0, "yes", 2.5), (1, "no", 1.0)]
    assert is_weighted
