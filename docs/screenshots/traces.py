"""A run as its telemetry tells it: its trace as a waterfall, and the panels of the dashboard, drawn from its points.

Neither is a picture of a product: the spans are those that the exporter was given, the numbers those that the reader
was, and the panels are those of examples/grafana_dashboard.json whose expressions can be drawn without Prometheus.
"""

from __future__ import annotations

import asyncio
import html
import json
import re
import time
from collections import defaultdict
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import NoOpTracerProvider, StatusCode
from pages import EXAMPLES

from fi_async import AsyncEvaluator, Case, Criteria, Judge, Limit, Report, template
from fi_async.integrations.otel import instrument
from fi_async.local import ChatSwitches, Faults, LocalBackend, Lognormal, Quota, Switches

CALM = Criteria("calm", "Does {{output}} stay calm and polite?", choices={"calm": 1.0, "curt": 0.5, "rude": 0.0})
PANELS = (2, 6, 8, 9, 11, 12, 13, 14, 17)
COLOURS = ("#3274d9", "#56a64b", "#e0b400", "#e02f44", "#8f3bb8", "#ff780a", "#37872d", "#1f60c4")
STYLE = """
body { font: 13px system-ui, sans-serif; color: #1f2430; background: #fff; margin: 16px; }
h1 { font-size: 16px; margin: 0 0 10px; }
h2 { font-size: 13px; margin: 6px 8px 0; font-weight: 600; }
.row { display: grid; grid-template-columns: 330px 1fr; align-items: center; height: 21px; }
.row { border-top: 1px solid #eef0f4; }
.name { white-space: nowrap; overflow: hidden; text-overflow: ellipsis; }
.lane { position: relative; height: 100%; }
.bar { position: absolute; top: 4px; height: 13px; border-radius: 2px; min-width: 2px; }
.note { position: absolute; top: 2px; font-size: 11px; color: #5a6272; white-space: nowrap; padding: 0 4px; }
.grid { display: grid; grid-template-columns: 1fr 1fr 1fr; gap: 10px; }
.panel { border: 1px solid #dde1e8; border-radius: 3px; }
.legend { font-size: 11px; color: #5a6272; padding: 0 8px 6px; }
.legend i { display: inline-block; width: 10px; height: 3px; margin: 0 4px 3px 8px; }
"""


@template
def short(output: str) -> bool:
    return len(output) < 240


async def _run(cloud: LocalBackend, count: int, templates: Sequence[Any], **telemetry: Any) -> Report:
    lines = (EXAMPLES / "support_answers.jsonl").read_text(encoding="utf-8").splitlines()
    rows = [json.loads(line) for line in lines if line.startswith("{") and '"context"' in line][:count]
    cases = [Case({key: row[key] for key in ("input", "output", "context")}) for row in rows]
    answers = Switches(seed=2, chat=ChatSwitches(latency=Lognormal(0.5, 0.4)))
    judge = Judge(
        "gpt-5-mini",
        app=LocalBackend(answers),
        api_key="key",
        price=(0.25, 2.0),
        concurrency=4,
        limits=[Limit(16_000, per=6.0, of="tokens")],
    )
    async with AsyncEvaluator.local(cloud, backends=[judge, "cloud"], concurrency=6) as ev:
        return await instrument(ev, **telemetry).gather(cases, templates, extra_keys="ignore", strategy="sync", rows=1)


def traced(place: Path) -> Path:
    """The trace of a small run that a limit holds up, with a failure."""
    spans, provider = InMemorySpanExporter(), TracerProvider(shutdown_on_exit=False)
    provider.add_span_processor(SimpleSpanProcessor(spans))
    cloud = LocalBackend(
        Switches(latency=Lognormal(0.4, 0.4), requests=Quota(4, 3.0), faults=Faults(status={503: 0.2}), seed=9)
    )
    while time.time() % 3.0 > 1.2 or time.time() % 3.0 < 1.0:  # so that every picture meets the same window
        time.sleep(0.02)
    asyncio.run(_run(cloud, 5, ["one_line", CALM, short], tracer_provider=provider, meter_provider=MeterProvider()))
    page = place / "trace.html"
    page.write_text(_waterfall(spans.get_finished_spans()), encoding="utf-8")
    return page


