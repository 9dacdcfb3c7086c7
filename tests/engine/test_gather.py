from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator

import anyio
import pytest

from embedded import NEEDLE, backend, client, texts
from fi_async import (
    AmbiguousError,
    APITimeoutError,
    AuthenticationError,
    Case,
    ConfigurationError,
    EvaluationError,
    IncompleteRunError,
    InvalidCaseError,
    NotFoundError,
    PermissionDeniedError,
    RateLimitError,
    Report,
    ServerError,
    StalledError,
    Timeout,
)
from fi_async.engine.run import Run
from fi_async.local import Faults, Quota
from fi_async.wire.templates import NEEDED_PARAMETERS, without_needed
from scripted import Scripted, accepted, completed, error, failed, pending, scored, uuid

pytestmark = pytest.mark.anyio


async def needles(ev, cases, **options) -> Report:
    return await ev.gather(cases, "contains", eval_config=NEEDLE, **options)


def verdicts(report: Report) -> list[bool | None]:
    return [outcome.passed for outcome in report.outcomes]


async def test_outcomes_come_in_input_order_and_take_the_bound():
    app = backend(latency=2.0)
    async with client(app) as ev:
        report = await needles(ev, texts(500), concurrency=64)
    assert verdicts(report) == [index % 3 == 0 for index in range(500)]
    assert [outcome.index for outcome in report.outcomes] == list(range(500))
    assert report.wall_s == 16.0  # ceil(500 / 64) * 2
    assert app.statistics()["peak_in_flight"] == 64
    assert report.coverage == 1.0
    assert report.summary()["requests"] == 500


async def test_one_failure_loses_no_other_result():
    replies = [scored(), error(400, "boom"), scored("Failed")]
    async with client(Scripted(*replies), concurrency=1) as ev:
        report = await needles(ev, [*texts(3), {"txt": "x"}, {"text": ""}, 7])
    assert [str(outcome.status) for outcome in report.outcomes] == [
        "scored", "failed", "scored", "invalid", "invalid", "invalid",
    ]  # fmt: skip
    assert report.outcomes[1].error.server_message == "boom"
    assert [outcome.error.index for outcome in report.outcomes[3:]] == [3, 4, 5]
    assert [type(outcome.error) for outcome in report.outcomes[3:]] == [InvalidCaseError] * 3
    assert [result.passed for result in report.results] == [True, False]
    assert len(report.failures) == 4
    with pytest.raises(IncompleteRunError, match="4 of 6 evaluations have no score") as caught:
        report.raise_for_failures()
    assert caught.value.failures == report.failures


async def test_each_case_is_evaluated_under_each_template():
    async with client(backend()) as ev:
        report = await ev.gather(
            [{"text": "one needle"}, {"text": "{}\n{}"}], ["contains", "one_line"], eval_config={"contains": NEEDLE}
        )
    assert [(outcome.index, outcome.template, outcome.passed) for outcome in report.outcomes] == [
        (0, "contains", True),
        (0, "one_line", True),
        (1, "contains", False),
        (1, "one_line", False),
    ]
    summary = report.summary()
    assert (summary["cases"], summary["evaluations"], summary["scored"]) == (2, 4, 4)
    of_each = {"mean_score": 0.5, "pass_rate": 0.5, "n": 2, "answered_by": ["local"]}
    unpaid = {"cost": None, "unknown_cost": 0, "tokens": None}
    assert summary["templates"] == {"contains": {**of_each, **unpaid}, "one_line": {**of_each, **unpaid}}


async def test_a_generator_and_an_async_iterator_serve_as_well():
    async def trickle() -> AsyncIterator[dict[str, str]]:
        for case in texts(5):
            await anyio.sleep(1)
            yield case

    async with client(backend(latency=0.5)) as ev:
        assert len((await needles(ev, (case for case in texts(5)))).results) == 5
        report = await needles(ev, trickle())
    assert verdicts(report) == [True, False, False, True, False]
    assert report.wall_s == 5.5


async def test_an_empty_run_is_a_report():
    async with client(backend()) as ev:
        report = await needles(ev, [])
    assert (report.outcomes, report.coverage, report.summary()["cases"]) == ([], 1.0, 0)


async def test_the_case_of_the_user_comes_back():
    case = Case({"text": "needle"}, id="mine")
    async with client(backend()) as ev:
        report = await needles(ev, [case])
    assert report.outcomes[0].case is case


