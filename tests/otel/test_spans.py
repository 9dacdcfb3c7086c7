"""Spans of runs, cases, requests and functions, and the events of results: exact, in memory, on virtual time."""

from __future__ import annotations

from collections import Counter

import anyio
import pytest
from opentelemetry import trace
from opentelemetry.sdk.trace.sampling import ALWAYS_OFF
from opentelemetry.trace import SpanKind, StatusCode, TraceFlags

import judged
from embedded import NEEDLE, backend, client, texts
from fi_async import AsyncEvaluator, Case, Evaluator, RunFile, Timeout, template
from fi_async.integrations.otel import OpenTelemetry, instrument
from fi_async.local import Quota
from scripted import Scripted, error, scored
from telemetry import Telemetry, tree

pytestmark = pytest.mark.anyio
PATH = "/sdk/api/v1/new-eval/"
POST = f"POST {PATH}"
SYNC = {"eval_config": NEEDLE, "strategy": "sync", "rows": 1}


async def run(app, cases, templates="contains", *, telemetry, listener=None, **options):
    async with client(app, on_event=listener or telemetry.listener()) as ev:
        return await ev.gather(cases, templates, **options)


async def test_a_run_is_a_tree_with_exact_attributes():
    told = Telemetry()
    await run(backend(latency=0.1), texts(1), telemetry=told, **SYNC)
    whole, case, request = told.one("fi_async run"), told.one("evaluate contains"), told.one(POST)
    assert tree(told) == [(POST, "evaluate contains"), ("evaluate contains", "fi_async run"), ("fi_async run", None)]
    assert dict(whole.attributes) == {
        "fi_async.templates": ("contains",),
        "fi_async.cases": 1,
        "fi_async.requests": 1,
        "fi_async.outcomes.scored": 1,
    }
    assert dict(case.attributes) == {
        "gen_ai.evaluation.name": "contains",
        "fi_async.case.index": 0,
        "fi_async.status": "scored",
        "fi_async.backend": "local",
    }
    asked = dict(request.attributes)
    assert asked.pop("fi_async.request.id").endswith("-1")
    assert asked == {
        "http.request.method": "POST",
        "url.template": PATH,
        "http.response.status_code": 200,
    }
    assert [each.kind for each in (whole, case, request)] == [SpanKind.INTERNAL, SpanKind.INTERNAL, SpanKind.CLIENT]
    assert {each.status.status_code for each in told.spans} == {StatusCode.UNSET}
    (event,) = case.events
    assert (event.name, dict(event.attributes)) == (
        "gen_ai.evaluation.result",
        {
            "gen_ai.evaluation.name": "contains",
            "gen_ai.evaluation.score.value": 1.0,
            "gen_ai.evaluation.score.label": "pass",
        },
    )


async def test_every_attempt_is_a_span_below_its_case_and_a_hold_below_the_run():
    told = Telemetry()
    app = backend(requests=Quota(2, 10.0), latency=0.5)
    await run(app, texts(3), telemetry=told, **SYNC)
    attempts = Counter(
        (each.attributes.get("http.request.resend_count", 0), each.attributes["http.response.status_code"])
        for each in told.named(POST)
    )
    assert attempts == {(0, 200): 2, (0, 429): 1, (1, 200): 1}
    refused = next(each for each in told.named(POST) if each.attributes["http.response.status_code"] == 429)
    assert refused.attributes["error.type"] == "429"
    assert refused.status.status_code is StatusCode.ERROR
    again = next(each for each in told.named(POST) if "http.request.resend_count" in each.attributes)
    assert again.parent.span_id == refused.parent.span_id
    hold = told.one("hold: request limit")
    assert dict(hold.attributes) == {"fi_async.cause": "request limit", "fi_async.endpoint": ""}
    assert hold.parent.span_id == told.one("fi_async run").context.span_id


