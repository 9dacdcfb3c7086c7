"""What a client knows of endpoints beside the platform, and what a run says that it waits for there."""

from __future__ import annotations

import dataclasses

import pytest

from embedded import backend
from fi_async import AsyncEvaluator, Criteria, EndpointStatistics, Judge, Limit, LimitStatistics, Progress
from fi_async.local import ChatSwitches, Quota

CALM = Criteria("calm", "Does {{output}} stay calm?")
CASES = [{"output": f"answer {number}"} for number in range(30)]

pytestmark = pytest.mark.anyio


def evaluator(app, *others, **facts):
    settings = {"api_key": "sk-1", "price": (1.0, 4.0), "max_tokens": 100, "concurrency": 4, **facts}
    return AsyncEvaluator(backends=[Judge("m", base_url="http://127.0.0.1/v1", app=app, **settings), *others])


async def test_statistics_tell_of_each_judge_that_was_asked():
    limits = [Limit(10_000, per="minute", of="tokens"), Limit(50, per="minute")]
    async with evaluator(backend(), "local", limits=limits, name="mine") as ev:
        assert ev.statistics().endpoints == ()
        report = await ev.gather(CASES[:5], [CALM])
        stats = ev.statistics()
    [told] = stats.endpoints
    assert (type(told), told.name, told.waiting_for, told.refusals) == (EndpointStatistics, "judge mine", None, 0)
    assert (told.concurrency.limit, told.concurrency.under_way, told.unreachable_for_s) == (4, 0, 0.0)
    used = report.summary()["tokens"]["total"]
    tokens, requests = told.limits
    assert (tokens.count, tokens.seconds, tokens.of, 0 < tokens.left <= 10_000 - used) == (10_000, 60.0, "tokens", True)
    assert requests == LimitStatistics(50, 60.0, "requests", 45)
    assert dataclasses.asdict(stats)["endpoints"][0]["limits"][0]["left"] == tokens.left


async def test_a_run_that_waits_for_a_judge_names_it_and_tells_what_was_spent():
    said: list[Progress] = []
    waits = []
    async with evaluator(backend(), "local", limits=[Limit(3_000, per="minute", of="tokens")]) as ev:

        def note(progress):
            said.append(progress)
            waits.extend(each.waiting_for for each in ev.statistics().endpoints)

        report = await ev.gather(CASES, [CALM, "is_json"], extra_keys="ignore", fill_missing=True, progress=note)
    expected = "judge m: token limit, "
    assert any(each.waiting_for is not None and each.waiting_for.startswith(expected) for each in said)
    assert any(each is not None and each.startswith(expected) for each in waits)
    summary = report.summary()
    assert (said[-1].tokens, said[-1].cost) == (summary["tokens"]["total"], summary["cost"])
    assert [each.tokens or 0 for each in said] == sorted(each.tokens or 0 for each in said)


async def test_a_judge_that_refuses_holds_itself_alone():
    app = backend(chat=ChatSwitches(requests=Quota(5, 60.0)))
    async with evaluator(app, "local") as ev:
        report = await ev.gather(CASES[:8], CALM)
        [told] = ev.statistics().endpoints
        assert ev.statistics().refusals == 0
    assert report.coverage == 1.0
    assert told.refusals >= 1


async def test_a_client_without_judges_has_no_endpoints_beside_the_platform():
    async with AsyncEvaluator.local(backend()) as ev:
        report = await ev.gather([{"text": "{}"}], "is_json")
        assert ev.statistics().endpoints == ()
    assert (report.summary()["cost"], report.summary()["tokens"]) == (None, None)
