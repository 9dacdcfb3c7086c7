"""Repeats in runs: each sample an evaluation of its own, each case one outcome."""

from __future__ import annotations

import sqlite3
from collections import Counter
from contextlib import aclosing, closing

import anyio
import pytest

from embedded import backend
from embedded import client as platform
from fi_async import Case, ConfigurationError, CostLimitError, Evaluator, RunFile, RunOptions, Timeout, template
from fi_async.journal.opening import info_of
from fi_async.journal.salvage import Salvage
from fi_async.journal.view import open_view
from fi_async.local import Quota
from fi_async.runs.calls import Ask
from fi_async.runs.worker_checks import check_same
from judged import client
from voting import CALM, Voter, answers, noisy

pytestmark = pytest.mark.anyio


def even_of_three(number: int, asked: int) -> bool:
    return asked % 3 != 2 or number % 2 == 0


async def test_each_sample_is_asked_for_and_paid_by_itself():
    voter = Voter(even_of_three)
    async with client(voter.judge()) as ev:
        report = await ev.gather(answers(20), CALM, repeats=3)
    assert voter.votes == dict.fromkeys(range(20), 3)
    assert report.counts.requests == 60
    assert [each.index for each in report.outcomes] == list(range(20))
    for each in report.outcomes:
        assert [sample.sample for sample in each.samples] == [0, 1, 2]
        assert each.score == (1.0 if each.index % 2 == 0 else pytest.approx(2 / 3))
        assert each.cost == pytest.approx(sum(sample.cost for sample in each.samples))
    told = report.summary()
    assert (told["cases"], told["evaluations"], told["scored"]) == (20, 20, 20)
    assert told["templates"]["calm"]["pass_rate"] == pytest.approx(5 / 6)
    assert told["cost"] == pytest.approx(sum(each.cost for each in report.outcomes))


@pytest.mark.parametrize(("reduce", "passed"), [("majority", True), ("all", False), ("any", True), ("median", None)])
async def test_they_are_reduced_as_is_asked(reduce, passed):
    async with client(Voter(lambda _, asked: asked != 1).judge()) as ev:
        report = await ev.gather(answers(2), CALM, repeats=3, reduce=reduce)
    assert [each.passed for each in report.outcomes] == [passed] * 2


async def test_a_stream_hands_out_cases_and_keeps_few_of_them():
    async with client(Voter(latency=1.0).judge(concurrency=4)) as ev:
        outcomes = ev.stream(answers(300), CALM, repeats=5)
        async with aclosing(outcomes):
            seen = [each.index async for each in outcomes]
    assert sorted(seen) == list(range(300))
    assert outcomes.counts.requests == 1500


async def test_what_is_computed_is_evaluated_once_and_own_code_as_often_as_asked():
    asked = Counter()

    @template
    def counted(output: str) -> bool:
        asked[output] += 1
        return True

    async with client("local", Voter().judge()) as ev:
        cases = [{"output": f"Answer {n}.", "text": "[1]"} for n in range(5)]
        report = await ev.gather(cases, ["is_json", counted, CALM], repeats=2)
    samples = {name: {len(e.samples) for e in report.outcomes if e.template == name} for name in ("is_json", "calm")}
    assert samples == {"is_json": {0}, "calm": {2}}
    assert set(asked.values()) == {2}
    assert report.coverage == 1.0


async def test_the_platform_is_asked_for_each_sample_but_of_what_it_computes():
    app = backend(latency=0.5)
    cases = [{"output": "Paris it is.", "context": "Paris.", "input": "?", "text": "[1]"} for _ in range(4)]
    async with platform(app) as ev:
        report = await ev.gather(cases, ["groundedness", "is_json"], repeats=3)
    assert app.statistics()["evaluations_made"] == 4 * 3 + 4
    assert [len(each.samples) for each in report.outcomes] == [3, 0] * 4