def _waterfall(spans: Sequence[ReadableSpan]) -> str:
    below: dict[int | None, list[ReadableSpan]] = defaultdict(list)
    for each in sorted(spans, key=lambda each: each.start_time or 0):
        below[None if each.parent is None else each.parent.span_id].append(each)
    (whole,) = (each for each in below[None] if each.name == "fi_async run")
    began, took = whole.start_time or 0, (whole.end_time or 0) - (whole.start_time or 0)

    def rows(span: ReadableSpan, depth: int) -> Iterable[str]:
        left = 100 * ((span.start_time or 0) - began) / took
        width = 100 * ((span.end_time or 0) - (span.start_time or 0)) / took
        failed = span.status.status_code is StatusCode.ERROR
        colour = "#e02f44" if failed else "#c4a000" if span.name.startswith("hold") else COLOURS[min(depth, 2)]
        note = _note(span)
        side = f"left: {min(left + width, 99):.2f}%" if left + width < 80 else f"right: {100 - left:.2f}%"
        yield (
            f'<div class="row"><div class="name" style="padding-left: {16 * depth}px">{html.escape(span.name)}</div>'
            f'<div class="lane"><div class="bar" style="left: {left:.2f}%; width: {width:.2f}%; background: {colour}">'
            f'</div><div class="note" style="{side}">{html.escape(note)}</div></div></div>'
        )
        for each in below[span.context.span_id]:
            yield from rows(each, depth + 1)

    title = f"One run: {took / 1e9:.1f} s, {len(spans)} spans"
    return _page(f"<h1>{title}</h1>{''.join(rows(whole, 0))}")


def _note(span: ReadableSpan) -> str:
    told = dict(span.attributes or {})
    kept = [f"{((span.end_time or 0) - (span.start_time or 0)) / 1e6:,.0f} ms"]
    kept += [str(told[name]) for name in ("http.response.status_code", "fi_async.status") if name in told]
    for event in span.events:
        label = dict(event.attributes or {}).get("gen_ai.evaluation.score.label")
        kept += [str(label)] if label else []
    if "http.request.resend_count" in told:
        kept.append(f"repeat {told['http.request.resend_count']}")
    return " · ".join(kept)


def charted(place: Path) -> Path:
    """The panels of the dashboard, drawn from the points of a run of half a minute."""
    reader = InMemoryMetricReader()
    provider = MeterProvider([reader], shutdown_on_exit=False)
    cloud = LocalBackend(
        Switches(
            latency=Lognormal(0.3, 0.5), requests=Quota(60, 6.0), faults=Faults(fail=0.05, status={503: 0.05}), seed=5
        )
    )
    points = asyncio.run(_watched(cloud, reader, provider))
    dashboard = json.loads((EXAMPLES / "grafana_dashboard.json").read_text(encoding="utf-8"))
    panels = {each["id"]: each for each in dashboard["panels"]}
    drawn = "".join(_panel(panels[number], points) for number in PANELS)
    page = place / "dashboard.html"
    page.write_text(_page(f'<h1>{dashboard["title"]}</h1><div class="grid">{drawn}</div>'), encoding="utf-8")
    return page


Points = list[tuple[float, dict[str, list[tuple[dict[str, Any], Any]]]]]


async def _watched(cloud: LocalBackend, reader: InMemoryMetricReader, provider: MeterProvider) -> Points:
    tracers = NoOpTracerProvider()
    templates = ["groundedness", "one_line", CALM]
    running = asyncio.create_task(_run(cloud, 110, templates, tracer_provider=tracers, meter_provider=provider))
    points: Points = []
    began = time.monotonic()
    while not running.done():
        points.append((time.monotonic() - began, _read(reader)))
        await asyncio.wait([running], timeout=0.5)
    points.append((time.monotonic() - began, _read(reader)))
    await running
    return points


def _read(reader: InMemoryMetricReader) -> dict[str, list[tuple[dict[str, Any], Any]]]:
    """Return the points of each metric, by the name that Prometheus has for it."""
    found: dict[str, list[tuple[dict[str, Any], Any]]] = {}
    read = reader.get_metrics_data()
    for metric in (
        [each for of in read.resource_metrics for scope in of.scope_metrics for each in scope.metrics] if read else []
    ):
        name = metric.name.replace(".", "_") + ("_seconds" if metric.unit == "s" else "")
        found[name] = found[f"{name}_total"] = [
            ({key.replace(".", "_"): value for key, value in (point.attributes or {}).items()}, point)
            for point in metric.data.data_points
        ]
    return found


