"""What was seen to hang a client, to flood a server or to wait too long: each with its times and its counts."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import anyio
import pytest

from embedded import NEEDLE, backend, client, texts
from fi_async import FiAsyncError, Limit, RateLimitError, ServerError, StalledError, Timeout
from fi_async.local import Quota
from scripted import Scripted, accepted, error, pending, scored

pytestmark = pytest.mark.anyio

ONE = {"text": "needle"}
PAIRS = [{"output": f"case {index}", "expected": f"case {index if index % 2 else -1}"} for index in range(1000)]


class Timed:
    """An application that notes when each request came to another, and may hold it back."""

    def __init__(self, app: Any, holds: Callable[[int], float] = lambda _: 0.0) -> None:
        self.app = app
        self.holds = holds
        self.at: list[float] = []

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        self.at.append(anyio.current_time())
        await anyio.sleep(self.holds(len(self.at)))
        await self.app(scope, receive, send)


def refused(seconds: int) -> tuple[int, Any, dict[str, str]]:
    """Return a limit's refusal that names a time."""
    return 429, {"status": False, "result": {"code": "RATE_LIMITED"}}, {"retry-after": str(seconds)}


# -- What a plan lets through ------------------------------------------------------------------------------------------


async def test_what_was_submitted_and_is_not_asked_for_holds_others_for_half_a_minute():
    async with client(
        backend(evaluations=(Quota(5, 60.0),)), strategy="async", max_retries=0, timeout=Timeout(call=120.0)
    ) as ev:
        report = await ev.gather(texts(6), "contains", eval_config=NEEDLE)
        assert (report.summary()["scored"], anyio.current_time()) == (5, 0.25)
        await ev.submit("contains", ONE, eval_config=NEEDLE)
        assert (anyio.current_time(), ev.statistics().opens_in_s) == (0.75, 30.0)
        with pytest.raises(ServerError):  # the window of the plan is not over: it went, and was told so
            await ev.evaluate("contains", ONE, eval_config=NEEDLE)
        assert anyio.current_time() == 30.75


async def test_a_canary_that_the_limit_of_requests_refuses_opens_nothing():
    app = backend(evaluations=(Quota(5, 60.0),))
    async with client(app, strategy="async", max_retries=0, timeout=Timeout(call=120.0)) as ev:
        await ev.gather(texts(6), "contains", eval_config=NEEDLE)
        app.switches = app.switches.replace(requests=Quota(1, 10.0))
        await ev.gather(texts(1), "contains", eval_config=NEEDLE, strategy="sync", timeout=0.4)  # takes up the window
        asked = app.statistics()["posts"]
        with pytest.raises(RateLimitError):
            await ev.evaluate("contains", ONE, eval_config=NEEDLE)
        assert app.statistics()["posts"] == asked + 1
        assert ev._session.gate.quota.is_closed


# -- What a limit of requests refuses ----------------------------------------------------------------------------------


async def test_after_a_refusal_that_is_not_retried_later_calls_go_on():
    app = Timed(Scripted(refused(1), refused(1), scored()))
    async with client(app, timeout=Timeout(call=60.0)) as ev:
        report = await ev.gather(texts(1), "contains", eval_config=NEEDLE, max_retries=0)
        assert isinstance(report.outcomes[0].error, RateLimitError)
        report = await ev.gather(texts(3), "contains", eval_config=NEEDLE, rows=1)
    assert (report.coverage, report.summary()["throttled"]) == (1.0, 1)
    assert app.at == [0.0, 1.0, 2.0, 2.0, 2.0]


async def test_the_gate_opens_at_the_time_that_was_named_whatever_is_in_flight():
    app = Timed(Scripted(refused(1), scored()), holds=lambda number: 30.0 if number <= 2 else 0.0)
    async with client(app) as ev, anyio.create_task_group() as tasks:
        tasks.start_soon(lambda: ev.gather(texts(2), "contains", eval_config=NEEDLE))
        await anyio.sleep(5)
        report = await ev.gather(texts(5), "contains", eval_config=NEEDLE, rows=1)
        assert (report.coverage, anyio.current_time()) == (1.0, 6.0)
    assert app.at == [0.0, 0.0, *[5.0] * 5, 6.0]


async def test_a_given_limit_is_kept_in_any_span_where_a_server_tells_no_time():
    app = Timed(Scripted(scored()))
    async with client(app, limits=[Limit(3, per=1)], timeout=Timeout(call=60.0)) as ev:
        report = await ev.gather(texts(10), "contains", eval_config=NEEDLE, rows=1)
        assert ev.statistics().limits_by_clock_of == "machine"
    assert report.coverage == 1.0
    assert app.at == [0.0] * 3 + [1.25] * 3 + [2.5] * 3 + [3.75]


