"""What a client does, told as it happens: to the log of `fi_async`, and to a function of the program's.

No event holds an input, a result, a key, or the server's own words, which may quote an input.
"""

from __future__ import annotations

import inspect
import logging
import os
import sys
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, ClassVar, Final, Literal, Protocol

from fi_async._errors import ConfigurationError
from fi_async._models import OutcomeStatus
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
    """

    method: str
    endpoint: str
    rows: int = 0
    template: str | None = None
    attempt: int = 1

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
    """

    method: str
    endpoint: str
    status: int | None
    seconds: float
    request_id: str | None = None

    def __str__(self) -> str:
        status = "no reply" if self.status is None else f"status {self.status}"
        request = "" if self.request_id is None else f", request {self.request_id}"
        return f"answered {self.method} {self.endpoint}: {status} after {self.seconds:.3g} s{request}"


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
    """

    level = logging.INFO

    cause: str
    seconds: float | None = None

    def __str__(self) -> str:
        until = "until an answer has come" if self.seconds is None else f"for {self.seconds:.3g} s"
        return f"{self.cause}: nothing leaves {until}"


@public
@dataclass(frozen=True, slots=True)
class HoldEnded(Event):
    """Requests may leave again.

    Attributes:
        cause: Why none left.
        seconds: How long none did.
    """

    level = logging.INFO

    cause: str
    seconds: float

    def __str__(self) -> str:
        return f"{self.cause}: over after {self.seconds:.3g} s"


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
    """

    level = logging.INFO

    of: Literal["requests", "evaluations"]
    limit: int
    before: int
    why: str = ""

    def __str__(self) -> str:
        why = f": {self.why}" if self.why else ""
        return f"{self.of} at once: {self.limit}, before {self.before}{why}"


@public
@dataclass(frozen=True, slots=True)
class CaseEnded(Event):
    """A case has its outcome under one template.

    Attributes:
        index: The case's position in its call, from 0.
        template: The template's name.
        status: scored, failed, stalled, cancelled or invalid.
    """

    index: int
    template: str
    status: OutcomeStatus

    def __str__(self) -> str:
        return f"case {self.index}, {self.template}: {self.status}"


Listener = Callable[[Event], None]
"""Is told of each event where it happens, in the event loop: it has to return soon, and must not block."""


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
        self._function = function
        self._has_failed = False

    def __call__(self, event: Event) -> None:
        """Tell it."""
        try:
            self._function(event)
        except Exception:  # what a listener raises must not end a run of thousands
            if not self._has_failed:
                self._has_failed = True
                log.exception("on_event raised; the run goes on, and this is not said again")


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
