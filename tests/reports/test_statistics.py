from __future__ import annotations

import itertools
from collections import Counter
from random import Random

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from scipy import stats
from statsmodels.stats.contingency_tables import mcnemar as reference_mcnemar
from statsmodels.stats.proportion import proportion_confint

from fi_async.reports.statistics import mcnemar, mean_interval, wilson

SIZES = [1, 2, 7, 50, 1_000, 100_000]
CONFIDENCES = [0.5, 0.9, 0.95, 0.999]


@pytest.mark.parametrize(("n", "confidence"), list(itertools.product(SIZES, CONFIDENCES)))
def test_wilson_is_that_of_statsmodels(n, confidence):
    for passes in {0, 1, n // 3, n - 1, n}:
        low, high = proportion_confint(passes, n, alpha=1 - confidence, method="wilson")
        found = wilson(passes, n, confidence)
        assert (found.low, found.high) == pytest.approx((low, high), abs=1e-12)


@given(st.integers(1, 10_000).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n))), st.floats(0.01, 0.999))
def test_wilson_holds_the_rate_and_stays_between_0_and_1(trial, confidence):
    passes, n = trial
    found = wilson(passes, n, confidence)
    assert 0 <= found.low <= passes / n + 1e-12
    assert passes / n - 1e-12 <= found.high <= 1


@pytest.mark.parametrize(("passes", "n"), [(0, 0), (-1, 3), (4, 3)])
def test_wilson_of_what_cannot_be(passes, n):
    with pytest.raises(ValueError, match=f"{passes} passes of {n}: give 0 <= passes <= n, and n of at least 1"):
        wilson(passes, n)


def drawn(kind, n):
    rng = Random(n)
    draws = {
        "even": rng.random,
        "skewed": lambda: round(rng.betavariate(5, 0.7), 2),
        "coarse": lambda: rng.choice([0.0, 0.0, 0.5, 1.0]),
    }
    return [draws[kind]() for _ in range(n)]


@pytest.mark.parametrize("kind", ["even", "skewed", "coarse"])
@pytest.mark.parametrize("n", [20, 299, 301, 2_000])
def test_the_bootstrap_is_that_of_scipy(kind, n):
    values = drawn(kind, n)
    found = mean_interval(Counter(values), 0.9)
    reference = stats.bootstrap(
        (np.array(values),), np.mean, confidence_level=0.9, n_resamples=20_000, method="BCa", batch=500, rng=7
    ).confidence_interval
    step = 0.5 / n if kind == "coarse" else 0.0  # means of such values lie on a lattice
    close = 0.07 * (reference.high - reference.low) + step
    assert (found.low, found.high) == pytest.approx((reference.low, reference.high), abs=close)


def test_the_closed_form_leans_with_the_sample_as_the_bootstrap_does():
    rng = Random(4)
    values = [rng.expovariate(1.0) ** 2 for _ in range(400)]
    found = mean_interval(Counter(values), 0.95)
    reference = stats.bootstrap(
        (np.array(values),), np.mean, n_resamples=40_000, method="BCa", batch=500, rng=7
    ).confidence_interval
    close = 0.02 * (reference.high - reference.low)
    assert (found.low, found.high) == pytest.approx((reference.low, reference.high), abs=close)


@pytest.mark.parametrize(("n", "samples", "least"), [(40, 60, 47), (400, 200, 167)])  # 3 deviations below 9 in 10
def test_nine_in_ten_intervals_hold_the_mean(n, samples, least):
    rng = Random(3)
    found = [mean_interval(Counter(rng.betavariate(2, 1) for _ in range(n)), 0.9) for _ in range(samples)]
    assert sum(each.low <= 2 / 3 <= each.high for each in found) >= least


def test_the_same_sample_has_the_same_interval():
    values = drawn("even", 30)
    assert mean_interval(Counter(values)) == mean_interval(Counter(reversed(values)))
    assert mean_interval(Counter(values), seed=1) != mean_interval(Counter(values), seed=2)


@pytest.mark.parametrize(
    ("counts", "expected"),
    [({}, None), ({0.5: 1}, None), ({0.5: 1, 0.7: 0}, None), ({0.5: 9, 0.7: 0}, None)],
)
def test_samples_that_say_little(counts, expected):
    assert mean_interval(counts) == expected


def test_an_interval_moves_and_grows_with_its_values_whatever_their_floats_round_to():
    shares, scores = mean_interval({0.0: 3, 1.0: 1}), mean_interval({0.3: 3, 0.88: 1})
    assert (scores.low, scores.high) == pytest.approx((0.3 + 0.58 * shares.low, 0.3 + 0.58 * shares.high))


@settings(deadline=None)  # resampling takes its time
@example({5e-324: 211, 3.6e-158: 226}, 0.95)
@example({0.0: 1, 0.48336139039888126: 2}, 0.75)  # whose mean of three is rounded up
@given(st.dictionaries(st.floats(0, 1), st.integers(1, 400), min_size=2, max_size=5), st.floats(0.5, 0.99))
def test_an_interval_lies_within_the_values_and_has_a_beginning_before_its_end(counts, confidence):
    found = mean_interval(counts, confidence)
    assert min(counts) <= found.low <= found.high <= max(counts)


@pytest.mark.parametrize("losses", [0, 1, 5, 30, 400])
@pytest.mark.parametrize("wins", [0, 1, 4, 30, 599])
def test_mcnemar_is_exact_as_that_of_statsmodels(losses, wins):
    expected = reference_mcnemar([[10, losses], [wins, 10]], exact=True).pvalue if losses + wins else 1.0
    assert mcnemar(losses, wins) == pytest.approx(expected, rel=1e-9)


@pytest.mark.parametrize(("losses", "wins"), [(500, 501), (600, 700), (3_000, 2_700), (1, 5_000)])
def test_mcnemar_of_many_is_the_corrected_chi_square_of_statsmodels(losses, wins):
    expected = reference_mcnemar([[0, losses], [wins, 0]], exact=False, correction=True).pvalue
    assert mcnemar(losses, wins) == pytest.approx(expected, rel=1e-9)


def test_mcnemar_of_as_many_wins_as_losses():
    assert mcnemar(700, 700) == 1.0
