"""Limits that are given are never passed; limits that are not are learned; hours of them take seconds here."""

from __future__ import annotations

import anyio
import pytest

from embedded import NEEDLE, backend, client, texts
from fi_async import AmbiguousError, Limit, LimitStatistics
from fi_async.local import Quota
from scripted import Scripted, accepted, error, failed, scored

pytestmark = pytest.mark.anyio


@pytest.mark.parametrize("strategy", ["sync"])
async def test_a_given_limit_of_requests_refuses_nothing(strategy):
    app = backend(requests=Quota(60, 10.0), latency=0.2)
    async with client(app, concurrency=32) as ev:
        report = await ev.gather(
            texts(200), "contains", eval_config=NEEDLE, strategy=strategy, limits=[Limit(60, per=10.0)], rows=1
        )
    requests = report.summary()["requests"]
    assert report.coverage == 1.0
    assert app.statistics()["refused_requests"] == report.summary()["throttled"] == 0
    assert report.wall_s <= 1.1 * (-(-requests // 60) - 1) * 10.0 + 1.0  # full windows before the last


async def test_a_limit_that_nobody_told_is_learned():
    app = backend(requests=Quota(60, 10.0), latency=0.2)
    async with client(app, concurrency=32) as ev:
        report = await ev.gather(texts(300), "contains", eval_config=NEEDLE, rows=1)
    assert report.coverage == 1.0
    assert report.wall_s <= 1.1 * 40.0 + 1.0
    assert app.statistics()["refused_requests"] <= 32 + 3 * 4  # all at once the first time, then probes
    assert ev.statistics().learned_requests_per_window == 60


async def test_evaluations_of_a_plan_are_spread_over_its_days():
    plan = ((50, "minute", 60.0), (300, "hour", 3600.0), (1000, "day", 86_400.0))
    app = backend(evaluations=tuple(Quota(count, seconds) for count, _, seconds in plan), latency=1.0)
    limits = [Limit(count, per=per, of="evaluations") for count, per, _ in plan]
    async with client(app, concurrency=16) as ev:
        report = await ev.gather(texts(10_000), "contains", eval_config=NEEDLE, limits=limits)
    assert report.coverage == 1.0
    assert app.statistics()["refused_evaluations"] == 0
    bound = 9 * 86_400 + 3 * 3600 + 60  # nine full days, then three hours of 300, then two minutes of 50
    assert bound <= report.wall_s <= 1.01 * bound


async def test_a_batch_counts_each_of_its_rows():
    app = Scripted(scored(count=3, name="levenshtein_similarity"))
    async with client(app, limits=[Limit(3, of="evaluations")]) as ev:
        rows = {"output": ["a", "b", "c"], "expected": ["a", "b", "c"]}
        await ev.evaluate("levenshtein_similarity", rows)
        assert ev.statistics().limits == (LimitStatistics(3, 60.0, "evaluations", left=0),)


async def test_a_batch_of_more_rows_than_a_window_has_is_sent_by_itself():
    rows = {"output": ["a", "b", "c"], "expected": ["a", "b", "c"]}
    async with client(backend(), limits=[Limit(2, of="evaluations")]) as ev:
        with anyio.fail_after(60):
            batch = await ev.evaluate("levenshtein_similarity", rows)
    assert len(batch.eval_results) == 3


PAIRS = [{"output": f"case {index}", "expected": f"case {index if index % 2 else -1}"} for index in range(1000)]


@pytest.mark.parametrize(("limits", "refused"), [((), 64), ((Limit(300, per=10.0),), 0)], ids=["learned", "given"])
async def test_requests_that_are_scarce_carry_several_rows(limits, refused):
    app = backend(requests=Quota(300, 10.0), latency=0.2)
    async with client(app, concurrency=64) as ev:
        report = await ev.gather(PAIRS, "levenshtein_similarity", limits=limits)
    assert [outcome.score == 1.0 for outcome in report.outcomes] == [bool(index % 2) for index in range(1000)]
    assert report.wall_s <= 1.15 * (10.0 + 4 * 0.6)  # one full window, then 234 requests of three rows, 64 at once
    assert app.statistics()["refused_requests"] <= refused
    assert report.summary()["possible_duplicates"] == 0


async def test_what_may_not_be_paid_twice_goes_row_by_row():
    app = backend(requests=Quota(300, 10.0), latency=0.2)
    async with client(app, concurrency=64, on_ambiguous="fail") as ev:
        report = await ev.gather(PAIRS[:400], "levenshtein_similarity")
    assert report.coverage == 1.0
    assert app.statistics()["evaluations_made"] == 400 == app.statistics()["posts"] - report.summary()["throttled"]


@pytest.mark.parametrize("strategy", ["sync", "async"])
@pytest.mark.parametrize(("begins", "latency"), [(0.0, 0.2), (3.7, 0.2), (0.0, 0.3), (0.0, 2.0)])
async def test_a_plan_that_nobody_told_is_learned(strategy, begins, latency):
    app = backend(evaluations=(Quota(50, 10.0),), latency=latency)
    await anyio.sleep(begins)
    async with client(app, concurrency=16, strategy=strategy) as ev:
        report = await ev.gather(texts(500), "contains", eval_config=NEEDLE)
    assert report.coverage == 1.0
    assert [outcome.passed for outcome in report.outcomes] == [index % 3 == 0 for index in range(500)]
    made = app.statistics()
    assert report.wall_s <= 1.15 * (90.0 + latency)  # the last window begins after nine, and takes a latency
    assert 10.0 % ev.statistics().learned_window_s == 0.0
    assert 50 <= ev.statistics().learned_evaluations_per_window <= 66
    assert made["duplicates"] == 0


async def test_a_case_that_spoils_its_own_evaluation_is_told_from_a_limit():
    generic = error(500, "Unable to run standalone evaluation. Please try again.")
    app = Scripted(generic, accepted(1), failed("No input received for 'text'.", 1))
    async with client(app) as ev:
        report = await ev.gather(texts(1), "contains", eval_config=NEEDLE)
    (outcome,) = report.outcomes
    assert outcome.error.server_message == "No input received for 'text'."
    assert (outcome.attempts, outcome.ambiguous, outcome.possible_duplicates) == (2, 1, 1)
    async with client(Scripted(generic), on_ambiguous="fail") as ev:
        report = await ev.gather(texts(1), "contains", eval_config=NEEDLE)
    assert isinstance(report.outcomes[0].error, AmbiguousError)
