"""What a case goes through, as generators: they yield what to do and are told what happened.

No await and no clock: whoever drives a job performs its actions and sends back an Arrival with the time. So
every way that a case can go is tested by hand, and the engine that drives thousands at once is short.
"""

from __future__ import annotations

import random
from collections.abc import Awaitable, Callable, Generator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final, Protocol, TypeVar

from fi_async._errors import (
    AmbiguousError,
    APIConnectionError,
    AuthenticationError,
    FiAsyncError,
    PermissionDeniedError,
    RateLimitError,
    ServerError,
)
from fi_async._events import Listener, RequestRetried, emit, wants
from fi_async._models import Outcome
from fi_async._settings import RetryPolicy, Timeout
from fi_async._statistics import Counts
from fi_async.engine.work import Arrival, History, Work
from fi_async.pacing.accepted import AcceptedLimit
from fi_async.pacing.gate import Gate
from fi_async.pacing.latencies import Latencies
from fi_async.pacing.polling import Completions
from fi_async.pacing.retry import Decision, GiveUp, Retry, decide
from fi_async.pacing.ticket import Terms
from fi_async.wire.requests import HttpCall
from fi_async.wire.responses import Reply, retry_after

if TYPE_CHECKING:
    from fi_async.backends.functions import Function

T = TypeVar("T")

_PHRASES: Final = frozenset({"Internal Server Error"})  # what any failure is called
_LAST_REPLY: Final = 5.0  # seconds that the reply to a case's last poll may take past its deadline


@dataclass(frozen=True, slots=True)
class Send:
    """Send this call, and tell the reply or what prevented it.

    Attributes:
        deadline: When to give up at the latest; None if the case's time begins with this call.
    """

    call: HttpCall
    deadline: float | None = None

    @property
    def is_post(self) -> bool:
        """True if it starts evaluations; all else may be repeated."""
        return not self.call.repeatable


@dataclass(frozen=True, slots=True)
class Compute:
    """Ask this function about these cases, and tell what it said of each, or of the first few.

    Attributes:
        cases: The values that it takes, by key.
        params: The template's parameters.
    """

    function: Function
    cases: Sequence[Mapping[str, Any]]
    params: Mapping[str, Any]

    @property
    def is_post(self) -> bool:
        """True: it evaluates."""
        return True


@dataclass(frozen=True, slots=True)
class Rest:
    """Come back at this time."""

    until: float


@dataclass(frozen=True, slots=True)
class Requeue:
    """Nothing came of the last request, and nobody sends for a while: plan these works anew, or else go on."""


Action = Send | Compute | Rest | Requeue


@dataclass(frozen=True, slots=True)
class LaneOver:
    """What a job may end in, beside outcomes: its endpoint takes no more works in this run, and why."""

    error: FiAsyncError


Steps = Generator[Action, Arrival, T]


@dataclass(eq=False, slots=True)
class Job:
    """Steps on their way, and the works they are for.

    They end in a list: what is finished, and the jobs that take over the rest.
    """

    steps: Steps[Sequence[Any]]
    works: Sequence[Work] = ()


class Ledger(Protocol):
    """Who keeps what becomes of works. It is told before anything follows from it."""

    drain: float
    """Seconds that requests under way may take to their end when the run is stopped."""

    def intended(self, works: Sequence[Work]) -> None:
        """Take note that a request to evaluate them is about to leave."""

    def accepted(self, work: Work) -> None:
        """Take note of the evaluation that the server accepted."""

    def void(self, works: Sequence[Work]) -> None:
        """Take note that the last request led to no evaluation."""

    def lost(self, works: Sequence[Work]) -> None:
        """Take note that they are asked for again, although the last request may have led to one."""

    def ended(self, outcome: Outcome, emit: Callable[[Any], None]) -> None:
        """Keep an outcome, and hand it out once it is kept; also as those of equal cases."""

    def dropped(self, outcome: Outcome, emit: Callable[[Any], None]) -> None:
        """Hand out how a work ended that the end of the run cut off. It is not kept: a resumed run goes on with it."""

    def spent(self, template: str, juror: str | None = None) -> float:
        """Return the dollars that earlier passes of the run have spent on a template, or on one of its jurors."""

    def kept(self) -> Awaitable[None] | None:
        """Return what to await until all that was told is kept; None if it is."""


