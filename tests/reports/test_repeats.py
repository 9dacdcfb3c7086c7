from __future__ import annotations

import itertools
import math
from random import Random
from statistics import fmean

import pytest
from scipy import stats

from fi_async.reports.repeats import pass_at_k, pass_hat_k, variance_components


def test_components_are_those_of_the_analysis_of_variance_of_scipy():
    rng = Random(3)
    groups = [[centre + rng.gauss(0, 0.1) for _ in range(4)] for centre in (rng.random() for _ in range(30))]
    found = variance_components(groups)
    assert (found.between * 4 + found.judge) / found.judge == pytest.approx(stats.f_oneway(*groups).statistic)
    assert (found.cases, found.samples) == (30, 120)
    assert found.error == pytest.approx(stats.sem([fmean(group) for group in groups]))
    assert found.error**2 == pytest.approx((found.between + found.judge / 4) / 30)
    assert 0 < found.judge_share < 0.5


def test_components_are_right_on_average_also_with_gaps():
    rng, found = Random(5), []
    for _ in range(200):
        centres = [rng.gauss(0, 0.3) for _ in range(20)]
        found.append(
            variance_components([[c + rng.gauss(0, 0.2) for _ in range(rng.choice([0, 1, 2, 5]))] for c in centres])
        )
    assert fmean(each.judge for each in found) == pytest.approx(0.04, rel=0.05)
    assert fmean(each.between for each in found) == pytest.approx(0.09, rel=0.08)


def test_a_judge_that_never_wavers_and_one_that_does_nothing_else():
    assert variance_components([[1.0, 1.0], [0.0, 0.0]]).judge_share == 0.0
    assert variance_components([[0.0, 1.0], [1.0, 0.0]]).judge_share == 1.0
    assert variance_components([[1.0, 1.0], [1.0, 1.0]]).judge_share == 0.0


@pytest.mark.parametrize("groups", [[], [[1.0, 0.0]], [[1.0], [0.0]], [[1.0, 0.0], []]])
def test_what_has_no_components(groups):
    with pytest.raises(ValueError, match="give two cases at least, and one with two scores"):
        variance_components(groups)


@pytest.mark.parametrize(("passes", "n", "k"), [(2, 5, 1), (2, 5, 3), (0, 4, 2), (4, 4, 4), (3, 6, 4)])
def test_passes_of_k_are_those_of_all_ways_to_take_k(passes, n, k):
    ways = list(itertools.combinations([True] * passes + [False] * (n - passes), k))
    assert pass_at_k(passes, n, k) == pytest.approx(sum(map(any, ways)) / math.comb(n, k))
    assert pass_hat_k(passes, n, k) == pytest.approx(sum(map(all, ways)) / math.comb(n, k))


@pytest.mark.parametrize(("passes", "n", "k"), [(3, 2, 1), (-1, 2, 1), (1, 2, 3), (1, 2, 0)])
def test_passes_that_cannot_be(passes, n, k):
    for count in (pass_at_k, pass_hat_k):
        with pytest.raises(
            ValueError, match=f"{passes} passes of {n}, k {k}: give 0 <= passes <= n, and k from 1 to n"
        ):
            count(passes, n, k)