async def test_equal_cases_share_samples_and_samples_are_no_equal_cases(tmp_path):
    voter = Voter(noisy(lambda _: 0.5))
    async with client(voter.judge()) as ev:
        report = await ev.gather([*answers(3), *answers(3)], CALM, repeats=4, run=tmp_path / "r.db")
    assert voter.votes == dict.fromkeys(range(3), 4)
    assert [each.score for each in report.outcomes[:3]] == [each.score for each in report.outcomes[3:]]
    assert [each.origin for each in report.outcomes] == ["evaluated"] * 3 + ["duplicate"] * 3
    assert report.summary()["cost"] == pytest.approx(sum(each.cost for each in report.outcomes[:3]))


async def test_a_kept_run_is_read_as_it_ended_and_goes_on_with_more_repeats(tmp_path):
    voter = Voter(noisy(lambda number: number / 20))
    path = tmp_path / "r.db"
    async with client(voter.judge()) as ev:
        first = await ev.gather(answers(20), CALM, run=path)
        assert voter.votes.total() == 20
        report = await ev.gather(answers(20), CALM, repeats=3, run=path)
        assert voter.votes == dict.fromkeys(range(20), 3)
        again = await ev.gather(answers(20), CALM, repeats=3, run=path)
        assert voter.votes == dict.fromkeys(range(20), 3)
    assert [each.samples[0].score for each in report.outcomes] == [each.score for each in first.outcomes]
    assert [each.score for each in again.outcomes] == [each.score for each in report.outcomes]
    assert {each.origin for each in again.outcomes} == {"replayed"}
    with open_view(path) as view:
        kept = [record.outcome for record in view.records()]
        assert [(each.index, each.score) for each in kept] == [(each.index, each.score) for each in report.outcomes]
        assert [[s.score for s in each.samples] for each in kept] == [
            [s.score for s in each.samples] for each in report.outcomes
        ]
        count = view.count()
        assert (count.evaluations, count.done, count.is_complete) == (20, 20, True)
        assert view.spending().dollars == pytest.approx(report.summary()["cost"])


async def test_fewer_repeats_than_the_file_has_leave_the_others_out(tmp_path):
    voter = Voter(even_of_three)
    async with client(voter.judge()) as ev:
        await ev.gather(answers(4), CALM, repeats=3, run=tmp_path / "r.db")
        report = await ev.gather(answers(4), CALM, repeats=2, run=tmp_path / "r.db")
    assert voter.votes.total() == 12
    assert [each.score for each in report.outcomes] == [1.0] * 4
    with open_view(tmp_path / "r.db") as view:
        assert [record.outcome.score for record in view.records()] == [1.0] * 4


async def test_a_sample_that_fails_is_left_out_of_the_mean_and_a_retry_asks_for_it_alone(tmp_path):
    voter = Voter(lambda number, asked: None if number == 1 and asked in (1, 2) else True)
    async with client(voter.judge(concurrency=1)) as ev:
        report = await ev.gather(answers(3), CALM, repeats=3, run=tmp_path / "r.db")
        assert [[str(s.status) for s in each.samples].count("failed") for each in report.outcomes] == [0, 1, 0]
        assert report.coverage == 1.0
        before = voter.votes.total()
        again = await ev.gather(answers(3), CALM, repeats=3, run=RunFile(tmp_path / "r.db", retry=["failed"]))
    assert voter.votes.total() - before == 1
    assert [[str(s.status) for s in each.samples].count("failed") for each in again.outcomes] == [0, 0, 0]


async def test_a_case_that_cannot_be_sent_is_one_outcome(tmp_path):
    async with client(Voter().judge()) as ev:
        for run in (None, tmp_path / "r.db", tmp_path / "r.db"):
            report = await ev.gather([{"output": "Answer 1."}, {"text": "?"}], CALM, repeats=3, run=run)
            assert [str(each.status) for each in report.outcomes] == ["scored", "invalid"]
            assert report.outcomes[1].samples == ()


async def test_the_timeout_of_the_call_leaves_one_outcome_a_case():

    async with client(Voter(latency=10.0).judge(concurrency=5)) as ev:
        report = await ev.gather(answers(10), CALM, repeats=3, timeout=Timeout(call=25.0))
    assert [each.index for each in report.outcomes] == list(range(10))
    statuses = Counter(str(each.status) for each in report.outcomes)
    assert statuses == {"scored": 3, "cancelled": 7}


