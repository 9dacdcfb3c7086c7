"""What a client tells OpenTelemetry, kept in memory."""

from __future__ import annotations

from typing import Any

from opentelemetry.sdk._logs import LoggerProvider
from opentelemetry.sdk._logs.export import InMemoryLogRecordExporter, SimpleLogRecordProcessor
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.sdk.trace.sampling import ParentBased

from fi_async.integrations.otel import OpenTelemetry


class Telemetry:
    """Providers whose exporters keep all they get."""

    def __init__(self, **settings: Any) -> None:
        self._spans, self._logs, self._reader = (
            InMemorySpanExporter(),
            InMemoryLogRecordExporter(),
            InMemoryMetricReader(),
        )
        sampler = settings.pop("sampler", None)
        self.tracers = TracerProvider(shutdown_on_exit=False, **({"sampler": ParentBased(sampler)} if sampler else {}))
        self.tracers.add_span_processor(SimpleSpanProcessor(self._spans))
        self.loggers = LoggerProvider(shutdown_on_exit=False)
        self.loggers.add_log_record_processor(SimpleLogRecordProcessor(self._logs))
        self.meters = MeterProvider([self._reader], shutdown_on_exit=False)
        self.settings = settings

    def listener(self, *, logs: bool = False, **more: Any) -> OpenTelemetry:
        return OpenTelemetry(
            tracer_provider=self.tracers,
            meter_provider=self.meters,
            logger_provider=self.loggers if logs else None,
            **(self.settings | more),
        )

    @property
    def spans(self) -> list[ReadableSpan]:
        return list(self._spans.get_finished_spans())

    @property
    def logs(self) -> list[Any]:
        return [each.log_record for each in self._logs.get_finished_logs()]

    def named(self, name: str) -> list[ReadableSpan]:
        return [each for each in self.spans if each.name == name]

    def one(self, name: str) -> ReadableSpan:
        (found,) = self.named(name)
        return found

    def metrics(self) -> dict[str, dict[tuple[Any, ...], Any]]:
        """Every metric by its name: the value of each point, or the count of a histogram's, by its attributes."""
        read = self._reader.get_metrics_data()
        found = [] if read is None else [each for of in read.resource_metrics for each in of.scope_metrics]
        return {
            metric.name: {
                tuple(sorted(point.attributes.items())): point.value if hasattr(point, "value") else point.count
                for point in metric.data.data_points
            }
            for scope in found
            for metric in scope.metrics
        }

    def points(self, name: str, *keys: str) -> dict[Any, Any]:
        """The points of one metric by the values of these attributes, or of the only one."""
        found = {
            tuple(dict(attributes).get(key) for key in keys): value
            for attributes, value in self.metrics().get(name, {}).items()
        }
        return {key[0] if len(keys) == 1 else key: value for key, value in found.items()}


def tree(telemetry: Telemetry) -> list[tuple[str, str | None]]:
    """Each span's name and that of its parent, sorted."""
    ids = {each.context.span_id: each.name for each in telemetry.spans}
    return sorted(
        ((each.name, None if each.parent is None else ids.get(each.parent.span_id)) for each in telemetry.spans),
        key=str,
    )
