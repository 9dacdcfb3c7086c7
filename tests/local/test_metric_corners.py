"""Corners of the metrics of labels, numbers, rankings and trajectories, and the definitions that they have to meet."""

from __future__ import annotations

import json
import math
import warnings

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from scipy import stats
from statsmodels.stats import inter_rater

from fi_async.local.metrics.correlation import pearson_correlation, rmse, spearman_correlation
from fi_async.local.scoring import EngineError, check_params, run_evaluator

POSITIVE = {"positive_label": "A"}


@pytest.mark.parametrize(
    ("name", "texts", "params", "score", "reason"),
    [
        ("accuracy", ('["Cat", 1, true, null]', '["cat", "1", "TRUE", "None"]'), {}, 1.0, "Accuracy: 1.0000 (4/4)"),
        ("accuracy", (" Cat ", "cat"), {}, 1.0, "Accuracy: 1.0000 (1/1)"),
        ("accuracy", ("1.0", '["1"]'), {}, 0.0, "Accuracy: 0.0000 (0/1)"),
        ("accuracy", ('{"a": 1}', '["a", "b"]'), {}, 0.0, "Length mismatch: 1 vs 2"),
        ("balanced_accuracy", ('["b", "a"]', '["a", "a"]'), {}, 0.5, "Balanced Accuracy: 0.5000 (1 classes)"),
        ("precision_score", ('["b"]', '["a"]'), POSITIVE, 0.0, "No positive predictions for 'a'"),
        ("precision_score", ('["a", "A"]', '["A", "b"]'), POSITIVE, 0.5, "Precision: 0.5000 (TP=1, FP=1)"),
        ("f_beta_score", ('["b"]', '["a"]'), POSITIVE, 0.0, "F1.0: 0.0"),
        (
            "f_beta_score",
            ('["a", "b"]', '["a", "a"]'),
            {**POSITIVE, "beta": "2"},
            5 * 0.5 / (4 + 0.5),
            "F2.0: 0.5556 (P=1.0000, R=0.5000)",
        ),
        ("matthews_correlation", ('["b", "a"]', '["a", "b"]'), {}, 0.0, "MCC: -1.0000, normalized=0.0000"),
        ("matthews_correlation", ('["b", "c", "a"]', '["a", "b", "c"]'), {}, 0.25, "MCC: -0.5000, normalized=0.2500"),
        ("cohen_kappa", ('["a", "b"]', '["b", "a"]'), {}, 0.0, "Cohen's Kappa: -1.0000, normalized=0.0000"),
        ("cohen_kappa", ('["a"]', '["b"]'), {}, 0.5, "Cohen's Kappa: 0.0000, normalized=0.5000"),
        ("log_loss", ("[0, 1]", "[0, 1]"), {}, 1.0, "Log Loss=0.0000"),
        ("log_loss", ("[0]", "[1]"), {}, 1 / (1 - math.log(1e-15)), "Log Loss=34.5388"),
        ("log_loss", ("0.5, 0.5", "1"), {}, 0.0, "Invalid input"),
        ("pearson_correlation", ("[1, 2]", "[2, 1]"), {}, 0.0, "Pearson r=-1.0000"),
        ("pearson_correlation", ('["1", "2"]', "1,2,"), {}, 1.0, "Pearson r=1.0000"),
        ("spearman_correlation", ("[1, 1, 2]", "[1, 2, 3]"), {}, 0.9375, "Spearman rho=0.8750"),
        ("r2_score", ("[1, 1]", "[1, 1]"), {}, 1.0, "R2=1.0000"),
        ("r2_score", ("[1, 2]", "[1, 1]"), {}, 0.5, "R2=0.0000"),
        ("r2_score", ("[9, 9]", "[0, 1]"), {}, 0.0, "R2=-289.0000"),
        (
            "r2_score",
            (",", ","),
            {},
            0.0,
            "R2 score requires at least 2 predicted/actual value pairs; received 0 pair.",
        ),
        ("rmse", (",", ","), {}, 0.0, "Invalid input"),
        ("rmse", ("3", "3"), {}, 1.0, "RMSE=0.0000"),
        ("tool_call_accuracy", ("no calls", "none"), {}, 1.0, "No tool calls expected or made"),
        ("tool_call_accuracy", ('[{"name": "a"}]', "[1]"), {}, 0.0, "No calls expected but 1 made"),
        ("tool_call_accuracy", ("none", '{"name": "a"}'), {}, 0.0, "1 calls expected but none made"),
        (
            "tool_call_accuracy",
            ('[{"name": "a", "arguments": "{\\"x\\": 1.0}"}, 7]', '{"function": {"name": "a", "arguments": {"x": 1}}}'),
            {},
            1.0,
            "Tool Call Accuracy: 1.000 (1/1 exact, 1 name matches, 1 actual vs 1 expected)",
        ),
        (
            "tool_call_accuracy",
            (
                '[{"name": "a", "arguments": "x"}, {"name": "a", "arguments": "x"}]',
                '[{"name": "a", "arguments": "y"}, {"name": "a", "arguments": "x"}]',
            ),
            {},
            0.75,
            "Tool Call Accuracy: 0.750 (1/2 exact, 2 name matches, 2 actual vs 2 expected)",
        ),
        ("trajectory_match", ("a, b, c", '["a", {"action": "b"}]'), {}, 2 / 3, "Strict: 2/2 prefix match"),
        ("trajectory_match", ('[{"name": "a", "action": "b"}]', "a"), {}, 1.0, "Strict match: 1 actions"),
        ("trajectory_match", ("5", '["5"]'), {"mode": "STRICT"}, 1.0, "Strict match: 1 actions"),
        ("trajectory_match", ("b, a, a", "a, b"), {"mode": "unordered"}, 1.0, "Unordered: 2/2"),
        ("trajectory_match", ("a", "c, b"), {"mode": "subset"}, 0.0, "Subset: missing {'b', 'c'}"),
        ("trajectory_match", ("a", ","), {}, 0.0, "No expected actions"),
        ("trajectory_match", (",", ","), {}, 1.0, "No expected actions"),
        ("trajectory_match", ("a", "a"), {"mode": "any"}, 0.0, "Unknown mode: any"),
        ("non_llm_context_precision", ('["A ", "b", "a"]', "a\n\nc"), {}, 2 / 3, "Context Precision: 0.6667 (2/3)"),
        ("non_llm_context_recall", ("b\nA", '["a", "a", "c"]'), {}, 2 / 3, "Context Recall: 0.6667 (2/3)"),
    ],
)
def test_of_two_texts(name, texts, params, score, reason):
    verdict = run_evaluator(name, dict(zip(("output", "expected"), texts, strict=True)), params)
    assert verdict == (pytest.approx(score, rel=1e-12, abs=1e-12), reason)


