"""Records as a run would have kept them, made by hand."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from fi_async import Case, EvalResult, FiAsyncError, Outcome, OutcomeStatus
from fi_async.journal.records import OutcomeRecord, RunInfo

INPUTS: Mapping[str, Any] = {"text": "Paris"}


def scored(index: int, output: Any, *, template: str = "is_json", at: float = 0.0, **facts: Any) -> OutcomeRecord:
    case = Case(facts.pop("inputs", INPUTS), facts.pop("id", None))
    result = EvalResult(
        name=template,
        output=output,
        reason=facts.pop("reason", None),
        output_type=facts.pop("output_type", "Pass/Fail" if output in ("Passed", "Failed") else "score"),
        estimate=facts.pop("estimate", False),
    )
    return OutcomeRecord("", Outcome(index, case, template, OutcomeStatus.SCORED, result, attempts=1, **facts), at)


def unscored(
    index: int,
    error: FiAsyncError | None,
    status: str = "failed",
    *,
    template: str = "is_json",
    at: float = 0.0,
    **facts: Any,
) -> OutcomeRecord:
    case = Case(facts.pop("inputs", INPUTS), facts.pop("id", None))
    return OutcomeRecord("", Outcome(index, case, template, OutcomeStatus(status), error=error, **facts), at)


def info(*templates: str, name: str = "run", **facts: Any) -> RunInfo:
    told: dict[str, Any] = {"model_name": None, "backend": "local", "base_url": "local", "started_at": 0.0, **facts}
    return RunInfo(name, templates or ("is_json",), **told)