async def test_a_source_that_fails_raises_its_own_error_and_leaves_no_task():
    def cases():
        yield {"text": "needle"}
        raise LookupError("the file is gone")

    tasks = asyncio.all_tasks()
    async with client(backend(latency=9)) as ev:
        with pytest.raises(LookupError, match="the file is gone"):
            await needles(ev, cases())
    assert asyncio.all_tasks() == tasks


@pytest.mark.parametrize(("status", "kind"), [(401, AuthenticationError), (403, PermissionDeniedError)])
async def test_a_refused_key_pair_ends_the_run_at_once_with_one_error(status, kind):
    app = Scripted(scored(), scored(), error(status, "Invalid API key or secret key"))
    async with client(app, concurrency=1) as ev:
        with pytest.raises(kind, match="Invalid API key or secret key") as caught:
            await needles(ev, texts(100))
    assert len(app.requests) == 3
    assert [outcome.index for outcome in caught.value.report.outcomes] == [0, 1]


async def test_a_server_error_is_retried_with_growing_delays():
    app = Scripted(error(503), error(503), scored())
    async with client(app) as ev:
        report = await needles(ev, texts(1))
    (outcome,) = report.outcomes
    assert (outcome.attempts, outcome.ambiguous, outcome.possible_duplicates) == (3, 2, 2)
    assert 0.75 <= report.wall_s <= 1.5  # 0.25..0.5 and 0.5..1
    summary = report.summary()
    assert (summary["requests"], summary["retries"]) == (3, 2)
    assert (summary["ambiguous"], summary["possible_duplicates"]) == (2, 2)


async def test_retries_end():
    app = Scripted(error(503, "down"))
    async with client(app, max_retries=2, concurrency=16) as ev:
        report = await needles(ev, texts(1))
    (outcome,) = report.outcomes
    assert len(app.requests) == outcome.attempts == 3
    assert isinstance(outcome.error, ServerError)
    assert (outcome.error.attempts, outcome.error.server_message) == (3, "down")
    assert (outcome.ambiguous, outcome.possible_duplicates) == (3, 2)


async def test_fail_never_sends_what_may_have_run():
    app = Scripted(ConnectionResetError("reset"))
    async with client(app, on_ambiguous="fail") as ev:
        report = await needles(ev, texts(1))
    (outcome,) = report.outcomes
    assert len(app.requests) == 1
    assert isinstance(outcome.error, AmbiguousError)
    assert (outcome.ambiguous, outcome.possible_duplicates) == (1, 0)


async def test_a_429_holds_everyone_until_the_server_says():
    limited = (429, {"status": False, "result": {"code": "RATE_LIMITED", "message": "slow", "retry_after": 44}})
    app = Scripted(limited, scored())
    async with client(app, concurrency=1, rows=1) as ev:
        report = await needles(ev, texts(3))
    assert report.coverage == 1.0
    assert report.wall_s == 44.0
    assert report.summary()["throttled"] == 1
    assert report.summary()["retries"] == 0


async def test_a_limit_of_requests_is_waited_out_without_a_stampede():
    app = backend(requests=Quota(10, 10.0), latency=0.1)
    async with client(app, concurrency=4, rows=1) as ev:
        report = await needles(ev, texts(35))
    assert report.coverage == 1.0
    assert 30.1 <= report.wall_s < 33.1  # three windows, and what Retry-After rounds up in each
    assert app.statistics()["refused_requests"] <= 3 * 4
    assert report.summary()["throttled"] == app.statistics()["refused_requests"]


async def test_max_retries_0_does_not_wait_for_a_limit_either():
    app = Scripted((429, {"status": False, "result": {"retry_after": 44}}))
    async with client(app, max_retries=0) as ev:
        report = await needles(ev, texts(1))
    assert isinstance(report.outcomes[0].error, RateLimitError)
    assert report.outcomes[0].error.retry_after == 44.0
    assert report.wall_s == 0.0


async def test_waiting_for_a_limit_is_not_the_cases_time():
    app = Scripted((429, {"status": False, "result": {"retry_after": 90}}), scored())
    async with client(app, timeout=5) as ev:
        report = await needles(ev, texts(1))
    assert report.coverage == 1.0


async def test_a_case_that_takes_too_long_fails_and_is_not_sent_again():
    app = backend(latency=60)
    async with client(app, timeout=5) as ev:
        report = await needles(ev, texts(1))
    (outcome,) = report.outcomes
    assert isinstance(outcome.error, APITimeoutError)
    assert (outcome.attempts, outcome.ambiguous, outcome.latency_s) == (1, 1, 5.0)


