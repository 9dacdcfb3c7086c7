"""One run with all kinds of evaluators, each limited or faulty in its own way.

FI_ASYNC_ALL_KINDS says how many cases. With pytest -s the figures are seen.
"""

from __future__ import annotations

import os
import sys
import time
from typing import Any

import anyio
import pytest

from embedded import NEEDLE, backend
from fi_async import FunctionError, JudgeError, Limit, template
from fi_async.backends import functions
from fi_async.local import ChatFaults, Quota
from judged import CALM, PRICE, Endpoint, check, check_judged, client, dollars, tokens

pytestmark = pytest.mark.anyio

COUNT = int(os.environ.get("FI_ASYNC_ALL_KINDS", "2000"))
SCALE = max(0.25, COUNT / 2000)  # a window has room for many requests
TIMEOUT = 30.0
HANGS = COUNT // 2
FAULTS = ChatFaults(not_json=0.01, wrong_value=0.01, refusal=0.01, status={529: 0.05})


@template
def raises(output: str) -> bool:
    number = int(output.split()[1].rstrip(":"))
    if number % 33 == 0:
        raise ValueError("no good")
    return number % 2 == 0


@template
async def hangs(output: str) -> bool:
    number = int(output.split()[1].rstrip(":"))
    if number == HANGS:
        await anyio.sleep(3600)
    if number % 33 == 0:
        raise ValueError("no good")
    return number % 2 == 0


def cases() -> list[dict[str, Any]]:
    return [
        {
            "output": f"Answer {n}: stay, please.",
            "input": f"Question {n}?",
            "context": "Those who stay are pleased.",
            "text": f"case {n} {'needle' if n % 3 == 0 else 'straw'}",
        }
        for n in range(COUNT)
    ]


@pytest.mark.parametrize("own", [raises, hangs], ids=["threads", "awaited"])
async def test_all_kinds_in_one_run_end_each_at_its_own_pace(own, monkeypatch):
    here = functions.exact_names()
    monkeypatch.setattr(functions, "exact_names", lambda: here - {"contains"})  # so that the platform answers it
    minute, window = Quota(round(100_000 * SCALE), 60.0), Quota(round(300 * SCALE), 10.0)
    cloud = backend(requests=window, latency=0.5)
    endpoint = Endpoint(tokens=minute, reserve=16, latency=1.0, prices={"m": PRICE}, faults=FAULTS, style="anthropic")
    limits = [Limit(minute.count, per="minute", of="tokens")]
    asked = ["is_json", "groundedness", CALM, own, "contains"]
    began = time.perf_counter()
    async with client("local", endpoint.judge(price=PRICE, limits=limits), "cloud", cloud=cloud) as ev:
        ended: dict[str, float] = {}

        def seen(outcome: Any) -> None:
            ended[outcome.template] = anyio.current_time()

        outcomes = []
        async with ev.stream(cases(), asked, eval_config={"contains": NEEDLE}, timeout=TIMEOUT, max_retries=8) as run:
            async for outcome in run:
                seen(outcome)
                outcomes.append(outcome)
        wall, counts = anyio.current_time(), run.counts
    report = type("Report", (), {"outcomes": sorted(outcomes, key=lambda each: each.index)})()
    counted = endpoint.counted
    bounds = {
        "contains": window.window_seconds * ((COUNT - 1) // window.count) + 0.5,
        "calm": 60.0 * ((counted["prompt_tokens"] + counted["completion_tokens"]) / minute.count),
    }
    sys.stdout.write(
        f"\n{COUNT} x 5, {own.eval_name}: wall {wall:.1f} s, bounds {bounds}, ended {ended}, "
        f"{time.perf_counter() - began:.1f} s here; refused {counted['refused']} of the judge,"
        f" {cloud.statistics()['refused_requests']} of the platform; statuses {counted['by_status']};"
        f" tokens {tokens(report)} of {counted['prompt_tokens'] + counted['completion_tokens']};"
        f" dollars {dollars(report):.6f} of {counted['dollars']}; retries {counts.retries}\n"
    )
    accounted(report, endpoint, own)
    assert tokens(report) == counted["prompt_tokens"] + counted["completion_tokens"]
    assert dollars(report) == pytest.approx(float(counted["dollars"]), abs=1e-9)
    assert wall <= 1.1 * max(bounds.values())
    assert ended["contains"] <= 1.1 * bounds["contains"] + 10.0


def accounted(report: Any, endpoint: Endpoint, own: Any) -> None:
    """Every case has one outcome of each kind, and none is wrong."""
    check(endpoint, report, COUNT)
    by_name: dict[str, list[Any]] = {}
    for each in report.outcomes:
        by_name.setdefault(each.template, []).append(each)
    assert {name: len(each) for name, each in by_name.items()} == dict.fromkeys(by_name, COUNT)
    assert len(by_name) == 5
    assert [each.passed for each in by_name["contains"]] == [n % 3 == 0 for n in range(COUNT)]
    assert {each.backend for each in by_name["contains"]} == {"local"}  # the embedded backend, over HTTP
    assert not any(each.passed for each in by_name["is_json"])
    for each in by_name[own.eval_name]:
        fails = each.index % 33 == 0 or (own is hangs and each.index == HANGS)
        assert each.passed == (None if fails else each.index % 2 == 0)
        assert isinstance(each.error, FunctionError) == fails
    check_judged(endpoint, by_name["groundedness"])
    judged = [*by_name["calm"], *by_name["groundedness"]]
    assert all(each.result or isinstance(each.error, JudgeError) for each in judged)
    assert sum(each.result is None for each in judged) <= 0.03 * len(judged)
