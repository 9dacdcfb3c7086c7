"""What becomes of cases: jobs that score rows, start them, and poll them to an outcome.

Generators, as all in `flow`: they yield what to do and are told what happened.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Final, TypeVar

from fi_async._errors import (
    APIConnectionError,
    APIError,
    AuthenticationError,
    EvaluationError,
    FiAsyncError,
    NotFoundError,
    PermissionDeniedError,
    ProtocolError,
    ServerError,
    StalledError,
    ValidationError,
)
from fi_async._models import EvalResult, Outcome, OutcomeStatus
from fi_async.flow import (
    Context,
    Job,
    Rest,
    Steps,
    Work,
    ask,
    forbidden,
    note_ambiguous,
    note_duplicates,
    too_late,
)
from fi_async.pacing.polling import Accepted
from fi_async.pacing.retry import GiveUp, decide
from fi_async.protocol import requests, responses
from fi_async.protocol.requests import HttpCall
from fi_async.protocol.responses import Reply

T = TypeVar("T")

_GENERIC: Final = "Unable to run standalone evaluation"

DENIED: Final = (AuthenticationError, PermissionDeniedError)
"""Refusals of the key pair: they end the whole run, as every other request would meet them too."""


@dataclass(frozen=True, slots=True)
class Started:
    """An evaluation that the server has accepted: its result has an eval_id, and no output yet."""

    index: int
    template: str
    result: EvalResult
    error: None = None


def fetch(call: HttpCall, read: Callable[[Reply], T], context: Context) -> Job:
    """Return a job that ends in what `read` makes of the reply to one call."""

    def steps() -> Steps[Sequence[T]]:
        answer = yield from ask(call, read, context)
        return [answer]

    return Job(steps())


def score(works: Sequence[Work], context: Context) -> Job:
    """Return a job that evaluates some rows in one request and holds it until they are scored."""

    def scored(work: Work, result: EvalResult) -> Outcome:
        # The rows of a batch run one after the other: each took its share.
        took = (work.seen_at - work.sent_at) / len(works)
        context.completions.held(work.parameters.template, took)
        context.latencies.held(work.parameters.template, took)
        return _scored(work, context, result)

    return _submit(works, context, is_async=False, then=scored)


def accept(works: Sequence[Work], context: Context) -> Job:
    """Return a job that starts evaluations of some rows in one request, and polls each until it is done."""

    def accepted(work: Work, _: EvalResult) -> Job:
        return poll(work, context)

    return _submit(works, context, is_async=True, then=accepted)


def start(works: Sequence[Work], context: Context) -> Job:
    """Return a job that starts evaluations, and ends in a Started each."""

    def started(work: Work, result: EvalResult) -> Started:
        return Started(work.index, work.parameters.template, _completed(work, result))

    return _submit(works, context, is_async=True, then=started)


def _submit(works: Sequence[Work], context: Context, *, is_async: bool, then: Callable[[Work, EvalResult], Any]) -> Job:
    def read(reply: Reply) -> list[EvalResult]:
        results = responses.started(responses.read(reply), reply, len(works))
        if is_async and not all(result.eval_id for result in results):
            raise ProtocolError("the reply accepts evaluations without naming their eval_id", status=reply.status)
        return results

    def steps() -> Steps[Sequence[Any]]:
        rows = [work.row.inputs for work in works if work.row is not None]
        call = requests.new_eval(works[0].parameters, rows, is_async=is_async)
        try:
            results = yield from ask(call, read, context, works, give_up=None if is_async else _says_nothing)
        except DENIED:
            raise
        except (ValidationError, ServerError) as error:
            if not is_async and _says_nothing(error) and context.policy.may_resubmit:
                note_duplicates(context, works)
                return [accept([work], context) for work in works]
            if len(works) == 1:
                return [_failed(works[0], context, error)]
            return _singly(works, context, error, is_async=is_async, then=then)
        except FiAsyncError as error:
            return [_failed(work, context, error) for work in works]
        _note_ids(works, results, context, is_async=is_async)
        return [then(work, result) for work, result in zip(works, results, strict=True)]

    return Job(steps(), works)


def _note_ids(works: Sequence[Work], results: Sequence[EvalResult], context: Context, *, is_async: bool) -> None:
    for work, result in zip(works, results, strict=True):
        work.eval_id, work.accepted_at = result.eval_id, work.seen_at
        if is_async:
            context.ledger.accepted(work)


def _says_nothing(error: FiAsyncError) -> bool:
    """Tell whether it is the server's one 500 for all that can go wrong with a sync evaluation, a plan's limit too.

    Asked asynchronously it says what: the evaluation is accepted, and fails with the reason.
    """
    return isinstance(error, ServerError) and (error.server_message or "").startswith(_GENERIC)


def _singly(
    works: Sequence[Work],
    context: Context,
    error: APIError,
    *,
    is_async: bool,
    then: Callable[[Work, EvalResult], Any],
) -> Sequence[Any]:
    """Return what becomes of rows whose common request was refused: one of them spoils the reply of all.

    The server names the field of a request that it refuses before it evaluates any row. Otherwise the rows
    before the spoilt one may have been evaluated, and each is ambiguous.
    """
    if not getattr(error, "fields", None):
        if isinstance(error, ValidationError):
            note_ambiguous(GiveUp(ambiguous=True), context, works)
        if context.policy.on_ambiguous == "fail":
            return [_failed(work, context, forbidden(error)) for work in works]
        if context.policy.max_retries == 0 or too_late(works[0].seen_at, works):
            return [_failed(work, context, error) for work in works]
        note_duplicates(context, works)
    else:
        context.ledger.void(works)
    return [_submit([work], context, is_async=is_async, then=then) for work in works]


def poll(work: Work, context: Context) -> Job:
    """Return a job that asks for an accepted evaluation's result until it is done, or its time is over."""

    def steps() -> Steps[Sequence[Any]]:
        assert work.eval_id is not None  # noqa: S101  # only what was accepted is polled
        call = requests.get_eval(work.eval_id)
        row = None if work.accepted_at is None else _accepted(work, context)
        status, trouble = "pending", None
        try:
            while True:
                if row is not None:
                    yield from _until_due(work, row, context)
                answer = yield from _ask_once(call, work, context)
                row = row or _accepted(work, context)
                _learn(work, row, context, answer)
                if isinstance(answer, FiAsyncError):
                    trouble = answer
                elif answer.is_done:
                    return _settle(work, context, answer)
                else:
                    status = answer.status
                if _is_over(work, row, context):
                    return [_overdue(work, context, status, trouble)]
        except DENIED:
            raise
        except FiAsyncError as error:
            return [_refused(work, context, error)]
        finally:
            if row is not None:
                context.completions.left(row)

    return Job(steps(), [work])