async def test_the_timeout_of_the_call_accounts_for_every_case():
    app = backend(latency=4)
    async with client(app) as ev:
        report = await needles(ev, texts(10), concurrency=2, timeout=Timeout(call=5))
    assert report.wall_s == 5.0
    assert [str(outcome.status) for outcome in report.outcomes] == ["scored"] * 2 + ["cancelled"] * 8
    assert [type(outcome.error) for outcome in report.outcomes[2:4]] == [APITimeoutError] * 2
    assert [outcome.attempts for outcome in report.outcomes] == [1] * 4 + [0] * 6
    assert {type(outcome.error) for outcome in report.outcomes[2:]} == {APITimeoutError}
    assert report.summary()["ambiguous"] == 2


async def test_async_rows_are_polled_and_only_requests_are_bounded():
    app = backend(latency=2)
    async with client(app) as ev:
        report = await needles(ev, texts(200), strategy="async", concurrency=8)
    assert verdicts(report) == [index % 3 == 0 for index in range(200)]
    assert report.wall_s <= 2.5
    assert app.statistics()["peak_in_flight"] <= 8
    posts = app.statistics()["posts"]
    assert 10 <= posts <= 13  # of 20 rows each, but for the first ones
    assert report.summary()["polls"] == report.summary()["requests"] - posts


async def test_an_evaluation_limit_is_a_throttle_and_no_verdict():
    app = backend(evaluations=(Quota(10, 10.0),), latency=0.2)
    async with client(app, strategy="async") as ev:
        report = await needles(ev, texts(25))
    assert report.coverage == 1.0
    assert report.summary()["throttled"] == app.statistics()["refused_evaluations"] > 0
    assert report.summary()["possible_duplicates"] == 0


async def test_a_stuck_row_is_stalled_at_its_deadline_and_keeps_its_id():
    app = backend(faults=Faults(stuck=1.0))
    async with client(app, strategy="async") as ev:
        report = await needles(ev, texts(1), timeout=30)
    (outcome,) = report.outcomes
    assert str(outcome.status) == "stalled"
    assert isinstance(outcome.error, StalledError)
    assert outcome.error.eval_id == outcome.eval_id is not None
    assert report.wall_s == 30.0


async def test_accepted_rows_are_stalled_when_the_call_ends():
    app = backend(latency=60)
    async with client(app, strategy="async") as ev:
        report = await needles(ev, texts(2), timeout=Timeout(call=10))
    assert [str(outcome.status) for outcome in report.outcomes] == ["stalled"] * 2
    assert all(outcome.eval_id for outcome in report.outcomes)


async def test_polls_outlast_a_server_that_is_down():
    down = [error(502)] * 12
    app = Scripted(accepted(0), *down, completed("Failed"))
    async with client(app, strategy="async", max_retries=1) as ev:
        report = await needles(ev, texts(1))
    assert report.outcomes[0].passed is False
    assert report.outcomes[0].attempts == 1


async def test_a_failed_evaluation_carries_the_servers_words():
    app = Scripted(accepted(3), pending(), failed("the judge is out", 3))
    async with client(app, strategy="async") as ev:
        report = await needles(ev, texts(1))
    (outcome,) = report.outcomes
    assert isinstance(outcome.error, EvaluationError)
    assert (outcome.error.server_message, outcome.eval_id) == ("the judge is out", uuid(3))


async def test_each_unknown_template_is_looked_up_once_and_named_with_its_like():
    app = backend()
    async with client(app) as ev:
        with pytest.raises(NotFoundError, match="did you mean groundedness"):
            await ev.gather([{"output": "x"}], "Groundednes")
        with pytest.raises(NotFoundError, match="'nothing_like_it'"):
            await ev.gather([{"output": "x"}], "nothing_like_it")
        assert app.statistics()["requests"] == 2
        for name in ("Groundednes", "nothing_like_it"):
            with pytest.raises(NotFoundError):
                await ev.gather([{"output": "x"}], name)
        assert app.statistics()["requests"] == 2


async def test_wrong_options_are_refused_before_anything_is_sent():
    app = backend()
    async with client(app) as ev:
        with pytest.raises(ConfigurationError, match="concurrency"):
            await needles(ev, texts(1), concurrency=0)
        with pytest.raises(TypeError, match="concurency"):
            await ev.gather(texts(1), "contains", concurency=3)  # type: ignore[call-arg]  # so it is meant
        with pytest.raises(ConfigurationError, match="by template name"):
            await ev.gather(texts(1), ["contains", "one_line"], eval_config=NEEDLE)
    assert app.statistics()["requests"] == 0


