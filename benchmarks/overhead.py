"""What telemetry costs an evaluation in CPU, by pairs in one process: with and without, in turn; see harness."""

from __future__ import annotations

import asyncio
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from typing import Any

from harness import KEYS, Meter, main
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SpanExporter, SpanExportResult
from opentelemetry.trace import NoOpTracerProvider, SpanKind, set_span_in_context
from workload import asked, cases

from fi_async import AsyncEvaluator
from fi_async._events import CaseEnded, RequestSent, guarded, wants
from fi_async.integrations.otel import OpenTelemetry

_QUEUE = 100_000  # spans: none is dropped, so that all are paid for


class _Dropping(SpanExporter):
    """Exports to nobody: what remains is what makes the spans."""

    def export(self, spans: Any) -> SpanExportResult:  # noqa: ARG002  # as of every exporter
        return SpanExportResult.SUCCESS


def _listener(which: str) -> OpenTelemetry:
    """Return what listens: metrics alone, or spans too, exported to nobody or to a collector."""
    meters = MeterProvider([InMemoryMetricReader()], shutdown_on_exit=False)
    if which == "metrics":
        return OpenTelemetry(tracer_provider=NoOpTracerProvider(), meter_provider=meters)
    tracers = TracerProvider(shutdown_on_exit=False)
    exporter = OTLPSpanExporter() if which == "exported" else _Dropping()
    tracers.add_span_processor(BatchSpanProcessor(exporter, max_queue_size=_QUEUE))
    how: dict[str, Any] = {
        "run": {"cases": False, "requests": False},
        "requests": {"cases": False},
        "cases": {"requests": False},
        "hundredth": {"cases": 0.01},
        "tenth": {"cases": 0.1},
        "exported": {},
    }.get(which, {})
    return OpenTelemetry(tracer_provider=tracers, meter_provider=meters, **how)


_TAKES_ALL = """
import http.server
class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    def do_POST(self):
        self.rfile.read(int(self.headers["content-length"]))
        self.send_response(200)
        self.send_header("content-length", "0")
        self.end_headers()
    def log_message(self, *_):
        pass
server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
print(server.server_port, flush=True)
server.serve_forever()
"""


def overhead(url: str, transport: str = "aiohttp", **order: Any) -> dict[str, Any]:
    """Return the CPU that each setting adds to an evaluation, as a share of that without: the median of many pairs."""
    if transport == "httpx":
        sys.modules["aiohttp"] = None  # type: ignore[assignment]  # Python's spelling of "not installed"
    with subprocess.Popen([sys.executable, "-c", _TAKES_ALL], stdout=subprocess.PIPE, text=True) as collector:
        try:
            assert collector.stdout is not None
            os.environ["OTEL_EXPORTER_OTLP_ENDPOINT"] = f"http://127.0.0.1:{collector.stdout.readline().strip()}"
            return asyncio.run(_overhead(url, **order))
        finally:
            collector.terminate()


async def _overhead(
    url: str, *, count: int, pairs: int, settings: list[str], template: str, concurrency: int
) -> dict[str, Any]:
    with_it: dict[str, list[float]] = {each: [] for each in settings}
    without: dict[str, list[float]] = {each: [] for each in settings}
    async with AsyncEvaluator(fi_base_url=url, **KEYS, concurrency=concurrency) as evaluator:
        given = list(cases(template, count))

        async def spent(listener: Any) -> float:
            evaluator._session.on_event = listener
            meter = Meter()
            report = await evaluator.gather(given, **asked(template))
            assert report.coverage == 1.0
            return meter.read(count)["cpu_ms"]

        listeners = {which: guarded(_listener(which)) for which in settings}
        for listener in (None, *listeners.values()):
            await spent(listener)
        for turn in range(pairs):
            for which, listener in listeners.items():
                # Next to each other, so that a noisy second meets both; each is the first as often as the second.
                order = (None, listener) if turn % 2 else (listener, None)
                told = {each is None: await spent(each) for each in order}
                with_it[which].append(told[False])
                without[which].append(told[True])
    # What else a machine does only adds to the CPU of a run: the least of many is the run itself.
    least = min(min(each) for each in without.values())
    return {
        "cpu_ms": least,
        "medians": {
            which: statistics.median(one / other - 1 for one, other in zip(each, without[which], strict=True))
            for which, each in with_it.items()
        },
        "guards_us": _guards(),
        "sdk_us": _of_the_sdk(),
    }


_CASE = {"gen_ai.evaluation.name": "groundedness", "fi_async.case.index": 7}
_OUTCOME = {"fi_async.status": "scored", "fi_async.backend": "local"}
_RESULT = {
    "gen_ai.evaluation.name": "groundedness",
    "gen_ai.evaluation.score.value": 1.0,
    "gen_ai.evaluation.score.label": "pass",
}
_REQUEST = {
    "http.request.method": "POST",
    "url.template": "/sdk/api/v1/new-eval/",
    "url.full": "http://127.0.0.1:8000/sdk/api/v1/new-eval/",
    "server.address": "127.0.0.1",
    "server.port": 8000,
}
_REPLY = {"http.response.status_code": 200, "fi_async.request.id": "7d1c0c1a-1"}


def _of_the_sdk() -> dict[str, float]:
    """Return the microseconds that an evaluation of one request costs where the SDK is called as it is documented.

    That is least: nothing else runs, so that all of it stays in the processor's caches.
    """
    tracers = TracerProvider(shutdown_on_exit=False)
    tracers.add_span_processor(BatchSpanProcessor(_Dropping(), max_queue_size=_QUEUE))
    tracer = tracers.get_tracer("floor")
    context = set_span_in_context(tracer.start_span("run"))
    meter = MeterProvider([InMemoryMetricReader()], shutdown_on_exit=False).get_meter("floor")
    histogram = meter.create_histogram("http.client.request.duration")

    def spans() -> None:
        case = tracer.start_span("evaluate groundedness", context, attributes=_CASE)
        request = tracer.start_span("POST", set_span_in_context(case, context), SpanKind.CLIENT, _REQUEST)
        request.set_attributes(_REPLY)
        request.end()
        case.set_attributes(_OUTCOME)
        case.add_event("gen_ai.evaluation.result", _RESULT)
        case.end()

    def metrics() -> None:
        histogram.record(0.1, _REQUEST)
        histogram.record(0.1, _OUTCOME)

    def least(of: Callable[[], None], rounds: int = 2000) -> float:
        def took() -> float:
            began = time.process_time()
            for _ in range(rounds):
                of()
            return 1e6 * (time.process_time() - began) / rounds

        return min(took() for _ in range(7))

    return {"spans": least(spans), "metrics": least(metrics)}


def _guards() -> float:
    """Return the microseconds that asking whether anybody listens costs an evaluation, where nobody does."""
    rounds, asked_of_each = 100_000, 7
    began = time.perf_counter()
    for _ in range(rounds):
        wants(None, CaseEnded)
        wants(None, RequestSent)
    return 1e6 * (time.perf_counter() - began) / rounds / 2 * asked_of_each


if __name__ == "__main__":
    main({"overhead": overhead})
