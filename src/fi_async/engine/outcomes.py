"""How works end: as outcomes, with all that is known of them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from fi_async._errors import (
    APITimeoutError,
    AuthenticationError,
    EvaluationError,
    FiAsyncError,
    PermissionDeniedError,
    StalledError,
)
from fi_async._models import Outcome, OutcomeStatus
from fi_async.engine.attempts import Context
from fi_async.engine.work import Work

if TYPE_CHECKING:
    from fi_async._results import EvalResult

DENIED: Final = (AuthenticationError, PermissionDeniedError)
"""Refusals of the key pair. No work ends in one: they end the whole run, as every other request would meet them too."""


def outcome(
    work: Work,
    context: Context,
    status: OutcomeStatus,
    *,
    result: EvalResult | None = None,
    error: FiAsyncError | None = None,
) -> Outcome:
    """Return how a work ended, with all that is known of it on the outcome and on its error."""
    if error is not None:
        error.attempts = work.history.attempts or error.attempts
        _without_frames(error.with_facts(eval_id=work.attempt.eval_id))
    return Outcome(
        index=work.index,
        case=work.case,
        template=work.parameters.template,
        status=status,
        result=result,
        error=error,
        attempts=work.history.attempts,
        ambiguous=work.history.ambiguous,
        possible_duplicates=work.history.possible_duplicates,
        eval_id=work.attempt.eval_id,
        backend=result.backend if result is not None else context.backend,
        usage=work.history.usage,
        cost=None if work.history.cost is None else float(work.history.cost),
        latency_s=None if work.history.began_at is None else work.attempt.seen_at - work.history.began_at,
        sample=work.parameters.sample,
        juror=work.parameters.juror,
    )


def _without_frames(error: BaseException | None) -> None:
    """Drop the tracebacks of an error that is kept as data: their frames hold connections and inputs alive."""
    while error is not None:
        error.__traceback__ = None
        error = error.__cause__ or error.__context__


def scored(work: Work, context: Context, result: EvalResult) -> Outcome:
    """Return how a work ended that the server has a result of; without an output it failed."""
    tell_quota(work, context, ran=True)
    if result.output is None:
        error = EvaluationError("the server answered without an output", request_id=result.request_id)
        return failed(work, context, error)
    return outcome(work, context, OutcomeStatus.SCORED, result=completed(work, result))


def failed(work: Work, context: Context, error: FiAsyncError) -> Outcome:
    """Return how a work ended that led to this error, whatever the server made of it."""
    tell_quota(work, context, ran=isinstance(error, EvaluationError) and not is_stopped(error))
    return outcome(work, context, OutcomeStatus.FAILED, error=error)


def stalled(work: Work, context: Context, status: str, trouble: FiAsyncError | None) -> Outcome:
    """Return how a work ended whose evaluation still stands so after its time; `trouble` was in the way of knowing."""
    tell_quota(work, context, ran=False)
    seen_at, accepted_at = work.attempt.seen_at, work.attempt.accepted_at
    waited = 0.0 if accepted_at is None else seen_at - accepted_at
    error = StalledError(f"accepted by the server, and still {status} after {waited:.3g} s")
    error.__cause__ = trouble or work.history.trouble
    return outcome(work, context, OutcomeStatus.STALLED, error=error)


def cut_off(work: Work, context: Context, *, sent: bool) -> Outcome:
    """Return how a work ends that the timeout of the call cut off; `sent` if a request for it was under way."""
    status = OutcomeStatus.CANCELLED
    error: FiAsyncError = APITimeoutError("not sent within the timeout of the call", sent=False)
    if work.attempt.eval_id is not None:
        status = OutcomeStatus.STALLED
        error = StalledError("accepted by the server, and not done within the timeout of the call")
    elif sent:
        work.history.attempts += 1
        work.history.ambiguous += 1
        context.counts.ambiguous += 1
        error = APITimeoutError("no reply within the timeout of the call; it may have been evaluated")
    return outcome(work, context, status, error=error)


def not_begun(work: Work, context: Context, error: FiAsyncError) -> Outcome:
    """Return how a work ends that is not begun, as its endpoint takes no more in this run."""
    mine = type(error)(error.message, **{name: value for name, value in vars(error).items() if name != "message"})
    return outcome(work, context, OutcomeStatus.CANCELLED, error=mine)


def completed(work: Work, result: EvalResult) -> EvalResult:
    """Return a result with what the server leaves out and we know."""
    known: dict[str, Any] = {}
    if result.model is None and work.parameters.model is not None:
        known["model"] = work.parameters.model
    if result.eval_id is None and work.attempt.eval_id is not None:
        known["eval_id"] = work.attempt.eval_id
    if work.row is not None and work.row.filled:
        known["filled"] = dict(work.row.filled)
    if work.history.usage is not None:
        known["usage"] = work.history.usage
    if work.history.cost is not None:
        known["cost"] = float(work.history.cost)
    return result.model_copy(update=known) if known else result


def tell_quota(work: Work, context: Context, *, ran: bool) -> None:
    """Tell the quota what became of an evaluation that no limit stopped; one canary after another has to end."""
    if ran:
        context.gate.canaries.ran(work.attempt.canary, work.attempt.seen_at)
    else:
        context.gate.canaries.let_go(work.attempt.canary, work.attempt.seen_at)
    work.attempt.canary = None


def is_stopped(error: FiAsyncError) -> bool:
    """Return True if a limit of the plan stopped the evaluation."""
    return isinstance(error, EvaluationError) and bool(error.throttled)
