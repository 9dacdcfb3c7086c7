"""What several runs changed against one of them, case by case, and the cases on which they disagree."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any, Final, Literal

from fi_async._errors import ConfigurationError, instead
from fi_async._public import public
from fi_async.reports.pairing import CaseScore, PairedBy
from fi_async.reports.statistics import Interval, holm, mcnemar

DifferenceVerdict = Literal["worse", "better", "unclear"]
"""What can be said of a run against the baseline, if all that is said together may be wrong so rarely."""

_SHOWN: Final = 5


@public
@dataclass(frozen=True, slots=True)
class RunDifference:
    """One run against the baseline under one template, over the cases that have a score in both.

    Attributes:
        run: The name of the run.
        template: The name of the template.
        pairs: How many cases have a score in both.
        baseline_mean: The baseline's mean score over these; the pass rate, where scores are verdicts. None of no pairs.
        mean: That of the run.
        interval: Of `difference`. All intervals of a matrix hold together with its confidence. None where there is
            none, and `said` says why.
        p_value: McNemar's test of wins against losses (for scores: the sign test); None of no pairs.
        adjusted_p: The same by Holm, for all comparisons of the matrix together.
        wins: Cases that pass and did not, or whose score got better.
        losses: Cases that passed and do not pass, or whose score got worse.
        ties: How many pairs are neither.
        unscored: Cases of both that have no score in one or both.
        lost_scores: Those of them that have a score in the baseline and none in the run.
        only_baseline: Cases that the run does not have.
        only_run: Cases that the baseline does not have.
        verdict: "worse" or "better" where `adjusted_p` is small and the means differ the same way; else "unclear".
        may_be_worse: True if it were worse, had all `lost_scores` got worse.
        said: What there is to say where something is missing; else empty.
    """

    run: str
    template: str
    pairs: int
    baseline_mean: float | None
    mean: float | None
    interval: Interval | None
    p_value: float | None
    adjusted_p: float | None
    wins: int
    losses: int
    ties: int
    unscored: int
    lost_scores: int
    only_baseline: int
    only_run: int
    verdict: DifferenceVerdict
    may_be_worse: bool
    said: str = ""

    @property
    def difference(self) -> float | None:
        """The run's mean - the baseline's; None of no pairs."""
        return None if self.mean is None or self.baseline_mean is None else self.mean - self.baseline_mean

    def to_dict(self) -> dict[str, Any]:
        """Return it in plain values, ready for JSON."""
        interval = None if self.interval is None else [self.interval.low, self.interval.high]
        return {**asdict(self), "interval": interval, "difference": self.difference}


@public
@dataclass(frozen=True, slots=True)
class MatrixCase:
    """How one case did under one template in each run.

    Attributes:
        template: The name of the template.
        scores: One for each run, in the order of the matrix; None where the run does not have the case.
        spread: The greatest score - the least; None where fewer than two runs have a score.
        changes: For each run, how it did against the baseline: "+" better, "-" worse, "=" alike; " " where one of
            the two has no score, or it is the baseline itself.
    """

    template: str
    scores: tuple[CaseScore | None, ...]
    spread: float | None
    changes: str

    @property
    def any_score(self) -> CaseScore:
        """What the first run says that has the case."""
        return next(each for each in self.scores if each is not None)

    @property
    def name(self) -> str:
        """The id, or the position in the first run that has it."""
        return self.any_score.name

    def to_dict(self, names: Sequence[str]) -> dict[str, Any]:
        """Return it in plain values, ready for JSON: status, verdict, score and reason by run."""
        first = self.any_score
        kept = ("index", "status", "passed", "score", "reason")
        runs = {
            name: None if each is None else {part: getattr(each, part) for part in kept}
            for name, each in zip(names, self.scores, strict=True)
        }
        return {"template": self.template, "id": first.id, "spread": self.spread, "runs": runs}


@dataclass(frozen=True, slots=True)
class MatrixFigures:
    """What several runs changed against one of them: what a `RunMatrix` tells.

    Its attributes are described there.
    """

    names: tuple[str, ...]
    baseline: str
    paired_by: PairedBy
    confidence: float
    comparisons: int
    differences: Sequence[RunDifference]
    means: Mapping[str, Sequence[tuple[float | None, int]]]
    cases: Sequence[MatrixCase] = field(repr=False)

    @property
    def templates(self) -> list[str]:
        """The names of the templates, in the order of the baseline, then those that only others have."""
        return list(self.means)

    @property
    def worse(self) -> list[RunDifference]:
        """The differences whose verdict is "worse"."""
        return [each for each in self.differences if each.verdict == "worse"]

    @property
    def untold(self) -> list[RunDifference]:
        """Those of which nobody can tell that they are not worse: too few scores of the baseline have a partner."""
        few = self.too_few
        return [each for each in self.differences if each.verdict != "worse" and (each in few or self._is_untold(each))]

    @property
    def too_few(self) -> list[RunDifference]:
        """Those of so few pairs that none of them would be "worse" even if each case of each run had got worse."""
        told = [each for each in self.differences if each.pairs]
        least = holm([mcnemar(each.pairs + each.lost_scores, 0) for each in told])
        return [each for each, p_value in zip(told, least, strict=True) if p_value > 1 - self.confidence]

    def _is_untold(self, each: RunDifference) -> bool:
        _, scored = self.means[each.template][self.names.index(self.baseline)]
        return each.may_be_worse or (scored > 0 and each.pairs == 0)

    @property
    def disagreements(self) -> list[MatrixCase]:
        """The cases on which the runs disagree, the greatest spread first."""
        return [each for each in self.cases if each.spread]

    def difference(self, run: str, template: str | None = None) -> RunDifference:
        """Return a run against the baseline.

        Args:
            run: Its name.
            template: The template's name; None if there is one.

        Raises:
            ConfigurationError: There is no such run or template, or several templates and none is named.
        """
        others = [name for name in self.names if name != self.baseline]
        if run not in others:
            raise ConfigurationError(f"no run {run!r} is compared with {self.baseline!r}{instead(run, others)}")
        if template is None and len(self.templates) != 1:
            raise ConfigurationError(f"template: name one of {', '.join(self.templates) or 'none'}")
        name = self.templates[0] if template is None else template
        if name not in self.means:
            raise ConfigurationError(f"template: the runs have no {name!r}{instead(name, self.templates)}")
        return next(each for each in self.differences if (each.run, each.template) == (run, name))

    def to_dict(self, most_cases: int | None = None) -> dict[str, Any]:
        """Return it in plain values, ready for JSON.

        Args:
            most_cases: So many of the cases on which runs disagree; None for all.
        """
        return {
            "runs": list(self.names),
            "baseline": self.baseline,
            "paired_by": self.paired_by,
            "confidence": self.confidence,
            "comparisons": self.comparisons,
            "means": {
                template: {name: {"mean": mean, "n": n} for name, (mean, n) in zip(self.names, of, strict=True)}
                for template, of in self.means.items()
            },
            "differences": [each.to_dict() for each in self.differences],
            "disagreements": [each.to_dict(self.names) for each in self.disagreements[:most_cases]],
        }

    def __str__(self) -> str:
        """Return the differences, and the cases on which the runs disagree most: what `print(matrix)` shows."""
        sure = f"{self.confidence:.4g} for all {self.comparisons} comparisons together (Holm)"
        lines = [f"{len(self.names)} runs, paired by {self.paired_by}, against {self.baseline}; {sure}"]
        lines += [f"  {_said(each)}" for each in self.differences]
        found = self.disagreements
        lines += [f"the runs disagree on {len(found):,} of {len(self.cases):,} cases"] if found else []
        lines += [
            f"  {each.name} {each.template}: {', '.join(map(short_score, each.scores))}" for each in found[:_SHOWN]
        ]
        return "\n".join(lines)


def _said(each: RunDifference) -> str:
    head = f"{each.template}, {each.run}: "
    if each.difference is None:
        return f"{head}not compared: {each.said}"
    reach = "" if each.interval is None else f" ({each.interval.low:+z.3f} to {each.interval.high:+z.3f})"
    tail = f"; {each.said}" if each.said else ""
    return (
        f"{head}{each.difference:+z.3f}{reach}, {each.wins:,} better, {each.losses:,} worse,"
        f" p {each.adjusted_p:.3f}: {each.verdict}{tail}"
    )


def short_score(score: CaseScore | None) -> str:
    """Return what a run said of a case: "passed", "failed", a number, or "-" where it has no score."""
    if score is None:
        return "-"
    if score.passed is not None:
        return "passed" if score.passed else "failed"
    return "-" if score.score is None else f"{score.score:.4g}"
