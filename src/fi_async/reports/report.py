"""What a run gives back: every case accounted for, and what it took."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from os.path import expanduser
from pathlib import Path
from statistics import fmean
from typing import TYPE_CHECKING, Any, Final, get_args

from fi_async._errors import IncompleteRunError
from fi_async._models import Origin, Outcome, OutcomeStatus
from fi_async._public import public
from fi_async._spending import Answerers, Spending, in_one, is_own, spent_words
from fi_async._statistics import Counts
from fi_async.reports.figures import Cause, cause_of
from fi_async.reports.notebook_summary import notebook_html
from fi_async.reports.outcome_tables import to_pandas, to_polars
from fi_async.reports.panel_tally import PanelTally, panel_lines

if TYPE_CHECKING:
    from fi_async._models import TemplateLike
    from fi_async._results import EvalResult
    from fi_async.reports.agreement_figures import Agreement
    from fi_async.reports.labels import Labels
    from fi_async.reports.tracking import TrackedReport

_SHOWN_CAUSES: Final = 3


@public
@dataclass(frozen=True, slots=True)
class Report:
    """The outcomes of a run in input order, one for each case and template, whatever happened.

    Attributes:
        outcomes: Case by case, and for each case in the order of the templates.
        wall_s: Seconds the run took.
        counts: What it asked of the server.

    Example:
        >>> Report(outcomes=(), wall_s=0.0).coverage
        1.0
    """

    outcomes: Sequence[Outcome]
    wall_s: float
    counts: Counts = field(default_factory=Counts)

    @property
    def results(self) -> list[EvalResult]:
        """The results of the scored cases, in input order."""
        return [outcome.result for outcome in self.outcomes if outcome.result is not None]

    @property
    def failures(self) -> list[Outcome]:
        """The outcomes without a score, in input order; their `error` says why."""
        return [outcome for outcome in self.outcomes if outcome.status is not OutcomeStatus.SCORED]

    @property
    def coverage(self) -> float:
        """Scored / all, from 0 to 1; 1 for an empty run. A mean score says little beside a low one."""
        return len(self.results) / len(self.outcomes) if self.outcomes else 1.0

    def summary(self) -> dict[str, Any]:
        """Return the run in numbers: plain values, ready for JSON.

        `possible_duplicates` are those of the whole run, earlier passes included.
        `cases` counts sets of inputs and `evaluations` outcomes, one per case and template. `replayed`, `reused` and
        `duplicate` are those that nothing was sent for, by their origin. Means and pass rates are over scored cases
        only, of which there are `n`; None where there are none.

        `cost` is in dollars and `tokens` are by kind ("input", of which "cached"; "output", of which "reasoning";
        "total"): of judges of your own, every attempt counted, failed ones too. They are None where nobody knows any.
        `unknown_cost` counts the outcomes that a judge answered and whose cost nobody knows; they are in no sum. What
        was reused from another run, or is a duplicate, cost nothing here. `answered_by` names who was asked.

        A template whose cases have samples has `repeats`, and one that a jury votes on `jury`: see the guide on repeats
        and juries for what they tell.
        """
        return {**self._whole(), "templates": {name: self._of_template(name) for name in self._templates()}}

    def _whole(self) -> dict[str, Any]:
        """Return the run in numbers, without those of its templates."""
        counted = Counter(outcome.status for outcome in self.outcomes)
        origins = Counter(outcome.origin for outcome in self.outcomes)
        return {
            "cases": len({outcome.index for outcome in self.outcomes}),
            "evaluations": len(self.outcomes),
            **{status.value: counted[status] for status in OutcomeStatus},
            **{origin: origins[origin] for origin in get_args(Origin)[1:]},
            "coverage": self.coverage,
            "wall_s": self.wall_s,
            "requests": self.counts.requests,
            "polls": self.counts.polls,
            "retries": self.counts.retries,
            "throttled": self.counts.throttled,
            "ambiguous": self.counts.ambiguous,
            "possible_duplicates": max(self.counts.possible_duplicates, self._possible_duplicates()),
            "removed": self.counts.removed,
            **_spent(self.outcomes),
        }

    def _possible_duplicates(self) -> int:
        """Return those of the outcomes: of a run that was gone on with, those of earlier passes too."""
        paid = (each.possible_duplicates for each in self.outcomes if each.origin in ("evaluated", "replayed"))
        return sum(paid)

    def _templates(self) -> list[str]:
        return list(dict.fromkeys(outcome.template for outcome in self.outcomes))

    def _of_template(self, name: str) -> dict[str, Any]:
        outcomes = [each for each in self.outcomes if each.template == name]
        results = [each.result for each in outcomes if each.result is not None]
        scores = [result.score for result in results if result.score is not None]
        verdicts = [share for each in outcomes if (share := each.pass_share) is not None]
        return {
            "mean_score": fmean(scores) if scores else None,
            "pass_rate": fmean(verdicts) if verdicts else None,
            "n": len(results),
            "answered_by": _answered_by(outcomes),
            **_spent(outcomes),
            **_panels(outcomes),
        }

    def raise_for_failures(self) -> None:
        """Return quietly if every case is scored.

        Raises:
            IncompleteRunError: Some are not; its `failures` are their outcomes, its message the causes.
        """
        failures = self.failures
        if not failures:
            return
        causes = Counter(
            f"{each.status}: {type(each.error).__name__}" if each.error else str(each.status) for each in failures
        )
        listed = ", ".join(f"{count} {cause}" for cause, count in causes.most_common())
        said = f"; the first: {failures[0].error}" if failures[0].error else ""
        raise IncompleteRunError(
            f"{len(failures)} of {len(self.outcomes)} evaluations have no score ({listed}){said}", failures=failures
        )

    def agreement(
        self,
        labels: Labels,
        template: TemplateLike | None = None,
        *,
        labelled: Report | None = None,
        threshold: float = 0.5,
        confidence: float = 0.95,
    ) -> Agreement:
        """Return how far the judge agrees with people, and the true pass rate behind what it says.

        Args:
            labels: What people said: a dict by id; a list in the order of the cases, None where a case has none; or the
                path of a CSV or JSONL file with a column `label`, and one of `id`, `index` or the inputs. A label is
                True or False, "Passed" or "Failed", one of the template's choices, or a number. A column `weight`
                says how many cases a labelled one stands for.
            template: Which template the labels are of; None if the run has one.
            labelled: The report that the labels are of, if it is another than this one: then the judge's errors there
                correct the pass rate here.
            threshold: The score from which a judge that gives scores passes a case, where labels are verdicts.
            confidence: Of the intervals, between 0 and 1.

        Raises:
            ConfigurationError: A label is of no case, of one that has a label, or none that the template gives; there
                is none; or the run has no such template. The message names its place.
        """
        from fi_async.reports.agreement import agreement_of  # noqa: PLC0415  # as below

        return agreement_of(
            self.outcomes,
            labels,
            template if template is None or isinstance(template, str) else str(template.eval_name),
            labelled=None if labelled is None else labelled.outcomes,
            threshold=threshold,
            confidence=confidence,
        )

    def to_html(self, path: str | Path) -> None:
        """Write the report as a page that opens in any browser, offline; its name becomes the page's title.

        It holds the inputs of the cases. A file that is there is replaced.

        Raises:
            OSError: The file cannot be written.
        """
        from fi_async.journal.records import OutcomeRecord, RunInfo  # noqa: PLC0415  # as below
        from fi_async.reports.report_page import write_report  # noqa: PLC0415  # few reports become pages

        path = Path(expanduser(path))  # noqa: PTH111  # a name nobody has stays
        info = RunInfo(
            name=path.stem,
            templates=tuple(self._templates()),
            model_name=None,
            backend=", ".join(in_one(outcome.backend for outcome in self.outcomes)),
            base_url="",
            started_at=0.0,
            settings={"wall_s": round(self.wall_s, 3), **asdict(self.counts)},
        )
        write_report(path, info, (OutcomeRecord("", outcome, 0.0) for outcome in self.outcomes))

    def log_to_mlflow(self, run_name: str | None = None, *, table: bool = True, page: bool = True) -> str:
        """Log the report to the MLflow run that is active, or to a new one, and return its id. Needs [mlflow].

        Metrics are the counts, the coverage, tokens and dollars, and for each template its pass rate or mean score
        with the ends of the 95 % interval, as `TEMPLATE/pass_rate`, `.low` and `.high`. What nobody knows is not
        logged: a missing score is no 0.

        Args:
            run_name: Of a new run.
            table: Log every outcome, inputs included, as the table `outcomes.json`.
            page: Log the page of `to_html`, inputs included, as `report.html`.

        Raises:
            ConfigurationError: MLflow is not installed.
        """
        from fi_async.reports.tracking import log_to_mlflow  # noqa: PLC0415  # few reports are tracked

        return log_to_mlflow(self._tracked(), run_name=run_name, table=table, page=page)

    def to_wandb(self, run: Any = None, *, rows: int | None = 10_000, page: bool = True, **settings: Any) -> str:
        """Log the report to a run of Weights & Biases, and return its id. Needs [wandb].

        Metrics are those of `log_to_mlflow`. The outcomes are a table, the page an artifact and a panel; both hold
        inputs.

        Args:
            run: The run; the active one where omitted, or else a new one, which is finished.
            rows: Outcomes that the table has at most, those without a score first; 0 for no table, None for all.
            page: Log the page of `to_html`.
            **settings: Of `wandb.init` for a new run, such as `project="evals"` and `mode="offline"`.

        Raises:
            ConfigurationError: wandb is not installed.
        """
        from fi_async.reports.tracking import log_to_wandb  # noqa: PLC0415  # as above

        return log_to_wandb(self._tracked(), run, rows=rows, page=page, **settings)

    def _tracked(self) -> TrackedReport:
        from fi_async.reports.tracking import TrackedReport  # noqa: PLC0415  # as above

        return TrackedReport(self.summary(), self.outcomes, self.to_html)

    def to_dicts(self) -> list[dict[str, Any]]:
        """Return the outcomes as plain values, in order; see `Outcome.to_dict`."""
        return [outcome.to_dict() for outcome in self.outcomes]

    def to_pandas(self) -> Any:
        """Return the outcomes as a `pandas.DataFrame`: a row each, a column `inputs.KEY` for each input.

        Lists and dicts become JSON text.

        Raises:
            ConfigurationError: pandas is not installed.
        """
        return to_pandas(self.to_dicts())

    def to_polars(self) -> Any:
        """Return the outcomes as a `polars.DataFrame`, with the columns of `to_pandas`.

        Raises:
            ConfigurationError: polars is not installed.
        """
        return to_polars(self.to_dicts())

    def _repr_html_(self) -> str:
        return notebook_html(self.summary(), (outcome.to_dict() for outcome in self.outcomes))

    def __repr__(self) -> str:
        summary = self._whole()
        counted = ", ".join(f"{summary[status]} {status}" for status in OutcomeStatus if summary[status])
        spent = "".join(f", {each}" for each in spent_words(summary))
        return f"<Report {counted or 'empty'}, coverage {self.coverage:.1%}, {self.wall_s:.1f} s{spent}>"

    def __str__(self) -> str:
        """Return the counts, and below them what each template scored and took: what `print(report)` shows."""
        scores = [
            line
            for name, of in self.summary()["templates"].items()
            for line in (f"  {name}: {_scores(of)}{_by(of)}", *panel_lines(of))
        ]
        return "\n".join([repr(self)[1:-1], *scores, *self._causes()])

    def _causes(self) -> list[str]:
        """Return why cases have no score, the most frequent first."""
        first: dict[Cause, Outcome] = {}
        counted: Counter[Cause] = Counter()
        for each in self.failures:
            counted[cause := cause_of(each)] += 1
            first.setdefault(cause, each)
        lines = [
            f"  no score: {count:,} x {' '.join(': '.join(filter(None, cause)).split())} (first: {_name(first[cause])})"
            for cause, count in counted.most_common(_SHOWN_CAUSES)
        ]
        more = len(counted) - _SHOWN_CAUSES
        return [*lines, *([f"  and {more:,} more causes"] if more > 0 else [])]


def _name(outcome: Outcome) -> str:
    return f"case {outcome.index}" if outcome.case.id is None else outcome.case.id


def _scores(of: Mapping[str, Any]) -> str:
    told = [
        f"{label} {value:{how}}"
        for label, value, how in (("pass rate", of["pass_rate"], ".1%"), ("mean score", of["mean_score"], ".3f"))
        if value is not None
    ]
    return f"{', '.join(told) or 'no score'} (n={of['n']})"


def _by(of: Mapping[str, Any]) -> str:
    """Return who answered a template and what that took, where it is a judge or code of the user's."""
    names = of["answered_by"]
    if not is_own(names):
        return ""
    return "".join(f", {each}" for each in [f"by {' and '.join(names)}", *spent_words(of)])


def _spent(outcomes: Sequence[Outcome]) -> dict[str, Any]:
    spending = Spending()
    for each in outcomes:
        spending.add(each)
    return spending.as_dict()


def _panels(outcomes: Sequence[Outcome]) -> dict[str, Any]:
    """Return what samples and votes tell, under their names; nothing where there are none."""
    tally = PanelTally()
    for each in outcomes:
        tally.add(each)
    return tally.as_dict()


def _answered_by(outcomes: Sequence[Outcome]) -> list[str]:
    found = Answerers()
    for each in outcomes:
        found.add(each)
    return found.names()
