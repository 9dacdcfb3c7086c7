"""What a client tells while it works: to a function of the program's, and to the log, never an input or a key."""

from __future__ import annotations

import logging
from collections import Counter
from contextvars import ContextVar

import pytest

from embedded import NEEDLE, backend, client, texts
from fi_async import APIConnectionError, Limit, Timeout, template
from fi_async._events import (
    CanarySent,
    CapacityChanged,
    CaseEnded,
    FunctionCalled,
    FunctionReturned,
    HoldBegun,
    HoldEnded,
    RequestAnswered,
    RequestDropped,
    RequestRetried,
    RequestSent,
    RunBegun,
    RunEnded,
    RunStands,
    StrategyChanged,
)
from fi_async.local import Quota
from scripted import Scripted, error, scored

pytestmark = pytest.mark.anyio
ENDPOINT = "/sdk/api/v1/new-eval/"


def of(kind, told):
    return [each for each in told if type(each) is kind]


async def test_a_refusal_is_told_as_a_hold_with_its_end():
    told = []
    app = backend(requests=Quota(2, 10.0), latency=0.5)
    async with client(app, on_event=told.append) as ev:
        report = await ev.gather(texts(3), "contains", eval_config=NEEDLE, strategy="sync", rows=1)
    assert report.coverage == 1.0
    assert of(HoldBegun, told) == [HoldBegun("request limit", 10.0)]
    assert of(HoldEnded, told) == [HoldEnded("request limit", 10.0)]
    assert of(RequestRetried, told) == [RequestRetried(ENDPOINT, "status 429", 0.0, "contains")]
    assert of(RequestSent, told) == [
        *[RequestSent("POST", ENDPOINT, 1, "contains")] * 3,
        RequestSent("POST", ENDPOINT, 1, "contains", attempt=2),
    ]
    assert Counter(each.status for each in of(RequestAnswered, told)) == {200: 3, 429: 1}
    assert sorted((each.index, each.status) for each in of(CaseEnded, told)) == [(n, "scored") for n in range(3)]