async def test_limits_of_a_call_bind_that_call_and_those_of_a_plan_bind_nobody():
    hourly = [Limit(1, per=3600)]
    async with client(backend(latency=0.2), concurrency=64) as ev:
        await ev.gather(texts(2), "contains", eval_config=NEEDLE, limits=hourly, rows=1)
        assert anyio.current_time() == pytest.approx(3600.2, abs=0.5)
        report = await ev.gather(texts(30), "contains", eval_config=NEEDLE, rows=1)
        assert report.wall_s == pytest.approx(0.2)
    async with client(backend(latency=0.2), concurrency=64) as ev:
        await ev.plan(texts(30), "contains", limits=hourly)
        assert ev.statistics().limits == ()
        report = await ev.gather(texts(30), "contains", eval_config=NEEDLE, rows=1)
        assert report.wall_s == pytest.approx(0.2)


@pytest.mark.parametrize(("begun", "wall"), [(0.0, 11.0), (1.0, 10.0), (5.0, 6.0), (9.0, 2.0)])
async def test_a_limit_that_nobody_told_costs_no_window_wherever_in_one_a_run_begins(begun, wall):
    app = backend(requests=Quota(300, 10.0), latency=0.2)
    await anyio.sleep(begun)
    async with client(app) as ev:
        report = await ev.gather(PAIRS, "levenshtein_similarity")
    assert report.coverage == 1.0
    assert report.wall_s <= wall + 1e-6  # the window that taught, and one of 234 requests of three rows
    assert app.statistics()["refused_requests"] <= 64
    assert report.summary()["possible_duplicates"] == 0


# -- What a server says again and again --------------------------------------------------------------------------------


async def test_waiting_without_end_for_what_is_stalled_polls_at_its_pace():
    app = Timed(Scripted(accepted(0), pending()))
    async with client(app, strategy="async", on_stalled="wait", timeout=Timeout(case="auto")) as ev:
        with anyio.move_on_after(7200):
            await ev.gather(texts(1), "contains", eval_config=NEEDLE)
    assert sum(at >= 3600 for at in app.at) == 3600 / 30  # and sooner only as long as a twentieth of its age is less
    assert len(app.at) == 339


@pytest.mark.parametrize("how", ["gather", "evaluate"])
async def test_a_failure_that_the_server_has_words_for_is_not_repeated_more_than_once(how):
    app = Scripted(error(500, "the engine broke on this input"))
    async with client(app) as ev:
        if how == "gather":
            report = await ev.gather(texts(1), "contains", eval_config=NEEDLE)
            problem: FiAsyncError | None = report.outcomes[0].error
        else:
            with pytest.raises(ServerError) as caught:
                await ev.evaluate("contains", ONE, eval_config=NEEDLE)
            problem = caught.value
    assert (len(app.requests), problem.attempts) == (2, 2)
    assert anyio.current_time() < 1.0


async def test_a_system_template_that_cannot_be_configured_is_not_asked_again_and_again():
    app = backend()
    async with client(app) as ev:
        with pytest.raises(ServerError):
            await ev.configure_evaluations("contains", ONE, custom_eval_name="mine", model_name="turing_flash")
    assert app.statistics()["posts"] <= 2


async def test_what_says_nothing_of_its_failure_is_looked_into_for_a_minute():
    def reply(request: Any) -> Any:
        if request[0] == "GET":
            return pending()
        generic = "Unable to run standalone evaluation. Please try again."
        return accepted(0) if request[2].get("is_async") else error(500, generic)

    app = Scripted(reply)
    async with client(app) as ev:
        with pytest.raises(StalledError):
            await ev.evaluate("contains", ONE, eval_config=NEEDLE)
    assert anyio.current_time() == 60.0
    assert [method for method, *_ in app.requests].count("POST") == 2


# -- What is an answer -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("name", "odd"), [("runtime", "12 ms"), ("reason", ["because"])])
async def test_an_answer_with_a_field_of_an_odd_type_is_an_answer(name, odd):
    status, body = scored()
    body["result"][0]["evaluations"][0][name] = odd
    app = Scripted((status, body))
    async with client(app) as ev:
        report = await ev.gather(texts(1), "contains", eval_config=NEEDLE)
    assert (report.coverage, len(app.requests)) == (1.0, 1)
    assert report.summary()["ambiguous"] == report.summary()["possible_duplicates"] == 0


@pytest.mark.parametrize("status", [301, 307])
async def test_a_redirect_evaluated_nothing_and_is_not_repeated(status):
    app = Scripted((status, b"", {"location": "https://elsewhere.invalid/sdk/api/v1/new-eval/"}))
    async with client(app) as ev:
        report = await ev.gather(texts(1), "contains", eval_config=NEEDLE)
    assert len(app.requests) == 1
    assert report.summary()["ambiguous"] == report.summary()["possible_duplicates"] == 0
    assert "base" in str(report.outcomes[0].error)
