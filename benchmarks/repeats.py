"""What repeats="auto" saves: `python benchmarks/repeats.py [--cases 20000] [--quick]` prints the table of the guide.

Judges are simulated: each case has a probability to pass of its own, drawn from a population, and each repeat is a
draw. The verdict of a case is right if it is what more than half of any number of repeats would say. A fixed number of
repeats needs as many as make as large a share of the verdicts right.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from random import Random

import numpy as np
from scipy.stats import binom

from fi_async import Case, EvalResult, Outcome, OutcomeStatus
from fi_async.panels.certainty import certainty, fewest
from fi_async.panels.panel import Panel
from fi_async.panels.shape import PanelShape

JUDGES: dict[str, Callable[[Random], float]] = {
    "sure of most cases: Beta(0.25, 0.25)": lambda rng: rng.betavariate(0.25, 0.25),
    "less sure: Beta(0.5, 0.5)": lambda rng: rng.betavariate(0.5, 0.5),
    "every share alike: Beta(1, 1)": lambda rng: rng.betavariate(1.0, 1.0),
    "passes most: Beta(2, 0.5)": lambda rng: rng.betavariate(2.0, 0.5),
    "8 of 10 sure, 2 of 10 not": lambda rng: rng.choice([0.97] * 6 + [0.03] * 2 + [0.65, 0.4]),
    "errs in every fifth answer": lambda rng: rng.choice([0.8, 0.2]),
    "errs in three of ten": lambda rng: rng.choice([0.7, 0.3]),
}
SETTINGS = ((0.9, 9), (0.95, 9), (0.95, 15), (0.99, 25))
RESULTS = {passed: EvalResult(name="t", output="Passed" if passed else "Failed") for passed in (True, False)}
MOST = 301


def auto(share: float, shape: PanelShape, rng: Random) -> tuple[int, bool, bool]:
    """Return how often a case was evaluated, whether its verdict is right, and whether it is certain."""
    panel = Panel({"t": shape})
    samples = list(range(shape.repeats))
    for sample in samples:
        result = RESULTS[rng.random() < share]
        ended = panel.take(Outcome(0, Case({}), "t", OutcomeStatus.SCORED, result, sample=sample))
        samples += [each.sample for each in panel.wanted]
        panel.wanted.clear()
    assert ended is not None
    n, passes = len(samples), sum(bool(each.passed) for each in ended.samples)
    return n, ended.passed is (share > 0.5), certainty(max(passes, n - passes), n) >= (shape.precision or 1.0)


def fixed(shares: np.ndarray, right: float) -> int | None:
    """Return the lowest number of repeats that makes as large a share of the verdicts right."""
    surer = np.maximum(shares, 1 - shares)
    return next((k for k in range(1, MOST, 2) if float(binom.sf(k // 2, k, surer).mean()) >= right), None)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--cases", type=int, default=20_000)
    parser.add_argument("--quick", action="store_true")
    given = parser.parse_args()
    cases = 2_000 if given.quick else given.cases
    print(
        "| the judge | `precision` | `max_repeats` | certain | of these right | of all right | evaluations | fixed | |"
    )
    print("| --- | --- | --- | --- | --- | --- | --- | --- | --- |")
    for name, draw in JUDGES.items():
        rng = Random(7)
        shares = np.array([draw(rng) for _ in range(cases)])
        for precision, most in SETTINGS:
            shape = PanelShape(fewest(precision), most, precision, "majority")
            found = [auto(float(share), shape, rng) for share in shares]
            took, right = (sum(each[n] for each in found) / cases for n in (0, 1))
            certain = [is_right for _, is_right, is_certain in found if is_certain]
            needed = fixed(shares, right)
            cost = f"{took:.2f} | {needed} | {took / needed:.0%}" if needed else f"{took:.2f} | over {MOST} | -"
            sure = f"{len(certain) / cases:.0%} | {sum(certain) / len(certain):.1%}"
            print(f"| {name} | {precision:g} | {most} | {sure} | {right:.1%} | {cost} |", flush=True)


if __name__ == "__main__":
    main()