async def test_cancellation_leaves_no_task_and_no_request():
    tasks = asyncio.all_tasks()
    app = backend(latency=100)
    async with client(app) as ev:
        with anyio.move_on_after(1):
            await needles(ev, texts(50))
        assert asyncio.all_tasks() == tasks
        assert app.statistics()["in_flight"] == 0


async def test_all_faults_at_once_lose_nothing_and_swap_nothing():
    faults = Faults(status={503: 0.05}, reset_before=0.02, reset_after=0.02, cut_json=0.01, html_500=0.01, fail=0.02)
    for strategy in ("sync", "async"):
        app = backend(faults=faults, latency=0.2, seed=3)
        async with client(app) as ev:
            report = await needles(ev, texts(1000), concurrency=64, strategy=strategy)
        assert len(report.outcomes) == 1000
        for outcome in report.outcomes:
            if outcome.result is not None:
                assert outcome.passed == (outcome.index % 3 == 0)
        made = app.statistics()
        summary = report.summary()
        assert summary["scored"] >= 960
        assert summary["failed"] == 1000 - summary["scored"]
        assert 0 < made["duplicates"] <= summary["possible_duplicates"] <= summary["ambiguous"]
        assert summary["possible_duplicates"] == sum(outcome.possible_duplicates for outcome in report.outcomes)


async def test_all_faults_at_once_never_pay_twice_where_forbidden():
    faults = Faults(status={503: 0.05}, reset_before=0.02, reset_after=0.02, cut_json=0.01, html_500=0.01)
    app = backend(faults=faults, latency=0.2, seed=4)
    async with client(app, on_ambiguous="fail") as ev:
        report = await needles(ev, texts(1000), concurrency=64)
    assert app.statistics()["duplicates"] == 0
    assert report.summary()["possible_duplicates"] == 0
    ambiguous = [outcome for outcome in report.outcomes if isinstance(outcome.error, AmbiguousError)]
    assert len(ambiguous) == report.summary()["ambiguous"] == report.summary()["failed"] > 0


async def test_a_call_can_be_cancelled_at_any_turn_of_the_loop():
    async def cancel(scope: anyio.CancelScope, turns: int) -> None:
        await anyio.sleep(2.0)  # eight replies have come, or are just about to
        for _ in range(turns):
            await asyncio.sleep(0)
        scope.cancel()

    for turns in range(60):
        async with client(backend(latency=1.0), concurrency=4) as ev, anyio.create_task_group() as tasks:
            with anyio.CancelScope() as scope:
                tasks.start_soon(cancel, scope, turns)
                await ev.gather(texts(20), "contains", eval_config=NEEDLE)
            assert scope.cancelled_caught
            assert (ev._session.gate.out, ev._session.slots().taken) == (0, 0), "no ticket is left out"


@pytest.mark.parametrize("handed", range(1, 13))
async def test_a_request_that_is_handed_to_a_task_as_the_call_is_cancelled_leaves_no_ticket_out(handed, monkeypatch):
    count, hand = 0, Run._hand

    def cancelling(self, leaving):
        nonlocal count
        count += 1
        if count == handed:
            scope.cancel()
        return hand(self, leaving)

    monkeypatch.setattr(Run, "_hand", cancelling)
    async with client(backend(latency=1.0), concurrency=4) as ev:
        with anyio.CancelScope() as scope:
            await ev.gather(texts(20), "contains", eval_config=NEEDLE)
        assert scope.cancelled_caught
        assert (ev._session.gate.out, ev._session.slots().taken) == (0, 0)
        assert (await ev.gather(texts(5), "contains", eval_config=NEEDLE)).coverage == 1.0


@pytest.mark.parametrize("name", NEEDED_PARAMETERS)
async def test_a_template_that_says_the_same_of_every_case_without_a_parameter_is_told(name, caplog):
    cases = [{"text": text} for text in ("Paris", "a longer text, [1]", "Berlin 12")]
    async with client(backend()) as ev:
        with caplog.at_level(logging.WARNING, "fi_async"):
            report = await ev.gather(cases, name)
            assert len({outcome.passed for outcome in report.outcomes}) == 1
            assert [record.getMessage() for record in caplog.records] == [without_needed(name, None)]
            caplog.clear()
            kinds = {"keywords": ["a"], "min_length": 3, "max_length": 9}
            given = {each: kinds.get(each, "a") for each in NEEDED_PARAMETERS[name]}
            await ev.gather(cases, name, eval_config=given)
    assert (caplog.records, without_needed(name, given)) == ([], "")
