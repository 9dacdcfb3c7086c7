from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from fi_async.reports.estimators import (
    VerdictCounts,
    drawn_interval,
    ppi_mean,
    ppi_rate,
    rogan_gladen,
    share,
)
from fi_async.reports.statistics import student_quantile, wilson


def ppi_plus_plus(person, judge, unlabelled):
    """The estimate as the paper writes it: labelled and unlabelled apart, the weight tuned for both."""
    person, judge, unlabelled = map(np.array, (person, judge, unlabelled))
    n, more = len(person), len(unlabelled)
    tuned = np.cov(person, judge, bias=True)[0, 1] / (np.var(judge) * (1 + n / more))
    return tuned * unlabelled.mean() + (person - tuned * judge).mean(), tuned


def labelled(tp, fn, fp, tn):
    return [1] * (tp + fn) + [0] * (fp + tn), [1] * tp + [0] * fn + [1] * fp + [0] * tn


@pytest.mark.parametrize("counts", [(70, 5, 5, 20), (20, 10, 1, 9), (3, 2, 2, 3)])
def test_the_true_pass_rate_is_that_of_ppi_plus_plus(counts):
    person, judge = labelled(*counts)
    unlabelled = [1] * 620 + [0] * 280
    passes = 620 + counts[0] + counts[2]
    expected, _ = ppi_plus_plus(person, judge, unlabelled)
    assert ppi_rate(VerdictCounts(*counts), passes, 900 + sum(counts)).value == pytest.approx(expected, abs=1e-12)
    judged = [*judge, *unlabelled]
    assert ppi_mean(list(zip(person, judge, strict=True)), judged).value == pytest.approx(expected, abs=1e-12)


def test_the_true_mean_and_its_error_are_those_of_ppi_plus_plus():
    rng = np.random.default_rng(5)
    person = rng.beta(4, 2, 400)
    judge = np.clip(person + rng.normal(0.05, 0.1, 400), 0, 1)
    more = np.clip(rng.beta(4, 2, 3_000) + rng.normal(0.05, 0.1, 3_000), 0, 1)
    found = ppi_mean(list(zip(person, judge, strict=True)), [*judge, *more])
    expected, tuned = ppi_plus_plus(person, judge, more)
    error = math.sqrt(tuned**2 * more.var() / len(more) + (person - tuned * judge).var() / len(person))
    assert found.value == pytest.approx(expected, abs=1e-12)
    reach = (found.interval.high - found.interval.low) / 2
    assert reach == pytest.approx(stats.norm.ppf(0.975) * error, rel=0.05)
    assert reach < 0.6 * stats.norm.ppf(0.975) * person.std() / math.sqrt(len(person))


def test_labels_of_every_case_leave_nothing_to_correct():
    assert ppi_rate(VerdictCounts(50, 10, 5, 35), 55, 100).value == pytest.approx(0.6)
    found = ppi_rate(VerdictCounts(50, 10, 5, 35), 55, 100).interval
    reference = wilson(60, 100)
    assert (found.low, found.high) == pytest.approx((reference.low, reference.high), abs=0.01)


def test_labels_that_show_one_verdict_of_the_judge_alone_are_their_own_mean():
    found = ppi_rate(VerdictCounts(9, 0, 1, 0), 900, 1_000)
    assert found.value == 0.9
    assert found.interval.low < 0.75


def test_weights_undo_how_cases_were_drawn():
    even = ppi_rate(VerdictCounts(80, 10, 8, 102), 440, 1_000)
    # A tenth of the judge's passes, and a half of the others, were drawn.
    drawn = VerdictCounts(80 * 10, 10 * 2, 8 * 10, 102 * 2, (80 * 100, 10 * 4, 8 * 100, 102 * 4))
    found = ppi_rate(drawn, 440, 1_000)
    assert found.value == pytest.approx(even.value)
    assert (found.interval.low, found.interval.high) == pytest.approx((even.interval.low, even.interval.high))


def test_weights_of_scores_are_those_of_repeated_cases():
    pairs = [(0.2, 0.3), (0.9, 0.8), (0.6, 0.7), (0.4, 0.1)]
    weights = [1, 3, 2, 1]
    repeated = [pair for pair, weight in zip(pairs, weights, strict=True) for _ in range(weight)]
    judged = [0.5, 0.7, 0.2, 0.9, 0.6]
    assert ppi_mean(pairs, judged, weights=weights).value == pytest.approx(ppi_mean(repeated, judged).value)