class Forgetful:
    """The ledger of a run that nobody wants to resume."""

    drain = 0.0

    def intended(self, works: Sequence[Work]) -> None:
        """Forget it."""

    def accepted(self, work: Work) -> None:
        """Forget it."""

    def void(self, works: Sequence[Work]) -> None:
        """Forget it."""

    def lost(self, works: Sequence[Work]) -> None:
        """Forget it."""

    def ended(self, outcome: Outcome, emit: Callable[[Any], None]) -> None:
        """Hand it out."""
        emit(outcome)

    dropped = ended

    def spent(self, template: str, juror: str | None = None) -> float:  # noqa: ARG002  # as of every ledger
        """Return 0: there was no earlier pass."""
        return 0.0

    def kept(self) -> None:
        """Return None: nothing is kept."""


@dataclass(frozen=True, slots=True)
class Context:
    """What the jobs of one run share.

    Attributes:
        on_event: Who is told what happens; None for nobody but the log.
        terms: What binds the requests of the run.
        counts: What the run asks of the server.
        ledger: Who keeps what becomes of its works.
        latencies: How long evaluations take, held and polled: what plans go by.
        accepted: How many evaluations the server can work on at once, as their polls tell.
        wait_of: Reads the seconds that a refusal says to wait.
        tokens_of: Reads the tokens that a reply took.
        run: The number of the run, for whoever listens.
    """

    backend: str
    timeout: Timeout
    policy: RetryPolicy
    completions: Completions
    gate: Gate
    rng: random.Random
    on_event: Listener | None = None
    terms: Terms = field(default_factory=Terms)
    counts: Counts = field(default_factory=Counts)
    ledger: Ledger = field(default_factory=Forgetful)
    latencies: Latencies = field(default_factory=Latencies)
    accepted: AcceptedLimit = field(default_factory=AcceptedLimit)
    wait_of: Callable[[Reply], float | None] = retry_after
    tokens_of: Callable[[Reply], int | None] = lambda _: None
    run: int = 0


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
    failures, crowds, tries = max((work.history.failures for work in works), default=0), 0, 0
    told = [work.history for work in works] or [History()]
    while True:
        event = yield Send(call, _deadline(call, works))
        tries += 1
        _note(call, event, context, works)
        try:
            if event.error is not None:
                raise event.error
            assert event.reply is not None  # noqa: S101  # an Arrival after a Send has one of the two
            answer = read(event.reply)
        except FiAsyncError as error:
            problem = error
        else:
            _count_failures(works, 0)
            return answer
        if not call.repeatable:
            _let_canary_go(works, event.now, context)
        is_lasting = _is_lasting(problem, told) or (give_up is not None and give_up(problem))
        decision = decide(
            problem,
            repeatable=call.repeatable,
            failures=failures + (not event.crowded),
            crowds=crowds + event.crowded,
            policy=context.policy,
            rng=context.rng,
            is_out=_is_out(problem, event.now, context),
        )
        note_ambiguous(decision, context, works)
        if not call.repeatable and _evaluated_nothing(problem, decision):
            context.ledger.void(works)
        if isinstance(decision, GiveUp) or _leads_nowhere(decision, event.now, works, is_lasting):
            raise _final(problem, decision, tries)
        _tell(call, problem, decision, context, works)
        if decision.held:
            context.counts.throttled += decision.throttled
            _begin_anew(call, works)
            _count_failures(works, failures)
            yield Requeue()
            continue
        failures, crowds = failures + (not event.crowded), crowds + event.crowded
        context.counts.retries += 1
        if decision.ambiguous:
            note_duplicates(context, works)
        yield Rest(event.now + decision.delay)


def _leads_nowhere(decision: Retry, now: float, works: Sequence[Work], is_lasting: bool) -> bool:
    """Return True if it will be the same again, or too late. What is held is no failure, and takes no case's time."""
    return not decision.held and (is_lasting or too_late(now + decision.delay, works))


def _count_failures(works: Sequence[Work], failures: int) -> None:
    for work in works:
        work.history.failures = failures


