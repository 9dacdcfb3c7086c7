"""Spans below a run's at a fraction of the SDK's time: made whole when they end, where nobody can tell the difference.

The SDK makes three containers with a lock each for a span that starts, cleans each attribute, and copies the span when
it ends. Spans of cases and requests need none of it: nobody but `Spans` sees them before they end, in one thread, and
their attributes are words and numbers. So a QuickSpan keeps what is known, and becomes a `ReadableSpan` of the SDK at
its end, which is all that processors, and exporters behind them, get of a span that has ended.

It is so only where `quick_below` finds that the SDK would do no more: no processor of the program's looks at spans that
start, no limit cuts attributes, and no sampler asks about each span. Everywhere else, the SDK makes them.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from time import time_ns
from typing import Any, Final

from opentelemetry.trace import Link, Span, SpanContext, SpanKind, Status, StatusCode, Tracer

_ENOUGH: Final = 64  # attributes, events or links of one span: more than ours have
_COUNTS_SPANS: Final = "OTEL_PYTHON_SDK_INTERNAL_METRICS_ENABLED"
_UNSET: Final = Status(StatusCode.UNSET)


class QuickSpan:
    """A span under way: as much of a `Span` as `Spans` uses. `QuickSpans.start_span` makes it."""

    __slots__ = ("attributes", "began", "context", "events", "kind", "links", "name", "of", "parent", "status")

    def __init__(
        self, of: QuickSpans, name: str, parent: SpanContext, attributes: Mapping[str, Any], *, kind: SpanKind
    ) -> None:
        self.of, self.name, self.parent, self.attributes, self.kind = of, name, parent, attributes, kind
        self.context = of.next_context()
        self.began = time_ns()
        self.links: Sequence[Link] = ()
        self.events: tuple[Any, ...] = ()
        self.status = _UNSET

    def get_span_context(self) -> SpanContext:
        """Return what names it."""
        return self.context

    def is_recording(self) -> bool:
        """Return True: none is made that does not."""
        return True

    def set_attributes(self, attributes: Mapping[str, Any]) -> None:
        """Add attributes to those that it has, which others may have too."""
        self.attributes = {**self.attributes, **attributes}

    def set_attribute(self, key: str, value: Any) -> None:
        """Add one."""
        self.attributes = {**self.attributes, key: value}

    def add_link(self, context: SpanContext) -> None:
        """Link it to another span."""
        self.links = (*self.links, Link(context))

    def add_event(self, name: str, attributes: Mapping[str, Any]) -> None:
        """Add an event of this moment."""
        self.events = (*self.events, self.of.event(name, attributes, time_ns()))

    def set_status(self, status: Status) -> None:
        """Set what became of it."""
        self.status = status

    def end(self) -> None:
        """Hand it to the processors of its provider."""
        self.of.hand_over(self)


class QuickSpans:
    """Makes the spans below one of the SDK's.

    Args:
        tracer: The SDK's.
        run: The span that they are below; recording.

    Attributes:
        event: Makes an event of a span.
    """

    def __init__(self, tracer: Any, run: Any) -> None:
        from opentelemetry.sdk.trace import Event, ReadableSpan  # noqa: PLC0415  # a program may have the API alone

        self.event = Event
        self._whole = ReadableSpan
        self._run: SpanContext = run.get_span_context()
        self._trace_id, self._flags, self._state = self._run.trace_id, self._run.trace_flags, self._run.trace_state
        self._resource, self._scope, self._info = run.resource, run.instrumentation_scope, tracer.instrumentation_info
        self._new_id = tracer.id_generator.generate_span_id
        self._processor = tracer.span_processor

    def start_span(
        self,
        name: str,
        parent: SpanContext | None,
        attributes: Mapping[str, Any],
        *,
        kind: SpanKind = SpanKind.INTERNAL,
        links: Sequence[Link] = (),
        start_time: int | None = None,
    ) -> QuickSpan:
        """Return a span that begins.

        Args:
            name: What it is called.
            parent: The span that it is below; None for the run's.
            attributes: What is known of it. They are not changed: spans may share them.
            kind: Whose part of an exchange it is.
            links: To other spans.
            start_time: Nanoseconds since the epoch; None for now.
        """
        span = QuickSpan(self, name, parent or self._run, attributes, kind=kind)
        span.links = links
        if start_time is not None:
            span.began = start_time
        return span

    def next_context(self) -> SpanContext:
        """Return what names a new span, sampled as its run is."""
        return SpanContext(self._trace_id, self._new_id(), False, self._flags, self._state)

    def hand_over(self, span: QuickSpan) -> None:
        """Give a span that ends now to the processors."""
        self._processor.on_end(
            self._whole(
                span.name,
                span.context,
                span.parent,
                self._resource,
                span.attributes,
                span.events,
                span.links,
                span.kind,
                self._info,
                span.status,
                span.began,
                time_ns(),
                self._scope,
            )
        )


def quick_below(tracer: Tracer, run: Span) -> QuickSpans | None:
    """Return what makes the spans below a run's; None if only the SDK can make them as it would.

    What is private to the SDK is only looked at, to find that out. If it is not there, the answer is None.

    Args:
        tracer: Of the program's provider.
        run: The run's span, recording.
    """
    try:
        return QuickSpans(tracer, run) if _does_no_more(tracer) else None
    except (AttributeError, ImportError, TypeError):  # no SDK, or another version of it
        return None


def _does_no_more(tracer: Any) -> bool:
    """Tell whether the SDK would do no more with a span than hand it over at its end."""
    from opentelemetry.sdk.trace import SynchronousMultiSpanProcessor  # noqa: PLC0415  # where there is no SDK: see above
    from opentelemetry.sdk.trace import Tracer as SdkTracer  # noqa: PLC0415  # as above

    limits, processors = tracer._span_limits, tracer.span_processor
    counts = (
        limits.max_span_attributes, limits.max_event_attributes, limits.max_link_attributes, limits.max_events,
        limits.max_links,
    )  # fmt: skip
    return (
        type(tracer) is SdkTracer
        and type(processors) is SynchronousMultiSpanProcessor
        and all(_looks_at_ends_only(type(each)) for each in processors._span_processors)
        and limits.max_span_attribute_length is None
        and limits.max_attribute_length is None
        and all(each is None or each >= _ENOUGH for each in counts)
        and _takes_all_below(tracer.sampler)
        and os.environ.get(_COUNTS_SPANS, "").strip().lower() != "true"
    )


def _looks_at_ends_only(processor: Any) -> bool:
    from opentelemetry.sdk.trace import SpanProcessor  # noqa: PLC0415  # as above
    from opentelemetry.sdk.trace.export import BatchSpanProcessor, SimpleSpanProcessor  # noqa: PLC0415  # as above

    idle = (SpanProcessor, BatchSpanProcessor, SimpleSpanProcessor)
    return all(
        getattr(processor, hook) in [getattr(each, hook) for each in idle] for hook in ("on_start", "_on_ending")
    )


def _takes_all_below(sampler: Any) -> bool:
    """Tell whether a sampler takes every span below one that it took in this process."""
    from opentelemetry.sdk.trace.sampling import ALWAYS_ON, ParentBased  # noqa: PLC0415  # as above

    return sampler is ALWAYS_ON or (type(sampler) is ParentBased and sampler._local_parent_sampled is ALWAYS_ON)
