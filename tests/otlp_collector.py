"""A collector of OTLP over HTTP on a real socket: it decodes what it is sent, and keeps it."""

from __future__ import annotations

import gzip
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest


class Collector:
    """What came so far, decoded.

    Attributes:
        url: Where it listens.
        hangs: Set to answer nobody.
    """

    def __init__(self) -> None:
        self.requests: list[Any] = []
        self.hangs = threading.Event()
        self.release = threading.Event()
        self.url = ""

    @property
    def spans(self) -> list[Any]:
        found = [each for each in self.requests if isinstance(each, ExportTraceServiceRequest)]
        return [
            span for each in found for of in each.resource_spans for scope in of.scope_spans for span in scope.spans
        ]

    @property
    def metrics(self) -> dict[str, Any]:
        found = [each for each in self.requests if isinstance(each, ExportMetricsServiceRequest)]
        return {
            metric.name: metric
            for each in found
            for of in each.resource_metrics
            for scope in of.scope_metrics
            for metric in scope.metrics
        }

    @property
    def logs(self) -> list[Any]:
        found = [each for each in self.requests if isinstance(each, ExportLogsServiceRequest)]
        return [
            log for each in found for of in each.resource_logs for scope in of.scope_logs for log in scope.log_records
        ]

    @property
    def services(self) -> set[str]:
        resources = (of.resource for each in self.requests for of in getattr(each, each.DESCRIPTOR.fields[0].name))
        return {pair.value.string_value for each in resources for pair in each.attributes if pair.key == "service.name"}


def attributes(of: Any) -> dict[str, Any]:
    return {each.key: getattr(each.value, each.value.WhichOneof("value")) for each in of.attributes}


@contextmanager
def collecting() -> Iterator[Collector]:
    """Yield a collector that listens."""
    collector = Collector()
    kinds: dict[str, Any] = {
        "/v1/traces": ExportTraceServiceRequest,
        "/v1/metrics": ExportMetricsServiceRequest,
        "/v1/logs": ExportLogsServiceRequest,
    }

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["content-length"]))
            if self.headers.get("content-encoding") == "gzip":
                body = gzip.decompress(body)
            if collector.hangs.is_set():
                collector.release.wait(30)
            collector.requests.append(kinds[self.path].FromString(body))
            self.send_response(200)
            self.send_header("content-length", "0")
            self.end_headers()

        def log_message(self, *_: Any) -> None:
            """Say nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        server.daemon_threads = True
        threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
        collector.url = f"http://127.0.0.1:{server.server_port}"
        try:
            yield collector
        finally:
            collector.release.set()
            server.shutdown()