def _ask_once(call: HttpCall, work: Work, context: Context) -> Steps[responses.Progress | FiAsyncError]:
    """Return where an evaluation stands, or what was in the way of knowing.

    The evaluation goes on without us, and is paid: what cannot be read now is asked for later.
    """

    def read(reply: Reply) -> responses.Progress:
        return responses.progress(responses.read(reply), reply)

    try:
        return (yield from ask(call, read, context, [work]))
    except (APIConnectionError, ServerError, ProtocolError) as error:
        return error


def _accepted(work: Work, context: Context) -> Accepted:
    """Return what the polls go by; for an id alone, as if it was accepted when it was first asked for."""
    if work.accepted_at is None:
        work.accepted_at = work.seen_at if work.began_at is None else work.began_at
    return context.completions.accepted(work.parameters.template, work.accepted_at, scarce=context.gate.is_scarce)


def _until_due(work: Work, row: Accepted, context: Context) -> Steps[None]:
    """Rest until the evaluation is to be asked for: at the end of the case's time at the latest."""
    now, end = work.seen_at, math.inf if work.deadline is None else work.deadline
    while now < end:
        age = now - row.at
        look = context.completions.next_look(row, age, scarce=context.gate.is_scarce, urgent=work.is_canary)
        if look <= age:
            return
        now = (yield Rest(min(row.at + look, end))).now


def _learn(work: Work, row: Accepted, context: Context, answer: responses.Progress | FiAsyncError) -> None:
    """Tell what an answer says of how long evaluations take; one that failed says nothing."""
    age, template = work.seen_at - row.at, work.parameters.template
    if isinstance(answer, FiAsyncError):
        context.completions.lost(row, age)
    elif answer.result is not None:
        context.completions.done(row, age)
        context.latencies.polled(template, context.completions.typical(template))
        context.accepted.done(work.seen_at)
    elif not answer.is_done:
        context.completions.pending(row, age)


def _is_over(work: Work, row: Accepted, context: Context) -> bool:
    """Tell whether an evaluation that is not done has had its time."""
    if work.deadline is not None and work.seen_at >= work.deadline:
        return True
    return context.timeout.case == "auto" and context.completions.is_stalled(row, work.seen_at - row.at)


def _settle(work: Work, context: Context, progress: responses.Progress) -> Sequence[Any]:
    """Return what becomes of an evaluation that is done: an outcome, or another try if a limit stopped it."""
    if progress.result is not None:
        return [_scored(work, context, progress.result)]
    assert progress.error is not None  # noqa: S101  # done is a result or an error
    decision = decide(
        progress.error,
        repeatable=False,
        failures=1,
        throttles=work.throttled + 1,
        policy=context.policy,
        rng=context.rng,
    )
    if isinstance(decision, GiveUp) or work.row is None:
        return [_failed(work, context, progress.error)]
    # It was never run: the case begins anew, and what waits at the gate is not its time.
    quota, clock = context.gate.quota, context.gate.clock
    quota.refused(work.seen_at, canary=work.is_canary, clock=clock, since=work.accepted_at)
    work.throttled += 1
    context.counts.throttled += 1
    context.ledger.void([work])
    work.eval_id = work.accepted_at = work.deadline = None
    work.is_canary = False
    return [accept([work], context)]


