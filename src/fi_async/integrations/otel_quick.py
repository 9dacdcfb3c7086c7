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
    """A span under way: as much of a `Span` as `Spans` uses.

    Args:
        of: What is so of all spans of its run.
        name: What it is called.
        parent: The span that it is below; None for the run's.
        attributes: What is known of it. They are not changed: spans may share them.
        kind: Whose part of an exchange it is.
        links: To other spans.
        began: Nanoseconds since the epoch; None for now.
    """

    __slots__ = ("_attributes", "_began", "_context", "_events", "_id", "_kind", "_links", "_name", "_of", "_parent",
                 "_status")  # fmt: skip

    def __init__(
        self,
        of: QuickSpans,
        name: str,
        parent: QuickSpan | None,
        attributes: Mapping[str, Any],
        *,
        kind: SpanKind = SpanKind.INTERNAL,
        links: Sequence[Link] = (),
        began: int | None = None,
    ) -> None:
        self._of, self._name, self._attributes, self._kind, self._links = of, name, attributes, kind, links
        self._parent = of.run if parent is None else parent.get_span_context()
        self._id = of.new_id()
        self._context: SpanContext = SpanContext(of.trace_id, self._id, False, of.flags, of.state)
        self._began = time_ns() if began is None else began
        self._events: tuple[Any, ...] = ()
        self._status = _UNSET

    def get_span_context(self) -> SpanContext:
        """Return what names it."""
        return self._context

    @property
    def traceparent(self) -> str:
        """W3C's name of it."""
        return f"{self._of.before_id}{self._id:016x}{self._of.after_id}"

    def is_recording(self) -> bool:
        """Return True: none is made that does not."""
        return True

    def set_attributes(self, attributes: Mapping[str, Any]) -> None:
        """Add attributes to those that it has, which others may have too."""
        self._attributes = {**self._attributes, **attributes}

    def set_attribute(self, key: str, value: Any) -> None:
        """Add one."""
        self._attributes = {**self._attributes, key: value}

    def add_link(self, context: SpanContext) -> None:
        """Link it to another span."""
        self._links = (*self._links, Link(context))

    def add_event(self, name: str, attributes: Mapping[str, Any]) -> None:
        """Add an event of this moment."""
        self._events = (*self._events, self._of.event(name, attributes, time_ns()))

    def set_status(self, status: Status) -> None:
        """Set what became of it."""
        self._status = status

    def end(self) -> None:
        """Hand it to the processors of its provider."""
        of = self._of
        of.hand_over(
            of.whole(
                self._name,
                self._context,
                self._parent,
                of.resource,
                self._attributes,
                self._events,
                self._links,
                self._kind,
                of.info,
                self._status,
                self._began,
                time_ns(),
                of.scope,
            )
        )


class QuickSpans:
    """What is so of all spans below a run's.

    Args:
        tracer: The SDK's.
        run: The run's span, recording.

    Attributes:
        run: What names the run's span.
        trace_id: Of all.
        flags: Of all: they are sampled as the run is.
        state: Of all.
        before_id: What is before the id in W3C's name of a span.
        after_id: What is after it.
        new_id: Draws an id.
        event: Makes an event.
        whole: Makes a span that has ended.
        hand_over: Takes it.
        resource: Of all.
        scope: Of all.
        info: Of all; as `scope`, for exporters that know no other.
    """

    def __init__(self, tracer: Any, run: Any) -> None:
        from opentelemetry.sdk.trace import Event, ReadableSpan  # noqa: PLC0415  # a program may have the API alone

        own: SpanContext = run.get_span_context()
        self.run, self.trace_id, self.flags, self.state = own, own.trace_id, own.trace_flags, own.trace_state
        self.before_id, self.after_id = f"00-{own.trace_id:032x}-", f"-{own.trace_flags:02x}"
        self.new_id = tracer.id_generator.generate_span_id
        self.event, self.whole, self.hand_over = Event, ReadableSpan, tracer.span_processor.on_end
        self.resource, self.scope, self.info = run.resource, run.instrumentation_scope, tracer.instrumentation_info


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
