"""What a client does, told as it happens: to the log of `fi_async`, and to a function of the program's.

No event shows an input, a result, a key, or the server's own words, which may quote an input: not in its line, and not
in its repr. A `CaseEnded` has the outcome for whoever asks for it.
"""

from __future__ import annotations

import inspect
import logging
import os
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar, Final, Literal, Protocol

from fi_async._errors import ConfigurationError
from fi_async._models import Outcome, OutcomeStatus
from fi_async._public import public

log: Final = logging.getLogger("fi_async")
_LEVELS: Final = {"debug": logging.DEBUG, "info": logging.INFO}


@public
@dataclass(frozen=True, slots=True)
class Event:
    """Something that a client did or met. `str(event)` is its line in the log.

    Attributes:
        level: The level it is logged at: INFO for what explains a wait, DEBUG for each request and case.
    """

    level: ClassVar[int] = logging.DEBUG


@public
@dataclass(frozen=True, slots=True)
class RequestSent(Event):
    """A request leaves.

    Attributes:
        method: "GET" or "POST".
        endpoint: The path on the server, without its query.
        rows: How many evaluations it starts, or asks for; 0 where it is about none.
        template: The template that these belong to; None where it is about none.
        attempt: 1 for the first, 2 for the first repetition.
        request: Its number, which no other request of this process has.
        run: The number of its run.
        cases: The positions of its cases in their call.
        url: The server's address; empty in process.
        backend: Who is asked, as outcomes name it.
        model: Which judge, where that is said.
        span_id: The span that the result is attached to on the platform, where one is.
    """

    method: str
    endpoint: str
    rows: int = 0
    template: str | None = None
    attempt: int = 1
    request: int = field(default=0, compare=False)
    run: int = field(default=0, compare=False)
    cases: tuple[int, ...] = field(default=(), compare=False)
    url: str = field(default="", compare=False)
    backend: str = field(default="", compare=False)
    model: str | None = field(default=None, compare=False)
    span_id: str | None = field(default=None, compare=False)

    def __str__(self) -> str:
        about = "" if self.template is None else f" {self.template}, rows {self.rows}"
        again = "" if self.attempt == 1 else f", attempt {self.attempt}"
        return f"sent {self.method} {self.endpoint}{about}{again}"


@public
@dataclass(frozen=True, slots=True)
class RequestAnswered(Event):
    """A reply has arrived whole, or none will.

    Attributes:
        method: "GET" or "POST".
        endpoint: The path on the server, without its query.
        status: The HTTP status; None if no complete reply arrived.
        seconds: From its leaving.
        request_id: The server's X-Request-Id, for a support ticket; None if it gave none.
        request: The number of the request.
        problem: Why no reply came, by the name of its error; None if one came.
    """

    method: str
    endpoint: str
    status: int | None
    seconds: float
    request_id: str | None = None
    request: int = field(default=0, compare=False)
    problem: str | None = field(default=None, compare=False)

    def __str__(self) -> str:
        status = "no reply" if self.status is None else f"status {self.status}"
        request = "" if self.request_id is None else f", request {self.request_id}"
        return f"answered {self.method} {self.endpoint}: {status} after {self.seconds:.3g} s{request}"


@public
@dataclass(frozen=True, slots=True)
class RequestDropped(Event):
    """A request is given up: it did not leave after all, or its run ended before the reply.

    Attributes:
        method: "GET" or "POST".
        endpoint: The path on the server, without its query.
        request: Its number.
        has_left: True if the server may have acted on it.
    """

    method: str
    endpoint: str
    request: int = field(default=0, compare=False)
    has_left: bool = True

    def __str__(self) -> str:
        why = "the run ended before its reply" if self.has_left else "it did not leave after all"
        return f"dropped {self.method} {self.endpoint}: {why}"


@public
@dataclass(frozen=True, slots=True)
class FunctionCalled(Event):
    """A function is asked about some cases. What it does until FunctionReturned runs in the context of this event.

    Attributes:
        template: Its template.
        cases: The positions of the cases in their call.
        run: The number of their run.
        call: Its number, which no other call of this process has.
    """

    template: str
    cases: tuple[int, ...]
    run: int = field(default=0, compare=False)
    call: int = field(default=0, compare=False)

    def __str__(self) -> str:
        return f"called {self.template}, cases {len(self.cases)}"


@public
@dataclass(frozen=True, slots=True)
class FunctionReturned(Event):
    """A function has answered, or is not waited for any more.

    Attributes:
        template: Its template.
        seconds: From its call.
        call: The number of the call.
    """

    template: str
    seconds: float
    call: int = field(default=0, compare=False)

    def __str__(self) -> str:
        return f"returned {self.template} after {self.seconds:.3g} s"


@public
@dataclass(frozen=True, slots=True)
class RequestRetried(Event):
    """A request failed, and is sent again after a delay.

    Attributes:
        endpoint: The path on the server, without its query.
        why: What was wrong, in a few words of ours, such as "status 503" or "no reply".
        delay: Seconds until it may leave again.
        template: The template that it is about; None where it is about none.
    """

    endpoint: str
    why: str
    delay: float
    template: str | None = None

    def __str__(self) -> str:
        about = "" if self.template is None else f" {self.template}"
        return f"again in {self.delay:.3g} s: {self.endpoint}{about}: {self.why}"


