"""What becomes of cases that a function answers: a generator, as all jobs are."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from fi_async._errors import EvaluationError
from fi_async._models import Outcome, OutcomeStatus
from fi_async.backends.functions import Finding, Function
from fi_async.engine.asked import Answered
from fi_async.engine.attempts import Compute, Context, Job, Steps
from fi_async.engine.outcomes import outcome
from fi_async.engine.work import Arrival, Work

if TYPE_CHECKING:
    from fi_async._results import EvalResult


def computed(works: Sequence[Work], context: Context, function: Function) -> Job:
    """Return a job that asks a function about the cases of some works, one after the other."""

    def steps() -> Steps[Sequence[Outcome]]:
        ended: list[Outcome] = []
        while left := works[len(ended) :]:
            params = left[0].parameters.config or {}
            event = yield Compute(function, [_values(work, function) for work in left], params)
            ended += [
                _outcome(work, context, function, event, said) for work, said in zip(left, event.said, strict=False)
            ]
        return ended

    return Job(steps(), works)


def _values(work: Work, function: Function) -> Mapping[str, Any]:
    """Return what a function is called with: a user's own gets the values as the case has them."""
    assert work.row is not None  # noqa: S101  # such a work has inputs
    if not function.template.raw:
        return work.row.inputs
    return {key: work.case.inputs[key] for key in work.row.inputs}


def _outcome(work: Work, context: Context, function: Function, event: Arrival, said: Answered) -> Outcome:
    work.history.attempts += 1
    work.history.began_at = event.sent_at
    work.attempt.seen_at = event.sent_at + said.seconds
    if isinstance(said.verdict, EvaluationError):
        return outcome(work, context, OutcomeStatus.FAILED, error=said.verdict)
    return outcome(work, context, OutcomeStatus.SCORED, result=_result(work, function, said.verdict, said.seconds))


def _result(work: Work, function: Function, verdict: Finding, seconds: float) -> EvalResult:
    from fi_async._results import EvalResult  # noqa: PLC0415  # pydantic: 60 ms, when there is a result

    filled = {} if work.row is None else dict(work.row.filled)
    return EvalResult(
        name=function.template.name,
        output=verdict.output,
        reason=verdict.reason,
        runtime=1000 * seconds,
        output_type=function.template.output_type,
        backend=function.backend,
        filled=filled,
    )