async def test_a_failure_is_an_error_by_its_kind_without_the_servers_words():
    told = Telemetry()
    await run(Scripted(error(500, "words about needle")), texts(1), telemetry=told, max_retries=0, **SYNC)
    case = told.one("evaluate contains")
    assert (case.status.status_code, case.status.description) == (StatusCode.ERROR, None)
    assert case.attributes["error.type"] == "ServerError"
    assert [dict(each.attributes) for each in case.events] == [
        {"gen_ai.evaluation.name": "contains", "error.type": "ServerError"}
    ]
    assert "needle" not in str([each.to_json() for each in told.spans])


async def test_a_request_of_several_cases_is_below_the_run_and_linked_to_each():
    told = Telemetry()
    await run(backend(latency=0.1), texts(3), telemetry=told, eval_config=NEEDLE, strategy="sync", rows=3)
    request = told.one(POST)
    assert request.attributes["fi_async.rows"] == 3
    assert request.parent.span_id == told.one("fi_async run").context.span_id
    cases = {each.context.span_id for each in told.named("evaluate contains")}
    assert {each.context.span_id for each in request.links} == cases
    assert len(cases) == 3


async def test_polls_are_below_the_case_that_they_ask_for():
    told = Telemetry()
    await run(backend(latency=2.0), texts(1), telemetry=told, eval_config=NEEDLE, strategy="async")
    polls = told.named(f"GET {PATH}")
    case = told.one("evaluate contains")
    assert polls
    assert {each.parent.span_id for each in polls} == {case.context.span_id}
    assert "eval_id" not in str([dict(each.attributes) for each in polls])


async def test_what_was_kept_before_has_no_span_and_a_duplicate_has_a_short_one(tmp_path):
    cases = [*texts(2), texts(1)[0]]
    first, second = Telemetry(), Telemetry()
    for told in (first, second):
        await run(backend(), cases, telemetry=told, run=RunFile(tmp_path / "run.db"), **SYNC)
    assert Counter(each.attributes.get("fi_async.origin") for each in first.named("evaluate contains")) == {
        None: 2,
        "duplicate": 1,
    }
    assert len(first.named(POST)) == 2
    assert second.named(POST) == []
    assert second.one("evaluate contains").attributes["fi_async.origin"] == "duplicate"
    assert second.one("fi_async run").attributes["fi_async.outcomes.scored"] == 3


async def test_a_judges_request_is_a_chat_and_its_case_has_the_tokens():
    told = Telemetry()
    endpoint = judged.Endpoint()
    async with judged.client(endpoint.judge(price=judged.PRICE)) as ev:
        report = await instrument(ev, tracer_provider=told.tracers).gather(judged.talks(1), judged.CALM)
    chat, case = told.one("chat m"), told.one("evaluate calm")
    assert chat.parent.span_id == case.context.span_id
    assert {name: chat.attributes[name] for name in chat.attributes if name.startswith("gen_ai.")} == {
        "gen_ai.operation.name": "chat",
        "gen_ai.provider.name": "openai" if "openai" in chat.attributes.get("server.address", "") else "_OTHER",
        "gen_ai.request.model": "m",
    }
    (outcome,) = report.outcomes
    assert case.attributes["gen_ai.usage.input_tokens"] == outcome.usage.input_tokens
    assert case.attributes["gen_ai.usage.output_tokens"] == outcome.usage.output_tokens
    assert case.attributes["fi_async.cost"] == outcome.cost
    assert case.attributes["gen_ai.request.model"] == "m"
    assert case.events[0].attributes["gen_ai.evaluation.score.label"] in ("calm", "curt", "rude")


async def test_spans_of_a_function_are_below_its_case():
    told = Telemetry()
    tracer = told.tracers.get_tracer("mine")

    @template
    async def awaited(text: str) -> bool:
        with tracer.start_as_current_span("awaited"):
            await anyio.sleep(1.0)
        return True

    @template
    def threaded(text: str) -> bool:
        with tracer.start_as_current_span("threaded"):
            return True

    with tracer.start_as_current_span("outer") as outer:
        await run(backend(), texts(2), [awaited, threaded], telemetry=told)
        assert trace.get_current_span().get_span_context() == outer.get_span_context()
    assert ("awaited", "evaluate awaited") in tree(told)
    assert ("threaded", "evaluate threaded") in tree(told)
    assert ("fi_async run", "outer") in tree(told)