@pytest.mark.parametrize(
    ("name", "hypothesis", "reference", "score", "reason"),
    [
        ("recall_score", "('a', 'b')", '["a", "a", "c"]', 0.5, "Recall score: 0.500 (1/2 relevant items retrieved)"),
        ("recall_score", "a", "0", 0.0, "Recall score requires at least one ground-truth item"),
        ("mean_average_precision", "a", '["a"]', 1.0, "MAP: 1.0000 (1 relevant in 1 retrieved)"),
        ("mean_average_precision", '["a", "a"]', "a", 1.0, "MAP: 2.0000 (2 relevant in 2 retrieved)"),
        ("mean_average_precision", "[1, 2]", '["2"]', 0.5, "MAP: 0.5000 (1 relevant in 2 retrieved)"),
    ],
)
def test_of_rankings(name, hypothesis, reference, score, reason):
    assert run_evaluator(name, {"hypothesis": hypothesis, "reference": reference}, {}) == (score, reason)


@pytest.mark.parametrize(
    ("output", "params", "verdict", "reason"),
    [
        ('{"a": 1}', {"expected_steps": "1"}, "Passed", "Steps: 1 == expected 1"),
        ("a,,b", {"min_steps": 3}, "Failed", "Steps: 2 < 3"),
        ("a,,b", {"max_steps": 1}, "Failed", "Steps: 2 > 1"),
        ("a,,b", {"min_steps": 2, "max_steps": 2}, "Passed", "Steps: 2 in [2,2]"),
        (",", {"expected_steps": 0}, "Passed", "Steps: 0 == expected 0"),
    ],
)
def test_steps(output, params, verdict, reason):
    assert run_evaluator("step_count", {"output": output}, params) == (verdict, reason)


