"""How far a judge agrees with people, and what that makes of the pass rate it reports."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

from fi_async._errors import ConfigurationError, instead
from fi_async._models import Outcome
from fi_async.reports.agreement_figures import Agreement, Disagreement, Rater
from fi_async.reports.estimators import Estimate, VerdictCounts, ppi_mean, ppi_rate, rogan_gladen, share
from fi_async.reports.labels import (
    LABEL,
    GivenLabel,
    LabelKind,
    LabelledCases,
    Labels,
    kind_of_labels,
    match_labels,
    read_choice,
    read_score,
    read_verdict,
)
from fi_async.reports.raters import RatedCase, between, is_of_two, weighted_alpha, weighted_kappa
from fi_async.reports.statistics import Interval

_THRESHOLD: Final = 0.5
_FEW: Final = 30
_SAME: Final = 1e-9  # 0.1 + 0.2 is to be 0.3
_NO_RATE: Final = Estimate(None, None, 0, "labels that are choices tell no pass rate")
_SEVERAL: Final = 2


@dataclass(frozen=True, slots=True)
class _Pair:
    """One labelled case: what the judge says of it, what a person does, and how many cases it stands for."""

    outcome: Outcome
    judge: Any
    person: Any
    weight: float
    note: str = ""


def agreement_of(
    outcomes: Sequence[Outcome],
    labels: Labels,
    template: str | None = None,
    *,
    labelled: Sequence[Outcome] | None = None,
    threshold: float = _THRESHOLD,
    confidence: float = 0.95,
    column: str = LABEL,
) -> Agreement:
    """Return how far the judge of a run agrees with people: see `Report.agreement`.

    Args:
        outcomes: Those of the run.
        labels: As of `Report.agreement`.
        template: As there.
        labelled: The outcomes of the run that the labels are of; None if they are of this one.
        threshold: As there.
        confidence: As there.
        column: The column of the labels in a file.

    Raises:
        ConfigurationError: As there.
    """
    if not 0 < confidence < 1:
        raise ConfigurationError(f"confidence must be between 0 and 1, such as 0.95, not {confidence!r}")
    name = template_of(template, outcomes)
    own = [each for each in outcomes if each.template == name]
    source = own
    if labelled is not None:
        template_of(name, labelled)
        source = [each for each in labelled if each.template == name]
    return agreement_with(
        match_labels(labels, source, column),
        own,
        name,
        source=source,
        is_elsewhere=labelled is not None,
        threshold=threshold,
        confidence=confidence,
    )


def agreement_with(
    labels: LabelledCases,
    own: Sequence[Outcome],
    name: str,
    *,
    source: Sequence[Outcome] = (),
    is_elsewhere: bool = False,
    threshold: float = _THRESHOLD,
    confidence: float = 0.95,
) -> Agreement:
    """Return how far the judge of a run agrees with people, by labels that are matched with outcomes.

    Of several people it is what most of them say of a case that the judge is held against; cases on which they are
    divided are told apart, and count as half in the true pass rate, whose interval allows for all or none of them.

    Args:
        labels: Of one template.
        own: The outcomes of the run under it.
        name: The template's name.
        source: The outcomes that the labels are of, if they are of another run.
        is_elsewhere: True if they are.
        threshold: As of `Report.agreement`.
        confidence: As there.

    Raises:
        ConfigurationError: A label is none that the template gives, or no labelled case has a result.
    """
    kind = kind_of_labels(name, [*own, *source], [label for _, label in labels.pairs])
    judge, person = _readers(kind, name, threshold)
    told = [(outcome, label, person(label)) for outcome, label in labels.pairs]  # all labels are checked
    judged = tuple(judge(each) for each in own if each.result is not None)
    run = _JudgedRun(name, kind, judge, judged, confidence, labels, is_elsewhere)
    people = sorted({label.by for _, label, _ in told})
    if len(people) < _SEVERAL:
        return run.agreement(told)
    return _among(run, told, people)


_Told = tuple[Outcome, GivenLabel, Any]


@dataclass(frozen=True, slots=True)
class _JudgedRun:
    """What people's labels are held against.

    Attributes:
        name: Of the template.
        kind: What labels are.
        judge: Reads what the judge said from an outcome.
        judged: What it said of each case of the run.
        confidence: Of intervals.
        labels: All of them.
        is_elsewhere: True if they are of another run.
    """

    name: str
    kind: LabelKind
    judge: Callable[[Outcome], Any]
    judged: Sequence[Any]
    confidence: float
    labels: LabelledCases
    is_elsewhere: bool

    def agreement(self, told: Sequence[_Told], notes: Sequence[str] = ()) -> Agreement:
        """Return how far the judge agrees with labels, of which each case has one."""
        kind, confidence = self.kind, self.confidence
        scored = [each for each in told if each[0].result is not None]
        pairs = [_Pair(each, self.judge(each), said, label.weight, label.note) for each, label, said in scored]
        if not pairs:
            raise ConfigurationError(
                f"{self.name}: none of the {len(told):,} labelled cases has a result: label others"
            )
        is_verdict = kind == "verdicts"
        counts = _counts(pairs) if is_verdict else VerdictCounts(0, 0, 0, 0)
        both = [(pair.person, pair.judge, pair.weight) for pair in pairs]
        weights = [pair.weight for pair in pairs]
        rate = _rate(kind, pairs, self.judged, counts, confidence, is_elsewhere=self.is_elsewhere)
        return Agreement(
            template=self.name,
            kind=kind,
            labelled=len(pairs),
            unscored=len(told) - len(pairs),
            matrix={} if kind == "scores" else _tally(pairs, kind),
            tpr=_share(counts, "tp", "fn", pairs, confidence, passed=True) if is_verdict else Estimate(None),
            tnr=_share(counts, "tn", "fp", pairs, confidence, passed=False) if is_verdict else Estimate(None),
            kappa=Estimate(None) if kind == "scores" else weighted_kappa(both, confidence),
            alpha=weighted_alpha([(one, other) for one, other, _ in both], weights, kind, confidence),
            rate=rate,
            estimator="Rogan-Gladen" if self.is_elsewhere else "PPI++",
            judged=None if kind == "choices" or not self.judged else math.fsum(self.judged) / len(self.judged),
            cases=len(self.judged),
            confidence=confidence,
            weighted=self.labels.is_weighted,
            disagreements=_disagreements(pairs, kind),
            notes=(*_notes(kind, pairs, len(told) - len(pairs)), *_beyond(rate), *notes, *self.labels.notes),
        )


def _among(run: _JudgedRun, told: Sequence[_Told], people: Sequence[str]) -> Agreement:
    """Return how far the judge agrees with most of several people, with each of them, and they with each other."""
    by_case: dict[int, dict[str, _Told]] = {}
    for each in told:
        by_case.setdefault(each[0].index, {})[each[1].by] = each
    rated = [_rated(given) for given in by_case.values()]
    decided, divided = list[_Told](), list[GivenLabel]()
    for given, case in zip(by_case.values(), rated, strict=True):
        outcome, label, _ = next(iter(given.values()))
        said = case.majority(run.kind)
        if said is not None:
            decided.append((outcome, replace(label, by="", note=_notes_of(given)), said))
        elif outcome.result is not None:
            divided.append(label)
    if not decided:
        raise ConfigurationError(f"{run.name}: people are divided on all {len(rated):,} cases: one more has to label")
    found = run.agreement(decided, _divided(len(divided)))
    undecided = math.fsum(label.weight for label in divided)
    known = math.fsum(label.weight for outcome, label, _ in decided if outcome.result is not None)
    return replace(
        found,
        rate=_allowing(found.rate, undecided / (undecided + known)),
        people=tuple(_raters(run, told, people)),
        between=between(rated, run.kind, run.confidence),
        between_by="kappa" if is_of_two(people, run.kind) else "alpha",
        divided=len(divided),
    )


def _rated(given: Mapping[str, _Told]) -> RatedCase:
    weight = next(iter(given.values()))[1].weight
    return RatedCase({name: said for name, (_, _, said) in given.items()}, weight)


def _notes_of(given: Mapping[str, _Told]) -> str:
    return "; ".join(f"{name}: {label.note}" for name, (_, label, _) in given.items() if label.note)


def _raters(run: _JudgedRun, told: Sequence[_Told], people: Sequence[str]) -> Iterator[Rater]:
    for name in people:
        own = [each for each in told if each[1].by == name]
        if any(outcome.result is not None for outcome, _, _ in own):
            of = run.agreement(own)
            yield Rater(name, of.labelled, of.kappa, of.alpha, of.tpr, of.tnr, of.rate)


def _divided(count: int) -> tuple[str, ...]:
    if not count:
        return ()
    what = (
        "1 case, which may be either: let one more person label it"
        if count == 1
        else (f"{count:,} cases, which may be either: let one more person label them")
    )
    return (f"people are divided on {what}, or agree on it among you",)


def _allowing(rate: Estimate, undecided: float) -> Estimate:
    """Return a pass rate where a share of the cases may be either: they count as half, and the interval as both."""
    if not undecided or rate.value is None:
        return rate
    known = 1 - undecided
    reach = rate.interval and Interval(known * rate.interval.low, known * rate.interval.high + undecided)
    unbiased = rate.unbiased if rate.unbiased is None else known * rate.unbiased + undecided / 2
    return replace(rate, value=known * rate.value + undecided / 2, interval=reach, unbiased=unbiased)


def template_of(name: str | None, outcomes: Sequence[Outcome]) -> str:
    """Return the template of that name; of None, the only one of a run.

    Raises:
        ConfigurationError: The run has no such template, or several and none is named.
    """
    known = list(dict.fromkeys(outcome.template for outcome in outcomes))
    if name is None and len(known) == 1:
        return known[0]
    if name is None:
        raise ConfigurationError(
            f"say which template the labels are of, by template= or --eval: {', '.join(known)}"
            if known
            else "the run has no case"
        )
    if name not in known:
        raise ConfigurationError(f"the run has no template {name!r}{instead(name, known)}")
    return name


def _readers(
    kind: LabelKind, template: str, threshold: float
) -> tuple[Callable[[Outcome], Any], Callable[[GivenLabel], Any]]:
    """Return how a value is read from an outcome, and how from a label."""
    if kind == "choices":
        return (lambda each: (each.result.choices or [""])[0] if each.result else ""), lambda given: read_choice(
            template, given
        )
    if kind == "scores":
        return (lambda each: each.score), read_score
    return (lambda each: each.passed if each.passed is not None else (each.score or 0.0) >= threshold), read_verdict


def _counts(pairs: Sequence[_Pair]) -> VerdictCounts:
    weights, squares = [0.0] * 4, [0.0] * 4
    for pair in pairs:
        place = (0 if pair.judge else 1) if pair.person else (2 if pair.judge else 3)
        weights[place] += pair.weight
        squares[place] += pair.weight**2
    tp, fn, fp, tn = weights
    return VerdictCounts(tp, fn, fp, tn, (squares[0], squares[1], squares[2], squares[3]))


def _share(
    counts: VerdictCounts, hits: Any, others: Any, pairs: Sequence[_Pair], confidence: float, *, passed: bool
) -> Estimate:
    found = counts.rate(hits, others)
    return share(found.hits, found.n, confidence, cases=sum(pair.person is passed for pair in pairs))


def _rate(
    kind: LabelKind,
    pairs: Sequence[_Pair],
    judged: Sequence[Any],
    counts: VerdictCounts,
    confidence: float,
    *,
    is_elsewhere: bool,
) -> Estimate:
    if kind == "choices":
        return _NO_RATE
    if kind == "verdicts":
        correct = rogan_gladen if is_elsewhere else ppi_rate
        return replace(correct(counts, sum(judged), len(judged), confidence), n=len(pairs))
    if is_elsewhere:
        return Estimate(None, None, 0, "scores from elsewhere correct no mean: label by verdicts, or label this run")
    both = [(pair.person, pair.judge) for pair in pairs]
    return ppi_mean(both, judged, confidence, weights=[pair.weight for pair in pairs])


def _beyond(rate: Estimate) -> tuple[str, ...]:
    """Return what to say where a rate was cut to 0 or 1."""
    if rate.value not in (0, 1) or rate.unbiased is None or 0 <= rate.unbiased <= 1:
        return ()
    told = f"the labels tell a true pass rate of {rate.unbiased:.3f}, and none is beyond 0 and 1"
    return (f"{told}: it is rate.unbiased of --json, for averages over runs",)


def _spelled(value: Any) -> str | float:
    return ("Passed" if value else "Failed") if isinstance(value, bool) else value


def _tally(pairs: Sequence[_Pair], kind: LabelKind) -> dict[str, dict[str, int]]:
    counted = Counter((str(_spelled(pair.person)), str(_spelled(pair.judge))) for pair in pairs)
    labels = ["Passed", "Failed"] if kind == "verdicts" else sorted({label for both in counted for label in both})
    return {person: {judge: counted[person, judge] for judge in labels} for person in labels}


def _disagreements(pairs: Sequence[_Pair], kind: LabelKind) -> tuple[Disagreement, ...]:
    if kind == "scores":
        apart = sorted(pairs, key=lambda pair: -abs(pair.person - pair.judge))
        differing = [pair for pair in apart if abs(pair.person - pair.judge) > _SAME]
    else:
        differing = [pair for pair in pairs if pair.person != pair.judge]
    return tuple(
        Disagreement(
            pair.outcome.index,
            pair.outcome.case.id,
            _spelled(pair.judge),
            _spelled(pair.person),
            pair.outcome.result.reason if pair.outcome.result else None,
            pair.note,
        )
        for pair in differing
    )


def _notes(kind: LabelKind, pairs: Sequence[_Pair], unscored: int) -> tuple[str, ...]:
    notes = []
    if len(pairs) < _FEW:
        few = "1 label is" if len(pairs) == 1 else f"{len(pairs)} labels are"
        notes.append(f"{few} few: the intervals hold, and are wide")
    if kind == "verdicts":
        if len({pair.person for pair in pairs}) < 2:  # verdicts
            notes.append("all labels say the same: label cases of the other kind to know how the judge does with them")
        elif len({pair.judge for pair in pairs}) < 2:  # as above
            notes.append("the judge says the same of all labelled cases: draw with --draw balanced to see both")
    if unscored:
        left_out = (
            "1 labelled case has no result of the judge, and is"
            if unscored == 1
            else (f"{unscored:,} labelled cases have no result of the judge, and are")
        )
        notes.append(f"{left_out} left out")
    return tuple(notes)
