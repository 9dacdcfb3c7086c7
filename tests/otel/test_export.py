"""What `--otel` sets up, and that no exporter holds up the end of a command."""

from __future__ import annotations

import time
from typing import ClassVar

import anyio
import pytest
from opentelemetry import trace
from opentelemetry.exporter.otlp.proto.http import trace_exporter
from opentelemetry.sdk.trace import ReadableSpan  # noqa: TC002  # as all types here
from opentelemetry.sdk.trace.export import SpanExportResult

from embedded import NEEDLE, texts
from fi_async import AsyncEvaluator
from fi_async.cli import main
from fi_async.integrations import otel_export

PARENT = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"


@pytest.fixture(autouse=True)
def _traces_only(monkeypatch):
    monkeypatch.setenv("OTEL_METRICS_EXPORTER", "none")
    monkeypatch.setenv("OTEL_LOGS_EXPORTER", "none")


@pytest.fixture
def exporter(monkeypatch):
    """Stand in for the exporter of OTLP."""

    class Kept:
        spans: ClassVar[list[ReadableSpan]] = []
        hang = raises = False

        def export(self, spans):
            if self.raises:
                raise RuntimeError("mine")
            if self.hang:
                time.sleep(2)
            self.spans.extend(spans)
            return SpanExportResult.SUCCESS

        def shutdown(self):
            """End."""

    monkeypatch.setattr(trace_exporter, "OTLPSpanExporter", Kept)
    return Kept


def run():
    async def evaluate():
        return await ev.gather(texts(3), "contains", eval_config=NEEDLE)

    ev = AsyncEvaluator.local()
    with otel_export.exported(ev):
        assert anyio.run(evaluate).coverage == 1.0


def test_the_runs_span_is_below_that_of_the_environment_and_all_is_exported_at_the_end(exporter, monkeypatch):
    monkeypatch.setenv("TRACEPARENT", PARENT)
    run()
    (whole,) = (each for each in exporter.spans if each.name == "fi_async run")
    assert (whole.context.trace_id, whole.parent.span_id) == tuple(int(each, 16) for each in PARENT.split("-")[1:3])
    assert whole.resource.attributes["service.name"] == "fi-async"
    assert not trace.get_current_span().get_span_context().is_valid


def test_a_collector_that_hangs_holds_up_the_end_for_a_bounded_time(exporter, monkeypatch, caplog):
    monkeypatch.setattr(otel_export, "_LONGEST", 0.2)
    exporter.hang = True
    began = time.monotonic()
    run()
    assert time.monotonic() - began < 1.5
    assert "--otel: the collector did not take the last of it within 0.2 s" in caplog.text


def test_an_exporter_that_raises_ends_nothing(exporter):
    exporter.raises = True
    run()


def test_it_can_be_switched_off_by_the_environment(exporter, monkeypatch):
    monkeypatch.setenv("OTEL_SDK_DISABLED", "true")
    run()
    assert exporter.spans == []


@pytest.mark.parametrize(
    ("name", "value", "said"),
    [
        ("OTEL_TRACES_EXPORTER", "zipkin", "OTEL_TRACES_EXPORTER must be one of otlp, console, none for --otel"),
        ("OTEL_EXPORTER_OTLP_PROTOCOL", "grpc", "OTEL_EXPORTER_OTLP_PROTOCOL must be http/protobuf for --otel"),
    ],
)
def test_what_cannot_be_exported_so_is_said_at_once(name, value, said, *, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv(name, value)
    (tmp_path / "rows.jsonl").write_text('{"text": "1"}\n')
    assert main(["run", "rows.jsonl", "--eval", "is_json", "--backend", "local", "--otel"]) == 2
    assert said in capsys.readouterr().err