async def test_a_plans_limit_is_told_with_its_canaries():
    told = []
    app = backend(evaluations=(Quota(10, 10.0),), latency=0.2)
    async with client(app, on_event=told.append) as ev:
        await ev.gather(texts(30), "contains", eval_config=NEEDLE)
    holds = [each for each in told if isinstance(each, HoldBegun | HoldEnded)]
    assert [type(each) for each in holds] == [HoldBegun, HoldEnded] * (len(holds) // 2)
    assert {each.cause for each in holds} == {"evaluation limit"}
    assert len(of(CanarySent, told)) >= len(holds) // 2 >= 2
    assert of(StrategyChanged, told)[0].strategy == "async"


async def test_a_server_that_is_not_there_is_told():
    told = []

    async with client(backend(), on_event=told.append) as ev:
        sent = ev._session.transport.send
        tries = iter(range(3))

        async def send(*args, **more):
            if next(tries, None) is not None:
                raise APIConnectionError("refused", sent=False, unreachable=True)
            return await sent(*args, **more)

        ev._session.transport.send = send
        report = await ev.gather(texts(1), "contains", eval_config=NEEDLE)
    assert report.coverage == 1.0
    assert report.counts.retries == 0
    assert of(HoldBegun, told) == [HoldBegun("cannot connect", None)]
    assert of(HoldEnded, told) == [HoldEnded("cannot connect", 0.5 + 1.0 + 2.0)]
    assert [each.why for each in of(RequestRetried, told)] == ["cannot connect"] * 3


async def test_capacity_is_told_when_it_has_doubled_or_fallen():
    told = []
    async with client(backend(latency=0.2, capacity=16), on_event=told.append) as ev:
        await ev.gather(texts(400), "contains", eval_config=NEEDLE, strategy="sync")
    changes = [(each.before, each.limit) for each in of(CapacityChanged, told)]
    assert changes
    assert all(limit < before or limit >= 2 * before for before, limit in changes)
    assert [before for before, _ in changes[1:]] == [limit for _, limit in changes[:-1]]


async def test_what_listens_harms_nothing_and_the_log_holds_no_input(caplog):
    def listens(event):
        raise RuntimeError("mine")

    app = Scripted(error(503, "words of needle"), scored())
    with caplog.at_level(logging.DEBUG, "fi_async"):
        async with client(app, on_event=listens) as ev:
            report = await ev.gather([{"text": "needle"}], "contains", eval_config=NEEDLE)
    assert report.coverage == 1.0
    lines = [record.getMessage() for record in caplog.records if record.name == "fi_async"]
    assert [line for line in lines if line.startswith("again")] == [
        f"again in {report.outcomes[0].latency_s:.3g} s: {ENDPOINT} contains: status 503"
    ]
    assert sum(line.startswith("on_event raised") for line in lines) == 1
    assert not [line for line in lines if "needle" in line]


async def test_a_run_tells_when_it_begins_stands_and_ends():
    told = []
    app = backend(requests=Quota(4, 10.0), latency=0.5)
    async with client(app, on_event=told.append, limits=[Limit(4, per=10.0)]) as ev:
        await ev.gather(texts(6), "contains", eval_config=NEEDLE, strategy="sync", rows=1)
    begun, ended = of(RunBegun, told)[-1], of(RunEnded, told)[-1]
    assert (begun.templates, begun.cases) == (("contains",), 6)
    assert (ended.run, ended.problem) == (begun.run, None)
    (first, *_, last) = of(RunStands, told)
    assert (first.run, first.at, first.backend, first.left) == (begun.run, "", "local", (("requests", 10.0, 4),))
    assert 0 in [each.left[0][2] for each in of(RunStands, told)]
    assert last.waiting == 0
    assert {each.run for each in of(CaseEnded, told)} == {begun.run}


async def test_requests_are_known_by_their_numbers_runs_and_cases():
    told = []
    async with client(Scripted(error(503, "no"), scored()), on_event=told.append) as ev:
        report = await ev.gather(texts(1), "contains", eval_config=NEEDLE, model_name="turing_small")
    first, second = of(RequestSent, told)
    assert (first.cases, first.url, first.backend, first.model) == ((0,), "", "local", "turing_small")
    assert [each.request for each in of(RequestAnswered, told)] == [first.request, second.request]
    assert first.run == second.run == of(RunBegun, told)[-1].run
    (ended,) = of(CaseEnded, told)
    assert ended.outcome is report.outcomes[0]
    assert "needle" not in repr(ended)


async def test_a_request_that_was_cut_off_is_told_as_dropped():
    told = []
    async with client(backend(latency=60.0), on_event=told.append) as ev:
        report = await ev.gather(texts(2), "contains", eval_config=NEEDLE, timeout=Timeout(call=5.0), strategy="sync")
    assert report.coverage == 0.0
    sent, dropped = of(RequestSent, told), of(RequestDropped, told)
    assert {each.request for each in dropped} == {each.request for each in sent}
    assert all(each.has_left for each in dropped)
    assert of(RequestAnswered, told) == []


async def test_what_listens_says_what_a_request_carries_and_harms_nothing():
    class Listens:
        def __call__(self, event):
            """Hear it."""

        def headers(self, sent):
            if sent.attempt == 1:
                raise RuntimeError("mine")
            return {"traceparent": f"of {sent.attempt}", "X-Api-Key": "another", "Host": "x", "odd\n": "y", "b": "a\nc"}

    app = Scripted(error(503, "no"), scored())
    async with client(app, on_event=Listens()) as ev:
        report = await ev.gather(texts(1), "contains", eval_config=NEEDLE)
    assert report.coverage == 1.0
    first, second = (headers for _, _, _, headers in app.requests)
    assert "traceparent" not in first
    assert second["traceparent"] == "of 2"
    assert second["x-api-key"] == first["x-api-key"]
    assert "b" not in second


async def test_calls_of_functions_are_told_in_the_context_they_are_made_in():
    held = ContextVar("held", default=0)
    told, seen = [], []

    def tell(event):
        told.append(event)
        if isinstance(event, FunctionCalled):
            held.set(event.call)

    @template
    async def mine(text: str) -> bool:
        seen.append(held.get())
        return True

    async with client(backend(), on_event=tell) as ev:
        await ev.gather(texts(3), mine)
    calls = of(FunctionCalled, told)
    assert sorted(seen) == sorted(each.call for each in calls)
    assert sorted(each.call for each in of(FunctionReturned, told)) == sorted(seen)
    assert sorted(each.cases for each in calls) == [(0,), (1,), (2,)]
