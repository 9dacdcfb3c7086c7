"""The dashboard asks for metrics and labels that exist, by the names that Prometheus has for them."""

from __future__ import annotations

import json
import re
from pathlib import Path

import anyio
import pytest
from opentelemetry.exporter.prometheus import PrometheusMetricReader
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.trace import NoOpTracerProvider
from prometheus_client import CollectorRegistry, generate_latest

import judged
from clock import VirtualClockLoop
from embedded import NEEDLE, backend
from fi_async.integrations.otel import instrument
from fi_async.local import Faults, Quota

DASHBOARD = json.loads((Path(__file__).parents[2] / "examples" / "grafana_dashboard.json").read_text())
EXPRESSIONS = [target["expr"] for panel in DASHBOARD["panels"] for target in panel["targets"]]
METRIC = re.compile(r"\b(?:fi_async|gen_ai|http)_\w+(?=[\[{)]|$)")
OURS = re.compile(r"^(?:fi_async|gen_ai|http)_")


def asked_for(expression: str) -> tuple[set[str], set[str]]:
    """Return the metrics and the labels that an expression names."""
    labels = {each for found in re.findall(r"by \(([^)]*)\)", expression) for each in re.findall(r"\w+", found)}
    labels |= set(re.findall(r"(\w+)!?=", expression))
    return set(METRIC.findall(re.sub(r"by \([^)]*\)", "", expression))), labels - {"le"}


@pytest.fixture(scope="module")
def exposed() -> dict[str, set[str]]:
    """The labels of each metric, as Prometheus scrapes them from a run with all that can happen."""
    registry, reader = CollectorRegistry(), PrometheusMetricReader()
    provider = MeterProvider([reader], shutdown_on_exit=False)
    registry.register(reader._collector)

    async def run():
        cloud = backend(requests=Quota(8, 1.0), faults=Faults(fail=0.3), seed=1)
        endpoint = judged.Endpoint()
        async with judged.client(endpoint.judge(price=judged.PRICE), "cloud", cloud=cloud) as ev:
            instrument(ev, tracer_provider=NoOpTracerProvider(), meter_provider=provider)
            cases = [{**each, "text": "needle"} for each in judged.talks(12)]
            how = {"eval_config": {"contains": NEEDLE}, "extra_keys": "ignore", "strategy": "sync", "rows": 1}
            return await ev.gather(cases, [judged.CALM, "contains"], **how)

    report = anyio.run(run, backend_options={"loop_factory": VirtualClockLoop})
    assert 0 < report.coverage < 1
    found: dict[str, set[str]] = {}
    for line in generate_latest(registry).decode().splitlines():
        if not line.startswith("#"):
            name, labels = re.match(r"(\w+)(?:{(.*)})?", line).groups()
            found.setdefault(name, set()).update(re.findall(r'(\w+)="', labels or ""))
    return found


@pytest.mark.parametrize("expression", EXPRESSIONS)
def test_each_metric_and_label_exists(expression, exposed):
    metrics, labels = asked_for(expression)
    assert metrics
    assert metrics <= set(exposed)
    assert labels <= set.union(*(exposed[each] for each in metrics))


def test_every_metric_is_on_the_dashboard(exposed):
    shown = {each for expression in EXPRESSIONS for each in asked_for(expression)[0]}
    whole = {re.sub(r"_(bucket|sum|count|created)$", "", each) for each in exposed if OURS.match(each)}
    assert whole == {re.sub(r"_(bucket|sum|count)$", "", each) for each in shown}


def test_panels_have_ids_and_places_of_their_own():
    panels = DASHBOARD["panels"]
    assert len({each["id"] for each in panels}) == len(panels)
    places = [each["gridPos"] for each in panels]
    assert len({(each["x"], each["y"]) for each in places}) == len(panels)
    assert all(each["x"] + each["w"] <= 24 for each in places)
