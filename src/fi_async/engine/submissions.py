"""What becomes of cases: jobs that score rows, start them, and poll them to an outcome.

Generators, as all in `flow`: they yield what to do and are told what happened.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, TypeVar

from fi_async._errors import APIError, FiAsyncError, ProtocolError, ServerError, ValidationError
from fi_async._models import Outcome
from fi_async.engine import outcomes
from fi_async.engine.attempts import Context, Job, Steps, ask, forbidden, note_ambiguous, note_duplicates, too_late
from fi_async.engine.outcomes import DENIED
from fi_async.engine.polls import until_done
from fi_async.engine.work import Work
from fi_async.pacing.retry import GiveUp
from fi_async.wire import requests, verdicts
from fi_async.wire.requests import HttpCall
from fi_async.wire.responses import Reply

if TYPE_CHECKING:
    from fi_async._results import EvalResult

T = TypeVar("T")

_LOOKED_INTO: Final = 60.0  # seconds to hear why an evaluation failed whose request said nothing of it
_GENERIC: Final = "Unable to run standalone evaluation"


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
        took = (work.attempt.seen_at - work.attempt.sent_at) / len(works)
        context.completions.held(work.parameters.template, took)
        context.latencies.held(work.parameters.template, took, work.attempt.before)
        return outcomes.scored(work, context, result)

    return _submit(works, context, is_async=False, then=scored)


def accept(works: Sequence[Work], context: Context) -> Job:
    """Return a job that starts evaluations of some rows in one request, and polls each until it is done."""

    def accepted(work: Work, _: EvalResult) -> Job:
        return poll(work, context)

    return _submit(works, context, is_async=True, then=accepted)


def start(works: Sequence[Work], context: Context) -> Job:
    """Return a job that starts evaluations, and ends in a Started each."""

    def started(work: Work, result: EvalResult) -> Started:
        # Nobody may ever ask for it: whoever does takes its canary over.
        context.gate.canaries.entrust(work.attempt.eval_id, work.attempt.canary, work.attempt.seen_at)
        work.attempt.canary = None
        return Started(work.index, work.parameters.template, outcomes.completed(work, result))

    return _submit(works, context, is_async=True, then=started)


def poll(work: Work, context: Context) -> Job:
    """Return a job that asks for an accepted evaluation's result until it is done, or its time is over."""

    def steps() -> Steps[Sequence[Any]]:
        ended = yield from until_done(work, context)
        return [work if ended == "start anew" else ended]

    return Job(steps(), [work])


def _submit(works: Sequence[Work], context: Context, *, is_async: bool, then: Callable[[Work, EvalResult], Any]) -> Job:
    def read(reply: Reply) -> list[EvalResult | ProtocolError]:
        return verdicts.started(reply, works[0].parameters.template, len(works), is_async=is_async)

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
                for work in works:
                    _look_into(work, error)
                return [accept([work], context) for work in works]
            if len(works) == 1:
                return [outcomes.failed(works[0], context, error)]
            return _singly(works, context, error, is_async=is_async, then=then)
        except FiAsyncError as error:
            return [outcomes.failed(work, context, error) for work in works]
        _note_ids(works, results, context, is_async=is_async)
        return [
            outcomes.failed(work, context, result) if isinstance(result, ProtocolError) else then(work, result)
            for work, result in zip(works, results, strict=True)
        ]

    return Job(steps(), works)


def _note_ids(
    works: Sequence[Work], results: Sequence[EvalResult | ProtocolError], context: Context, *, is_async: bool
) -> None:
    for work, result in zip(works, results, strict=True):
        work.attempt.accepted(result.eval_id, work.attempt.seen_at)
        if is_async and not isinstance(result, ProtocolError):
            context.ledger.accepted(work)


def _look_into(work: Work, error: FiAsyncError) -> None:
    """Ask again to hear why a work failed: that is not worth the whole time of a case."""
    work.history.trouble = error
    end = work.attempt.seen_at + _LOOKED_INTO
    work.attempt.deadline = end if work.attempt.deadline is None else min(work.attempt.deadline, end)


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
            return [outcomes.failed(work, context, forbidden(error)) for work in works]
        if context.policy.max_retries == 0 or too_late(works[0].attempt.seen_at, works):
            return [outcomes.failed(work, context, error) for work in works]
        note_duplicates(context, works)
    else:
        context.ledger.void(works)
    return [_submit([work], context, is_async=is_async, then=then) for work in works]
