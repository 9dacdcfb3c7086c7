"""Telemetry that fails, hangs or is not there changes nothing for a run."""

from __future__ import annotations

import subprocess
import sys
import threading

import pytest
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SimpleSpanProcessor, SpanExporter

from embedded import NEEDLE, backend, client, texts
from fi_async.integrations.otel import OpenTelemetry
from telemetry import Telemetry

pytestmark = pytest.mark.anyio


class Hanging(SpanExporter):
    """Exports nothing until it is let go."""

    def __init__(self):
        self.release, self.began = threading.Event(), threading.Event()

    def export(self, spans):  # noqa: ARG002  # as of every exporter
        self.began.set()
        self.release.wait(30)
        raise RuntimeError("mine")


async def whole(listener, count=50):
    async with client(backend(), on_event=listener) as ev:
        report = await ev.gather(texts(count), "contains", eval_config=NEEDLE)
    assert report.coverage == 1.0
    assert len(report.outcomes) == count


async def test_an_exporter_that_hangs_then_fails_harms_no_run():
    exporter = Hanging()
    provider = TracerProvider(shutdown_on_exit=False)
    provider.add_span_processor(BatchSpanProcessor(exporter, max_queue_size=8, max_export_batch_size=4))
    await whole(OpenTelemetry(tracer_provider=provider, meter_provider=Telemetry().meters))
    assert exporter.began.wait(10)
    exporter.release.set()
    provider.shutdown()


async def test_an_exporter_that_raises_in_the_loop_harms_no_run(caplog):
    class Raising(SpanExporter):
        def export(self, spans):  # noqa: ARG002  # as above
            raise RuntimeError("mine")

    provider = TracerProvider(shutdown_on_exit=False)
    provider.add_span_processor(SimpleSpanProcessor(Raising()))
    await whole(OpenTelemetry(tracer_provider=provider, meter_provider=Telemetry().meters), count=3)


async def test_a_program_function_that_raises_costs_its_link_only():
    told = Telemetry()

    def judged(case):
        raise RuntimeError("mine")

    await whole(told.listener(judged=judged), count=3)
    assert len(told.named("fi_async run")) == 1
    assert len(told.named("evaluate contains")) == 3
    assert told.points("fi_async.outcomes", "fi_async.status") == {"scored": 3}


def ran(program):
    return subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True, timeout=60
    ).stdout


RUN = """
import asyncio, sys
from fi_async import AsyncEvaluator
import fi_async.integrations.otel
async def main():
    async with AsyncEvaluator.local() as ev:
        print((await ev.gather([{"text": "1"}], "is_json")).coverage)
asyncio.run(main())
print([name for name in sys.modules if name.startswith("opentelemetry")])
"""
MISSING = """
import sys
sys.modules["opentelemetry"] = None
from fi_async import ConfigurationError
from fi_async.integrations.otel import OpenTelemetry
try:
    OpenTelemetry()
except ConfigurationError as error:
    print(error)
"""


def test_nothing_of_it_is_imported_until_it_is_used():
    assert ran(RUN).splitlines() == ["1.0", "[]"]


def test_without_the_extra_it_says_what_to_install():
    assert ran(MISSING) == "OpenTelemetry() needs opentelemetry: pip install 'fi-async[otel]'\n"
