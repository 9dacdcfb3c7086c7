from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from statsmodels.stats.inter_rater import cohens_kappa

from fi_async.reports.reliability import cohen_kappa, krippendorff_alpha

# K. Krippendorff, Computing Krippendorff's Alpha-Reliability (2011), C and E: four observers, twelve units, gaps.
PUBLISHED = """
1 2 3 3 2 1 4 1 2 . . .
1 2 3 3 2 2 4 1 2 5 . 3
. 3 3 3 2 3 4 2 2 5 1 .
1 2 3 3 2 4 4 1 2 5 1 .
"""
UNITS = list(
    zip(
        *([None if cell == "." else int(cell) for cell in row.split()] for row in PUBLISHED.split("\n") if row),
        strict=True,
    )
)


@pytest.mark.parametrize(("level", "expected"), [("nominal", 0.743), ("ordinal", 0.815), ("interval", 0.849)])
def test_alpha_is_the_published_one(level, expected):
    found = krippendorff_alpha(UNITS, level, draws=200)
    assert found.value == pytest.approx(expected, abs=5e-4)
    assert found.n == 11
    assert found.interval.low < found.value < found.interval.high


def test_alpha_of_labels_that_are_text():
    units = [tuple(None if each is None else f"label {each}" for each in unit) for unit in UNITS]
    assert krippendorff_alpha(units, draws=200).value == pytest.approx(0.743, abs=5e-4)


@pytest.mark.parametrize("table", [[[20, 5], [10, 15]], [[90, 2], [3, 5]], [[12, 3, 1], [2, 20, 4], [0, 5, 13]]])
def test_kappa_is_that_of_statsmodels(table):
    pairs = {(row, column): count for row, counts in enumerate(table) for column, count in enumerate(counts)}
    reference = cohens_kappa(np.array(table))
    found = cohen_kappa(pairs)
    assert found.value == pytest.approx(reference.kappa, abs=1e-12)
    assert found.n == sum(pairs.values())


def test_the_interval_of_kappa_is_the_normal_one_where_cases_are_many():
    table = np.array([[2_000, 500], [1_000, 1_500]])
    found = cohen_kappa({(0, 0): 2_000, (0, 1): 500, (1, 0): 1_000, (1, 1): 1_500})
    reference = cohens_kappa(table)
    assert (found.interval.low, found.interval.high) == pytest.approx(
        (reference.kappa_low, reference.kappa_upp), abs=0.004
    )


def test_full_agreement_is_not_taken_for_certain():
    for found in (cohen_kappa({(1, 1): 20, (0, 0): 10}), krippendorff_alpha([(1, 1)] * 20 + [(0, 0)] * 10)):
        assert (found.value, found.interval.high) == (1.0, 1.0)
        assert 0.6 < found.interval.low < 0.95


def test_what_tells_nothing():
    assert cohen_kappa({}).said == "no case"
    assert cohen_kappa({("a", "a"): 5}).said == "every case has the same label, of both"
    assert krippendorff_alpha([]).said == "no case has two values"
    assert krippendorff_alpha([(1, None), (None, 2)]).said == "no case has two values"
    assert krippendorff_alpha([(1, 1), (1, None)]).said == "every value is the same"


def test_fewer_cases_behind_the_weights_make_wider_intervals():
    pairs = {(1, 1): 60, (1, 0): 10, (0, 1): 10, (0, 0): 20}
    few, many = cohen_kappa(pairs, n=30), cohen_kappa(pairs)
    assert few.value == many.value
    assert few.interval.high - few.interval.low > 1.5 * (many.interval.high - many.interval.low)
    units = [pair for pair, count in pairs.items() for _ in range(count)]
    weights = [5.0 if unit == (1, 1) else 1.0 for unit in units]
    heavier = [unit for unit, weight in zip(units, weights, strict=True) for _ in range(int(weight))]
    weighted = krippendorff_alpha(units, weights=weights, draws=100)
    # n - 1 in place of n is all that the number of units changes.
    assert weighted.value == pytest.approx(krippendorff_alpha(heavier, draws=100).value, abs=0.01)


VALUES = st.lists(
    st.lists(st.sampled_from([0.0, 0.25, 0.5, 1.0, None]), min_size=2, max_size=4), min_size=1, max_size=12
)


@settings(deadline=None, max_examples=60)
@given(VALUES, st.sampled_from(["nominal", "ordinal", "interval"]))
def test_alpha_is_that_of_all_pairs(units, level):
    """Against the definition, pair by pair."""
    units = [[each for each in unit if each is not None] for unit in units]
    units = [unit for unit in units if len(unit) > 1]
    every = sorted(value for unit in units for value in unit)
    found = krippendorff_alpha(units, level, draws=50)
    if len(set(every)) < 2:
        assert found.value is None
        return

    def apart(a, b):
        if level == "nominal":
            return float(a != b)
        if level == "interval":
            return (a - b) ** 2
        low, high = min(a, b), max(a, b)
        return (
            (sum(low <= each <= high for each in every) - (every.count(a) + every.count(b)) / 2) ** 2 if a != b else 0.0
        )

    seen = sum(apart(a, b) / (len(unit) - 1) for unit in units for a, b in itertools.permutations(unit, 2)) / len(every)
    expected = sum(apart(a, b) for a, b in itertools.permutations(every, 2)) / (len(every) * (len(every) - 1))
    assert found.value == pytest.approx(1 - seen / expected, abs=1e-9)
    assert found.interval.low <= found.value <= found.interval.high <= 1 + 1e-9
