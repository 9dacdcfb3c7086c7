"""Spans made at less than the SDK's cost are what the SDK makes, and made only where it would do no more."""

from __future__ import annotations

import itertools

import pytest
from opentelemetry.exporter.otlp.proto.common.trace_encoder import encode_spans
from opentelemetry.sdk.trace import ConcurrentMultiSpanProcessor, SpanLimits, SpanProcessor, TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.sdk.trace.id_generator import IdGenerator
from opentelemetry.sdk.trace.sampling import (
    ALWAYS_ON,
    Decision,
    ParentBased,
    Sampler,
    SamplingResult,
    TraceIdRatioBased,
)
from opentelemetry.trace import NoOpTracerProvider

import judged
from embedded import NEEDLE, backend, client, texts
from fi_async._events import guarded
from fi_async.integrations.otel import OpenTelemetry, instrument
from fi_async.integrations.otel_quick import quick_below
from fi_async.local import Quota
from scripted import Scripted, error, scored
from telemetry import Telemetry

pytestmark = pytest.mark.anyio
SYNC = {"eval_config": NEEDLE, "strategy": "sync", "rows": 1}


class Watching(SpanProcessor):
    """Looks at each span as it starts, and changes nothing."""

    def on_start(self, span, parent_context=None):
        pass


class Counted(IdGenerator):
    """Names spans by number: those made in the same order have the same."""

    def __init__(self):
        self._spans = itertools.count(1)

    def generate_span_id(self):
        return next(self._spans)

    def generate_trace_id(self):
        return 7


def told_to(*processors, **settings):
    exporter = InMemorySpanExporter()
    provider = TracerProvider(shutdown_on_exit=False, id_generator=Counted(), **settings)
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    for each in processors:
        provider.add_span_processor(each)
    return provider, exporter


def encoded(exporter):
    """What a collector would get, without what differs from run to run."""
    message = encode_spans(exporter.get_finished_spans())
    spans = [span for of in message.resource_spans for scope in of.scope_spans for span in scope.spans]
    for span in spans:
        assert span.start_time_unix_nano <= span.end_time_unix_nano
        span.start_time_unix_nano = span.end_time_unix_nano = 0
        for event in span.events:
            event.time_unix_nano = 0
        span.attributes.sort(key=lambda attribute: attribute.key)
        for attribute in span.attributes:
            if attribute.key == "fi_async.request.id":
                attribute.value.string_value = ""
    assert spans
    return message


async def plain(listener):
    async with client(backend(), on_event=listener) as ev:
        await ev.gather(texts(3), "contains", **SYNC)


async def refused_and_invalid(listener):
    async with client(backend(requests=Quota(2, 10.0), latency=0.5), on_event=listener) as ev:
        await ev.gather([*texts(3), {"txt": "wrong"}], "contains", **SYNC)


async def failing(listener):
    async with client(Scripted(error(503, "no"), error(500, "words")), on_event=listener) as ev:
        await ev.gather(texts(1), "contains", max_retries=1, **SYNC)


async def several_a_request(listener):
    async with client(backend(latency=0.1), on_event=listener) as ev:
        await ev.gather(texts(4), "contains", eval_config=NEEDLE, strategy="sync", rows=3)


async def polled(listener):
    async with client(backend(latency=2.0), on_event=listener) as ev:
        await ev.gather(texts(2), "contains", eval_config=NEEDLE, strategy="async")


async def judged_by_a_model(listener):
    async with judged.client(judged.Endpoint().judge(price=judged.PRICE)) as ev:
        ev._session.on_event = guarded(listener)
        await ev.gather(judged.talks(2), judged.CALM)


@pytest.mark.parametrize("options", [{}, {"inputs": True, "cases": 0.5}, {"requests": False}])
@pytest.mark.parametrize(
    "run",
    [plain, refused_and_invalid, failing, several_a_request, polled, judged_by_a_model],
    ids=lambda run: run.__name__,
)
async def test_a_collector_gets_what_the_sdk_would_have_made(run, options):
    messages = []
    for processors in ((), (Watching(),)):
        provider, exporter = told_to(*processors)
        await run(OpenTelemetry(tracer_provider=provider, meter_provider=Telemetry().meters, **options))
        messages.append(encoded(exporter))
    assert messages[0] == messages[1]


def is_quick(provider):
    tracer = provider.get_tracer("mine")
    return quick_below(tracer, tracer.start_span("run")) is not None


class Own(Sampler):
    """Asks about each span."""

    def should_sample(self, parent_context, trace_id, name, *others):  # noqa: ARG002  # as of every sampler
        return SamplingResult(Decision.RECORD_AND_SAMPLE)

    def get_description(self):
        return "own"


@pytest.mark.parametrize(
    ("processors", "settings", "expected"),
    [
        ((), {}, True),
        ((), {"sampler": ALWAYS_ON}, True),
        ((), {"sampler": ParentBased(TraceIdRatioBased(1.0))}, True),
        ((), {"sampler": ParentBased(ALWAYS_ON, local_parent_sampled=Own())}, False),
        ((), {"sampler": Own()}, False),
        ((), {"sampler": TraceIdRatioBased(1.0)}, False),
        ((SpanProcessor(),), {}, True),
        ((Watching(),), {}, False),
        ((), {"span_limits": SpanLimits(max_span_attributes=3)}, False),
        ((), {"span_limits": SpanLimits(max_attribute_length=9)}, False),
        ((), {"span_limits": SpanLimits(max_span_attribute_length=9)}, False),
        ((), {"span_limits": SpanLimits(max_span_attributes=64, max_links=64)}, True),
    ],
)
def test_only_where_the_sdk_would_do_no_more(processors, settings, expected):
    assert is_quick(told_to(*processors, **settings)[0]) is expected


def test_processors_that_batch_are_as_quick():
    provider, exporter = told_to()
    processor = BatchSpanProcessor(exporter)
    provider.add_span_processor(processor)
    assert is_quick(provider)
    processor.shutdown()


def test_not_where_spans_go_to_threads_or_nowhere_or_are_counted(monkeypatch):
    threads = ConcurrentMultiSpanProcessor()
    assert not is_quick(TracerProvider(shutdown_on_exit=False, active_span_processor=threads))
    threads.shutdown()
    assert not is_quick(NoOpTracerProvider())
    monkeypatch.setenv("OTEL_PYTHON_SDK_INTERNAL_METRICS_ENABLED", "true")
    assert not is_quick(told_to()[0])


async def test_a_request_carries_the_ids_of_its_span_either_way():
    for processors in ((), (Watching(),)):
        provider, exporter = told_to(*processors)
        app = Scripted(scored())
        async with client(app) as ev:
            await instrument(ev, tracer_provider=provider).gather(texts(1), "contains", **SYNC)
        (request,) = (each for each in exporter.get_finished_spans() if each.name.startswith("POST"))
        carried = app.requests[-1][3]["traceparent"]
        assert carried[:-3] == f"00-{request.context.trace_id:032x}-{request.context.span_id:016x}"
