"""Metrics of a run: exact points, in memory, on virtual time."""

from __future__ import annotations

import pytest

import judged
from embedded import NEEDLE, backend, client, texts
from fi_async import Limit, RunFile, template
from fi_async._events import CaseEnded, RunBegun
from fi_async._models import Case, Outcome, OutcomeStatus
from fi_async.integrations.otel import instrument
from fi_async.integrations.otel_metrics import METRICS
from fi_async.local import Quota
from scripted import Scripted, error, scored
from telemetry import Telemetry

pytestmark = pytest.mark.anyio
SYNC = {"eval_config": NEEDLE, "strategy": "sync", "rows": 1}
STATUS, ORIGIN, NAME = "fi_async.status", "fi_async.origin", "gen_ai.evaluation.name"
AT, CAUSE = "fi_async.endpoint", "fi_async.cause"


async def test_refusals_holds_and_retries_are_counted():
    told = Telemetry()
    async with client(backend(requests=Quota(2, 10.0), latency=0.5), on_event=told.listener()) as ev:
        await ev.gather(texts(3), "contains", **SYNC)
    assert told.points("fi_async.outcomes", NAME, STATUS, ORIGIN) == {("contains", "scored", "evaluated"): 3}
    assert told.points("fi_async.refusals", AT) == {"platform": 1}
    assert told.points("fi_async.retries", CAUSE) == {"status 429": 1}
    assert told.points("fi_async.holds", CAUSE, AT) == {("request limit", "platform"): 1}
    assert told.points("fi_async.hold.time", CAUSE) == {"request limit": 10.0}
    assert told.points("fi_async.held", CAUSE) == {"request limit": 0}
    by_status = told.points("http.client.request.duration", "http.request.method", "http.response.status_code")
    assert by_status == {("POST", 200): 3, ("POST", 429): 1}
    assert told.points("fi_async.evaluation.duration", NAME) == {"contains": 3}
    assert told.points("fi_async.runs") == {(): 0}


async def test_failures_are_counted_by_their_kind_and_invalid_cases_too():
    told = Telemetry()
    app = Scripted(error(503, "no"), error(503, "no"), error(503, "no"), scored())
    async with client(app, on_event=told.listener()) as ev:
        cases = [*texts(2), {"txt": "1"}]
        await ev.gather(cases, "contains", max_retries=1, concurrency=2, **SYNC)
    assert told.points("fi_async.outcomes", STATUS, "error.type") == {
        ("scored", None): 1,
        ("failed", "ServerError"): 1,
        ("invalid", "InvalidCaseError"): 1,
    }
    assert told.points("fi_async.retries", CAUSE) == {"status 503": 2}
    assert told.points("http.client.request.duration", "error.type") == {None: 1, "503": 3}


async def test_what_cost_nothing_here_is_counted_by_its_origin_and_adds_no_tokens(tmp_path):
    endpoint, cases = judged.Endpoint(), [*judged.talks(2), judged.talks(1)[0]]
    first, second, reports = Telemetry(), Telemetry(), []
    for told in (first, second):
        async with judged.client(endpoint.judge(price=judged.PRICE)) as ev:
            instrument(ev, tracer_provider=told.tracers, meter_provider=told.meters)
            reports.append(await ev.gather(cases, judged.CALM, run=RunFile(tmp_path / "run.db")))
    assert first.points("fi_async.outcomes", ORIGIN) == {"evaluated": 2, "duplicate": 1}
    assert second.points("fi_async.outcomes", ORIGIN) == {"replayed": 2, "duplicate": 1}
    paid = [each for each in reports[0].outcomes if each.origin == "evaluated"]
    assert first.points("fi_async.tokens", "gen_ai.token.type") == {
        "input": sum(each.usage.input_tokens for each in paid),
        "output": sum(each.usage.output_tokens for each in paid),
    }
    assert first.points("fi_async.cost", NAME, "gen_ai.request.model") == {
        ("calm", "m"): pytest.approx(judged.dollars(reports[0]) * 2 / 3, rel=0.2)
    }
    assert first.points("fi_async.cost", NAME) == {"calm": sum(each.cost for each in paid)}
    assert first.points("gen_ai.client.token.usage", "gen_ai.token.type") == {"input": 2, "output": 2}
    assert first.points("gen_ai.client.operation.duration", "gen_ai.request.model") == {"m": 2}
    assert "fi_async.cost" not in second.metrics()


async def test_how_a_run_stands_is_told_while_it_lasts_and_taken_back():
    told, seen = Telemetry(), []
    listener = told.listener()

    def watch(event):
        listener(event)
        seen.append(
            {
                name: told.points(f"fi_async.{name}", AT).get("platform")
                for name in ("queue", "requests.active", "evaluations.active", "concurrency.limit")
            }
        )
        left.append(told.points("fi_async.budget.left", AT, "fi_async.limit", "fi_async.window_s"))

    left = []
    app = backend(latency=0.5)
    async with client(app, on_event=watch, limits=[Limit(4, per=10.0)], concurrency=8) as ev:
        await ev.gather(texts(9), "contains", **SYNC)
    assert max(each["queue"] or 0 for each in seen) >= 5
    assert max(each["requests.active"] or 0 for each in seen) == 4
    assert seen[-1] == {"queue": 0, "requests.active": 0, "evaluations.active": 0, "concurrency.limit": 8}
    key = ("platform", "requests", 10.0)
    assert {0, 4} <= {each[key] for each in left if key in each}


async def test_functions_and_judges_are_endpoints_of_their_own():
    told = Telemetry()

    @template
    def mine(text: str) -> bool:
        return True

    @template
    async def other(text: str) -> bool:
        return True

    async with client(backend(), on_event=told.listener()) as ev:
        await ev.gather(texts(2), ["contains", mine, other], eval_config={"contains": NEEDLE})
    assert set(told.points("fi_async.queue", AT)) == {"platform", "functions"}
    assert told.points("fi_async.outcomes", NAME, "fi_async.backend") == {
        ("contains", "local"): 2,
        ("mine", "code"): 2,
        ("other", "code"): 2,
    }


async def test_clients_that_share_a_provider_count_together():
    told = Telemetry()
    for _ in range(2):
        async with client(backend(), on_event=told.listener()) as ev:
            await ev.gather(texts(2), "contains", **SYNC)
    assert told.points("fi_async.outcomes", STATUS) == {"scored": 4}


def test_names_that_the_program_makes_up_are_bounded():
    told = Telemetry()
    listener = told.listener()
    listener(RunBegun(1, ("t",)))
    for index in range(1000):
        outcome = Outcome(index, Case({}), f"template {index}", OutcomeStatus.SCORED)
        listener(CaseEnded(index, outcome.template, outcome.status, 1, outcome))
    points = told.points("fi_async.outcomes", NAME)
    assert len(points) == 201
    assert points["other"] == 800


async def test_every_metric_has_its_name_in_the_list():
    told = Telemetry()
    endpoint = judged.Endpoint()
    async with judged.client(endpoint.judge(price=judged.PRICE), "cloud", cloud=backend(requests=Quota(2, 1.0))) as ev:
        instrument(ev, tracer_provider=told.tracers, meter_provider=told.meters)
        await ev.gather(
            [{**each, "text": "needle"} for each in judged.talks(4)],
            [judged.CALM, "contains"],
            eval_config={"contains": NEEDLE},
            extra_keys="ignore",
            strategy="sync",
            rows=1,
        )
    assert set(told.metrics()) == set(METRICS)
