"""Each kind of fault: what the client sees, and what was evaluated all the same."""

from __future__ import annotations

import pytest

from fi_async.local import Faults
from local.api import PARIS

pytestmark = pytest.mark.anyio


def made(api):
    return api.backend.statistics()["evaluations_made"]


async def test_a_status_comes_with_json_and_nothing_is_processed(start):
    api = start(faults=Faults(status={503: 1.0}))
    reply = await api.post(PARIS)
    assert (reply.status_code, reply.json()["status"], reply.json()["type"]) == (503, False, "server_error")
    assert (await api.get("get-evals/")).status_code == 503
    assert made(api) == 0
    assert api.backend.statistics()["faults"] == {"503": 2}


async def test_a_status_without_a_phrase(start):
    reply = await start(faults=Faults(status={499: 1.0})).post(PARIS)
    assert (reply.status_code, reply.json()["type"]) == (499, "api_error")


async def test_an_html_500(start):
    api = start(faults=Faults(html_500=1.0))
    reply = await api.post(PARIS)
    assert (reply.status_code, reply.headers["content-type"]) == (500, "text/html; charset=utf-8")
    assert made(api) == 0


@pytest.mark.parametrize(("kind", "evaluated"), [("reset_before", 0), ("reset_after", 1)])
async def test_a_reset(start, kind, evaluated):
    api = start(faults=Faults(**{kind: 1.0}), latency=2.0)
    began = api.clock.now
    with pytest.raises(ConnectionResetError):
        await api.post(PARIS)
    assert made(api) == evaluated
    assert api.clock.now - began == 2.0 * evaluated
    assert api.backend.statistics()["in_flight"] == 0


async def test_json_that_stops_half_way(start):
    api = start(faults=Faults(cut_json=1.0))
    reply = await api.post(PARIS)
    assert reply.status_code == 200
    assert reply.text.startswith('{"status":true,"result":[{"evaluations":[')
    with pytest.raises(ValueError, match="line 1"):
        reply.json()
    assert made(api) == 1


async def test_a_proxys_page_after_processing(start):
    api = start(faults=Faults(status_after={502: 1.0}))
    reply = await api.post(PARIS)
    assert (reply.status_code, made(api)) == (502, 1)
    assert "<h1>502 Bad Gateway</h1>" in reply.text
    assert (await api.get("get-evals/")).status_code == 200
    assert api.backend.statistics()["faults"] == {"502_after": 1}


async def test_a_slow_reply(start):
    api = start(faults=Faults(slow=(1.0, 5.0)), latency=1.0)
    began = api.clock.now
    await api.submit()
    assert api.clock.now - began == 5.0
    await api.post(PARIS)
    assert api.clock.now - began == 11.0


async def test_an_evaluation_that_fails(start):
    api = start(faults=Faults(fail=1.0))
    text = "Evaluation failed. Please try again. If the problem persists, contact support."
    reply = await api.post(PARIS)
    assert (reply.status_code, reply.json()["result"]) == (400, text)
    failed = await api.progress(await api.submit())
    assert (failed["eval_status"], failed["result"]["error_message"]) == ("failed", text)
    assert api.backend.statistics()["faults"] == {"fail": 2}


async def test_an_evaluation_that_stays_pending_takes_no_capacity(start):
    api = start(faults=Faults(stuck=1.0), latency=1.0, capacity=1)
    stuck = await api.submit()
    assert (await api.post(PARIS)).status_code == 200  # a synchronous one cannot get stuck
    api.clock.now += 1e9
    assert (await api.progress(stuck))["eval_status"] == "pending"


async def test_gets_can_be_spared(start):
    api = start(faults=Faults(status={500: 1.0}, gets=False))
    assert (await api.get("get-evals/")).status_code == 200
    assert (await api.post(PARIS)).status_code == 500


async def test_the_same_seed_meets_the_same_fate(start):
    async def statuses(seed, gets_between):
        api = start(faults=Faults(status={503: 0.2}, fail=0.2, stuck=0.2), seed=seed)
        seen = []
        for _ in range(40):
            seen.append((await api.post({**PARIS, "is_async": True})).status_code)
            for _ in range(gets_between):
                await api.get("get-evals/")
        return seen, api.backend.statistics()["faults"]

    first, _ = await statuses(1, gets_between=0)
    again, _ = await statuses(1, gets_between=2)
    other, _ = await statuses(2, gets_between=0)
    assert first == again
    assert first != other
    assert 1 <= first.count(503) <= 20


async def test_two_runs_of_a_seed_are_the_same_altogether(start):
    async def everything():
        api = start(faults=Faults(status={503: 0.2}, fail=0.2, stuck=0.2), seed=3)
        for _ in range(30):
            await api.post({**PARIS, "is_async": True})
        return api.backend.statistics()

    assert await everything() == await everything()


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"fail": 1.5}, "the probability of fail is from 0 to 1"),
        ({"fail": True}, "the probability of fail"),
        ({"status": {200: 0.1}}, "400 to 599"),
        ({"status_after": {700: 0.1}}, "400 to 599"),
        ({"html_500": 0.6, "slow": (0.6, 1.0)}, "sum to 1.2"),
        ({"fail": 0.6, "stuck": 0.6}, "sum to 1.2"),
        ({"slow": (0.5, -1.0)}, "seconds late"),
    ],
)
def test_wrong_faults(wrong, message):
    with pytest.raises(ValueError, match=message):
        Faults(**wrong)
