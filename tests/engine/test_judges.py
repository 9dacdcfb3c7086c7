"""Judges in runs, against an endpoint that limits, fails, refuses and charges."""

from __future__ import annotations

import asyncio
from collections import Counter

import anyio
import pytest

from embedded import NEEDLE, backend
from fi_async import (
    AmbiguousError,
    AuthenticationError,
    CostLimitError,
    JudgeError,
    Limit,
    NotFoundError,
    QuotaExhaustedError,
    template,
)
from fi_async.local import ChatFaults, Quota
from judged import CALM, PRICE, Endpoint, check, client, dollars, judged, talks, tokens

pytestmark = pytest.mark.anyio

MINUTE = Quota(50_000, 60.0)
GIVEN = [Limit(50_000, per="minute", of="tokens")]
PRICES = {"m": PRICE}
BOUND = 121.0  # seconds: 300 talks take about 108,500 tokens, the last of them in the third minute, and 1 s each


def told(report):
    return Counter(f"{each.status} {type(each.error).__name__}" for each in report.failures)


@pytest.mark.parametrize(("given", "server"), [({"max_tokens": 300}, {}), ({}, {"reserve": 16})])
async def test_a_limit_of_tokens_that_is_given_is_used_up_and_never_met(given, server):
    endpoint = Endpoint(tokens=MINUTE, latency=1.0, **server)
    report = await judged(endpoint, 300, {"limits": GIVEN, **given})
    assert report.coverage == 1.0
    assert endpoint.counted["refused"] == {}
    assert report.wall_s <= 1.1 * BOUND


@pytest.mark.parametrize("style", ["openai", "azure", "anthropic", "gemini", "openrouter", "ollama"])
async def test_a_limit_of_tokens_is_learned_from_refusals_of_each_style(style):
    endpoint = Endpoint(style=style, tokens=MINUTE, latency=1.0)
    report = await judged(endpoint, 300)
    assert report.coverage == 1.0
    assert report.wall_s <= 1.1 * BOUND
    assert endpoint.counted["refused"]["tokens"] == report.counts.throttled <= 250
    assert tokens(report) == endpoint.counted["prompt_tokens"] + endpoint.counted["completion_tokens"]


async def test_a_wait_of_less_than_a_second_is_waited_and_not_asked_through():
    # A Date has whole seconds: taken from it, the end of such a wait would be over before it began.
    endpoint = Endpoint(requests=Quota(20, 0.75), latency=0.01)
    report = await judged(endpoint, 100)
    assert report.coverage == 1.0
    assert report.counts.throttled < 200


async def test_a_quota_that_is_exhausted_ends_that_judge_with_one_error_and_no_other_backend():
    endpoint = Endpoint(insufficient_quota_after=50, latency=0.1)

    @template
    async def short(output: str) -> bool:
        await anyio.sleep(0.1)
        return len(output) < 30

    async with client("local", endpoint.judge(concurrency=8)) as ev:
        report = await ev.gather(talks(200), [CALM, short])
    check(endpoint, report, 200)
    ended = [each for each in report.outcomes if each.template == "calm"]
    assert [each.status for each in ended].count("scored") == 50
    failed = [each for each in ended if each.error is not None]
    assert {type(each.error) for each in failed} == {QuotaExhaustedError}
    assert {str(each.status) for each in failed} == {"cancelled"}
    assert endpoint.counted["refused"]["insufficient_quota"] <= 8  # those under way, and none after
    assert all(each.passed for each in report.outcomes if each.template == "short")


@pytest.mark.parametrize("style", ["anthropic", "openai"])
async def test_an_endpoint_without_capacity_is_asked_less_at_once_and_loses_nothing(style):
    endpoint = Endpoint(style=style, latency=1.0, capacity=4, queue_limit=4)
    report = await judged(endpoint, 200)
    assert report.coverage == 1.0
    assert report.wall_s <= 1.1 * 50
    assert endpoint.counted["refused"]["capacity"] <= 100
    assert endpoint.counted["peak_in_flight"] <= 16
    assert endpoint.counted["duplicates"] == report.counts.ambiguous == 0


async def test_what_is_no_verdict_is_repaired_once_and_then_failed_and_all_of_it_is_charged():
    endpoint = Endpoint(
        prices=PRICES, faults=ChatFaults(not_json=0.1, cut_json=0.1, wrong_value=0.1, missing_field=0.1, prose=0.1)
    )
    report = await judged(endpoint, 400, {"price": PRICE})
    assert told(report).keys() == {"failed JudgeError"}
    assert 0.7 < report.coverage < 0.95  # 0.4 go wrong, and of those 0.4 again
    assert max(each.attempts for each in report.outcomes) == 2
    assert all(each.attempts == 2 for each in report.failures)
    assert endpoint.counted["answered"] == sum(each.attempts for each in report.outcomes)
    assert tokens(report) == endpoint.counted["prompt_tokens"] + endpoint.counted["completion_tokens"]
    assert dollars(report) == pytest.approx(float(endpoint.counted["dollars"]), abs=1e-12)


@pytest.mark.parametrize(
    ("fault", "words"),
    [
        ("refusal", "the judge refused to judge this case: I'm sorry, but I can't help with that."),
        ("length", "finish_reason"),
        ("content_filter", "a content filter stopped the judge's answer"),
    ],
)
async def test_what_the_model_declines_is_failed_in_its_words_and_charged(fault, words):
    endpoint = Endpoint(prices=PRICES, faults=ChatFaults(**{fault: 1.0}))
    report = await judged(endpoint, 20, {"price": PRICE})
    assert told(report) == {"failed JudgeError": 20}
    assert all(isinstance(each.error, JudgeError) for each in report.failures)
    assert all(words in str(each.error) or fault == "length" for each in report.failures)
    assert dollars(report) == pytest.approx(float(endpoint.counted["dollars"]), abs=1e-12)


