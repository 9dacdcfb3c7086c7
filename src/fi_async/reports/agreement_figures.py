"""How far a judge agrees with people, in numbers and as text."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from html import escape
from typing import Any, Final, Literal

from fi_async._public import public
from fi_async.reports.estimators import Estimate, Estimator
from fi_async.reports.labels import LabelKind

_SHOWN: Final = 10
_TOLD: Final = ("tpr", "tnr", "kappa", "alpha", "rate")
_CELL: Final = "text-align:right;padding:2px 12px 2px 0"


@dataclass(frozen=True, slots=True)
class Disagreement:
    """A case of which judge and person say different things.

    Attributes:
        index: The case's position in its run, from 0.
        id: The id that the caller gave it; None without one.
        judge: What the judge said: "Passed" or "Failed", a choice, or a score.
        person: What the person said, in the same form.
        reason: The judge's words; None where it gave none.
        note: What people wrote of the case; may be empty.
    """

    index: int
    id: str | None
    judge: str | float
    person: str | float
    reason: str | None = None
    note: str = ""

    @property
    def name(self) -> str:
        """The id, or the position."""
        return self.id if self.id is not None else f"case {self.index}"


@dataclass(frozen=True, slots=True)
class Rater:
    """One of several people, and how far the judge agrees with this one.

    Attributes:
        name: The person's.
        labelled: How many of the cases that this person labelled have a result of the judge.
        kappa: As of Agreement.
        alpha: As there.
        tpr: As there.
        tnr: As there.
        rate: As there, had this person labelled alone.
    """

    name: str
    labelled: int
    kappa: Estimate
    alpha: Estimate
    tpr: Estimate
    tnr: Estimate
    rate: Estimate


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
        rate: The true pass rate of the run, or the true mean of its scores; averages over runs
            take `rate.unbiased`.
        estimator: By what `rate` is told: "PPI++", or "Rogan-Gladen" of labels from elsewhere.
        judged: The pass rate or mean score by the judge, uncorrected; None of choices.
        cases: How many cases of the run have a result.
        confidence: Of all intervals.
        weighted: True if the labels have weights, as those that `fi-async label` draws.
        disagreements: The cases where judge and person differ; of scores, the greatest differences first.
        notes: What makes the numbers say less than they seem to.
        people: Each of several people; then all else is by what most of them say. Empty if there is one.
        between: How far several people agree with each other, on the cases that two or more labelled.
        between_by: What that is: "kappa" (Cohen's) of two people, "alpha" (Krippendorff's) of more, or of scores.
        divided: How many cases as many people say one thing of as another.
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
    people: Sequence[Rater] = ()
    between: Estimate = Estimate(None)  # noqa: RUF009  # frozen
    between_by: Literal["kappa", "alpha"] = "kappa"
    divided: int = 0

    def to_dict(self) -> dict[str, Any]:
        """Return it in plain values, ready for JSON."""
        told = {name: _plain(getattr(self, name)) for name in _TOLD}
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
            "people": [
                {"name": each.name, "labelled": each.labelled, **{name: _plain(getattr(each, name)) for name in _TOLD}}
                for each in self.people
            ],
            "between": {"measure": self.between_by, **_plain(self.between)} if self.people else None,
            "divided": self.divided,
        }

    def rows(self) -> list[tuple[str, str]]:
        """Return each number that there is, or why there is none, with what it is called."""
        named = {"kappa": self.kappa, "alpha": self.alpha}
        if self.kind == "verdicts":
            named = {"TPR": self.tpr, "TNR": self.tnr, **named}
        rows = [(name, _shown(each)) for name, each in named.items() if each.value is not None or each.said]
        if self.kind != "choices":
            label = "mean score" if self.kind == "scores" else "pass rate"
            rows.append((f"{label} by the judge", "-" if self.judged is None else f"{self.judged:.3f}"))
            rows.append((f"true {label}", f"{_shown(self.rate)} ({self.estimator})"))
        if self.people:
            rows.append((f"{self.between_by} between people", f"{_shown(self.between)}{self._of_shared()}"))
            for each in self.people:
                of = each.alpha if self.kind == "scores" else each.kappa
                name = "alpha" if self.kind == "scores" else "kappa"
                rows.append(
                    (_one_line(f"{name}, judge and {each.name}"), f"{_shown(of)} ({_counted(each.labelled, 'label')})")
                )
        return rows

    def _of_shared(self) -> str:
        return f" ({_counted(self.between.n, 'case')})" if self.between.value is not None else ""

    def __str__(self) -> str:
        """Return the matrix, the numbers with their intervals, and the first cases that differ."""
        most = f", by what most of {len(self.people)} people say" if self.people else ""
        lines = [
            f"{_one_line(self.template)}: {_counted(self.labelled, 'label')}, {_counted(self.cases, 'case')}{most}"
        ]
        if self.matrix:
            lines += ["", *_matrix(self.matrix)]
        rows = self.rows()
        width = max(len(name) for name, _ in rows)
        lines += ["", *(f"{name:{width}}  {said}" for name, said in rows)]
        if self.disagreements:
            lines += ["", f"judge and person differ ({len(self.disagreements):,})"]
            lines += [
                _one_line(f"{each.name}: judge {each.judge}, person {each.person}", "  ")
                for each in self.disagreements[:_SHOWN]
            ]
            if (more := len(self.disagreements) - _SHOWN) > 0:
                lines.append(f"  and {more:,} more")
        return "\n".join([*lines, *([""] if self.notes else []), *(_one_line(f"note: {note}") for note in self.notes)])

    def _repr_html_(self) -> str:
        rows = "".join(
            f'<tr><td style="text-align:left;padding:2px 12px 2px 0">{escape(name)}</td>'
            f'<td style="{_CELL}">{escape(said)}</td></tr>'
            for name, said in self.rows()
        )
        matrix = f"<pre>{escape(chr(10).join(_matrix(self.matrix)))}</pre>" if self.matrix else ""
        notes = "".join(f"<div>note: {escape(note)}</div>" for note in self.notes)
        counted = f"{_counted(self.labelled, 'label')}, {_counted(self.cases, 'case')}"
        head = f"<b>{escape(self.template)}</b> &middot; {counted}"
        return f"<div><div>{head}</div>{matrix}<table>{rows}</table>{notes}</div>"


def _counted(number: int, what: str) -> str:
    return f"{number:,} {what}{'' if number == 1 else 's'}"


def _one_line(text: str, begin: str = "") -> str:
    """Return names of somebody else's in a line: what stands on lines of its own is ours."""
    return begin + " ".join(text.split())


def _plain(each: Estimate) -> dict[str, Any]:
    reach = each.interval
    told = {
        "value": each.value,
        "interval": None if reach is None else [reach.low, reach.high],
        "n": each.n,
        "said": each.said,
    }
    return told if each.unbiased is None else {**told, "unbiased": each.unbiased}


def _shown(each: Estimate) -> str:
    if each.value is None:
        return f"none: {each.said}"
    return f"{each.value:.3f}" + (f", {each.interval.low:.3f} to {each.interval.high:.3f}" if each.interval else "")


def _matrix(matrix: Mapping[str, Mapping[str, int]]) -> list[str]:
    labels = list(map(_one_line, matrix))
    widths = [max(len(label), 6) for label in labels]
    first = max(len("person"), *map(len, labels)) + 2
    lines = [
        f"{'':{first}}judge",
        f"{'person':{first}}" + "  ".join(f"{a:>{w}}" for a, w in zip(labels, widths, strict=True)),
    ]
    for label, row in zip(labels, matrix.values(), strict=True):
        counts = (f"{row[other]:>{width},}" for other, width in zip(matrix, widths, strict=True))
        lines.append(f"{label:{first}}" + "  ".join(counts))
    return lines
