"""Providers that export over OTLP, as the variables of OpenTelemetry say: what `fi-async run --otel` uses."""

from __future__ import annotations

import os
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Final, Protocol

from fi_async._errors import ConfigurationError
from fi_async._events import log
from fi_async._extras import need
from fi_async.client import Client
from fi_async.integrations.otel import instrument

if TYPE_CHECKING:
    from opentelemetry.sdk.resources import Resource

_LONGEST: Final = 5.0  # seconds that the last export may take
_OTLP: Final = "opentelemetry.exporter.otlp.proto.http"
_KINDS: Final = ("otlp", "console", "none")


class Exporting(Protocol):
    """A provider that is shut down in the end."""

    def shutdown(self) -> Any:
        """Export what is left."""


@contextmanager
def exported(client: Client) -> Iterator[None]:
    """Export what a client tells until the block ends, and the last of it then, within 5 seconds.

    OTEL_EXPORTER_OTLP_ENDPOINT and its like say where to, OTEL_TRACES_SAMPLER how much, OTEL_SERVICE_NAME and
    OTEL_RESOURCE_ATTRIBUTES who we are, OTEL_TRACES_EXPORTER (and METRICS, LOGS) "otlp", "console" or "none". The run's
    span is below the one that TRACEPARENT names.

    Raises:
        ConfigurationError: The extra is missing, or a variable asks for what we cannot do.
    """
    need(_OTLP, "fi-async[otel]", "--otel")
    if os.environ.get("OTEL_SDK_DISABLED", "").strip().lower() == "true":
        yield
        return
    from opentelemetry import context  # noqa: PLC0415  # needs the extra
    from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator  # noqa: PLC0415  # as above

    _check_protocols()
    resource = _resource()
    providers = {
        "tracer_provider": _tracers(resource),
        "meter_provider": _meters(resource),
        "logger_provider": _loggers(resource),
    }
    instrument(client, **providers)
    names = ("traceparent", "tracestate")
    given = {name: os.environ[name.upper()] for name in names if name.upper() in os.environ}
    token = context.attach(TraceContextTextMapPropagator().extract(given))
    try:
        yield
    finally:
        context.detach(token)
        _end(list(providers.values()))


def _check_protocols() -> None:
    for name in ("", "_TRACES", "_METRICS", "_LOGS"):
        variable = f"OTEL_EXPORTER_OTLP{name}_PROTOCOL"
        if os.environ.get(variable, "http/protobuf") != "http/protobuf":
            raise ConfigurationError(f"{variable} must be http/protobuf for --otel, not {os.environ[variable]!r}")


def _kind(signal: str) -> str:
    """Return what exports a signal.

    Raises:
        ConfigurationError: A variable says something else.
    """
    variable = f"OTEL_{signal}_EXPORTER"
    kind = os.environ.get(variable, "").strip() or "otlp"
    if kind not in _KINDS:
        raise ConfigurationError(f"{variable} must be one of {', '.join(_KINDS)} for --otel, not {kind!r}")
    return kind


def _resource() -> Resource:
    from opentelemetry.sdk.resources import Resource  # noqa: PLC0415  # as above

    given = os.environ.get("OTEL_SERVICE_NAME") or "service.name" in os.environ.get("OTEL_RESOURCE_ATTRIBUTES", "")
    return Resource.create({} if given else {"service.name": "fi-async"})


def _tracers(resource: Resource) -> Exporting:
    from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter  # noqa: PLC0415  # as above
    from opentelemetry.sdk.trace import TracerProvider  # noqa: PLC0415  # as above
    from opentelemetry.sdk.trace.export import BatchSpanProcessor, ConsoleSpanExporter  # noqa: PLC0415  # as above

    provider, kind = TracerProvider(resource=resource, shutdown_on_exit=False), _kind("TRACES")
    if kind != "none":
        console = ConsoleSpanExporter(out=sys.stderr) if kind == "console" else None
        provider.add_span_processor(BatchSpanProcessor(console or OTLPSpanExporter()))
    return provider


def _meters(resource: Resource) -> Exporting:
    from opentelemetry.exporter.otlp.proto.http.metric_exporter import OTLPMetricExporter  # noqa: PLC0415  # as above
    from opentelemetry.sdk.metrics import MeterProvider  # noqa: PLC0415  # as above
    from opentelemetry.sdk.metrics.export import (  # noqa: PLC0415  # as above
        ConsoleMetricExporter,
        PeriodicExportingMetricReader,
    )

    kind = _kind("METRICS")
    console = ConsoleMetricExporter(out=sys.stderr) if kind == "console" else None
    readers = [] if kind == "none" else [PeriodicExportingMetricReader(console or OTLPMetricExporter())]
    return MeterProvider(readers, resource=resource, shutdown_on_exit=False)


def _loggers(resource: Resource) -> Exporting:
    from opentelemetry.exporter.otlp.proto.http._log_exporter import OTLPLogExporter  # noqa: PLC0415  # as above
    from opentelemetry.sdk._logs import LoggerProvider  # noqa: PLC0415  # as above
    from opentelemetry.sdk._logs.export import (  # noqa: PLC0415  # as above
        BatchLogRecordProcessor,
        ConsoleLogRecordExporter,
    )

    provider, kind = LoggerProvider(resource=resource, shutdown_on_exit=False), _kind("LOGS")
    if kind != "none":
        console = ConsoleLogRecordExporter(out=sys.stderr) if kind == "console" else None
        provider.add_log_record_processor(BatchLogRecordProcessor(console or OTLPLogExporter()))
    return provider


def _end(providers: list[Exporting]) -> None:
    """Export what is left, each signal in a thread of its own, and do not wait for a collector that hangs."""
    threads = [threading.Thread(target=_quietly(each.shutdown), daemon=True) for each in providers]
    for thread in threads:
        thread.start()
    until = time.monotonic() + _LONGEST
    for thread in threads:
        thread.join(max(0.0, until - time.monotonic()))
    if any(thread.is_alive() for thread in threads):
        log.warning("--otel: the collector did not take the last of it within %g s", _LONGEST)


def _quietly(shutdown: Callable[[], Any]) -> Callable[[], None]:
    def end() -> None:
        try:
            shutdown()
        except Exception as error:  # noqa: BLE001  # telemetry decides no exit code
            log.warning("--otel: %s at the last export", type(error).__name__)

    return end