async def test_no_input_output_reason_or_id_is_told_unless_it_is_asked_for():
    secret = {"text": "needle in private"}
    quiet, loud = Telemetry(), Telemetry(inputs=True)
    app = Scripted(scored("Passed"))
    for told in (quiet, loud):
        await run(app, [Case(secret, id="id-7")], telemetry=told, **SYNC)
    spans = str([each.to_json() for each in quiet.spans])
    for word in ("private", "id-7", "explanation", "secret"):
        assert word not in spans
    case = loud.one("evaluate contains")
    assert case.attributes["fi_async.case.inputs"] == '{"text": "needle in private"}'
    assert case.attributes["fi_async.case.id"] == "id-7"
    assert case.attributes["fi_async.result.output"] == '"Passed"'


async def test_without_cases_requests_are_below_the_run():
    told = Telemetry()
    await run(backend(), texts(3), telemetry=told, listener=told.listener(cases=False), **SYNC)
    assert Counter(tree(told)) == {(POST, "fi_async run"): 3, ("fi_async run", None): 1}
    bare = Telemetry()
    await run(backend(), texts(3), telemetry=bare, listener=bare.listener(cases=False, requests=False), **SYNC)
    assert tree(bare) == [("fi_async run", None)]


async def test_a_share_of_the_cases_is_drawn_the_same_each_time_and_failures_always():
    drawn = []
    for _ in range(2):
        told = Telemetry()
        cases = [*texts(200), {"txt": "wrong"}]
        await run(backend(), cases, telemetry=told, listener=told.listener(cases=0.1), **SYNC)
        found = told.named("evaluate contains")
        drawn.append(sorted(each.attributes["fi_async.case.index"] for each in found))
        assert len(told.named(POST)) == len(found) - 1
    assert drawn[0] == drawn[1]
    assert 200 in drawn[0]
    assert 10 <= len(drawn[0]) <= 32


async def test_a_case_that_was_asked_for_twice_has_a_span_whether_it_was_drawn_or_not():
    told = Telemetry()
    app = backend(requests=Quota(2, 10.0))
    await run(app, texts(3), telemetry=told, listener=told.listener(cases=1e-9), **SYNC)
    again = told.one("evaluate contains")
    assert (again.attributes["fi_async.attempts"], again.attributes["fi_async.status"]) == (2, "scored")


async def test_a_run_that_is_not_sampled_has_no_spans_and_says_so_to_the_server():
    told = Telemetry(sampler=ALWAYS_OFF)
    app = Scripted(scored())
    await run(app, texts(1), telemetry=told, **SYNC)
    assert told.spans == []
    assert not int(app.requests[-1][3]["traceparent"].rpartition("-")[2]) & TraceFlags.SAMPLED
    assert told.points("fi_async.outcomes", "fi_async.status") == {"scored": 1}


async def test_a_request_carries_the_context_of_its_span_and_nothing_else():
    told = Telemetry()
    app = Scripted(error(503, "no"), scored())
    await run(app, texts(1), telemetry=told, **SYNC)
    sent = [headers["traceparent"] for _, path, _, headers in app.requests if path == PATH]
    spans = [(each.context.trace_id, each.context.span_id) for each in told.named(POST)]
    assert [each[:-3] for each in sent] == [f"00-{one:032x}-{other:016x}" for one, other in spans]
    assert all(int(each[-2:]) & TraceFlags.SAMPLED for each in sent)
    assert all("baggage" not in headers for *_, headers in app.requests)