async def test_a_form_that_is_refused_is_given_up_for_that_model_from_then_on():
    endpoint = Endpoint(json_schema="refused")
    async with client(endpoint.judge(concurrency=1)) as ev:
        first = await ev.gather(talks(20), CALM)
        second = await ev.gather(talks(40), CALM)
    check(endpoint, second, 40)
    assert first.coverage == second.coverage == 1.0
    assert endpoint.counted["by_status"] == {"400": 1, "200": 60}


async def test_parameters_that_are_refused_are_left_out_from_then_on():
    names = frozenset({"temperature", "max_tokens", "max_completion_tokens", "response_format"})
    endpoint = Endpoint(refused_parameters=names)
    async with client(endpoint.judge(concurrency=1, temperature=0.0, max_tokens=300)) as ev:
        report = await ev.gather(talks(20), CALM)
        refused = endpoint.counted["by_status"]["400"]
        again = await ev.gather(talks(30), CALM)
    assert report.coverage == again.coverage == 1.0
    assert 3 <= refused == endpoint.counted["by_status"]["400"] <= 6


LOST = ChatFaults(reset_after=0.1, cut_body=0.05, reset_before=0.05)


async def test_lost_replies_are_asked_for_again_and_told():
    endpoint = Endpoint(faults=LOST)
    report = await judged(endpoint, 300, on_ambiguous="resubmit", max_retries=8)
    assert report.coverage == 1.0
    assert endpoint.counted["duplicates"] <= report.counts.possible_duplicates == report.counts.ambiguous
    assert report.summary()["possible_duplicates"] == report.counts.ambiguous


async def test_lost_replies_fail_where_nothing_may_be_asked_twice():
    endpoint = Endpoint(faults=LOST)
    report = await judged(endpoint, 300, on_ambiguous="fail")
    assert endpoint.counted["duplicates"] == 0
    assert {type(each.error) for each in report.failures} == {AmbiguousError}
    assert len(report.failures) == report.counts.ambiguous > 30


@pytest.mark.parametrize(
    ("server", "error", "words"),
    [
        ({"keys": frozenset({"sk-other"})}, AuthenticationError, "does not accept the key of api_key="),
        ({"models": frozenset({"n"})}, NotFoundError, "check model= and base_url="),
    ],
)
async def test_a_wrong_key_and_an_unknown_model_end_the_run_once(server, error, words):
    endpoint = Endpoint(**server, latency=0.1)
    async with client(endpoint.judge(concurrency=4)) as ev:
        with pytest.raises(error, match=words) as caught:
            await ev.gather(talks(300), CALM)
    assert "sk-a-secret" not in str(caught.value)
    assert endpoint.counted["requests"] <= 4


async def test_a_platform_that_is_closed_for_an_hour_holds_no_judge_and_no_function():
    cloud = backend(requests=Quota(1, 3600.0), latency=0.1)
    endpoint = Endpoint(latency=1.0)

    @template
    async def short(output: str) -> bool:
        return len(output) < 30

    seen: dict[str, float] = {}
    async with client(endpoint.judge(concurrency=20), "cloud", cloud=cloud) as ev:
        cases = [{**each, "text": each["output"]} for each in talks(100)]
        ask = ev.stream(cases, [CALM, short, "contains"], eval_config={"contains": NEEDLE})
        with anyio.move_on_after(3000) as scope:
            async with ask as run:
                async for outcome in run:
                    seen[f"{outcome.template} {outcome.index}"] = anyio.current_time()
    assert scope.cancelled_caught
    counted = Counter(name.partition(" ")[0] for name in seen)
    assert (counted["calm"], counted["short"]) == (100, 100)
    assert max(at for name, at in seen.items() if name.startswith(("calm", "short"))) <= 1.1 * 5


@pytest.mark.parametrize("faults", [ChatFaults(), ChatFaults(not_json=0.2)])
async def test_a_run_spends_no_more_than_it_may_and_goes_on_where_it_may_spend_more(faults, tmp_path):
    endpoint = Endpoint(latency=1.0, prices=PRICES, faults=faults)
    path = tmp_path / "run.db"
    report = await judged(endpoint, 200, {"price": PRICE, "max_cost": 0.005}, run=path)
    spent = float(endpoint.counted["dollars"])
    assert 0.004 < spent <= 0.005
    assert dollars(report) == pytest.approx(spent, abs=1e-12)
    cut = [each for each in report.failures if isinstance(each.error, CostLimitError)]
    assert len(cut) > 50
    assert {str(each.status) for each in cut} == {"cancelled"}
    again = await judged(endpoint, 200, {"price": PRICE, "max_cost": 1.0}, run=path)
    assert not any(isinstance(each.error, CostLimitError) for each in again.failures)
    assert sum(each.origin == "replayed" for each in again.outcomes) == 200 - len(cut)
    assert max(Counter(map(str, endpoint.asked)).values()) == 1  # repairs are other questions


async def test_runs_that_ask_one_endpoint_at_once_keep_its_limit_together():
    endpoint = Endpoint(tokens=MINUTE, reserve=16, latency=1.0)
    async with client(endpoint.judge(limits=GIVEN)) as ev:
        first, second = await asyncio.gather(ev.gather(talks(150), CALM), ev.gather(talks(300)[150:], CALM))
    assert first.coverage == second.coverage == 1.0
    assert endpoint.counted["refused"] == {}
    assert max(first.wall_s, second.wall_s) <= 1.1 * BOUND
