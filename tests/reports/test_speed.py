from __future__ import annotations

import pytest

from fi_async.reports.speed import PAUSE_S, Speed, Timeline, percentile
from made import scored


def pace_of(*records) -> Speed:
    pace = Speed()
    for record in records:
        pace.add(record)
    return pace


def test_rates_and_latencies_step_by_step():
    records = [scored(at, "Passed", at=1000.0 + at, latency_s=1.0 + at) for at in (0, 1, 2, 3, 8)]
    assert pace_of(*reversed(records)).timeline() == Timeline(
        step_s=2.0,
        rate=[1.0, 1.0, 0.0, 0.5],
        median_s=[1.5, 3.5, None, 9.0],
        p95_s=[pytest.approx(1.95), pytest.approx(3.95), None, 9.0],
        active_s=8.0,
        pauses=0,
    )


def test_there_are_at_most_sixty_steps():
    found = pace_of(*(scored(at, "Passed", at=1000.0 + at) for at in range(5001))).timeline()
    assert found is not None
    assert (len(found.rate), found.step_s) == (60, 5000 / 60)
    assert sum(found.rate) * found.step_s == pytest.approx(5001)


def test_an_interruption_is_cut_out():
    ended = [1000.0, 1004.0, 1004.0 + 2 * PAUSE_S, 1008.0 + 2 * PAUSE_S]
    found = pace_of(*(scored(0, "Passed", at=at) for at in ended)).timeline()
    assert found is not None
    assert (found.active_s, found.pauses, found.rate) == (8.0, 1, [0.5, 0.0, 1.0, 0.5])


@pytest.mark.parametrize("ended", [[], [0.0, 0.0], [5.0], [5.0, 5.0]])
def test_no_timeline_without_times(ended):
    assert pace_of(*(scored(0, "Passed", at=at) for at in ended)).timeline() is None


def test_latencies():
    assert pace_of(*(scored(0, "Passed", latency_s=float(share)) for share in range(101))).latency_s() == {
        "p50": 50.0,
        "p95": 95.0,
        "p99": 99.0,
    }


@pytest.mark.parametrize("facts", [{"latency_s": None}, {"latency_s": 3.0, "origin": "reused"}])
def test_what_took_nothing_of_its_own_has_no_latency(facts):
    assert pace_of(scored(0, "Passed", **facts)).latency_s() == {}


def test_a_replayed_outcome_took_its_time():
    assert pace_of(scored(0, "Passed", latency_s=3.0, origin="replayed")).latency_s()["p50"] == 3.0


def test_percentiles_lie_between_neighbours():
    assert percentile([1.0], 95) == 1.0
    assert percentile([1.0, 2.0], 50) == 1.5


def test_the_time_before_a_run_was_gone_on_with_is_cut_out():
    ended = [1000.0, 1004.0, 1062.0, 1066.0]
    found = pace_of(*(scored(0, "Passed", at=at) for at in ended)).timeline(passes=[999.0, 1060.0])
    assert found is not None
    assert (found.active_s, found.pauses) == (4.0 + 2.0 + 4.0, 1)
