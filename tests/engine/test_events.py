"""What a client tells while it works: to a function of the program's, and to the log, never an input or a key."""

from __future__ import annotations

import logging
from collections import Counter

import pytest

from embedded import NEEDLE, backend, client, texts
from fi_async import APIConnectionError
from fi_async._events import (
    CanarySent,
    CapacityChanged,
    CaseEnded,
    HoldBegun,
    HoldEnded,
    RequestAnswered,
    RequestRetried,
    RequestSent,
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