def test_rogan_gladen_is_that_of_its_formula_and_as_wide_as_that_of_the_paper():
    """Against Z. Lang and J. Reiczigel's interval, which arXiv 2511.21140 takes, where labels are many."""
    counts, passes, n = VerdictCounts(630, 70, 60, 240), 7_300, 10_000
    found = rogan_gladen(counts, passes, n)
    p, tpr, tnr = 0.73, 0.9, 0.8
    assert found.value == pytest.approx((p + tnr - 1) / (tpr + tnr - 1))
    z = stats.norm.ppf(0.975)
    p, n = (passes + z * z / 2) / (n + z * z), n + z * z
    tpr, tnr = 631 / 702, 241 / 302
    gain = tpr + tnr - 1
    rate = (p + tnr - 1) / gain
    parts = rate * tpr * (1 - tpr) / 702, (1 - rate) * tnr * (1 - tnr) / 302
    error = math.sqrt(p * (1 - p) / n + rate * parts[0] + (1 - rate) * parts[1]) / gain
    centre = rate + 2 * z * z * (parts[0] - parts[1])
    assert (found.interval.low, found.interval.high) == pytest.approx(
        (centre - z * error, centre + z * error), abs=0.004
    )


@pytest.mark.parametrize(
    ("counts", "n", "said"),
    [
        ((50, 50, 50, 50), 10, "the judge may be no better than chance: TPR + TNR is 1, and may be 0.86"),
        ((6, 4, 4, 6), 10, "the judge may be no better than chance: TPR + TNR is 1.2, and may be 0.794,"),
        ((10, 1, 0, 0), 10, "labels of both kinds are needed, passed and failed"),
        ((10, 1, 1, 10), 0, "no case of the run has a verdict"),
    ],
)
def test_rogan_gladen_refuses_what_would_divide_by_nothing(counts, n, said):
    found = rogan_gladen(VerdictCounts(*counts), n // 2, n)
    assert (found.value, found.interval) == (None, None)
    assert found.said.startswith(said)


def test_rogan_gladen_stays_between_0_and_1():
    counts = VerdictCounts(90, 10, 10, 90)
    assert rogan_gladen(counts, 0, 100).value == 0.0
    assert rogan_gladen(counts, 100, 100).value == 1.0
    assert rogan_gladen(counts, 100, 100).interval.high == 1.0


def test_rogan_gladen_tells_to_averages_what_is_beyond_0_and_1():
    """The value that is shown leans inward, as no rate is beyond them; what is to be averaged does not."""
    found = rogan_gladen(VerdictCounts(56, 14, 6, 24), 88, 100)
    ratio = (0.88 + 0.8 - 1) / 0.6
    of_tpr, of_tnr = 0.8 * 0.2 / 69, 0.8 * 0.2 / 29
    leaning = (ratio * of_tpr - (1 - ratio) * of_tnr) / (0.36 + 2 * (of_tpr + of_tnr))
    assert found.value == 1.0
    assert found.unbiased == pytest.approx(ratio - leaning)
    assert found.unbiased > 1.1
    assert rogan_gladen(VerdictCounts(50, 50, 50, 50), 5, 10).unbiased is None  # nothing to be told
    even = ppi_rate(VerdictCounts(56, 14, 6, 24), 88, 100)
    assert even.unbiased == even.value


@pytest.mark.parametrize(
    ("n", "rate", "tpr", "tnr"),
    [(100, rate, *judge) for rate in (0.5, 0.8, 0.95) for judge in ((0.7, 0.7), (0.9, 0.7), (0.9, 0.9), (0.99, 0.99))]
    + [(300, 0.05, 0.7, 0.7)],
)
def test_the_mean_of_what_is_to_be_averaged_is_the_true_rate(n, rate, tpr, tnr):
    """Exactly, over all that may be seen but the least probable; benchmarks/coverage.py --kind draws more of them."""
    passed, rows = round(0.7 * n), 1_000
    p = rate * tpr + (1 - rate) * (1 - tnr)
    total = weight = shown = 0.0
    for tp, tn in itertools.product(_likely(passed, tpr), _likely(n - passed, tnr)):
        counts = VerdictCounts(tp, passed - tp, n - passed - tn, tn)
        # Both are linear in the passes, so that those at two ends tell the mean, but where the value is clipped.
        ends = [rogan_gladen(counts, passes, rows, draws=1) for passes in (0, rows)]
        if ends[0].unbiased is None:
            continue
        chance = stats.binom.pmf(tp, passed, tpr) * stats.binom.pmf(tn, n - passed, tnr)
        mean = ends[0].unbiased + p * (ends[1].unbiased - ends[0].unbiased)
        total, weight = total + chance * mean, weight + chance
        shown += chance * min(1.0, max(0.0, (p + tn / (n - passed) - 1) / (tp / passed + tn / (n - passed) - 1)))
    assert total / weight == pytest.approx(rate, abs=0.01)
    if (rate, tpr) == (0.95, 0.7):
        assert shown / weight < rate - 0.02  # the mean of what is shown leans


def _likely(n, p):
    return range(int(stats.binom.ppf(1e-5, n, p)), int(stats.binom.ppf(1 - 1e-5, n, p)) + 1)


@settings(deadline=None, max_examples=40)
@given(st.tuples(*[st.integers(0, 40)] * 4), st.integers(0, 100), st.floats(0.5, 0.99))
def test_intervals_hold_their_value_and_stay_between_0_and_1(counts, passes, confidence):
    for found in (
        correct(VerdictCounts(*counts), passes, 100, confidence, draws=200) for correct in (ppi_rate, rogan_gladen)
    ):
        assert (found.value is None) == bool(found.said)
        if found.value is not None:
            assert 0 <= found.interval.low <= found.value <= found.interval.high <= 1 + 1e-12


@pytest.mark.parametrize("freedom", [5, 10, 28, 98, 1_000])
@pytest.mark.parametrize("probability", [0.9, 0.975, 0.995])
def test_students_quantile_is_that_of_scipy(freedom, probability):
    assert student_quantile(probability, freedom) == pytest.approx(stats.t.ppf(probability, freedom), rel=2e-3)


def test_a_drawn_interval_is_that_of_the_distribution():
    found = drawn_interval(lambda rng: rng.betavariate(8, 4), 0.66, 0.9, seed=1, draws=20_000)
    assert (found.low, found.high) == pytest.approx(stats.beta.ppf([0.05, 0.95], 8, 4), abs=0.01)


def test_shares():
    assert share(0, 0).said == "no such case among the labelled"
    assert share(9, 10).interval == wilson(9, 10)
    assert (share(4.5, 5.0, cases=10).value, share(4.5, 5.0, cases=10).n) == (0.9, 10)
    assert ppi_mean([(1.0, 1.0)], [1.0]).said == "two labelled cases are needed at least"
    assert ppi_rate(VerdictCounts(0, 0, 0, 0), 1, 2).said == "no labelled case has a verdict"


@pytest.mark.parametrize(("tpr", "tnr"), [(0.7, 0.7), (0.9, 0.8)])
def test_nineteen_in_twenty_intervals_hold_the_true_rate_and_none_leans(tpr, tnr):
    """A small one; benchmarks/coverage.py prints the table."""
    rng, rate, n, rows, samples = np.random.default_rng(7), 0.8, 100, 1_000, 150
    cells = [rate * tpr, rate * (1 - tpr), (1 - rate) * (1 - tnr), (1 - rate) * tnr]
    found = []
    for _ in range(samples):
        counts = [int(each) for each in rng.multinomial(n, cells)]
        rest = int(rng.binomial(rows - n, cells[0] + cells[2]))
        found.append(ppi_rate(VerdictCounts(*counts), rest + counts[0] + counts[2], rows, draws=300))
    held = sum(each.interval.low <= rate <= each.interval.high for each in found)
    assert 0.89 * samples <= held < samples
    spread = 4 * np.std([each.value for each in found]) / math.sqrt(samples)
    assert np.mean([each.value for each in found]) == pytest.approx(rate, abs=spread)


def test_the_same_labels_have_the_same_interval():
    counts = VerdictCounts(70, 5, 5, 20)
    assert ppi_rate(counts, 75, 100) == ppi_rate(counts, 75, 100) != ppi_rate(counts, 75, 100, seed=1)
