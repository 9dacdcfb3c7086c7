"""Polling an evaluation that the server has accepted, until it has ended or its time is over.

Generators, as all in `flow`: they yield what to do and are told what happened.
"""

from __future__ import annotations

import math
from typing import Literal

from fi_async._errors import APIConnectionError, FiAsyncError, NotFoundError, ProtocolError, ServerError
from fi_async._models import Outcome
from fi_async.engine import outcomes
from fi_async.engine.attempts import Context, Rest, Steps, ask, note_duplicates
from fi_async.engine.outcomes import DENIED
from fi_async.engine.work import Work
from fi_async.pacing.polling import Accepted
from fi_async.pacing.retry import GiveUp, decide
from fi_async.wire import requests, verdicts
from fi_async.wire.requests import HttpCall
from fi_async.wire.responses import Reply

Next = Literal["start anew"]
"""What is to be done with a work that has no outcome yet."""


def until_done(work: Work, context: Context) -> Steps[Outcome | Next]:
    """Return how an accepted evaluation ended, once it has or its time is over; or what to do with the work instead."""
    assert work.attempt.eval_id is not None  # noqa: S101  # only what was accepted is polled
    call = requests.get_eval(work.attempt.eval_id)
    row = None if work.attempt.accepted_at is None else _accepted(work, context)
    status, trouble = "pending", None
    try:
        while True:
            if row is not None:
                yield from _until_due(work, row, context)
            answer = yield from _ask_once(call, work, context)
            row = row or _accepted(work, context)
            context.gate.canaries.heard_of(work.attempt.canary, work.attempt.seen_at)
            _learn(work, row, context, answer)
            if isinstance(answer, FiAsyncError):
                trouble = answer
            elif answer.is_done:
                return _settle(work, context, answer)
            else:
                status = answer.status
            if _is_over(work, row, context):
                if context.policy.on_stalled != "wait":
                    return _overdue(work, context, status, trouble)
                work.attempt.deadline = None
    except DENIED:
        raise
    except FiAsyncError as error:
        return _refused(work, context, error)
    finally:
        if row is not None:
            context.completions.left(row)


def _ask_once(call: HttpCall, work: Work, context: Context) -> Steps[verdicts.Polled | FiAsyncError]:
    """Return where an evaluation stands, or what was in the way of knowing.

    The evaluation goes on without us, and is paid: an answer that was lost is asked for later.

    Raises:
        ProtocolError: The answer is there, and cannot be understood.
    """

    def read(reply: Reply) -> verdicts.Polled:
        return verdicts.polled(reply, work.attempt.eval_id or "", work.parameters.template)

    try:
        return (yield from ask(call, read, context, [work]))
    except (APIConnectionError, ServerError) as error:
        return error
    except ProtocolError as error:
        if not error.lost:
            raise
        return error


def _accepted(work: Work, context: Context) -> Accepted:
    """Return what the polls go by; for an id alone, as if it was accepted when it was first asked for."""
    attempt, began_at = work.attempt, work.history.began_at
    if attempt.accepted_at is None:
        attempt.accepted_at = attempt.seen_at if began_at is None else began_at
    return context.completions.accepted(work.parameters.template, attempt.accepted_at, scarce=context.gate.is_scarce)


def _until_due(work: Work, row: Accepted, context: Context) -> Steps[None]:
    """Rest until the evaluation is to be asked for: at the end of the case's time at the latest."""
    now, end = work.attempt.seen_at, math.inf if work.attempt.deadline is None else work.attempt.deadline
    while now < end:
        age = now - row.at
        look = context.completions.next_look(
            row, age, scarce=context.gate.is_scarce, urgent=work.attempt.canary is not None
        )
        if look <= age:
            return
        now = (yield Rest(min(row.at + look, end))).now


def _learn(work: Work, row: Accepted, context: Context, answer: verdicts.Polled | FiAsyncError) -> None:
    """Tell what an answer says of how long evaluations take; one that failed says nothing."""
    age, template = work.attempt.seen_at - row.at, work.parameters.template
    if isinstance(answer, FiAsyncError):
        context.completions.lost(row, age)
    elif answer.result is not None:
        context.completions.done(row, age)
        context.latencies.polled(template, context.completions.typical(template), age, row.before)
        context.accepted.done(work.attempt.seen_at)
    elif not answer.is_done:
        context.completions.pending(row, age)


def _is_over(work: Work, row: Accepted, context: Context) -> bool:
    """Tell whether an evaluation that is not done has had its time."""
    if work.attempt.deadline is not None and work.attempt.seen_at >= work.attempt.deadline:
        return True
    return context.timeout.case == "auto" and context.completions.is_stalled(row, work.attempt.seen_at - row.at)


def _settle(work: Work, context: Context, progress: verdicts.Polled) -> Outcome | Next:
    """Return what becomes of an evaluation that is done: an outcome, or another try if a limit stopped it."""
    if progress.result is not None:
        return outcomes.scored(work, context, progress.result)
    assert progress.error is not None  # noqa: S101  # done is a result or an error
    if outcomes.is_stopped(progress.error):
        context.gate.canaries.stopped(work.attempt.canary, work.attempt.seen_at, since=work.attempt.accepted_at)
        context.counts.throttled += 1
        work.attempt.canary = None
    decision = decide(progress.error, repeatable=False, failures=1, policy=context.policy, rng=context.rng)
    if isinstance(decision, GiveUp) or work.row is None:
        return outcomes.failed(work, context, progress.error)
    # It was never run: the case begins anew, and what waits at the gate is not its time.
    work.history.throttled += 1
    context.ledger.void([work])
    return _anew(work)


def _overdue(work: Work, context: Context, status: str, trouble: FiAsyncError | None) -> Outcome | Next:
    """Return what becomes of an evaluation that is not done in its time: it is stalled, or started anew."""
    if context.policy.on_stalled == "resubmit" and _may_restart(work):
        return _restarted(work, context)
    return outcomes.stalled(work, context, status, trouble)


def _refused(work: Work, context: Context, error: FiAsyncError) -> Outcome | Next:
    """Return what becomes of an evaluation that the server does not tell of.

    One that a resumed run had it accept, and that it does not know, it has lost.
    """
    is_lost = isinstance(error, NotFoundError) and work.attempt.is_resumed
    if is_lost and context.policy.may_resubmit and _may_restart(work):
        return _restarted(work, context)
    return outcomes.failed(work, context, error)


def _may_restart(work: Work) -> bool:
    return work.row is not None and not work.history.restarted


def _restarted(work: Work, context: Context) -> Next:
    """Let an accepted evaluation be started anew, once: the server does not finish it, or has lost it."""
    outcomes.tell_quota(work, context, ran=False)
    note_duplicates(context, [work])
    work.history.restarted = True
    return _anew(work)


def _anew(work: Work) -> Next:
    work.attempt = work.attempt.anew()
    return "start anew"