async def test_money_that_is_spent_cancels_cases_and_a_resumed_run_ends_them(tmp_path):
    voter = Voter(prices={"m": (1.0, 1.0)})
    async with client(voter.judge(max_cost=0.005)) as ev:
        report = await ev.gather(answers(20), CALM, repeats=2, run=tmp_path / "r.db")
        assert {str(each.status) for each in report.outcomes} == {"scored", "cancelled"}
        assert {type(each.error) for each in report.failures} == {CostLimitError}
        assert report.summary()["cost"] <= 0.005
    with open_view(tmp_path / "r.db") as view:
        count = view.count()
        assert count.done == len(report.results)
        assert count.pending == 20 - len(report.results)
        assert not count.is_complete
    async with client(voter.judge()) as ev:
        again = await ev.gather(answers(20), CALM, repeats=2, run=tmp_path / "r.db")
    assert again.coverage == 1.0
    assert voter.votes == dict.fromkeys(range(20), 2)


async def test_evaluate_asks_once():
    voter = Voter()
    async with client(voter.judge()) as ev:
        result = await ev.with_options(repeats=3).evaluate(CALM, output="Answer 3.")
    assert (result.passed, voter.votes) == (True, {3: 1})


# Auto


async def test_auto_asks_further_only_where_the_verdict_is_not_certain():
    voter = Voter(lambda number, asked: number % 2 == 0 or asked % 2 == 0)
    async with client(voter.judge()) as ev:
        report = await ev.gather(answers(40), CALM, repeats="auto", reduce="majority")
    for each in report.outcomes:
        assert len(each.samples) == voter.votes[each.index] == (3 if each.index % 2 == 0 else 9)
        assert each.passed is True
    assert report.counts.requests == 20 * 3 + 20 * 9


async def test_auto_in_a_stream_of_slow_cases_does_not_wait_for_the_next_case():
    voter = Voter(lambda _, asked: asked % 2 == 0)

    async def slowly():
        for case in answers(2):
            yield case
            await anyio.sleep(1000)

    async with client(voter.judge()) as ev:
        outcomes = ev.stream(slowly(), CALM, repeats="auto")
        async with aclosing(outcomes):
            began = anyio.current_time()
            async for _ in outcomes:
                break
            assert anyio.current_time() - began < 100
            assert voter.votes == {0: 9}


async def test_auto_goes_on_where_it_stopped_and_is_read_as_it_ended(tmp_path):
    path = tmp_path / "r.db"
    share = noisy(lambda number: 0.5 + number / 80)
    async with client(Voter(share).judge()) as ev:
        whole = await ev.gather(answers(40), CALM, repeats="auto", run=tmp_path / "whole.db")
    voter = Voter(share)

    async with client(voter.judge(concurrency=3)) as ev:
        for seconds in (0.01, 0.02, 0.05):
            await ev.gather(answers(40), CALM, repeats="auto", run=path, timeout=Timeout(call=seconds))
        with open_view(path) as view:
            assert view.count().evaluations == 40
        report = await ev.gather(answers(40), CALM, repeats="auto", run=path)
    assert report.coverage == 1.0
    assert sorted(each.index for each in report.outcomes) == list(range(40))
    with open_view(path) as view:
        assert [record.outcome.score for record in view.records()] == [each.score for each in report.outcomes]
        assert view.count().is_complete
    assert [each.score for each in report.outcomes] == [each.score for each in whole.outcomes]
    assert voter.votes.total() == sum(len(each.samples) for each in report.outcomes)


