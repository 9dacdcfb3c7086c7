"""What a case goes through, as generators: they yield what to do and are told what happened.

No await and no clock: whoever drives a job performs its actions and sends back an Event with the time. So
every way that a case can go is tested by hand, and the engine that drives thousands at once is short.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Generator, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, TypeVar

from fi_async._errors import (
    AmbiguousError,
    APIConnectionError,
    APIError,
    AuthenticationError,
    EvaluationError,
    FiAsyncError,
    PermissionDeniedError,
    ProtocolError,
    RateLimitError,
    ServerError,
    StalledError,
    ValidationError,
)
from fi_async._models import Case, EvalResult, Outcome, OutcomeStatus
from fi_async._report import Counts
from fi_async._settings import RetryPolicy, Timeout
from fi_async.pacing.polling import Completions
from fi_async.pacing.rate import Gate
from fi_async.pacing.retry import Decision, GiveUp, decide
from fi_async.protocol import requests, responses
from fi_async.protocol.inputs import Row
from fi_async.protocol.requests import HttpCall, Parameters
from fi_async.protocol.responses import Reply

T = TypeVar("T")

_GENERIC: Final = "Unable to run standalone evaluation"
_LAST_REPLY: Final = 5.0  # seconds that the reply to a case's last poll may take past its deadline

DENIED: Final = (AuthenticationError, PermissionDeniedError)
"""Refusals of the key pair: they end the whole run, as every other request would meet them too."""


@dataclass(frozen=True, slots=True)
class Send:
    """Send this call, and tell the reply or what prevented it.

    Attributes:
        deadline: When to give up at the latest; None if the case's time begins with this call.
    """

    call: HttpCall
    deadline: float | None = None


@dataclass(frozen=True, slots=True)
class Rest:
    """Come back at this time."""

    until: float


@dataclass(frozen=True, slots=True)
class Hold:
    """Let nobody send before this time; then go on with this job.

    Attributes:
        until: At the latest.
        server_until: The end of the window on the server's clock, if it said so.
    """

    until: float
    server_until: float | None = None


Action = Send | Rest | Hold


@dataclass(frozen=True, slots=True)
class Event:
    """What happened: the time, and after a Send its reply or its error.

    Attributes:
        sent_at: When the call left.
        waited: Seconds it waited for its turn before that. No case's time runs meanwhile.
    """

    now: float
    sent_at: float = 0.0
    waited: float = 0.0
    reply: Reply | None = None
    error: APIConnectionError | None = None


Steps = Generator[Action, Event, T]


@dataclass(slots=True)
class Work:
    """One case under one template, on its way to an outcome. Times are the loop's."""

    index: int
    case: Case
    parameters: Parameters
    row: Row | None = None
    attempts: int = 0
    ambiguous: int = 0
    possible_duplicates: int = 0
    throttled: int = 0
    is_canary: bool = False
    eval_id: str | None = None
    began_at: float | None = None
    accepted_at: float | None = None
    seen_at: float = 0.0
    deadline: float | None = None

    def note(self, event: Event, case_timeout: float | None) -> None:
        """Take note of a call that ended; the first one begins the case's time."""
        if self.began_at is None:
            self.began_at = event.sent_at
        if self.deadline is not None:
            self.deadline += event.waited
        elif case_timeout is not None:
            self.deadline = event.sent_at + case_timeout
        self.seen_at = event.now


@dataclass(eq=False, slots=True)
class Job:
    """Steps on their way, and the works they are for.

    They end in a list: what is finished, and the jobs that take over the rest.
    """

    steps: Steps[Sequence[Any]]
    works: Sequence[Work] = ()


@dataclass(slots=True)
class Context:
    """What the jobs of one run share."""

    backend: str
    timeout: Timeout
    policy: RetryPolicy
    completions: Completions
    gate: Gate
    rng: random.Random
    counts: Counts = field(default_factory=Counts)


def ask(
    call: HttpCall,
    read: Callable[[Reply], T],
    context: Context,
    works: Sequence[Work] = (),
    give_up: Callable[[FiAsyncError], bool] | None = None,
) -> Steps[T]:
    """Return what `read` makes of the reply, after as many attempts as it takes and the policy allows.

    Args:
        call: What to send.
        read: Makes an answer of a reply, or raises.
        context: What the run's jobs share.
        works: What the call is for.
        give_up: Tells of an error that trying the same again leads nowhere.

    Raises:
        FiAsyncError: The last attempt's error; an AmbiguousError if the policy forbids another.
    """
    failures = throttles = 0
    while True:
        event = yield Send(call, _deadline(call, works))
        _note(call, event, context, works)
        try:
            if event.error is not None:
                raise event.error
            assert event.reply is not None  # noqa: S101  # an Event after a Send has one of the two
            return read(event.reply)
        except FiAsyncError as error:
            problem = error
        decision = decide(
            problem,
            repeatable=call.repeatable,
            failures=failures + 1,
            throttles=throttles + 1,
            policy=context.policy,
            rng=context.rng,
        )
        _note_ambiguous(decision, context, works)
        if isinstance(decision, GiveUp) or (
            not decision.throttled
            and (_too_late(event.now + decision.delay, works) or (give_up is not None and give_up(problem)))
        ):
            raise _final(problem, decision, failures + throttles + 1)
        if decision.throttled:
            throttles += 1
            context.counts.throttled += 1
            _begin_anew(call, works)
            yield Hold(event.now + decision.delay, server_until=_window_end(event, problem))
            continue
        failures += 1
        context.counts.retries += 1
        if decision.ambiguous:
            _note_duplicates(context, works)
        yield Rest(event.now + decision.delay)