@public
@dataclass(frozen=True, slots=True)
class HoldBegun(Event):
    """Nothing leaves for a while.

    Attributes:
        cause: Why, such as "request limit", "evaluation limit" or "cannot connect".
        seconds: Until it ends, as far as is known; None if an answer has to come first.
        at: The endpoint, such as "judge gpt-5-mini"; empty for the platform.
    """

    level = logging.INFO

    cause: str
    seconds: float | None = None
    at: str = ""

    def __str__(self) -> str:
        until = "until an answer has come" if self.seconds is None else f"for {self.seconds:.3g} s"
        return f"{_at(self.at)}{self.cause}: nothing leaves {until}"


@public
@dataclass(frozen=True, slots=True)
class HoldEnded(Event):
    """Requests may leave again.

    Attributes:
        cause: Why none left.
        seconds: How long none did.
        at: The endpoint, such as "judge gpt-5-mini"; empty for the platform.
    """

    level = logging.INFO

    cause: str
    seconds: float
    at: str = ""

    def __str__(self) -> str:
        return f"{_at(self.at)}{self.cause}: over after {self.seconds:.3g} s"


@public
@dataclass(frozen=True, slots=True)
class CanarySent(Event):
    """One evaluation goes ahead, to ask whether a limit that was met lets others through.

    Attributes:
        template: Its template.
    """

    level = logging.INFO

    template: str

    def __str__(self) -> str:
        return f"evaluation limit: one evaluation of {self.template} goes ahead, to see whether it is open again"


@public
@dataclass(frozen=True, slots=True)
class StrategyChanged(Event):
    """Requests are carried in another way from now on.

    Attributes:
        template: Whose.
        strategy: "sync" holds each request until it is scored, "async" submits it, then polls.
        rows: Cases that one request carries.
        why: What decided it, in a few words.
    """

    level = logging.INFO

    template: str
    strategy: Literal["sync", "async"]
    rows: int
    why: str = ""

    def __str__(self) -> str:
        why = f": {self.why}" if self.why else ""
        return f"strategy of {self.template}: {self.strategy}, rows {self.rows}{why}"


@public
@dataclass(frozen=True, slots=True)
class CapacityChanged(Event):
    """Another number of requests, or of accepted evaluations, may be under way from now on.

    Attributes:
        of: "requests" under way at once, or "evaluations" that the server works on between polls.
        limit: How many.
        before: How many it was.
        why: What decided it, in a few words.
        at: The endpoint, such as "judge gpt-5-mini"; empty for the platform.
    """

    level = logging.INFO

    of: Literal["requests", "evaluations"]
    limit: int
    before: int
    why: str = ""
    at: str = ""

    def __str__(self) -> str:
        why = f": {self.why}" if self.why else ""
        return f"{_at(self.at)}{self.of} at once: {self.limit}, before {self.before}{why}"


@public
@dataclass(frozen=True, slots=True)
class CaseEnded(Event):
    """A case has its outcome under one template.

    Attributes:
        index: The case's position in its call, from 0.
        template: The template's name.
        status: scored, failed, stalled, cancelled or invalid.
        run: The number of its run.
        outcome: What `gather` and `stream` hand out, inputs and result included; left out of the repr.
    """

    index: int
    template: str
    status: OutcomeStatus
    run: int = field(default=0, compare=False)
    outcome: Outcome | None = field(default=None, compare=False, repr=False)

    def __str__(self) -> str:
        return f"case {self.index}, {self.template}: {self.status}"


@public
@dataclass(frozen=True, slots=True)
class RunBegun(Event):
    """A run begins to send.

    Attributes:
        run: Its number, which no other run of this process has.
        templates: What its cases are evaluated under; none for a request of the client's own, as for the templates.
        cases: How many are to come; None if nobody knows.
    """

    run: int
    templates: tuple[str, ...] = ()
    cases: int | None = None

    def __str__(self) -> str:
        cases = "" if self.cases is None else f", cases {self.cases}"
        return f"run {self.run} begins: {', '.join(self.templates) or 'no templates'}{cases}"


@public
@dataclass(frozen=True, slots=True)
class RunStands(Event):
    """How a run stands at one endpoint: told once a second at most, while anything moves.

    Attributes:
        run: The number of the run.
        at: The endpoint, such as "judge gpt-5-mini"; "functions" for all functions; empty for the platform.
        backend: Who answers there, as outcomes name it.
        waiting: Requests and cases that could leave, and wait for their turn.
        under_way: Requests under way.
        limit: How many of these may be.
        at_work: Evaluations that are begun and not done.
        left: For each limit, given or learned, what it counts, the seconds of its window, and how many are left in
            this one.
    """

    run: int
    at: str
    backend: str
    waiting: int
    under_way: int
    limit: int
    at_work: int = 0
    left: tuple[tuple[str, float, int], ...] = ()

    def __str__(self) -> str:
        left = "".join(f", {count} {of} left of {seconds:g} s" for of, seconds, count in self.left)
        return f"{_at(self.at)}run {self.run}: waiting {self.waiting}, under way {self.under_way} of {self.limit}{left}"


