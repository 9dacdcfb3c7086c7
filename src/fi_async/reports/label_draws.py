"""Which cases of a run to label: drawn with known probabilities, so that what the labels tell stays without bias."""

from __future__ import annotations

import csv
from collections import defaultdict
from collections.abc import Collection, Sequence
from pathlib import Path
from random import Random
from typing import Final, Literal

from fi_async._errors import ConfigurationError
from fi_async._models import Outcome
from fi_async.reports.labels import INPUTS, LABEL, WEIGHT
from fi_async.reports.outcome_tables import inert, text
from fi_async.sources.rows import reservoir

DrawnBy = Literal["random", "balanced", "uncertain"]
"""All cases alike; as many of each verdict; or those with scores near the threshold more often."""

_LEAST: Final = 0.2  # of the probability of the least sure: what is never drawn cannot be weighed
_SAME: Final = 1e-9
_FURTHER: Final = 1_000_003

Drawn = tuple[Outcome, float]


def draw_cases(
    outcomes: Sequence[Outcome],
    size: int,
    by: DrawnBy = "random",
    *,
    seed: int = 0,
    threshold: float = 0.5,
    drawn: Collection[int] = (),
) -> list[Drawn]:
    """Return so many cases to label, in their order, each with its weight: 1 / the probability that it was drawn.

    Args:
        outcomes: Of one template. Cases without a result are left out.
        size: How many to draw; all, if there are no more.
        by: "random" draws each with the same probability. "balanced" draws as many of each verdict, choice, or side
            of the threshold. "uncertain" draws those with a score at the threshold five times as often as those
            farthest from it (systematic sampling with probability proportional to size).
        seed: The same seed draws the same cases.
        threshold: The score at which a judge that gives scores is least sure.
        drawn: The indices of cases that were drawn from the same before, in the same way: further ones are drawn to
            them. Not with "uncertain".

    Raises:
        ConfigurationError: No case has a result, or "uncertain" is asked of results that are no scores.
    """
    scored = [outcome for outcome in outcomes if outcome.result is not None]
    if not scored:
        raise ConfigurationError("no case has a result: there is nothing to label yet")
    if size >= len(scored):
        return [(outcome, 1.0) for outcome in scored]
    if by == "uncertain":
        return _by_size(scored, _nearness(scored, threshold), size, seed)
    groups: dict[str, list[Outcome]] = defaultdict(list)
    for outcome in scored:
        groups[_said(outcome, threshold) if by == "balanced" else ""].append(outcome)
    chosen: list[Drawn] = []
    left, waiting = size, len(groups)
    for number, group in enumerate(sorted(groups.values(), key=len)):
        before = [outcome for outcome in group if outcome.index in drawn]
        share = min(len(group), -(-left // waiting) if number + 1 < len(groups) else left)
        share = max(share, len(before))
        rest = [outcome for outcome in group if outcome.index not in drawn]
        # By numbers of its own: by those of the first draw, the second would depend on it.
        more = reservoir(rest, share - len(before), seed + _FURTHER * len(drawn))
        chosen += [(outcome, len(group) / share) for outcome in (*before, *more)]
        left, waiting = max(0, left - share), waiting - 1
    return sorted(chosen, key=_place)


def _place(drawn: Drawn) -> int:
    return drawn[0].index


def _said(outcome: Outcome, threshold: float) -> str:
    if outcome.passed is not None:
        return str(outcome.passed)
    if outcome.result is not None and outcome.result.choices:
        return ", ".join(outcome.result.choices)
    return str((outcome.score or 0.0) >= threshold)


def _nearness(scored: Sequence[Outcome], threshold: float) -> list[float]:
    """Return how often each case is to be drawn, beside those at the threshold."""
    away = [abs(outcome.score - threshold) if outcome.score is not None else None for outcome in scored]
    known = [each for each in away if each is not None]
    if len(known) < len(away) or max(known) - min(known) < _SAME:
        raise ConfigurationError(
            "--draw uncertain needs scores of different degrees, and these results have none: --draw balanced draws as"
            " many of each verdict"
        )
    farthest = max(known)
    return [_LEAST + (1 - _LEAST) * (1 - each / farthest) for each in known]


def _by_size(scored: Sequence[Outcome], sizes: Sequence[float], n: int, seed: int) -> list[Drawn]:
    """Return a systematic sample in random order: each case with a probability in proportion to its size."""
    chances = _chances(sizes, n)
    rng = Random(seed)  # noqa: S311  # a sample, not a secret
    order = sorted(range(len(scored)), key=lambda _: rng.random())
    drawn: list[Drawn] = []
    reached, step = 0.0, rng.random()
    for place in order:
        reached += chances[place]
        if reached > step:
            drawn.append((scored[place], 1 / chances[place]))
            step += 1
    return sorted(drawn, key=_place)


def _chances(sizes: Sequence[float], n: int) -> list[float]:
    """Return probabilities in proportion to sizes, which sum up to n; none is above 1."""
    sure: set[int] = set()
    while True:
        rest = sum(size for place, size in enumerate(sizes) if place not in sure)
        factor = (n - len(sure)) / rest
        over = {place for place, size in enumerate(sizes) if place not in sure and factor * size > 1}
        if not over:
            return [1.0 if place in sure else factor * size for place, size in enumerate(sizes)]
        sure |= over


def write_sheet(path: Path, drawn: Sequence[Drawn]) -> None:
    """Write the cases that were drawn to a CSV file, with an empty column for labels.

    The judge's results are not in it: who sees them agrees with them. Text that a spreadsheet would run as a formula
    gets an apostrophe before it.

    Args:
        path: The file; it is made anew.
        drawn: The cases, and their weights.

    Raises:
        OSError: It cannot be written.
    """
    keys = list(dict.fromkeys(key for outcome, _ in drawn for key in outcome.case.inputs))
    with path.open("w", encoding="utf-8", newline="") as file:
        rows = csv.writer(file)
        rows.writerow(["index", "id", WEIGHT, LABEL, *(f"{INPUTS}{key}" for key in keys)])
        for outcome, weight in drawn:
            inputs = (text(outcome.case.inputs.get(key)) for key in keys)
            rows.writerow([outcome.index, inert(text(outcome.case.id)), repr(weight), "", *map(inert, inputs)])