async def test_a_result_is_linked_to_the_span_that_it_judges():
    told = Telemetry()
    with told.tracers.get_tracer("app").start_as_current_span("answer") as answer:
        about = answer.get_span_context()
    text = f"00-{about.trace_id:032x}-{about.span_id:016x}-01"
    spans = {0: about, 1: text, 2: None, 3: "no traceparent"}
    listener = told.listener(logs=True, judged=lambda case: spans[int(case.inputs["text"].split()[1])])
    await run(backend(), texts(4), telemetry=told, listener=listener, **SYNC)
    cases = {each.attributes["fi_async.case.index"]: each for each in told.named("evaluate contains")}
    assert [len(cases[index].links) for index in range(4)] == [1, 1, 0, 0]
    assert cases[1].links[0].context.span_id == about.span_id
    assert [each.events for each in cases.values()] == [()] * 4
    below = Counter(each.span_id for each in told.logs)
    assert below == {about.span_id: 2, cases[2].context.span_id: 1, cases[3].context.span_id: 1}
    assert {each.event_name for each in told.logs} == {"gen_ai.evaluation.result"}
    assert told.logs[0].attributes["gen_ai.evaluation.name"] == "contains"


async def test_trace_eval_links_the_current_span_and_names_another():
    told = Telemetry()
    async with client(Scripted(scored()), on_event=told.listener()) as ev:
        with told.tracers.get_tracer("app").start_as_current_span("answer") as answer:
            await ev.evaluate("contains", texts(1)[0], eval_config=NEEDLE, trace_eval=True, custom_eval_name="n")
            await ev.evaluate(
                "contains", texts(1)[0], eval_config=NEEDLE, trace_eval=True, custom_eval_name="n", span_id="ab" * 8
            )
    linked, named = told.named("evaluate contains")
    assert [each.context.span_id for each in linked.links] == [answer.get_span_context().span_id]
    assert (named.links, named.attributes["fi_async.judged.span_id"]) == ((), "ab" * 8)


async def test_what_is_submitted_for_later_is_no_failure():
    told = Telemetry()
    async with client(backend(latency=5.0), on_event=told.listener()) as ev:
        handle = await ev.submit("contains", texts(1)[0], eval_config=NEEDLE)
        await handle.wait()
    submitted, polled = told.named("evaluate contains")
    assert (submitted.attributes["fi_async.status"], submitted.status.status_code) == ("submitted", StatusCode.UNSET)
    assert polled.attributes["fi_async.status"] == "scored"


async def test_a_run_that_breaks_off_leaves_no_span_open():
    told = Telemetry()
    async with client(backend(latency=60.0), on_event=told.listener()) as ev:
        report = await ev.gather(texts(2), "contains", timeout=Timeout(call=5.0), **SYNC)
        assert report.coverage == 0.0
        async with ev.stream(texts(2), "contains", **SYNC) as stream:
            with anyio.move_on_after(5.0):
                await anext(stream)
    assert Counter(name for name, _ in tree(told)) == {POST: 4, "evaluate contains": 4, "fi_async run": 2}
    assert {each.attributes["error.type"] for each in told.named(POST)} == {"dropped"}
    first, second = told.named("fi_async run")
    assert "error.type" not in first.attributes
    assert second.attributes["error.type"] == "CancelledError"


def test_a_blocking_client_tells_the_same_below_the_span_of_its_caller():
    told = Telemetry()
    with Evaluator.local() as ev, told.tracers.get_tracer("app").start_as_current_span("outer"):
        instrument(ev, tracer_provider=told.tracers).gather(texts(1), "contains", eval_config=NEEDLE)
    assert ("fi_async run", "outer") in tree(told)


async def test_instrument_leaves_a_listener_of_the_programs_and_survives_it():
    told, heard = Telemetry(), []

    def listens(event):
        heard.append(event)
        raise RuntimeError("mine")

    async with client(backend(), on_event=listens) as ev:
        await instrument(ev, tracer_provider=told.tracers).gather(texts(1), "contains", **SYNC)
    assert heard
    assert len(told.spans) == 3


@pytest.mark.parametrize("share", [-0.1, 1.1, "all", float("nan")])
def test_a_share_is_between_0_and_1(share):
    with pytest.raises(Exception, match="cases must be True, False or a share between 0 and 1"):
        OpenTelemetry(cases=share)


def test_a_program_without_providers_makes_nothing():
    async def main():
        async with AsyncEvaluator.local(on_event=OpenTelemetry()) as ev:
            return await ev.gather(texts(2), "contains", eval_config=NEEDLE)

    assert anyio.run(main).coverage == 1.0
