"""How often intervals of judges hold the truth: `python benchmarks/coverage.py [--draws 2000] [--quick]` prints tables.

Each row is of samples that were drawn from a population with a known truth: how many of them have an interval that
holds it, and how far their mean is from it. `--quick` takes few samples of each.
"""

from __future__ import annotations

import argparse
import itertools
import math
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import replace
from functools import cache
from random import Random

import numpy as np

from fi_async.reports.compare_many import with_unseen
from fi_async.reports.estimators import Estimate, VerdictCounts, ppi_mean, ppi_rate, rogan_gladen, share
from fi_async.reports.reliability import cohen_kappa, krippendorff_alpha
from fi_async.reports.statistics import holm, mcnemar, skewed_t_interval

SIZES = (30, 100, 1_000)
RATES = (0.5, 0.8, 0.95)
JUDGES = ((0.7, 0.7), (0.9, 0.7), (0.9, 0.9), (0.99, 0.99))
ROWS = {30: 1_000, 100: 1_000, 1_000: 10_000}
POSTERIOR = 119  # draws of one interval: 114 of 120 further ones lie between its ends on average, which is 95 %
Sample = tuple[Estimate, float]


def binomial(rng: Random, n: int, p: float) -> int:
    return int(np.random.Generator(np.random.PCG64(rng.getrandbits(64))).binomial(n, p))


def table(rng: Random, n: int, rate: float, tpr: float, tnr: float) -> tuple[int, int, int, int]:
    passed = binomial(rng, n, rate)
    tp, fp = binomial(rng, passed, tpr), binomial(rng, n - passed, 1 - tnr)
    return tp, passed - tp, fp, n - passed - fp


def seed(*counts: int) -> int:
    """Return a seed of its own for each table: the chance of one seed must not be that of all samples."""
    return Random(repr(counts)).getrandbits(32)


@cache
def ppi(counts: tuple[int, int, int, int], passes: int, n: int) -> Estimate:
    return ppi_rate(VerdictCounts(*counts), passes, n, seed=seed(*counts, passes), draws=POSTERIOR)


@cache
def elsewhere(counts: tuple[int, int, int, int], passes: int, n: int) -> Estimate:
    return rogan_gladen(VerdictCounts(*counts), passes, n, seed=seed(*counts, passes), draws=POSTERIOR)


@cache
def kappa(tp: int, fn: int, fp: int, tn: int) -> Estimate:
    pairs = {(1, 1): tp, (1, 0): fn, (0, 1): fp, (0, 0): tn}
    return cohen_kappa(pairs, seed=seed(tp, fn, fp, tn), draws=POSTERIOR)


@cache
def alpha(tp: int, fn: int, fp: int, tn: int) -> Estimate:
    units = [(1, 1)] * tp + [(1, 0)] * (fn + fp) + [(0, 0)] * tn
    return krippendorff_alpha(units, seed=seed(tp, fn, fp, tn), draws=POSTERIOR)


wilson = cache(share)


def of_this_run(rng: Random, n: int, rate: float, tpr: float, tnr: float) -> Sample:
    counts = table(rng, n, rate, tpr, tnr)
    rest = binomial(rng, ROWS[n] - n, rate * tpr + (1 - rate) * (1 - tnr))
    return ppi(counts, rest + counts[0] + counts[2], ROWS[n]), rate


