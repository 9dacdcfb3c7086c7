"""Telemetry over real sockets: what a collector gets, and which context reaches a server."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections import Counter
from pathlib import Path

import httpx
import pytest
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor

from fi_async import AsyncEvaluator, Timeout
from fi_async._connection import Connection
from fi_async.integrations.otel import OpenTelemetry
from fi_async.local import LocalBackend, Switches
from fi_async.local.server import running
from fi_async.wire.requests import Parameters, get_evals, new_eval
from fi_async.wire.transport import Transport
from otlp_collector import attributes, collecting
from raw import OK, read_request, socket_server

pytestmark = pytest.mark.anyio
PARENT = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
POST = new_eval(Parameters("contains"), [{"text": "x"}], is_async=False)


async def carried(headers: dict[str, str], **more) -> list[str]:
    """Return the heads of a POST and a GET as a server read them."""
    heads = []

    async def answer(reader, writer):
        while True:
            heads.append((await read_request(reader)).partition(b"\r\n\r\n")[0].decode().lower())
            writer.write(OK)
            await writer.drain()

    async with socket_server(answer) as url:
        transport = Transport(Connection.resolve("the-key", "the-secret", url), **more)
        for call in (POST, get_evals()):
            await transport.send(call, Timeout(), headers=headers)
            await transport.send(call, Timeout())
        await transport.aclose()
    return heads


def check(heads: list[str]) -> None:
    assert [head.count(f"traceparent: {PARENT}") for head in heads] == [1, 0, 1, 0]
    assert all(head.count("\r\nx-api-key: the-key") == 1 for head in heads)
    assert all(head.count("\r\nhost:") == 1 for head in heads)
    assert "intruder" not in str(heads)


GIVEN = {
    "traceparent": PARENT,
    "Host": "intruder",
    "x-API-key": "intruder",
    "x\r\ny": "intruder",
    "z": "a\r\nintruder: b",
}


@pytest.mark.usefixtures("any_transport")
async def test_one_request_carries_what_it_is_given_and_the_next_does_not():
    check(await carried(GIVEN))


async def test_so_it_does_through_a_client_of_the_programs():
    async with httpx.AsyncClient(trust_env=False) as mine:
        check(await carried(GIVEN, http_client=mine))


async def test_the_exporter_brings_a_collector_the_spans_of_a_run():
    with collecting() as collector, running(LocalBackend(Switches(latency=0.01))) as url:
        provider = TracerProvider(shutdown_on_exit=False)
        provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter(f"{collector.url}/v1/traces")))
        listener = OpenTelemetry(tracer_provider=provider, meter_provider=MeterProvider(shutdown_on_exit=False))
        async with AsyncEvaluator("a", "s", url, on_event=listener) as ev:
            report = await ev.gather([{"text": f"{n}"} for n in range(20)], "is_json", strategy="sync", rows=1)
        provider.shutdown()
        spans = collector.spans
    assert report.coverage == 1.0
    assert Counter(each.name.partition(" ")[0] for each in spans) == {
        "POST": 20,
        "evaluate": 20,
        "fi_async": 1,
    }
    by_id = {each.span_id: each.name for each in spans}
    assert {by_id[each.parent_span_id] for each in spans if each.name.startswith("POST")} == {"evaluate is_json"}
    posted = attributes(next(each for each in spans if each.name.startswith("POST")))
    assert posted["url.full"] == f"{url}/sdk/api/v1/new-eval/"
    assert (posted["server.address"], posted["server.port"]) == ("127.0.0.1", int(url.rpartition(":")[2]))


def command(tmp_path: Path, collector_url: str, **more: str) -> subprocess.CompletedProcess[str]:
    (tmp_path / "rows.jsonl").write_text("".join(json.dumps({"text": f"needle {n}"}) + "\n" for n in range(10)))
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("FI_", "OTEL_"))}
    return subprocess.run(
        [sys.executable, "-m", "fi_async", "run", "rows.jsonl", "--eval", "is_json", "--backend", "local", "--otel"],
        cwd=tmp_path,
        env={**kept, "OTEL_EXPORTER_OTLP_ENDPOINT": collector_url, **more},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def test_the_command_line_exports_all_signals_below_the_span_of_the_build(tmp_path):
    with collecting() as collector:
        ended = command(tmp_path, collector.url, TRACEPARENT=PARENT, OTEL_RESOURCE_ATTRIBUTES="team=evals")
    assert (ended.returncode, ended.stderr.count("otel")) == (0, 0), ended.stderr
    run = next(each for each in collector.spans if each.name == "fi_async run")
    assert (run.trace_id.hex(), run.parent_span_id.hex()) == tuple(PARENT.split("-")[1:3])
    assert len([each for each in collector.spans if each.name == "evaluate is_json"]) == 10
    assert {each.event_name for each in collector.logs} == {"gen_ai.evaluation.result"}
    assert len(collector.logs) == 10
    (point,) = collector.metrics["fi_async.outcomes"].sum.data_points
    assert (point.as_double or point.as_int, attributes(point)["fi_async.status"]) == (10, "scored")
    assert collector.services == {"fi-async"}
    assert b"needle" not in b"".join(each.SerializeToString() for each in collector.requests)