def _deadline(call: HttpCall, works: Sequence[Work]) -> float | None:
    """Return when a call is given up. A poll at the last moment still has time for its reply."""
    deadline = works[0].deadline if works else None
    return deadline + _LAST_REPLY if deadline is not None and call.repeatable else deadline


def _window_end(event: Event, error: FiAsyncError) -> float | None:
    """Return the end of the window on the server's clock. Retry-After counts whole seconds from the reply's Date."""
    date = event.reply.date if event.reply is not None else None
    after = error.retry_after if isinstance(error, RateLimitError) else None
    return date + after if date is not None and after is not None else None


def _too_late(when: float, works: Sequence[Work]) -> bool:
    return bool(works) and works[0].deadline is not None and when >= works[0].deadline


def _begin_anew(call: HttpCall, works: Sequence[Work]) -> None:
    """Let a case's time begin with its next attempt: what a limit refused, the server never had."""
    if not call.repeatable:
        for work in works:
            work.deadline = None


def _note(call: HttpCall, event: Event, context: Context, works: Sequence[Work]) -> None:
    context.counts.requests += 1
    context.counts.polls += call.repeatable and bool(works)
    for work in works:
        work.attempts += not call.repeatable
        work.note(event, context.timeout.case)


def _note_ambiguous(decision: Decision, context: Context, works: Sequence[Work]) -> None:
    if decision.ambiguous:
        context.counts.ambiguous += len(works) or 1
        for work in works:
            work.ambiguous += 1


def _note_duplicates(context: Context, works: Sequence[Work]) -> None:
    context.counts.possible_duplicates += len(works) or 1
    for work in works:
        work.possible_duplicates += 1


def _final(error: FiAsyncError, decision: Decision, attempts: int) -> FiAsyncError:
    if isinstance(decision, GiveUp) and decision.forbidden:
        error = _ambiguous(error)
    return error.with_facts(attempts=attempts)


def _ambiguous(cause: FiAsyncError) -> AmbiguousError:
    error = AmbiguousError(
        f'sent, and its outcome is unknown ({cause.message}); on_ambiguous="fail" forbids sending it again',
        status=cause.status,
        request_id=cause.request_id,
        server_message=cause.server_message,
    )
    error.__cause__ = cause
    return error


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
    return _submit(works, context, is_async=False, then=lambda work, result: _scored(work, context, result))


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
                _note_duplicates(context, works)
                return [accept([work], context) for work in works]
            if len(works) == 1:
                return [_failed(works[0], context, error)]
            return _singly(works, context, error, is_async=is_async, then=then)
        except FiAsyncError as error:
            return [_failed(work, context, error) for work in works]
        for work, result in zip(works, results, strict=True):
            work.eval_id, work.accepted_at = result.eval_id, work.seen_at
        return [then(work, result) for work, result in zip(works, results, strict=True)]

    return Job(steps(), works)


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
            _note_ambiguous(GiveUp(ambiguous=True), context, works)
        if context.policy.on_ambiguous == "fail":
            return [_failed(work, context, _ambiguous(error)) for work in works]
        if context.policy.max_retries == 0 or _too_late(works[0].seen_at, works):
            return [_failed(work, context, error) for work in works]
        _note_duplicates(context, works)
    return [_submit([work], context, is_async=is_async, then=then) for work in works]


def poll(work: Work, context: Context) -> Job:
    """Return a job that asks for an accepted evaluation's result until it is done, or its time is over."""

    def read(reply: Reply) -> responses.Progress:
        return responses.progress(responses.read(reply), reply)

    def steps() -> Steps[Sequence[Any]]:
        assert work.eval_id is not None  # noqa: S101  # only what was accepted is polled
        call = requests.get_eval(work.eval_id)
        status, trouble = "pending", None
        while True:
            if work.accepted_at is not None:
                yield Rest(_next_poll(work, context))
            try:
                progress = yield from ask(call, read, context, [work])
            except (APIConnectionError, ServerError, ProtocolError) as error:
                # The evaluation goes on without us, and is paid: what cannot be read now is asked for later.
                trouble, progress = error, None
            except DENIED:
                raise
            except FiAsyncError as error:
                return [_failed(work, context, error)]
            work.accepted_at = work.began_at if work.accepted_at is None else work.accepted_at
            if progress is not None and progress.is_done:
                return _settle(work, context, progress)
            status = progress.status if progress is not None else status
            if work.deadline is not None and work.seen_at >= work.deadline:
                return [_stalled(work, context, status, trouble)]

    return Job(steps(), [work])


def _next_poll(work: Work, context: Context) -> float:
    assert work.accepted_at is not None  # noqa: S101  # as above
    age = context.completions.next_poll(work.parameters.template, work.seen_at - work.accepted_at)
    return work.accepted_at + age if work.deadline is None else min(work.accepted_at + age, work.deadline)


def _settle(work: Work, context: Context, progress: responses.Progress) -> Sequence[Any]:
    """Return what becomes of an evaluation that is done: an outcome, or another try if a limit stopped it."""
    if progress.result is not None:
        assert work.accepted_at is not None  # noqa: S101  # as above
        context.completions.learn(work.parameters.template, work.seen_at - work.accepted_at)
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
    context.gate.quota.refused(work.seen_at, canary=work.is_canary, clock=context.gate.clock)
    work.throttled += 1
    context.counts.throttled += 1
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