async def test_auto_stops_at_the_money_and_keeps_what_is_known(tmp_path):
    voter = Voter(lambda _, asked: asked % 2 == 0)
    async with client(voter.judge(max_cost=0.012)) as ev:
        report = await ev.gather(answers(10), CALM, repeats="auto", reduce="median", run=tmp_path / "r.db")
    assert report.coverage == 1.0
    assert 30 < voter.votes.total() < 90
    assert report.summary()["cost"] <= 0.012
    with open_view(tmp_path / "r.db") as view:
        count = view.count()
        assert (count.done, count.pending, count.is_complete) == (10, 0, False)
        assert count.unsettled == sum(len(each.samples) < 9 for each in report.outcomes)
        assert [r.outcome.score for r in view.records()] == [each.score for each in report.outcomes]
    async with client(voter.judge()) as ev:
        again = await ev.gather(answers(10), CALM, repeats="auto", reduce="median", run=tmp_path / "r.db")
    assert {len(each.samples) for each in again.outcomes} == {9}
    assert voter.votes.total() == 90


async def test_auto_tells_nothing_of_a_case_that_has_fewer_samples_than_at_first(tmp_path):
    voter = Voter()
    async with client(voter.judge(max_cost=0.0024, concurrency=1)) as ev:
        report = await ev.gather(answers(5), CALM, repeats="auto", run=tmp_path / "r.db")
    scored = [each for each in report.outcomes if str(each.status) == "scored"]
    assert {str(each.status) for each in report.outcomes} == {"scored", "cancelled"}
    assert {len(each.samples) for each in scored} == {3}
    assert voter.votes.total() % 3, "one case has some of its samples"
    with open_view(tmp_path / "r.db") as view:
        assert [record.outcome.index for record in view.records()] == [each.index for each in scored]


async def test_auto_gives_up_a_case_of_which_nothing_can_be_scored():
    voter = Voter(lambda *_: None)
    async with client(voter.judge()) as ev:
        report = await ev.gather(answers(3), CALM, repeats="auto")
    assert [str(each.status) for each in report.outcomes] == ["failed"] * 3
    assert voter.votes == dict.fromkeys(range(3), 6)  # each of three samples is repaired once


async def test_auto_keeps_to_a_limit_and_loses_nothing():
    voter = Voter(noisy(lambda number: (number % 10) / 10), requests=Quota(30, 60.0), latency=1.0)
    async with client(voter.judge()) as ev:
        report = await ev.gather([Case(each, id=str(n)) for n, each in enumerate(answers(60))], CALM, repeats="auto")
    assert report.coverage == 1.0
    assert voter.votes.total() == sum(len(each.samples) for each in report.outcomes)


async def test_what_auto_tells_of_the_judge_is_of_the_samples_of_every_case(tmp_path):
    voter = Voter(lambda number, asked: number == 0 or asked % 3 != 0)  # the second: F P P F P P F P P
    async with client(voter.judge()) as ev:
        report = await ev.gather(answers(2), CALM, repeats="auto", run=tmp_path / "r.db")
    assert [(each.passed, len(each.samples), each.at_first) for each in report.outcomes] == [(True, 3, 3), (True, 9, 3)]
    assert [[sample.passed for sample in each.samples_at_first] for each in report.outcomes] == [
        [True, True, True],
        [False, True, True],
    ]
    told = report.summary()["templates"]["calm"]["repeats"]
    assert (told["samples"], told["flips"], told["pass^k"]["3"], told["variance"]["mean"]) == (12, 1, 0.5, 5 / 6)
    with open_view(tmp_path / "r.db") as view:
        assert [record.outcome.at_first for record in view.records()] == [3, 3]


@pytest.mark.parametrize("repeats", [1, 2, "auto"])
async def test_an_equal_case_that_comes_after_the_money_is_spent_has_its_outcome(repeats, tmp_path):
    voter = Voter(prices={"m": (1.0, 1.0)})
    async with client(voter.judge(max_cost=0.002, concurrency=1)) as ev:
        with anyio.fail_after(1000):
            report = await ev.gather(answers(70) * 2, CALM, repeats=repeats, run=tmp_path / "r.db")
    assert [each.index for each in report.outcomes] == list(range(140))
    statuses = [str(each.status) for each in report.outcomes]
    assert statuses[:70] == statuses[70:]
    assert set(statuses) == {"scored", "cancelled"}


