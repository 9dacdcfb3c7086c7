"""OpenTelemetry: spans of runs, cases and requests, an event for each result, and metrics. Needs the extra [otel]."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, TypeVar

from fi_async._errors import ConfigurationError
from fi_async._events import (
    CaseEnded,
    Event,
    FunctionCalled,
    FunctionReturned,
    Guarded,
    HoldBegun,
    HoldEnded,
    Listener,
    RequestAnswered,
    RequestDropped,
    RequestRetried,
    RequestSent,
    RunBegun,
    RunEnded,
    RunStands,
    guarded,
)
from fi_async._extras import need
from fi_async.client import Client
from fi_async.sync import Evaluator

if TYPE_CHECKING:
    from opentelemetry._logs import LoggerProvider
    from opentelemetry.metrics import MeterProvider
    from opentelemetry.propagators.textmap import TextMapPropagator
    from opentelemetry.trace import TracerProvider

    from fi_async.integrations.otel_spans import Judged

C = TypeVar("C", bound=Client | Evaluator)


class OpenTelemetry:
    """Tells OpenTelemetry what a client does: pass it as `on_event`, to one client or to several.

    A run has a span, below it each case, below that each request, every attempt for itself. Requests carry W3C's
    `traceparent`. Spans hold no inputs, outputs, reasons or ids of cases, and never a key.

    Args:
        tracer_provider: Where spans go; the program's own where omitted.
        meter_provider: Where metrics go; the program's own where omitted.
        logger_provider: Where the events `gen_ai.evaluation.result` go, as the conventions have it. Omitted: they are
            events of the cases' spans.
        cases: False makes no spans of cases; a number such as 0.01 makes them, and those of their requests, of this
            share of the cases, and of each that ends without a score or was asked for more than once.
        requests: False makes no spans of requests.
        inputs: Tell inputs, outputs, reasons and ids of cases too.
        judged: Tells which span a Case is about, by its SpanContext or its `traceparent`: the case's span is linked
            to it, and its event is below it. With `trace_eval` of `evaluate` the current span is linked without it.
        propagator: Writes other headers than `traceparent` into requests. Baggage would reach whoever answers.

    Raises:
        ConfigurationError: OpenTelemetry is not installed, or a value is out of its range.

    Example:
        >>> from fi_async import AsyncEvaluator
        >>> from fi_async.integrations.otel import OpenTelemetry
        >>> ev = AsyncEvaluator.local(on_event=OpenTelemetry(cases=0.1))
    """

    def __init__(
        self,
        *,
        tracer_provider: TracerProvider | None = None,
        meter_provider: MeterProvider | None = None,
        logger_provider: LoggerProvider | None = None,
        cases: bool | float = True,
        requests: bool = True,
        inputs: bool = False,
        judged: Judged | None = None,
        propagator: TextMapPropagator | None = None,
    ) -> None:
        if not isinstance(cases, int | float) or not 0 <= cases <= 1:
            raise ConfigurationError(f"cases must be True, False or a share between 0 and 1, not {cases!r}")
        trace = need("opentelemetry.trace", "fi-async[otel]", "OpenTelemetry()")
        metrics = need("opentelemetry.metrics", "fi-async[otel]", "OpenTelemetry()")
        from fi_async.integrations.otel_metrics import metrics_of  # noqa: PLC0415  # needs the extra
        from fi_async.integrations.otel_spans import Spans, SpanSettings  # noqa: PLC0415  # as above

        settings = SpanSettings(float(cases), requests, inputs, judged, propagator)
        self._spans = Spans(tracer_provider or trace.get_tracer_provider(), logger_provider, settings)
        counted = metrics_of(meter_provider or metrics.get_meter_provider())
        told: dict[type[Event], tuple[Callable[[Any], None], ...]] = {
            # A run's first and last events frame all others: its span is there before, and its numbers after.
            RunBegun: (self._spans.run_begun, counted.run_begun),
            RunStands: (counted.run_stands,),
            RunEnded: (self._spans.run_ended, counted.run_ended),
            RequestSent: (self._spans.request_sent, counted.request_sent),
            RequestAnswered: (self._spans.request_answered, counted.request_answered),
            RequestDropped: (self._spans.request_dropped, counted.request_dropped),
            RequestRetried: (counted.request_retried,),
            FunctionCalled: (self._spans.function_called,),
            FunctionReturned: (self._spans.function_returned,),
            HoldBegun: (self._spans.hold_begun, counted.hold_begun),
            HoldEnded: (self._spans.hold_ended, counted.hold_ended),
            CaseEnded: (self._spans.case_ended, counted.case_ended),
        }
        self._told = {kind: tuple(map(Guarded, tell)) for kind, tell in told.items()}

    def __call__(self, event: Event) -> None:
        """Take note of an event."""
        handled = sys.exception()
        for guard in self._told.get(type(event), ()):
            try:  # each for itself: what fails of spans keeps nothing from metrics
                guard.function(event)
            except Exception as error:  # noqa: BLE001  # an exporter's or a processor's: it must not end a run
                guard.failed(error, handled)

    def headers(self, sent: RequestSent) -> Mapping[str, str]:
        """Return what a request carries."""
        return self._spans.headers(sent)


class _Both:
    """Tells two listeners; what the first raises keeps nothing from the second."""

    def __init__(self, first: Listener, second: OpenTelemetry) -> None:
        self._first = guarded(first)
        self._second = Guarded(second)

    def __call__(self, event: Event) -> None:
        if self._first is not None:
            self._first(event)
        self._second(event)

    def headers(self, sent: RequestSent) -> Mapping[str, str]:
        first = self._first.headers(sent) if isinstance(self._first, Guarded) else {}
        return {**first, **self._second.headers(sent)}


def instrument(client: C, **options: Any) -> C:
    """Return the client, which tells OpenTelemetry from now on what it does, beside its own `on_event`.

    Args:
        client: An AsyncEvaluator or an Evaluator.
        **options: The keywords of OpenTelemetry.

    Raises:
        ConfigurationError: OpenTelemetry is not installed, or a value is out of its range.

    Example:
        >>> from fi_async import AsyncEvaluator
        >>> from fi_async.integrations.otel import instrument
        >>> ev = instrument(AsyncEvaluator.local(), cases=False)
    """
    session = (client._async if isinstance(client, Evaluator) else client)._session
    telemetry = OpenTelemetry(**options)
    before = session.on_event
    session.on_event = guarded(telemetry if before is None else _Both(before, telemetry))
    return client
