"""The cases of a run that people label, as its file keeps them: drawn once, and added to."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from random import Random
from typing import Any, Final

from fi_async._errors import ConfigurationError
from fi_async._models import Outcome
from fi_async.journal.label_records import DrawnCase, LabelDraw
from fi_async.reports.label_draws import Drawn, DrawnBy, draw_cases
from fi_async.reports.labels import GivenLabel, LabelledCases, kind_of_labels, kind_of_results
from fi_async.reports.run_labels import RunLabels

_SAMPLE: Final = 50


@dataclass(frozen=True, slots=True)
class AskedDraw:
    """How cases are to be drawn; None is as they were drawn before, or as it is by default.

    Attributes:
        sample: How many.
        draw: As of `draw_cases`.
        seed: As there.
        threshold: As there.
        verdicts: True to label passed or failed, where the judge gives scores.
    """

    sample: int | None = None
    draw: DrawnBy | None = None
    seed: int | None = None
    threshold: float | None = None
    verdicts: bool = False


def draw_for(run: RunLabels, template: str, asked: AskedDraw, *, redraw: bool, at: float) -> LabelDraw:
    """Return the cases to label: those that were drawn before, with more if more are asked for, or new ones.

    Args:
        run: The run.
        template: Whose results are to be checked.
        asked: How they are to be drawn.
        redraw: True to draw anew, although there is a draw.
        at: Seconds since the epoch.

    Raises:
        ConfigurationError: No case has a result; they are to be drawn in another way than before; or what was drawn
            cannot be added to.
    """
    last = None if redraw else run.kept.last_draw(template)
    outcomes = run.of_template(template)
    if last is None:
        return _new(run, template, outcomes, asked, at)
    _check_same(run.name, last, asked)
    if asked.sample is None or asked.sample == len(last.cases):
        return last
    return _with_more(run, last, outcomes, asked.sample, at)


def _new(run: RunLabels, template: str, outcomes: Sequence[Outcome], asked: AskedDraw, at: float) -> LabelDraw:
    kind: str = kind_of_results(template, outcomes)
    if asked.verdicts and kind != "scores":
        raise ConfigurationError(f"--verdicts is for judges that give scores, and those of {template} are {kind}")
    how: dict[str, Any] = {
        "draw": asked.draw or "random",
        "sample": asked.sample or _SAMPLE,
        "seed": asked.seed or 0,
        "threshold": 0.5 if asked.threshold is None else asked.threshold,
        "kind": "verdicts" if asked.verdicts else kind,
        "of": _scored(outcomes),
    }
    drawn = draw_cases(outcomes, how["sample"], how["draw"], seed=how["seed"], threshold=how["threshold"])
    return LabelDraw(template, _shuffled(_cases(run, drawn, template), how["seed"]), how, at)


def _check_same(name: str, last: LabelDraw, asked: AskedDraw) -> None:
    for setting, value in asdict(asked).items():
        if setting == "verdicts":
            is_other = value and last.how.get("kind") == "scores"
        else:
            is_other = setting != "sample" and value is not None and value != last.how.get(setting)
        if is_other:
            flag = f"--{setting}" if setting == "verdicts" else f"--{setting} {value}"
            raise ConfigurationError(
                f"{flag}: {name} has a draw of {len(last.cases):,} cases of {last.template} that was made otherwise:"
                " leave it out to go on with that, or give --redraw too"
            )


def _with_more(run: RunLabels, last: LabelDraw, outcomes: Sequence[Outcome], sample: int, at: float) -> LabelDraw:
    how = last.how
    if sample < len(last.cases):
        raise ConfigurationError(
            f"--sample {sample}: {len(last.cases):,} cases are drawn already: label as many of them as you like, as"
            " they come in random order, or give --redraw too"
        )
    if how.get("draw") not in ("random", "balanced"):
        raise ConfigurationError(f"--sample {sample}: cases that were drawn so cannot be added to: give --redraw too")
    if how["of"] != _scored(outcomes):
        raise ConfigurationError(
            f"--sample {sample}: {how['of']:,} cases had a result when they were drawn, and now {_scored(outcomes):,}"
            " have: give --redraw too"
        )
    before = {outcome.index for outcome, _ in run.places(last)}
    drawn = draw_cases(outcomes, sample, how["draw"], seed=how["seed"], threshold=how["threshold"], drawn=before)
    cases = _cases(run, drawn, last.template)
    weights = {each.key: each.weight for each in cases}
    old = [replace(each, weight=weights.get(each.key, each.weight)) for each in last.cases]
    more = _shuffled([each for each in cases if each.position not in before], how["seed"])
    return LabelDraw(last.template, (*old, *more), {**how, "sample": sample}, at)


def draw_of_labels(
    run: RunLabels, template: str, given: LabelledCases, where: str, *, redraw: bool, at: float
) -> LabelDraw:
    """Return the draw that labels from a file are of: the one that there is, if it has all their cases; else theirs.

    Args:
        run: The run.
        template: Whose results they are of.
        given: The labels.
        where: What messages call the file.
        redraw: True to take theirs, although there is another.
        at: Seconds since the epoch.

    Raises:
        ConfigurationError: The last draw lacks some of the cases.
    """
    last = None if redraw else run.kept.last_draw(template)
    weights = {outcome.index: (outcome, label.weight) for outcome, label in given.pairs}
    cases = _cases(run, list(weights.values()), template)
    if last is not None:
        others = {each.key for each in cases} - {each.key for each in last.cases}
        if others:
            raise ConfigurationError(
                f"{where}: {len(others):,} of its cases are not among those that were drawn in {run.name}: --redraw"
                " takes those of the file in their place"
            )
        return last
    outcomes = run.of_template(template)
    labels: list[GivenLabel] = [label for _, label in given.pairs]
    how = {"draw": "file", "kind": kind_of_labels(template, outcomes, labels), "of": _scored(outcomes)}
    return LabelDraw(template, tuple(cases), how, at)


def _scored(outcomes: Sequence[Outcome]) -> int:
    return sum(outcome.result is not None for outcome in outcomes)


def _cases(run: RunLabels, drawn: Sequence[Drawn], template: str) -> list[DrawnCase]:
    keys = run.keys(template)
    return [DrawnCase(keys[outcome.index], outcome.index, weight) for outcome, weight in drawn]


def _shuffled(cases: Sequence[DrawnCase], seed: int) -> tuple[DrawnCase, ...]:
    """Return cases in an order that is random, so that the first of them tell without bias what all would."""
    return tuple(Random(seed).sample(cases, len(cases)))  # noqa: S311  # nothing is secret here