@pytest.mark.parametrize(
    ("matrix", "score", "reason"),
    [
        ("[[2, 0], [2, 0]]", 1.0, "Fleiss Kappa: 1.0000"),
        ("[[1, 0], [0, 1]]", 0.0, "Fleiss Kappa: -1.0000"),  # one rater never agrees; chance says half
        ("[[1]]", 0.5, "Fleiss Kappa: 0.0000"),
        ("[[0, 0]]", 0.0, "Empty matrix"),
        ("[[], [1]]", 0.0, "Empty matrix"),
        ("[[1], ", 0.0, "Cannot parse matrix"),
        ("7", 0.0, "Invalid matrix"),
    ],
)
def test_matrices(matrix, score, reason):
    assert run_evaluator("fleiss_kappa", {"output": matrix}, {}) == (pytest.approx(score), reason)


@pytest.mark.parametrize(
    ("name", "inputs", "text"),
    [
        ("rmse", {"output": "a", "expected": "1"}, "could not convert string to float: 'a'"),
        ("rmse", {"output": "[1, null]", "expected": "1"}, "could not convert string to float: '[1'"),
        ("rmse", {"output": "nan", "expected": "1"}, "the score is not a number: the inputs have to be finite numbers"),
        ("pearson_correlation", {"output": "1e200, 1", "expected": "1, 2"}, "(34, 'Numerical result out of range')"),
        ("fleiss_kappa", {"output": "[1, 2]"}, "object of type 'int' has no len()"),
        ("fleiss_kappa", {"output": "[[1, 1], [2]]"}, "list index out of range"),
        (
            "answer_similarity",
            {"response": "a", "expected_response": "b"},
            "comparator is 'JaroWincklerSimilarity': use the template jaro_winkler_similarity for it",
        ),
    ],
)
def test_what_cannot_be_scored_is_refused(name, inputs, text):
    with pytest.raises(EngineError) as caught:
        run_evaluator(name, inputs, {"comparator": "JaroWincklerSimilarity"} if name == "answer_similarity" else {})
    assert str(caught.value) == f"Code eval input validation failed: Runtime error: {text}"


@pytest.mark.parametrize(
    ("name", "params", "fault"),
    [
        ("f_beta_score", {"positive_label": "a", "beta": 0}, "beta must be >= 0.01"),
        ("precision_score", {"positive_label": " "}, "positive_label is required"),
        ("precision_score", {"positive_label": 1}, "positive_label must be a string"),
        ("step_count", {"max_steps": 0}, "max_steps must be >= 1"),
        ("latency_check", {}, "max_latency_ms is required"),
    ],
)
def test_params_that_are_refused(name, params, fault):
    assert check_params(name, params) == [fault]


@pytest.mark.parametrize(
    ("name", "inputs", "params", "output", "reason"),
    [
        ("latency_check", {"text": " 1e3 "}, {"max_latency_ms": 1000}, "Passed", "Latency 1000.0ms <= 1000.0ms limit"),
        ("latency_check", {"text": "10.01"}, {"max_latency_ms": "10"}, "Failed", "Latency 10.0ms > 10.0ms limit"),
        ("latency_check", {"text": "fast"}, {"max_latency_ms": 1}, "Failed", "Cannot parse latency value: fast"),
        (
            "code_bleu",
            {"reference": "def f(): return 1", "hypothesis": "def f(): return 1"},
            {},
            1.0,
            "CodeBLEU: 1.0000 (BLEU=1.0000, kw=1.0000)",
        ),
        (
            "code_bleu",
            {"reference": "if a : return b", "hypothesis": "if a : pass b"},
            {},
            0.7 * (5 / 6 * 3 / 5 * 2 / 4 * 1 / 3) ** 0.25 + 0.3 * 0.5,
            "CodeBLEU: 0.5261 (BLEU=0.5373, kw=0.5000)",
        ),
    ],
)
def test_templates_without_recorded_answers(name, inputs, params, output, reason):
    assert run_evaluator(name, inputs, params) == (
        output if isinstance(output, str) else pytest.approx(output),
        reason,
    )


