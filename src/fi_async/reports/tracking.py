"""A report in experiment trackers: MLflow and Weights & Biases. Figures with intervals, the outcomes, and the page."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Final

from fi_async._extras import need
from fi_async._models import Outcome, OutcomeStatus
from fi_async.reports.outcome_tables import COLUMNS, flat
from fi_async.reports.template_scores import scores_by_template

_OF_RUN: Final = ("cases", "evaluations", *(status.value for status in OutcomeStatus), "coverage", "wall_s")
_COUNTED: Final = ("requests", "polls", "retries", "throttled", "ambiguous", "possible_duplicates")
_ORIGINS: Final = ("replayed", "reused", "duplicate")
_NOT_OF_NAMES: Final = re.compile(r"[^\w.\- ]")
_TABLE: Final = "outcomes.json"
_PAGE: Final = "report.html"


@dataclass(frozen=True, slots=True)
class TrackedReport:
    """What trackers are told of a report.

    Attributes:
        summary: Its figures, as `Report.summary()` has them.
        outcomes: Its outcomes.
        write_page: Writes its page to a file.
    """

    summary: Mapping[str, Any]
    outcomes: Sequence[Outcome]
    write_page: Callable[[Path], object]


def figures_of(report: TrackedReport) -> dict[str, float]:
    """Return the figures of a report by name. What nobody knows has none: a score that is missing is no 0.

    `TEMPLATE/pass_rate` (or `mean`) has `.low` and `.high` beside it, the ends of its interval at 95 % confidence, and
    `TEMPLATE/coverage` says how many of its cases it is about.
    """
    summary = report.summary
    found: dict[str, float | None] = {name: summary[name] for name in (*_OF_RUN, *_COUNTED, *_ORIGINS)}
    found |= {"cost": summary["cost"], "unknown_cost": summary["unknown_cost"]}
    found |= {f"tokens.{kind}": count for kind, count in (summary["tokens"] or {}).items()}
    for name, scores in scores_by_template(report.outcomes).items():
        group = _NOT_OF_NAMES.sub("_", name)
        plain, of = scores.as_dict(), summary["templates"][name]
        found |= {f"{group}/{each}": plain[each] for each in ("total", "scored", "coverage")}
        found[f"{group}/cost"] = of["cost"]
        for metric in ("pass_rate", "mean"):
            found |= _with_interval(f"{group}/{metric}", plain[metric])
    return {name: float(value) for name, value in found.items() if value is not None and math.isfinite(value)}


def _with_interval(name: str, told: Mapping[str, Any] | None) -> dict[str, float | None]:
    if told is None:
        return {}
    low, high = told["interval"] or (None, None)
    return {name: told["value"], f"{name}.low": low, f"{name}.high": high, f"{name}.n": told["n"]}


def _rows(outcomes: Sequence[Outcome], most: int | None) -> list[list[Any]]:
    """Return a row for each outcome, without a score first where not all fit."""
    if most is not None and len(outcomes) > most:
        outcomes = sorted(outcomes, key=lambda each: each.status is OutcomeStatus.SCORED)[:most]
    return [list(flat(each.to_dict()).values()) for each in outcomes]


@contextmanager
def _page(report: TrackedReport) -> Iterator[Path]:
    with TemporaryDirectory() as place:
        page = Path(place) / _PAGE
        report.write_page(page)
        yield page


def log_to_mlflow(report: TrackedReport, *, run_name: str | None, table: bool, page: bool) -> str:
    """Return the id of the MLflow run that a report was logged to; see `Report.log_to_mlflow`."""
    mlflow = need("mlflow", "fi-async[mlflow]", "log_to_mlflow()")
    active = mlflow.active_run()
    run = active or mlflow.start_run(run_name=run_name)
    problem = True
    try:
        mlflow.log_metrics(figures_of(report))
        mlflow.set_tags({"fi_async.templates": ", ".join(report.summary["templates"])[:4000]})
        if table:
            told = {"columns": list(COLUMNS), "data": _rows(report.outcomes, None)}
            mlflow.log_text(json.dumps(told, ensure_ascii=False), _TABLE)
            mlflow.set_tag("mlflow.loggedArtifacts", json.dumps([{"path": _TABLE, "type": "table"}]))
        if page:
            with _page(report) as file:
                mlflow.log_artifact(str(file))
        problem = False
    finally:
        if active is None:
            mlflow.end_run("FAILED" if problem else "FINISHED")
    return str(run.info.run_id)


def log_to_wandb(report: TrackedReport, run: Any, *, rows: int | None, page: bool, **settings: Any) -> str:
    """Return the id of the run of Weights & Biases that a report was logged to; see `Report.to_wandb`."""
    wandb = need("wandb", "fi-async[wandb]", "to_wandb()")
    chosen = run or wandb.run
    mine = chosen is None
    if chosen is None:
        chosen = wandb.init(**settings)
    problem = True
    try:
        figures = figures_of(report)
        chosen.log(figures)
        chosen.summary.update(figures)
        chosen.config.update({"fi_async.templates": list(report.summary["templates"])}, allow_val_change=True)
        if rows is None or rows > 0:
            table = wandb.Table(columns=list(COLUMNS), data=_rows(report.outcomes, rows), allow_mixed_types=True)
            chosen.log({"outcomes": table})
        if page:
            with _page(report) as file:
                artifact = wandb.Artifact(f"fi-async-report-{chosen.id}", type="report")
                artifact.add_file(str(file))
                chosen.log_artifact(artifact)
                chosen.log({"report": wandb.Html(file.read_text(encoding="utf-8"), inject=False)})
        problem = False
    finally:
        if mine:
            chosen.finish(exit_code=int(problem))
    return str(chosen.id)