def half_of_each(rng: Random, n: int, rate: float, tpr: float, tnr: float) -> Sample:
    """Draw as many of the cases that the judge passed as of the others, and weigh them."""
    judged = rate * tpr + (1 - rate) * (1 - tnr)
    passes = binomial(rng, ROWS[n], judged)
    first = min(n // 2, passes)
    second = min(n - first, ROWS[n] - passes)
    first = n - second
    tp = binomial(rng, first, rate * tpr / judged)
    fn = binomial(rng, second, rate * (1 - tpr) / (1 - judged))
    up, down = passes / first, (ROWS[n] - passes) / second
    weights = (up * tp, down * fn, up * (first - tp), down * (second - fn))
    squares = (up * up * tp, down * down * fn, up * up * (first - tp), down * down * (second - fn))
    return ppi_rate(VerdictCounts(*weights, squares), passes, ROWS[n], seed=rng.getrandbits(32), draws=POSTERIOR), rate


def unequal(rng: Random, n: int, rate: float, tpr: float, tnr: float) -> Sample:
    """Draw cases with one of two probabilities, whatever the judge says of them; hard ones are wrong twice as often."""
    cells = [0.0] * 4
    squares = [0.0] * 4
    for _ in range(n):
        hard = rng.random() < 2 / 3  # of the drawn; in the run it is 2 / 5, drawn with three times the probability
        weight = 1.0 if hard else 3.0
        wrong = 10 / 7 if hard else 5 / 7  # the mean error rate of the run stays what it is
        passed = rng.random() < rate
        errs = rng.random() < wrong * (1 - (tpr if passed else tnr))
        place = (1 if errs else 0) if passed else (2 if errs else 3)
        cells[place] += weight
        squares[place] += weight * weight
    passes = binomial(rng, ROWS[n], rate * tpr + (1 - rate) * (1 - tnr))
    return ppi_rate(
        VerdictCounts(*cells, squares=(squares[0], squares[1], squares[2], squares[3])),
        passes,
        ROWS[n],
        seed=rng.getrandbits(32),
        draws=POSTERIOR,
    ), rate


def from_elsewhere(rng: Random, n: int, rate: float, tpr: float, tnr: float) -> Sample:
    """Labels from a run of which 70 % pass."""
    passes = binomial(rng, ROWS[n], rate * tpr + (1 - rate) * (1 - tnr))
    return elsewhere(table(rng, n, 0.7, tpr, tnr), passes, ROWS[n]), rate


def to_average(rng: Random, n: int, rate: float, tpr: float, tnr: float) -> Sample:
    """The same; its bias is that of what is to be averaged over runs."""
    found, truth = from_elsewhere(rng, n, rate, tpr, tnr)
    return replace(found, value=found.unbiased), truth


def sensitivity(rng: Random, n: int, _rate: float, tpr: float, _: float) -> Sample:
    """Of n cases that people passed."""
    return wilson(binomial(rng, n, tpr), n), tpr


def chance_corrected(rng: Random, n: int, rate: float, tpr: float, tnr: float) -> Sample:
    judged = rate * tpr + (1 - rate) * (1 - tnr)
    agreed, chance = rate * tpr + (1 - rate) * tnr, rate * judged + (1 - rate) * (1 - judged)
    return kappa(*table(rng, n, rate, tpr, tnr)), (agreed - chance) / (1 - chance)


def alpha_of_two(rng: Random, n: int, rate: float, tpr: float, tnr: float) -> Sample:
    mean = (rate + rate * tpr + (1 - rate) * (1 - tnr)) / 2
    apart = rate * (1 - tpr) + (1 - rate) * (1 - tnr)
    return alpha(*table(rng, n, rate, tpr, tnr)), 1 - apart / (2 * mean * (1 - mean))


def mean_score(rng: Random, n: int, rate: float, tpr: float, _: float) -> Sample:
    """Score cases by a person and by a judge whose noise grows as its TPR falls."""
    size = 4 * rate

    def pair() -> tuple[float, float]:
        person = rng.betavariate(size, 4 - size + 0.2)
        return person, min(1.0, max(0.0, person + 0.05 + rng.gauss(0, 1 - tpr)))

    pairs = [pair() for _ in range(n)]
    judged = [judge for _, judge in pairs] + [pair()[1] for _ in range(min(ROWS[n], 2 * n + 500) - n)]
    return ppi_mean(pairs, judged), size / 4.2


KINDS: dict[str, Callable[[Random, int, float, float, float], Sample]] = {
    "TPR (Wilson)": sensitivity,
    "true pass rate, labels of this run (PPI++)": of_this_run,
    "the same, as many drawn of each verdict": half_of_each,
    "the same, drawn with unequal probability": unequal,
    "true pass rate, labels from elsewhere (Rogan-Gladen)": from_elsewhere,
    "the same, to average over runs": to_average,
    "Cohen's kappa": chance_corrected,
    "Krippendorff's alpha, two raters": alpha_of_two,
    "true mean score (PPI++)": mean_score,
}
Row = tuple[str, int, float, float, float, float, float, float, int]


def row(asked: tuple[str, int, float, float, float, int]) -> Row:
    """Return the coverage of one kind, its bias, and how many samples gave no value."""
    kind, n, rate, tpr, tnr, samples = asked
    rng = Random(f"{kind} {n} {rate} {tpr} {tnr}")
    held, values, refused, wide, truth = 0, 0.0, 0, 0.0, math.nan
    for _ in range(samples):
        found, truth = KINDS[kind](rng, n, rate, tpr, tnr)
        if found.value is None or found.interval is None:
            refused += 1
            continue
        held += found.interval.low - 1e-9 <= truth <= found.interval.high + 1e-9
        values += found.value
        wide += found.interval.high - found.interval.low
    told = max(1, samples - refused)
    return kind, n, rate, tpr, tnr, held / told, values / told - truth, wide / told, refused


# Families: several comparisons with one baseline, whose intervals hold together

FAMILIES = (2, 9)  # comparisons
CHANGES = ("verdicts", "scores", "scores, few of which change")


def differences(kind: str, rng: np.random.Generator, n: int, baseline: np.ndarray) -> tuple[np.ndarray, float]:
    """Return the differences of one run's n cases to the baseline's, and their true mean."""
    drop = rng.choice([0.0, 0.05, 0.15])
    if kind == "verdicts":
        return np.where(baseline, -1.0 * (rng.random(n) < drop + 0.02), rng.random(n) < 0.1), 0.02 - 0.8 * (drop + 0.02)
    if kind == "scores":
        return np.clip(rng.normal(-drop, 0.2, n), -1, 1), -drop
    return np.where(rng.random(n) < drop + 0.03, rng.uniform(-1, 0, n), 0.0), -(drop + 0.03) / 2


def family(asked: tuple[str, int, int, int]) -> tuple[str, int, int, float, float]:
    """Return how often all intervals of a family hold the truth, and how often none of equal runs is called worse."""
    kind, n, size, samples = asked
    rng = np.random.default_rng(abs(hash_of(kind, n, size)))
    held = silent = 0
    for _ in range(samples):
        baseline = rng.random(n) < 0.8
        ends, p_values = True, []
        for _ in range(size):
            found, truth = differences(kind, rng, n, baseline)
            changes = Counter(found.tolist()) + (Counter((1.0, -1.0)) if kind == "verdicts" else Counter())
            interval = skewed_t_interval(with_unseen(changes, n, 1.0), 1 - 0.05 / size)
            ends = ends and (interval is None or interval.low - 1e-9 <= truth <= interval.high + 1e-9)
            changed = int(rng.binomial(n, 0.1))
            worse = int(rng.binomial(changed, 0.5))
            p_values.append(mcnemar(worse, changed - worse))
        held += ends
        silent += min(holm(p_values)) > 0.05
    return kind, n, size, held / samples, silent / samples


def hash_of(*parts: object) -> int:
    return Random(repr(parts)).getrandbits(32)


def print_families(samples: int) -> None:
    print("\n| differences | comparisons | n | all intervals hold | no equal run is called worse or better |")
    print("| --- | --- | --- | --- | --- |")
    asked = [(kind, n, size, samples) for kind, size, n in itertools.product(CHANGES, FAMILIES, SIZES)]
    with ProcessPoolExecutor(2) as pool:
        for kind, n, size, held, silent in pool.map(family, asked):
            print(f"| {kind} | {size} | {n:,} | {held:.1%} | {silent:.1%} |", flush=True)


def rows(samples: int, kinds: list[str]) -> Iterator[Row]:
    settings = itertools.product(kinds, SIZES, RATES, JUDGES)
    asked = [(kind, n, rate, *judge, samples) for kind, n, rate, judge in settings]
    with ProcessPoolExecutor(2) as pool:
        yield from pool.map(row, asked)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--draws", type=int, default=2_000)
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--kind", nargs="*", default=list(KINDS))
    parser.add_argument("--families", action="store_true", help="only those of several comparisons")
    told = parser.parse_args()
    print_families(200 if told.quick else told.draws)
    if told.families:
        return
    found: dict[tuple[str, int], list[Row]] = {}
    for each in rows(200 if told.quick else told.draws, told.kind):
        kind, n, rate, tpr, tnr, held, bias, wide, refused = each
        found.setdefault((kind, n), []).append(each)
        print(
            f"{kind:55} n={n:<5} rate {rate:<4} TPR {tpr:<4} TNR {tnr:<4} coverage {held:6.1%} bias {bias:+.4f}"
            f" width {wide:.3f}" + (f" refused {refused:,}" if refused else ""),
            flush=True,
        )
    print("\n| interval | n | coverage | settings within 93-97 % | greatest bias |\n| --- | --- | --- | --- | --- |")
    for (kind, n), group in found.items():
        all_held = [each[5] for each in group]
        within = sum(0.93 <= each <= 0.97 for each in all_held)
        print(
            f"| {kind} | {n:,} | {min(all_held):.1%} to {max(all_held):.1%} | {within} of {len(all_held)} |"
            f" {max((each[6] for each in group), key=abs):+.4f} |"
        )


if __name__ == "__main__":
    main()