def _completed(work: Work, result: EvalResult) -> EvalResult:
    """Return a result with what the server leaves out and we know."""
    known: dict[str, Any] = {}
    if result.model is None and work.parameters.model is not None:
        known["model"] = work.parameters.model
    if result.eval_id is None and work.eval_id is not None:
        known["eval_id"] = work.eval_id
    if work.row is not None and work.row.filled:
        known["filled"] = dict(work.row.filled)
    return result.model_copy(update=known) if known else result


def _scored(work: Work, context: Context, result: EvalResult) -> Outcome:
    _tell_quota(work, context, ran=True)
    if result.output is None:
        error = EvaluationError("the server answered without an output", request_id=result.request_id)
        return _failed(work, context, error)
    return outcome(work, context.backend, OutcomeStatus.SCORED, result=_completed(work, result))


def _tell_quota(work: Work, context: Context, *, ran: bool) -> None:
    """Tell the quota what became of an evaluation that no limit stopped; one canary after another has to end."""
    quota = context.gate.quota
    if ran:
        quota.passed(canary=work.is_canary, clock=context.gate.clock)
    elif work.is_canary:
        quota.lost(work.seen_at)
    work.is_canary = False


def _failed(work: Work, context: Context, error: FiAsyncError) -> Outcome:
    _tell_quota(work, context, ran=isinstance(error, EvaluationError))
    return outcome(work, context.backend, OutcomeStatus.FAILED, error=error)


def _overdue(work: Work, context: Context, status: str, trouble: FiAsyncError | None) -> Job | Outcome:
    """Return what becomes of an evaluation that is not done in its time: it is stalled, waited for, or started anew."""
    policy = context.policy
    if policy.on_stalled == "wait":
        work.deadline = None
        return poll(work, context)
    if policy.on_stalled == "resubmit" and _may_restart(work):
        return _restarted(work, context)
    return _stalled(work, context, status, trouble)


def _refused(work: Work, context: Context, error: FiAsyncError) -> Job | Outcome:
    """Return what becomes of an evaluation that the server does not tell of.

    One that a resumed run had it accept, and that it does not know, it has lost.
    """
    is_lost = isinstance(error, NotFoundError) and work.is_resumed
    if is_lost and context.policy.may_resubmit and _may_restart(work):
        return _restarted(work, context)
    return _failed(work, context, error)


def _may_restart(work: Work) -> bool:
    return work.row is not None and not work.restarted


def _restarted(work: Work, context: Context) -> Job:
    """Return a job that starts an accepted evaluation anew, once: the server does not finish it, or has lost it."""
    _tell_quota(work, context, ran=False)
    note_duplicates(context, [work])
    work.restarted = True
    work.eval_id = work.accepted_at = work.deadline = None
    return accept([work], context)


def _stalled(work: Work, context: Context, status: str, trouble: FiAsyncError | None) -> Outcome:
    _tell_quota(work, context, ran=False)
    waited = work.seen_at - (work.seen_at if work.accepted_at is None else work.accepted_at)
    error = StalledError(f"accepted by the server, and still {status} after {waited:.3g} s")
    error.__cause__ = trouble
    return outcome(work, context.backend, OutcomeStatus.STALLED, error=error)


def outcome(
    work: Work,
    backend: str,
    status: OutcomeStatus,
    *,
    result: EvalResult | None = None,
    error: FiAsyncError | None = None,
) -> Outcome:
    """Return how a work ended, with all that is known of it on the outcome and on its error."""
    if error is not None:
        error.attempts = work.attempts or error.attempts
        _without_frames(error.with_facts(eval_id=work.eval_id))
    return Outcome(
        index=work.index,
        case=work.case,
        template=work.parameters.template,
        status=status,
        result=result,
        error=error,
        attempts=work.attempts,
        ambiguous=work.ambiguous,
        possible_duplicates=work.possible_duplicates,
        eval_id=work.eval_id,
        backend=result.backend if result is not None else backend,
        latency_s=None if work.began_at is None else work.seen_at - work.began_at,
    )


def _without_frames(error: BaseException | None) -> None:
    """Drop the tracebacks of an error that is kept as data: their frames hold connections and inputs alive."""
    while error is not None:
        error.__traceback__ = None
        error = error.__cause__ or error.__context__