def _panel(panel: dict[str, Any], points: Points) -> str:
    lines: dict[str, list[tuple[float, float]]] = {}
    for target in panel["targets"]:
        lines |= _series(target["expr"], target["legendFormat"], points)
    most = max((value for line in lines.values() for _, value in line), default=1.0) or 1.0
    last = points[-1][0]
    paths, legend = [], []
    for place, (name, line) in enumerate(sorted(lines.items())):
        colour = COLOURS[place % len(COLOURS)]
        shown = " ".join(f"{12 + 376 * at / last:.1f},{128 - 112 * value / most:.1f}" for at, value in line)
        paths.append(f'<polyline points="{shown}" fill="none" stroke="{colour}" stroke-width="1.5"/>')
        legend.append(f'<i style="background: {colour}"></i>{html.escape(name)}')
    scale = f'<text x="12" y="12" font-size="10" fill="#5a6272">{most:.3g}</text>'
    axis = '<line x1="12" y1="128" x2="388" y2="128" stroke="#dde1e8"/>'
    return (
        f'<div class="panel"><h2>{html.escape(panel["title"])}</h2>'
        f'<svg viewBox="0 0 400 134" width="100%">{axis}{scale}'
        f'{"".join(paths)}</svg><div class="legend">{"".join(legend)}</div></div>'
    )


def _series(expression: str, legend: str, points: Points) -> dict[str, list[tuple[float, float]]]:
    """Return the lines of an expression of the kinds that the dashboard has: by labels, of rates, quantiles, gauges."""
    by = [
        each
        for found in re.findall(r"by \(([^)]*)\)", expression)
        for each in re.findall(r"\w+", found)
        if each != "le"
    ]
    (name, *_) = re.findall(r"\b(?:fi_async|gen_ai|http)_\w+(?=[\[{)]|$)", re.sub(r"by \([^)]*\)", "", expression))
    quantile = re.match(r"histogram_quantile\(([\d.]+)", expression)
    factor = float(found[1]) if (found := re.match(r"(\d+) \*", expression)) else 1.0
    is_rate = "rate(" in expression
    lines: dict[str, list[tuple[float, float]]] = defaultdict(list)
    for place, (at, _) in enumerate(points):
        before = max(0, place - 6)
        now, then = (_grouped(points[each][1], name, by, maximum="max by" in expression) for each in (place, before))
        seconds = at - points[before][0]
        for key, value in now.items():
            drawn = value
            if is_rate:
                if seconds < 1.0:
                    continue
                grown = {each: count - then.get(key, {}).get(each, 0) for each, count in value.items()}
                drawn = grown if quantile else {"": factor * grown.get("", 0) / seconds}
            told = _quantile(drawn, float(quantile[1])) if quantile else drawn.get("", 0.0)
            if told is not None:
                lines[re.sub(r"{{(\w+)}}", lambda of, key=key: str(dict(key).get(of[1], "")), legend)].append(
                    (at, told)
                )
    return lines


def _grouped(read: dict[str, Any], name: str, by: list[str], *, maximum: bool) -> dict[Any, dict[Any, float]]:
    found: dict[Any, dict[Any, float]] = {}
    for labels, point in read.get(re.sub(r"_(bucket|count)$", "", name), ()):
        group = found.setdefault(tuple((each, labels.get(each, "")) for each in by), defaultdict(float))
        if hasattr(point, "bucket_counts"):
            group[""] += point.count
            for bound, count in zip((*point.explicit_bounds, float("inf")), point.bucket_counts, strict=True):
                group[bound] += count
        else:
            group[""] = max(group[""], point.value) if maximum else group[""] + point.value
    return found


def _quantile(counts: dict[Any, float], share: float) -> float | None:
    """Return a quantile as Prometheus does, linear within its bucket."""
    buckets = sorted((bound, count) for bound, count in counts.items() if bound != "")
    wanted, lower = share * sum(count for _, count in buckets), 0.0
    if not wanted:
        return None
    for bound, count in buckets:
        if count >= wanted:
            return lower if bound == float("inf") else lower + (bound - lower) * wanted / count
        wanted, lower = wanted - count, bound
    return lower


def _page(body: str) -> str:
    return f'<!doctype html><meta charset="utf-8"><style>{STYLE}</style>{body}'