@pytest.mark.parametrize(
    ("comparator", "score"),
    [
        (None, 10 / 12),
        ("NormalisedLevenshteinSimilarity", 6 / 12),
        ("JaccardSimilarity", 0.0),
        ("SorensenDiceSimilarity", 0.0),
        ("PhoneticSimilarity", 1.0),
    ],
)
def test_comparators(comparator, score):
    inputs = {"response": "Rupert", "expected_response": "rUbert"}
    verdict = run_evaluator("answer_similarity", inputs, {"comparator": comparator})
    below = " (below threshold 0.5)" if score < 0.5 else ""
    assert verdict == (
        pytest.approx(score),
        f"{comparator or 'CosineSimilarity'} score: {score:.4f}{below}",
    )


def test_sets_of_words_are_compared_without_case():
    inputs = {"response": "The cat", "expected_response": "the dog the"}
    for comparator, score in (("JaccardSimilarity", 1 / 3), ("SorensenDiceSimilarity", 1 / 2)):
        params = {"comparator": comparator, "failure_threshold": 0}
        assert run_evaluator("answer_similarity", inputs, params) == (score, f"{comparator} score: {score:.4f}")


FLOATS = st.floats(-1e6, 1e6).map(lambda value: round(value, 3))
PAIRS = st.lists(st.tuples(FLOATS, FLOATS), min_size=2, max_size=20)


@given(PAIRS)
def test_correlations_are_those_of_scipy(pairs):
    x, y = zip(*pairs, strict=True)
    assume(len(set(x)) > 1)
    assume(len(set(y)) > 1)
    inputs = {"output": list(x), "expected": json.dumps(y)}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # scipy's, about numbers that are nearly equal
        expected = stats.pearsonr(x, y).statistic
    assert 2 * pearson_correlation(inputs, {}).output - 1 == pytest.approx(expected, abs=1e-6)
    if len(set(x)) == len(set(y)) == len(x):
        expected = stats.spearmanr(x, y).statistic
        assert 2 * spearman_correlation(inputs, {}).output - 1 == pytest.approx(expected, abs=1e-9)
    error = math.dist(x, y) / math.sqrt(len(x))
    assert rmse(inputs, {}).output == pytest.approx(1 / (1 + error))


LABELS = st.lists(st.tuples(st.sampled_from("abc"), st.sampled_from("abc")), min_size=2, max_size=20)


@given(LABELS)
def test_agreement_is_that_of_statsmodels(pairs):
    ours, theirs = zip(*pairs, strict=True)
    assume(len({*ours, *theirs}) > 1)
    table = [[sum(pair == (a, b) for pair in pairs) for b in "abc"] for a in "abc"]
    counts = [[pair.count(label) for label in "abc"] for pair in pairs]
    cohen = run_evaluator("cohen_kappa", {"output": list(ours), "expected": list(theirs)}, {})
    fleiss = run_evaluator("fleiss_kappa", {"output": json.dumps(counts)}, {})
    assert 2 * cohen.output - 1 == pytest.approx(inter_rater.cohens_kappa(table, return_results=False))
    assert 2 * fleiss.output - 1 == pytest.approx(inter_rater.fleiss_kappa(counts))


def matched_one_by_one(actual, expected):
    """Each call takes the first expected one that is left and that it matches best."""
    left = list(expected)
    exact = named = 0
    for call in actual:
        alike = [other for other in left if other["name"] == call["name"]]
        same = [other for other in alike if other["arguments"] == call["arguments"]]
        exact += bool(same)
        named += bool(alike)
        if alike:
            chosen = (same or alike)[0]
            left = [other for other in left if other is not chosen]
    return (exact + (named - exact) * 0.5) / max(len(actual), len(expected))


CALLS = st.lists(
    st.fixed_dictionaries(
        {
            "name": st.sampled_from(["a", "b", ["c"]]),
            "arguments": st.sampled_from([{}, {"x": 1}, {"x": [1, {}]}, {"x": "1"}, None, 1, 1.5]),
        }
    ),
    min_size=1,
    max_size=8,
)


@given(CALLS, CALLS)
def test_calls_are_matched_as_one_by_one(actual, expected):
    # Equal calls may share their objects: each is made anew, so that one is taken away at a time.
    inputs = {"output": json.dumps(actual), "expected": json.dumps(expected)}
    found = run_evaluator("tool_call_accuracy", inputs, {})
    assert found.output == matched_one_by_one(json.loads(inputs["output"]), json.loads(inputs["expected"]))