@public
@dataclass(frozen=True, slots=True)
class RunEnded(Event):
    """A run is over: nothing of it is under way.

    Attributes:
        run: Its number.
        seconds: How long it took.
        problem: What ended it early, by the name of its error; None if it came to its end.
    """

    run: int
    seconds: float
    problem: str | None = None

    def __str__(self) -> str:
        why = "" if self.problem is None else f": {self.problem}"
        return f"run {self.run} ended after {self.seconds:.3g} s{why}"


def _at(endpoint: str) -> str:
    return f"{endpoint}: " if endpoint else ""


Listener = Callable[[Event], None]
"""Is told of each event where it happens, in the event loop: it has to return soon, and must not block.

One that has a method `headers(sent: RequestSent) -> Mapping[str, str]` is asked with it what a request is to carry,
right after it was told of it: as W3C's `traceparent`.
"""


class Telling(Protocol):
    """What events are told to: a session, a context, or whatever else has a listener or None."""

    @property
    def on_event(self) -> Listener | None:
        """Who is told; None for nobody but the log."""


class Guarded:
    """A listener that harms nothing: what it raises is logged, the first time.

    Args:
        function: The program's.

    Raises:
        ConfigurationError: It cannot be called, or would have to be awaited.
    """

    def __init__(self, function: Listener) -> None:
        if not callable(function) or inspect.iscoroutinefunction(function):
            raise ConfigurationError(f"on_event must be a function of one event, and no coroutine, not {function!r}")
        self.function = function
        self._headers: Callable[[RequestSent], Mapping[str, str]] | None = getattr(function, "headers", None)
        self._has_failed = False

    def __call__(self, event: Event) -> None:
        """Tell it."""
        handled = sys.exception()
        try:
            self.function(event)
        except Exception as error:  # noqa: BLE001  # what a listener raises must not end a run of thousands
            self.failed(error, handled)

    def headers(self, sent: RequestSent) -> Mapping[str, str]:
        """Return what it wants a request to carry."""
        if self._headers is None:
            return _NOTHING
        handled = sys.exception()
        try:
            return dict(self._headers(sent))
        except Exception as error:  # noqa: BLE001  # as above
            self.failed(error, handled)
            return _NOTHING

    def failed(self, error: Exception, handled: BaseException | None) -> None:
        """Log an error, the first time, without what was being handled where it was told: that may hold inputs."""
        if self._has_failed:
            return
        self._has_failed = True
        each: BaseException = error
        while each.__context__ is not None and each.__context__ is not handled:
            each = each.__context__
        each.__context__ = None
        log.error("on_event raised; the run goes on, and this is not said again", exc_info=error)


_NOTHING: Final[Mapping[str, str]] = {}


def guarded(listener: Listener | None) -> Listener | None:
    """Return a listener that never raises; None for none.

    Raises:
        ConfigurationError: It cannot be called, or would have to be awaited.
    """
    return listener if listener is None or isinstance(listener, Guarded) else Guarded(listener)


def wants(to: Telling | Listener | None, kind: type[Event]) -> bool:
    """Tell whether an event of a kind is worth making: somebody listens, or it is logged. It costs 0.1 µs."""
    return getattr(to, "on_event", to) is not None or log.isEnabledFor(kind.level)


def emit(to: Telling | Listener | None, event: Event) -> None:
    """Tell the log of an event, and the listener if there is one.

    Nearly free where neither wants it; where thousands a second would be made, ask `wants` first. Never raises, if
    the listener is `guarded`, as a client's is.

    Args:
        to: Whose `on_event` is told: a session or a context; or a listener, or None.
        event: What happened.
    """
    if log.isEnabledFor(event.level):
        log.log(event.level, "%s", event)
    listener: Any = getattr(to, "on_event", to)
    if listener is not None:
        listener(event)


def announce(to: Telling, sent: RequestSent) -> Mapping[str, str]:
    """Tell of a request that leaves, and return the headers that whoever listens wants it to carry."""
    emit(to, sent)
    return to.on_event.headers(sent) if isinstance(to.on_event, Guarded) else _NOTHING


def log_as_asked() -> None:
    """Write the log of `fi_async` to stderr if FI_ASYNC_LOG is "debug" or "info"; once in a process.

    Nothing is set up where the program has handlers of its own for this logger.

    Raises:
        ConfigurationError: FI_ASYNC_LOG is something else.
    """
    wanted = os.environ.get("FI_ASYNC_LOG", "").strip().lower()
    if not wanted:
        return
    if wanted not in _LEVELS:
        raise ConfigurationError(f'FI_ASYNC_LOG must be "debug" or "info", not {wanted!r}')
    if log.handlers:
        return
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(name)s: %(message)s"))
    log.addHandler(handler)
    log.setLevel(_LEVELS[wanted])
