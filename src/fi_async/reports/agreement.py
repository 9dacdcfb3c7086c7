"""How far a judge agrees with people, and what that makes of the pass rate it reports."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from html import escape
from typing import Any, Final

from fi_async._errors import ConfigurationError, instead
from fi_async._models import Outcome
from fi_async._public import public
from fi_async.reports.estimators import Estimate, Estimator, VerdictCounts, ppi_mean, ppi_rate, rogan_gladen, share
from fi_async.reports.labels import (
    LABEL,
    GivenLabel,
    LabelKind,
    Labels,
    kind_of_labels,
    match_labels,
    read_choice,
    read_score,
    read_verdict,
)
from fi_async.reports.reliability import Level, cohen_kappa, krippendorff_alpha

_THRESHOLD: Final = 0.5
_FEW: Final = 30
_SHOWN: Final = 10
_SAME: Final = 1e-9  # 0.1 + 0.2 is to be 0.3
_CELL: Final = "text-align:right;padding:2px 12px 2px 0"
_NO_RATE: Final = Estimate(None, None, 0, "labels that are choices tell no pass rate")


@dataclass(frozen=True, slots=True)
class Disagreement:
    """A case of which judge and person say different things.

    Attributes:
        index: The case's position in its run, from 0.
        id: The id that the caller gave it; None without one.
        judge: What the judge said: "Passed" or "Failed", a choice, or a score.
        person: What the person said, in the same form.
        reason: The judge's words; None where it gave none.
    """

    index: int
    id: str | None
    judge: str | float
    person: str | float
    reason: str | None = None

    @property
    def name(self) -> str:
        """The id, or the position."""
        return self.id if self.id is not None else f"case {self.index}"


@public
@dataclass(frozen=True, slots=True)
class Agreement:
    """How far a judge agrees with people on one template, and the true rate behind what it says of a run.

    Attributes:
        template: The template's name.
        kind: What the labels are: "verdicts", "choices" or "scores".
        labelled: How many labelled cases have a result of the judge.
        unscored: How many labelled cases have none, and are left out.
        matrix: How many cases have each label, by the person's and then by the judge's; empty of scores.
        tpr: Of the cases that people passed, the share that the judge passed. Wilson's interval.
        tnr: Of the cases that people failed, the share that the judge failed. Wilson's interval.
        kappa: Cohen's kappa.
        alpha: Krippendorff's alpha, of labels as they are or of scores by their distances.
        rate: The true pass rate of the run, or the true mean of its scores.
        estimator: By what `rate` is told: "PPI++", or "Rogan-Gladen" of labels from elsewhere.
        judged: The pass rate or mean score by the judge, uncorrected; None of choices.
        cases: How many cases of the run have a result.
        confidence: Of all intervals.
        weighted: True if the labels have weights, as those that `fi-async label` draws.
        disagreements: The cases where judge and person differ; of scores, the greatest differences first.
        notes: What makes the numbers say less than they seem to.
    """

    template: str
    kind: LabelKind
    labelled: int
    unscored: int
    matrix: Mapping[str, Mapping[str, int]]
    tpr: Estimate
    tnr: Estimate
    kappa: Estimate
    alpha: Estimate
    rate: Estimate
    estimator: Estimator
    judged: float | None
    cases: int
    confidence: float = 0.95
    weighted: bool = False
    disagreements: Sequence[Disagreement] = ()
    notes: Sequence[str] = ()

    def to_dict(self) -> dict[str, Any]:
        """Return it in plain values, ready for JSON."""
        told = {name: _plain(getattr(self, name)) for name in ("tpr", "tnr", "kappa", "alpha", "rate")}
        return {
            "template": self.template,
            "kind": self.kind,
            "labelled": self.labelled,
            "unscored": self.unscored,
            "matrix": {person: dict(row) for person, row in self.matrix.items()},
            **told,
            "estimator": self.estimator,
            "judged": self.judged,
            "cases": self.cases,
            "confidence": self.confidence,
            "weighted": self.weighted,
            "disagreements": [asdict(each) for each in self.disagreements],
            "notes": list(self.notes),
        }

    def _rows(self) -> list[tuple[str, str]]:
        """Return each number that there is, or why there is none, with what it is called."""
        named = {"kappa": self.kappa, "alpha": self.alpha}
        if self.kind == "verdicts":
            named = {"TPR": self.tpr, "TNR": self.tnr, **named}
        rows = [(name, _shown(each)) for name, each in named.items() if each.value is not None or each.said]
        if self.kind != "choices":
            label = "mean score" if self.kind == "scores" else "pass rate"
            rows.append((f"{label} by the judge", "-" if self.judged is None else f"{self.judged:.3f}"))
            rows.append((f"true {label}", f"{_shown(self.rate)} ({self.estimator})"))
        return rows

    def __str__(self) -> str:
        """Return the matrix, the numbers with their intervals, and the first cases that differ."""
        lines = [f"{self.template}: {self.labelled:,} labels, {self.cases:,} cases"]
        if self.matrix:
            lines += ["", *_matrix(self.matrix)]
        rows = self._rows()
        width = max(len(name) for name, _ in rows)
        lines += ["", *(f"{name:{width}}  {said}" for name, said in rows)]
        if self.disagreements:
            lines += ["", f"judge and person differ ({len(self.disagreements):,})"]
            lines += [
                f"  {each.name}: judge {each.judge}, person {each.person}" for each in self.disagreements[:_SHOWN]
            ]
            if (more := len(self.disagreements) - _SHOWN) > 0:
                lines.append(f"  and {more:,} more")
        return "\n".join([*lines, *([""] if self.notes else []), *(f"note: {note}" for note in self.notes)])

    def _repr_html_(self) -> str:
        rows = "".join(
            f'<tr><td style="text-align:left;padding:2px 12px 2px 0">{escape(name)}</td>'
            f'<td style="{_CELL}">{escape(said)}</td></tr>'
            for name, said in self._rows()
        )
        matrix = f"<pre>{escape(chr(10).join(_matrix(self.matrix)))}</pre>" if self.matrix else ""
        notes = "".join(f"<div>note: {escape(note)}</div>" for note in self.notes)
        head = f"<b>{escape(self.template)}</b> &middot; {self.labelled:,} labels, {self.cases:,} cases"
        return f"<div><div>{head}</div>{matrix}<table>{rows}</table>{notes}</div>"


def _plain(each: Estimate) -> dict[str, Any]:
    reach = each.interval
    return {
        "value": each.value,
        "interval": None if reach is None else [reach.low, reach.high],
        "n": each.n,
        "said": each.said,
    }


def _shown(each: Estimate) -> str:
    if each.value is None:
        return f"none: {each.said}"
    return f"{each.value:.3f}" + (f", {each.interval.low:.3f} to {each.interval.high:.3f}" if each.interval else "")


def _matrix(matrix: Mapping[str, Mapping[str, int]]) -> list[str]:
    labels = list(matrix)
    widths = [max(len(label), 6) for label in labels]
    first = max(len("person"), *map(len, labels)) + 2
    lines = [
        f"{'':{first}}judge",
        f"{'person':{first}}" + "  ".join(f"{a:>{w}}" for a, w in zip(labels, widths, strict=True)),
    ]
    for label, row in matrix.items():
        counts = (f"{row[other]:>{width},}" for other, width in zip(labels, widths, strict=True))
        lines.append(f"{label:{first}}" + "  ".join(counts))
    return lines


@dataclass(frozen=True, slots=True)
class _Pair:
    """One labelled case: what the judge says of it, what a person does, and how many cases it stands for."""

    outcome: Outcome
    judge: Any
    person: Any
    weight: float


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
    matched, is_weighted = match_labels(labels, source, column)
    kind = kind_of_labels(name, [*own, *source], [label for _, label in matched])
    judge, person = _readers(kind, name, threshold)
    told = [(outcome, label, person(label)) for outcome, label in matched]  # all labels are checked
    pairs = [_Pair(each, judge(each), said, label.weight) for each, label, said in told if each.result is not None]
    if not pairs:
        raise ConfigurationError(f"{name}: none of the {len(told):,} labelled cases has a result: label others")
    judged = [judge(each) for each in own if each.result is not None]
    counts = _counts(pairs) if kind == "verdicts" else VerdictCounts(0, 0, 0, 0)
    return Agreement(
        template=name,
        kind=kind,
        labelled=len(pairs),
        unscored=len(told) - len(pairs),
        matrix={} if kind == "scores" else _tally(pairs, kind),
        tpr=_share(counts, "tp", "fn", pairs, confidence, passed=True) if kind == "verdicts" else Estimate(None),
        tnr=_share(counts, "tn", "fp", pairs, confidence, passed=False) if kind == "verdicts" else Estimate(None),
        kappa=Estimate(None) if kind == "scores" else _kappa(pairs, confidence),
        alpha=_alpha(pairs, kind, confidence),
        rate=_rate(kind, pairs, judged, counts, confidence, is_elsewhere=labelled is not None),
        estimator="PPI++" if labelled is None else "Rogan-Gladen",
        judged=None if kind == "choices" or not judged else math.fsum(judged) / len(judged),
        cases=len(judged),
        confidence=confidence,
        weighted=is_weighted,
        disagreements=_disagreements(pairs, kind),
        notes=_notes(kind, pairs, len(told) - len(pairs)),
    )


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
            f"say which template the labels are of: {', '.join(known)}" if known else "the run has no case"
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


def _effective(pairs: Sequence[_Pair]) -> float:
    """Return of how many equally weighted cases these tell as much (L. Kish, Survey Sampling, 1965)."""
    return math.fsum(pair.weight for pair in pairs) ** 2 / math.fsum(pair.weight**2 for pair in pairs)


def _kappa(pairs: Sequence[_Pair], confidence: float) -> Estimate:
    total = math.fsum(pair.weight for pair in pairs)
    weights: dict[tuple[Any, Any], float] = {}
    for pair in pairs:
        key = (pair.person, pair.judge)
        weights[key] = weights.get(key, 0.0) + pair.weight * len(pairs) / total
    return cohen_kappa(weights, confidence, n=_effective(pairs))


def _alpha(pairs: Sequence[_Pair], kind: LabelKind, confidence: float) -> Estimate:
    units = [(pair.person, pair.judge) for pair in pairs]
    level: Level = "interval" if kind == "scores" else "nominal"
    return krippendorff_alpha(units, level, confidence, weights=[pair.weight for pair in pairs])


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
        )
        for pair in differing
    )


def _notes(kind: LabelKind, pairs: Sequence[_Pair], unscored: int) -> tuple[str, ...]:
    notes = []
    if len(pairs) < _FEW:
        notes.append(f"{len(pairs)} labels are few: the intervals hold, and are wide")
    if kind == "verdicts":
        if len({pair.person for pair in pairs}) < 2:  # verdicts
            notes.append("all labels say the same: label cases of the other kind to know how the judge does with them")
        elif len({pair.judge for pair in pairs}) < 2:  # as above
            notes.append("the judge says the same of all labelled cases: draw with --by balanced to see both")
    if unscored:
        notes.append(f"{unscored:,} labelled cases have no result of the judge, and are left out")
    return tuple(notes)