async def test_a_case_that_was_refused_as_equal_may_be_evaluated_with_the_other(tmp_path):
    async with client(Voter().judge()) as ev:
        for duplicates, statuses in (("refuse", ["scored", "invalid"]), ("once", ["scored"] * 2)) * 2:
            run = RunFile(tmp_path / "r.db", duplicates=duplicates)
            report = await ev.gather(answers(1) * 2, CALM, repeats=2, run=run)
            assert [str(each.status) for each in report.outcomes] == statuses
            with open_view(tmp_path / "r.db") as view:
                assert [str(record.outcome.status) for record in view.records()] == statuses
                assert view.count().evaluations == 2


# What cannot be meant


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"repeats": 0}, 'repeats must be "auto" or a whole number from 1, not 0'),
        ({"repeats": "autox"}, "repeats must be"),
        ({"repeats": True}, "repeats must be"),
        ({"repeats": 2.5}, "repeats must be"),
        ({"repeats": 10**6}, "repeats must be at most 1,000"),
        ({"reduce": "mode"}, "reduce must be one of 'mean', 'majority', 'median', 'all', 'any', not 'mode'"),
        ({"precision": 1.0}, "precision must be a probability above 0.5 and below 1, not 1.0"),
        ({"precision": 0.5}, "precision must be"),
        ({"precision": "high"}, "precision must be"),
        ({"max_repeats": 0}, "max_repeats must be"),
        (
            {"repeats": "auto", "max_repeats": 2},
            "precision=0.95 takes 3 repeats that say the same, and max_repeats is 2",
        ),
        ({"repeats": "auto", "reduce": "all"}, 'reduce="all"'),
        ({"repeats": "auto", "reduce": "mean"}, "which draws their mean to 0 and 1: take"),
    ],
)
def test_what_cannot_be_meant_is_refused(options, words):
    with pytest.raises(ConfigurationError, match=words.replace("(", r"\(")):
        RunOptions(**options)


async def test_any_of_labels_is_refused():
    from fi_async import Criteria
    from judged import CALM as CURT

    tone = Criteria("tone_of", "Which tone has {{output}}?", choices=["calm", "rude"])
    async with client(Voter().judge()) as ev:
        with pytest.raises(ConfigurationError, match='reduce="any" is of verdicts and scores'):
            await ev.gather(answers(1), tone, repeats=2, reduce="any")
    assert CURT.rubric.is_scored


def test_the_blocking_client_and_a_client_that_always_repeats():
    voter = Voter(even_of_three)
    with Evaluator(backends=[voter.judge()], repeats=3) as ev:
        report = ev.gather(answers(4), CALM)
        assert [len(each.samples) for each in report.outcomes] == [3] * 4
        assert [len(each.samples) for each in ev.stream(answers(2), CALM, repeats=2)] == [2, 2]


async def test_a_worker_of_a_run_in_a_database_asks_as_often_as_it_was_loaded():
    async with client(Voter().judge()) as ev:
        once, twice = [await Ask(CALM, RunOptions(repeats=n)).questions(ev._session) for n in (1, 2)]
        info = info_of("nightly", RunFile("nightly.db"), ev._session, once, RunOptions())
        check_same("nightly", info, once, ev._session)
        with pytest.raises(ConfigurationError, match="as the run was loaded: leave repeats=, reduce=, precision="):
            check_same("nightly", info, twice, ev._session)


async def test_samples_are_no_cases_where_a_damaged_file_does_not_say_what_they_come_to(tmp_path):
    async with client(Voter().judge()) as ev:
        await ev.gather(answers(4), CALM, repeats=3, run=tmp_path / "r.db")
    for is_damaged, samples in ((False, 3), (True, 0)):
        if is_damaged:
            with closing(sqlite3.connect(tmp_path / "r.db")) as file, file:
                file.execute("UPDATE passes SET info = '{'")
        with Salvage(tmp_path / "r.db") as salvage:
            found = [(each.outcome.index, len(each.outcome.samples)) for each in salvage.records()]
        assert found == [(index, samples) for index in range(4)]
