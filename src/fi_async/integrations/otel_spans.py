"""Spans of runs, cases, requests, calls of functions and holds, made of the events of a client."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from time import time_ns
from typing import Any, Final
from zlib import crc32

from opentelemetry import context as otel_context
from opentelemetry import trace
from opentelemetry._logs import LoggerProvider, LogRecord, SeverityNumber
from opentelemetry.context import Context
from opentelemetry.propagators.textmap import TextMapPropagator  # noqa: TC002  # as all types of fields here
from opentelemetry.trace import Link, Span, SpanContext, SpanKind, Status, StatusCode, TracerProvider
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

from fi_async._events import (
    CaseEnded,
    FunctionCalled,
    FunctionReturned,
    HoldBegun,
    HoldEnded,
    RequestAnswered,
    RequestDropped,
    RequestSent,
    RunBegun,
    RunEnded,
    log,
)
from fi_async._models import Case, Outcome, OutcomeStatus
from fi_async._version import __version__
from fi_async.integrations import otel_attributes as names
from fi_async.integrations.otel_quick import QuickSpan, QuickSpans, quick_below

Judged = Callable[[Case], SpanContext | str | None]
"""Tells which span a case is about: its context, or its `traceparent` as text."""

SCOPE: Final = "fi_async"
_MOST_TEMPLATES: Final = 32  # that a run's span lists
_SPREAD: Final = 2_654_435_769  # 2^32 over the golden ratio: multiples of it are spread evenly, whatever the share
_W3C: Final = TraceContextTextMapPropagator()
_Key = tuple[int, str]
_Made = Span | QuickSpan
_NO_HEADERS: Final[Mapping[str, str]] = {}


@dataclass(slots=True)
class _OpenRun:
    """A run under way.

    Attributes:
        span: Its span; None if none is made of it.
        context: What its cases' spans have as their parent.
        own: What its requests carry that have no span.
        caller: The span that was current where it was begun.
        records: True if spans of its cases are worth making.
        quick: Makes these spans at less than the SDK's cost; None where only the SDK can.
        headers: What a request carries that has no span.
        cases: The spans of its cases that are under way; None for a case that has none.
        holds: The spans of what holds it.
        requests: How many have left.
        outcomes: How many of each status there are.
    """

    span: Span | None
    context: Context
    own: SpanContext
    caller: SpanContext
    records: bool
    quick: QuickSpans | None = None
    headers: Mapping[str, str] | None = None
    cases: dict[_Key, _Made | None] = field(default_factory=dict)
    holds: dict[tuple[str, str], Span] = field(default_factory=dict)
    requests: int = 0
    outcomes: dict[str, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class SpanSettings:
    """Which spans are made, and what they tell.

    Attributes:
        cases: The share of the cases that have a span: True for all, False for none, or a number between.
        requests: True if requests have spans.
        inputs: True if inputs, outputs and reasons are told.
        judged: Tells which span a case is about.
        propagator: What writes the headers of requests; None for W3C's `traceparent`.
    """

    cases: float = 1.0
    requests: bool = True
    inputs: bool = False
    judged: Judged | None = None
    propagator: TextMapPropagator | None = None


class Spans:
    """Makes spans of events.

    Args:
        provider: Where they go.
        logs: Where the events `gen_ai.evaluation.result` go; None for the spans of their cases.
        settings: Which are made.
    """

    def __init__(self, provider: TracerProvider, logs: LoggerProvider | None, settings: SpanSettings) -> None:
        self._tracer = trace.get_tracer(SCOPE, __version__, provider)
        self._logger = None if logs is None else logs.get_logger(SCOPE, __version__)
        self._settings = settings
        self._share = int(settings.cases * 2**32)
        self._runs: dict[int, _OpenRun] = {}
        self._requests: dict[int, _Made] = {}
        self._calls: dict[int, Any] = {}
        self._offsets: dict[str, int] = {}
        self._has_failed = False

    # Runs

    def run_begun(self, event: RunBegun) -> None:
        """Begin a run's span, below the span that is current where the run was begun."""
        context, caller = otel_context.get_current(), trace.get_current_span().get_span_context()
        if not event.templates:  # a request of the client's own: its parent is the caller
            self._runs[event.run] = _OpenRun(None, context, caller, caller, records=True)
            return
        attributes: dict[str, Any] = {names.TEMPLATES: event.templates[:_MOST_TEMPLATES]}
        if event.cases is not None:
            attributes[names.CASES] = event.cases
        span = self._tracer.start_span("fi_async run", context, attributes=attributes)
        inner = trace.set_span_in_context(span, context)
        quick = quick_below(self._tracer, span) if span.is_recording() else None
        self._runs[event.run] = _OpenRun(
            span, inner, span.get_span_context(), caller, records=span.is_recording(), quick=quick
        )

    def run_ended(self, event: RunEnded) -> None:
        """End a run's span, and those of its cases that have no outcome because it ended early."""
        run = self._runs.pop(event.run, None)
        if run is None:
            return
        for span in run.cases.values():
            if span is not None:
                _end_open(span, event.problem)
        for span in run.holds.values():
            span.end()
        if run.span is None:
            return
        if run.span.is_recording():
            counts = {f"fi_async.outcomes.{status}": count for status, count in run.outcomes.items()}
            run.span.set_attributes({"fi_async.requests": run.requests, **counts})
            if event.problem is not None:
                _fail(run.span, event.problem)
        run.span.end()

    # Requests

    def request_sent(self, event: RequestSent) -> None:
        """Begin a request's span, below that of its case; of several cases, below that of the run, with links."""
        run = self._runs.get(event.run)
        if run is None:
            return
        run.requests += 1
        if not run.records or not (self._share or self._settings.requests):
            return
        template = event.template or ""
        own = [case for index in event.cases if (case := self._case(run, index, template, event.span_id)) is not None]
        if not self._settings.requests or (event.cases and not own and self._share):
            return  # or none of its cases was drawn
        case = own[0] if own and len(event.cases) == 1 else None
        links = [Link(each.get_span_context()) for each in own] if case is None else ()
        self._requests[event.request] = self._begin(
            run, names.request_name(event), names.of_request(event), case, kind=SpanKind.CLIENT, links=links
        )

    def headers(self, sent: RequestSent) -> Mapping[str, str]:
        """Return what a request that was told of carries, so that its server's spans are below its own."""
        run = self._runs.get(sent.run)
        if run is None:
            return _NO_HEADERS
        span = self._requests.get(sent.request)
        if span is None and len(sent.cases) == 1:
            span = run.cases.get((sent.cases[0], sent.template or ""))
        if isinstance(span, QuickSpan) and self._settings.propagator is None and not run.own.trace_state:
            return {"traceparent": span.traceparent}  # what W3C's propagator writes, at a fraction of its time
        if span is not None:
            return self._headers_below(span.get_span_context())
        if run.headers is None:
            run.headers = self._headers_below(run.own)
        return run.headers

    def _headers_below(self, span: SpanContext) -> Mapping[str, str]:
        if not span.is_valid:
            return _NO_HEADERS
        headers: dict[str, str] = {}
        (self._settings.propagator or _W3C).inject(headers, trace.set_span_in_context(trace.NonRecordingSpan(span)))
        return headers

    def request_answered(self, event: RequestAnswered) -> None:
        """End a request's span."""
        span = self._requests.pop(event.request, None)
        if span is None:
            return
        if span.is_recording():
            told: dict[str, Any] = {}
            if event.status is not None:
                told[names.HTTP_STATUS] = event.status
            if event.request_id is not None:
                told[names.REQUEST_ID] = names.short(event.request_id)
            span.set_attributes(told)
            error = names.error_of(event.status, event.problem)
            if error is not None:
                _fail(span, error)
        span.end()

    def request_dropped(self, event: RequestDropped) -> None:
        """End the span of a request that nobody waits for any more."""
        span = self._requests.pop(event.request, None)
        if span is not None:
            _fail(span, "dropped" if event.has_left else "not sent")
            span.end()

    # Functions

    def function_called(self, event: FunctionCalled) -> None:
        """Let what a function does be below the span of its case; of several cases, below that of the run."""
        run = self._runs.get(event.run)
        if run is None:
            return
        parent = run.context
        if run.records:
            # The function may find its case's span as the current one: it is the SDK's.
            cases = [self._case(run, index, event.template, is_current=True) for index in event.cases]
            if len(cases) == 1 and cases[0] is not None:
                parent = _within(cases[0], run.context)
        self._calls[event.call] = otel_context.attach(parent)

    def function_returned(self, event: FunctionReturned) -> None:
        """Take back what `function_called` did, in the same task."""
        token = self._calls.pop(event.call, None)
        if token is not None:
            otel_context.detach(token)

    # Cases

    def _case(
        self, run: _OpenRun, index: int, template: str, judges: str | None = None, *, is_current: bool = False
    ) -> _Made | None:
        """Return the span of a case, begun now if it is the first that is heard of it; None if it has none."""
        key = index, template
        if key in run.cases:
            return run.cases[key]
        span = None
        if self._is_drawn(index, template):
            span = self._begin_case(run, index, template, is_quick=not is_current)
            if judges:
                _attach(span, judges, run.caller)
        run.cases[key] = span
        return span

    def _is_drawn(self, index: int, template: str) -> bool:
        if self._share <= 0 or self._share >= 2**32:
            return self._share > 0
        offset = self._offsets.get(template)
        if offset is None:
            offset = self._offsets[template] = crc32(template.encode())
        return (_SPREAD * index + offset) % 2**32 < self._share

    def _is_shown(self, outcome: Outcome) -> bool:
        is_odd = outcome.status is not OutcomeStatus.SCORED or outcome.attempts > 1
        return self._share > 0 and (is_odd or self._is_drawn(outcome.index, outcome.template))

    def _begin_case(
        self, run: _OpenRun, index: int, template: str, began: int | None = None, *, is_quick: bool = True
    ) -> _Made:
        told = {names.EVALUATION: template, names.INDEX: index}
        return self._begin(run, f"evaluate {template}", told, began=began, is_quick=is_quick)

    def _begin(
        self,
        run: _OpenRun,
        name: str,
        attributes: Mapping[str, Any],
        parent: _Made | None = None,
        *,
        kind: SpanKind = SpanKind.INTERNAL,
        links: Sequence[Link] = (),
        began: int | None = None,
        is_quick: bool = True,
    ) -> _Made:
        """Begin a span below that of a case, or of the run."""
        if is_quick and run.quick is not None and not isinstance(parent, Span):
            below = parent if isinstance(parent, QuickSpan) else None
            return QuickSpan(run.quick, name, below, attributes, kind=kind, links=links, began=began)
        context = run.context if parent is None else _within(parent, run.context)
        return self._tracer.start_span(name, context, kind, attributes, links, began)

    def case_ended(self, event: CaseEnded) -> None:
        """End a case's span, and tell its result. One of odd cases is made, whether they were drawn or not."""
        outcome = event.outcome
        run = self._runs.get(event.run)
        if outcome is None or run is None:
            return
        run.outcomes[event.status] = run.outcomes.get(event.status, 0) + 1
        span = run.cases.pop((event.index, event.template), None)
        if outcome.origin == "replayed":
            return  # the earlier pass of the run told of it
        if span is None and run.records and self._is_shown(outcome):
            began = time_ns() - int(1e9 * (outcome.latency_s or 0.0))
            span = self._begin_case(run, event.index, event.template, began)
        judged = self._judged_by(outcome)
        if span is not None and span.is_recording():
            span.set_attributes(names.of_outcome(outcome, inputs=self._settings.inputs))
            if judged is not None:
                span.add_link(judged)
            if outcome.error is not None:
                _fail(span, type(outcome.error).__name__)
        self._tell_result(outcome, run, span, judged)
        if span is not None:
            span.end()

    def _tell_result(self, outcome: Outcome, run: _OpenRun, span: _Made | None, judged: SpanContext | None) -> None:
        if self._logger is None:
            if span is not None and span.is_recording():
                span.add_event(names.RESULT_EVENT, names.of_result(outcome, inputs=self._settings.inputs))
            return
        context = run.context if span is None else _within(span, run.context)
        if judged is not None:  # the conventions want the event below the span that was evaluated
            context = trace.set_span_in_context(trace.NonRecordingSpan(judged), run.context)
        self._logger.emit(
            LogRecord(
                timestamp=time_ns(),
                context=context,
                severity_number=SeverityNumber.INFO,
                event_name=names.RESULT_EVENT,
                attributes=names.of_result(outcome, inputs=self._settings.inputs),
            )
        )

    def _judged_by(self, outcome: Outcome) -> SpanContext | None:
        """Return the context of the span that a case is about, if the program tells one."""
        if self._settings.judged is None:
            return None
        try:
            told = self._settings.judged(outcome.case)
            if isinstance(told, str):
                told = trace.get_current_span(_W3C.extract({"traceparent": told}, Context())).get_span_context()
            return told if told is not None and told.is_valid else None
        except Exception as error:  # noqa: BLE001  # the program's: it costs the link, and not the span
            if not self._has_failed:
                self._has_failed = True
                log.error("judged= failed by %s: results are not linked", type(error).__name__)
            return None

    # Holds

    def hold_begun(self, event: HoldBegun) -> None:
        """Begin the span of what holds the runs that are under way."""
        for run in self._runs.values():
            if run.records and run.span is not None and (event.cause, event.at) not in run.holds:
                attributes = {names.CAUSE: event.cause, names.AT: event.at}
                run.holds[event.cause, event.at] = self._tracer.start_span(
                    f"hold: {event.cause}", run.context, attributes=attributes
                )

    def hold_ended(self, event: HoldEnded) -> None:
        """End it."""
        for run in self._runs.values():
            span = run.holds.pop((event.cause, event.at), None)
            if span is not None:
                span.end()


def _within(span: _Made, context: Context) -> Context:
    """Return a context in which a span is the current one."""
    own = trace.NonRecordingSpan(span.get_span_context()) if isinstance(span, QuickSpan) else span
    return trace.set_span_in_context(own, context)


def _attach(span: _Made, span_id: str, caller: SpanContext) -> None:
    """Link a case to the span that its result is attached to on the platform; of another than the caller's, the id."""
    if caller.is_valid and trace.format_span_id(caller.span_id) == span_id:
        span.add_link(caller)
    else:
        span.set_attribute(names.JUDGED, names.short(span_id))


def _end_open(span: _Made, problem: str | None) -> None:
    """End the span of a case without an outcome: it was submitted, to be asked for later, or its run broke off."""
    if problem is None:
        span.set_attribute(names.STATUS, "submitted")
    else:
        _fail(span, problem)
    span.end()


def _fail(span: _Made, kind: str) -> None:
    """Mark a span as one of an error. Of the error only its kind is told: its words may be a server's."""
    if span.is_recording():
        span.set_attribute(names.ERROR, kind)
        span.set_status(Status(StatusCode.ERROR))