def _tell(call: HttpCall, problem: FiAsyncError, decision: Retry, context: Context, works: Sequence[Work]) -> None:
    if wants(context, RequestRetried):
        template = works[0].parameters.template if works else None
        emit(context, RequestRetried(call.endpoint, _why(problem), decision.delay, template))


def _why(problem: FiAsyncError) -> str:
    """Return what was wrong in a few words of ours: the server's may quote an input."""
    if isinstance(problem, APIConnectionError):
        return "no reply" if problem.sent else "cannot connect"
    return f"status {problem.status}" if problem.status is not None else type(problem).__name__


def _let_canary_go(works: Sequence[Work], now: float, context: Context) -> None:
    """Let another ask whether the quota is open: of this request, nothing is known to run."""
    for work in works:
        context.gate.canaries.let_go(work.attempt.canary, now)
        work.attempt.canary = None


def _is_lasting(problem: FiAsyncError, told: Sequence[History]) -> bool:
    """Return True if the server says the same again of a failure that it has words of its own for: it will not pass."""
    words = problem.server_message if isinstance(problem, ServerError) and problem.status == 500 else None
    words = words if isinstance(problem, ServerError) and problem.code is not None else None
    said_before = all(each.said == words for each in told)
    for each in told:
        each.said = words
    return said_before and bool(words) and words not in _PHRASES


def _evaluated_nothing(problem: FiAsyncError, decision: Decision) -> bool:
    """Return True if nothing was evaluated: the server refused whoever asked, or nothing reached it."""
    if isinstance(decision, GiveUp):
        refused = (AuthenticationError, PermissionDeniedError, RateLimitError)
        return isinstance(problem, refused) or (isinstance(problem, APIConnectionError) and not problem.sent)
    return not decision.ambiguous


def _is_out(problem: FiAsyncError, now: float, context: Context) -> bool:
    """Return True if there is no server for the moment, and this is not for too long yet."""
    if not isinstance(problem, APIConnectionError) or not problem.unreachable:
        return False
    return not context.gate.outage.is_over(now, context.timeout.patience)


def _deadline(call: HttpCall, works: Sequence[Work]) -> float | None:
    """Return when a call is given up. A poll at the last moment still has time for its reply."""
    deadline = works[0].attempt.deadline if works else None
    return deadline + _LAST_REPLY if deadline is not None and call.repeatable else deadline


def too_late(when: float, works: Sequence[Work]) -> bool:
    """Tell whether the works' time is over by then."""
    return bool(works) and works[0].attempt.deadline is not None and when >= works[0].attempt.deadline


def _begin_anew(call: HttpCall, works: Sequence[Work]) -> None:
    """Let a case's time begin with its next attempt: what a limit refused, the server never had."""
    if not call.repeatable:
        for work in works:
            work.attempt.deadline = None


def _note(call: HttpCall, event: Arrival, context: Context, works: Sequence[Work]) -> None:
    context.counts.requests += 1
    context.counts.polls += call.repeatable and bool(works)
    for work in works:
        work.history.attempts += not call.repeatable
        work.note(event, context.timeout.longest_case)


def note_ambiguous(decision: Decision, context: Context, works: Sequence[Work]) -> None:
    """Count the works that may have been evaluated without our knowing."""
    if decision.ambiguous:
        context.counts.ambiguous += len(works) or 1
        for work in works:
            work.history.ambiguous += 1


def note_duplicates(context: Context, works: Sequence[Work]) -> None:
    """Count the works that are sent again although they may have been evaluated."""
    context.ledger.lost(works)
    context.counts.possible_duplicates += len(works) or 1
    for work in works:
        work.history.possible_duplicates += 1


def _final(error: FiAsyncError, decision: Decision, attempts: int) -> FiAsyncError:
    if isinstance(decision, GiveUp) and decision.forbidden:
        error = forbidden(error)
    return error.with_facts(attempts=attempts)


def forbidden(cause: FiAsyncError) -> AmbiguousError:
    """Return the error of an evaluation that may have run, and is not to be sent again."""
    error = AmbiguousError(
        f'sent, and its outcome is unknown ({cause.message}); on_ambiguous="fail" forbids sending it again',
        status=cause.status,
        request_id=cause.request_id,
        server_message=cause.server_message,
    )
    error.__cause__ = cause
    return error
