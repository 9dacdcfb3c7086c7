"""Repeats and juries of runs in a database: each sample and vote is work of its own, each case has one outcome."""

from __future__ import annotations

import asyncio
from contextlib import contextmanager

import pytest

from fi_async import AsyncEvaluator, ConfigurationError, CostLimitError, Judge, Jury, RunFile
from fi_async._run_url import RunUrl
from fi_async.integrations.ray import _outcomes
from fi_async.journal.events import EventKind
from fi_async.journal.view import open_view
from fi_async.pacing.purse import Purse
from fi_async.reports.outcome_tables import flat
from fi_async.store.run_control import change
from fi_async.store.settling import Settling
from fi_async.store.store_connection import StoreConnection
from fi_async.store.worker_journal import WorkerJournal
from fi_async.store.worker_ledger import WorkerLedger
from voting import CALM, Voter, answers, noisy

pytestmark = pytest.mark.anyio

NAMES = ("mini", "qwen", "third", "fourth")
MANY = 16  # cases, in chunks of a few
AUTO = {"repeats": "auto", "precision": 0.9, "max_repeats": 5}  # two samples at first


def jury_of(endpoints, **options):
    """Return a jury each of which is asked one by one, so that each sample of a case has the same answer anywhere."""
    judges = (each.judge(name, concurrency=1) for each, name in zip(endpoints, NAMES, strict=False))
    return Jury(*judges, **options)


def client(*backends):
    return AsyncEvaluator(backends=list(backends))


def said(outcomes):
    """Return all that the evaluations of a run say, and what they come to, whoever made them."""
    return [
        (
            each.index,
            each.status.value,
            each.passed,
            each.score,
            each.at_first,
            [(sample.passed, [(vote.juror, vote.passed) for vote in sample.votes]) for sample in each.samples],
        )
        for each in outcomes
    ]


def asked(endpoints):
    return [dict(each.votes) for each in endpoints]


def kept(seen):
    with seen() as view:
        return [record.outcome for record in view.records()], view.count()


async def by_file(tmp_path, endpoints, cases, **options):
    async with client(jury_of(endpoints)) as ev:
        return await ev.gather(cases, CALM, run=tmp_path / "same.db", **options)


def seeded(count=3, **chat):
    return [Voter(noisy(lambda n: (0.5, 0.9, 0.05)[n % 3], seed), **chat) for seed in range(count)]


@pytest.mark.parametrize("options", [{}, {"repeats": 2, "reduce": "any"}, AUTO], ids=str)
async def test_two_workers_make_of_seeded_judges_what_a_file_has_of_them(options, run_url, seen, tmp_path, sql):
    alone, shared = seeded(), seeded()
    report = await by_file(tmp_path, alone, answers(MANY), **options)
    async with client(jury_of(shared)) as one, client(jury_of(shared)) as other:
        loaded = await one.load(answers(MANY), CALM, run=run_url, **options)
        done = await asyncio.gather(one.work(run_url, [CALM]), other.work(run_url, [CALM]))
    votes = MANY * 3 * (2 if options is AUTO else options.get("repeats", 1))
    assert (loaded.evaluations, loaded.votes, loaded.new) == (MANY, votes, votes)
    outcomes, count = kept(seen)
    assert said(outcomes) == said(report.outcomes)
    assert asked(shared) == asked(alone)
    assert count.is_complete
    assert (count.evaluations, count.possible_duplicates, count.unsettled) == (MANY, 0, 0)
    assert sum(each.evaluations for each in done) == MANY
    assert [each.is_complete for each in done] == [True, True]
    with open_view(tmp_path / "same.db") as view:
        assert view.count() == count
        with seen() as stored:
            assert stored.spending().dollars == pytest.approx(view.spending().dollars)
    events = sql(f"SELECT n, count(*) FROM fi_async.events WHERE kind = {EventKind.ENDED} GROUP BY n")
    assert {times for _, times in events} == {1}


async def test_gather_and_stream_hand_out_one_outcome_a_case(run_url, tmp_path):
    report = await by_file(tmp_path, seeded(), answers(MANY), **AUTO)
    endpoints = seeded()
    async with client(jury_of(endpoints)) as ev, client(jury_of(endpoints)) as helper:
        await ev.load(answers(MANY), CALM, run=run_url, **AUTO)
        helping = asyncio.create_task(helper.work(run_url, [CALM]))
        gathered = await ev.gather(answers(MANY), CALM, run=run_url, **AUTO)
        helped = await helping
        again = [each async for each in ev.stream(answers(MANY), CALM, run=run_url, **AUTO)]
    assert said(gathered.outcomes) == said(report.outcomes)
    origins = [each.origin for each in gathered.outcomes]
    assert origins.count("replayed") == helped.evaluations
    assert {vote.origin for each in again for sample in each.samples for vote in sample.votes} == {"replayed"}
    assert said(again) == said(report.outcomes)


async def test_a_stream_waits_until_its_outcomes_are_taken(run_url):
    endpoints = seeded()
    async with client(jury_of(endpoints)) as ev:
        got = [each.index async for each in ev.stream(answers(30), CALM, run=run_url, repeats=2)]
        assert ev._session.runs
        assert all(run._in_house == 0 for run in ev._session.runs if hasattr(run, "_in_house"))
    assert sorted(got) == list(range(30))


async def test_a_fourth_juror_sends_its_own_requests_and_no_others(run_url, seen, tmp_path):
    endpoints, alone = seeded(4), seeded(4)
    async with client(jury_of(endpoints[:3])) as ev:
        before = await ev.gather(answers(8), CALM, run=run_url, repeats=3)
    async with client(jury_of(endpoints)) as ev:
        after = await ev.gather(answers(8), CALM, run=run_url, repeats=3)
    assert after.counts.requests == 24
    assert asked(endpoints) == [dict.fromkeys(range(8), 3)] * 4
    for old, new in zip(before.outcomes, after.outcomes, strict=True):
        for mine, other in zip(old.samples, new.samples, strict=True):
            assert [vote.passed for vote in other.votes[:3]] == [vote.passed for vote in mine.votes]
    assert said(after.outcomes) == said((await by_file(tmp_path, alone, answers(8), repeats=3)).outcomes)
    outcomes, count = kept(seen)
    assert said(outcomes) == said(after.outcomes)
    assert count.is_complete


async def test_a_fourth_juror_may_make_further_samples_worth_it(run_url, seen, tmp_path):
    endpoints, alone = seeded(4), seeded(4)
    async with client(jury_of(endpoints[:3])) as ev:
        await ev.gather(answers(10), CALM, run=run_url, **AUTO)
    async with client(jury_of(endpoints)) as ev:
        after = await ev.gather(answers(10), CALM, run=run_url, **AUTO)
    for number in (3, 4):
        report = await by_file(tmp_path, alone[:number], answers(10), **AUTO)
    assert said(after.outcomes) == said(report.outcomes)
    assert asked(endpoints) == asked(alone)
    assert kept(seen)[1].is_complete


async def test_another_number_of_repeats_costs_what_is_missing(run_url, seen):
    endpoints = seeded()
    async with client(jury_of(endpoints)) as ev:
        for options, requests in (
            ({}, 12),
            ({"repeats": 5}, 48),
            ({"repeats": 3}, 0),
            ({"repeats": "auto", "max_repeats": 5}, 0),
            ({"repeats": 6}, 12),
        ):
            report = await ev.gather(answers(4), CALM, run=run_url, **options)
            assert report.counts.requests == requests
            assert said(kept(seen)[0]) == said(report.outcomes)
            assert kept(seen)[1].is_complete
    assert asked(endpoints) == [dict.fromkeys(range(4), 6)] * 3


async def test_a_higher_precision_goes_on_with_a_run_that_was_done(run_url, seen, tmp_path):
    endpoints, alone = seeded(), seeded()
    for options in (AUTO, {**AUTO, "precision": 0.97, "max_repeats": 7}):
        async with client(jury_of(endpoints)) as ev:
            shared = await ev.gather(answers(6), CALM, run=run_url, **options)
        report = await by_file(tmp_path, alone, answers(6), **options)
        assert said(shared.outcomes) == said(report.outcomes) == said(kept(seen)[0])
        assert asked(endpoints) == asked(alone)
    assert kept(seen)[1].is_complete


async def test_a_juror_that_left_is_asked_no_more_and_one_that_is_another_is_refused(run_url, seen):
    endpoints = seeded(4)
    async with client(jury_of(endpoints[:3])) as ev:
        await ev.load(answers(10), CALM, run=run_url)
    async with client(jury_of(endpoints[:2])) as ev:
        report = await ev.gather(answers(10), CALM, run=run_url)
    assert asked(endpoints) == [dict.fromkeys(range(10), 1)] * 2 + [{}, {}]
    assert said(kept(seen)[0]) == said(report.outcomes)
    other = Jury(endpoints[0].judge("mini"), Judge("other", name="qwen", api_key="key", app=endpoints[1]))
    async with client(other) as ev:
        with pytest.raises(ConfigurationError, match="and not calm with another judge 'qwen': name another run"):
            await ev.load(answers(10), CALM, run=run_url)
    async with client(endpoints[0].judge("mini")) as ev:
        with pytest.raises(ConfigurationError, match="and not calm with another what answers it"):
            await ev.load(answers(10), CALM, run=run_url)


async def test_a_worker_that_lacks_a_jurors_judge_is_told_which_and_how_to_give_it(run_url):
    endpoints = seeded(4)
    async with client(jury_of(endpoints[:3])) as ev:
        await ev.load(answers(3), CALM, run=run_url)
    at = endpoints[2].judge("third").base_url
    for backend in (jury_of(endpoints[:2]), endpoints[0].judge("mini")):
        async with client(backend) as ev:
            with pytest.raises(ConfigurationError) as told:
                await ev.work(run_url, [CALM])
        assert "mini, qwen, third vote on calm, and this worker has no judge" in told.value.message
        assert f"third (third at {at}): give it" in told.value.message
        assert f"Judge('third', base_url='{at}', name='third')" in told.value.message
        assert "--jury mini qwen third" in told.value.message
    async with client("local") as ev:
        with pytest.raises(ConfigurationError, match=r"no judge mini .* and qwen .* and third .*: give it"):
            await ev.work(run_url, [CALM])
    for jury, message in (
        (jury_of(endpoints), "fourth is not among those who vote on calm"),
        (jury_of(endpoints[:3], rule="mean"), 'make a verdict by rule="majority"'),
        (
            Jury(*(each.judge(name, temperature=0.5) for each, name in zip(endpoints[:3], NAMES, strict=False))),
            "mini, who votes on calm, is another judge here",
        ),
    ):
        async with client(jury) as ev:
            with pytest.raises(ConfigurationError, match=message):
                await ev.work(run_url, [CALM])
    async with client(jury_of(endpoints[2::-1])) as ev:  # in any order
        assert (await ev.work(run_url, [CALM])).evaluations == 3
    async with client(jury_of(endpoints[:3])) as ev:
        with pytest.raises(ConfigurationError, match="as the run was loaded: leave repeats="):
            await ev.work(run_url, [CALM], repeats=2)


@pytest.mark.parametrize("looks", [0.03, 60.0])  # seconds between two looks: or else it is told with the next chunk
async def test_a_worker_takes_note_of_a_juror_that_was_added_meanwhile(looks, run_url, seen, monkeypatch):
    monkeypatch.setattr("fi_async.store.worker_journal._LOOK", looks)
    endpoints = seeded(4, latency=0.04)
    async with client(jury_of(endpoints[:3])) as old, client(jury_of(endpoints)) as new:
        await old.load(answers(12), CALM, run=run_url)
        working = asyncio.create_task(old.work(run_url, [CALM]))
        while not sum(endpoints[0].votes.values()):  # noqa: ASYNC110  # it tells through its counts alone
            await asyncio.sleep(0.01)
        await new.load(answers(12), CALM, run=run_url)
        with pytest.raises(ConfigurationError, match="this worker has no judge fourth"):
            await working
        assert (await new.work(run_url, [CALM])).is_complete
    assert asked(endpoints) == [dict.fromkeys(range(12), 1)] * 4
    assert kept(seen)[1].is_complete


# What is taken over


async def test_a_chunk_that_is_taken_over_comes_to_the_same_verdicts(run_url, seen, tmp_path, sql):
    alone, shared = seeded(), seeded(latency=0.005)
    report = await by_file(tmp_path, alone, answers(12), **AUTO)
    async with client(jury_of(shared)) as ev:
        await ev.load(answers(12), CALM, run=run_url, **AUTO)
        ended = []

        def lose(outcome):
            ended.append(outcome)
            if len(ended) in {2, 6}:
                sql("UPDATE fi_async.workers SET fenced = true")
                sql("UPDATE fi_async.chunks SET worker = NULL WHERE NOT done")

        done = await ev.work(RunFile(run_url, drain=0.5), [CALM], on_outcome=lose)
    assert done.fenced == 2
    assert done.is_complete
    outcomes, count = kept(seen)
    assert count.is_complete
    # What was under way when the lease was lost was asked again, and may have said something else; it is counted.
    again = sum(sum(each.values()) for each in asked(shared))
    votes = sum(len(sample.votes) for each in outcomes for sample in each.samples)
    assert votes <= again <= votes + count.possible_duplicates
    assert [each.index for each in outcomes] == [each.index for each in report.outcomes]


async def test_who_dies_between_the_last_vote_and_the_decision_leaves_it_to_the_next(
    run_url, seen, tmp_path, monkeypatch
):
    alone, shared = seeded(), seeded()
    report = await by_file(tmp_path, alone, answers(8), **AUTO)
    async with client(jury_of(shared)) as ev:
        await ev.load(answers(8), CALM, run=run_url, **AUTO)
        with monkeypatch.context() as patch:
            patch.setattr(WorkerLedger, "_settle", lambda *_: None)
            working = asyncio.create_task(ev.work(run_url, [CALM]))
            while kept(seen)[1].done < 8:  # noqa: ASYNC110  # as above
                await asyncio.sleep(0.02)
            working.cancel()
            await asyncio.wait([working])
        count = kept(seen)[1]
        assert (count.is_complete, count.unsettled > 0) == (False, True)
        done = await ev.work(run_url, [CALM])
    assert done.is_complete
    outcomes, count = kept(seen)
    assert said(outcomes) == said(report.outcomes)
    assert asked(shared) == asked(alone)
    assert count.possible_duplicates == 0


async def test_a_decision_whose_answer_was_lost_is_not_made_twice(run_url, seen, tmp_path, monkeypatch):
    psycopg = pytest.importorskip("psycopg")
    alone, shared = seeded(), seeded()
    report = await by_file(tmp_path, alone, answers(8), **AUTO)
    settled, transaction, found = Settling._settled, StoreConnection.transaction, []

    def noted(self, chunk, cases, further):
        came = settled(self, chunk, cases, further)
        if further is None and came[1] is not None:
            found.append(came[1])
        return came

    @contextmanager
    def losing(self):
        before = len(found)
        with transaction(self):
            yield
        if len(found) > before:  # it is committed, and nobody is told
            raise psycopg.OperationalError("the connection is lost")

    monkeypatch.setattr(Settling, "_settled", noted)
    monkeypatch.setattr(StoreConnection, "transaction", losing)
    monkeypatch.setattr("fi_async.store.store_connection._SOONEST", 0.001)
    async with client(jury_of(shared)) as ev:
        await ev.load(answers(8), CALM, run=run_url, **AUTO)
        await ev.work(run_url, [CALM])
    assert found
    assert said(kept(seen)[0]) == said(report.outcomes)
    assert asked(shared) == asked(alone)


async def test_further_samples_wait_for_who_loads(run_url, seen, tmp_path):
    alone, shared = seeded(), seeded()
    cases = answers(8)
    report = await by_file(tmp_path, alone, cases, **AUTO)

    async def slowly():
        for each in cases:
            yield each
        while not all(sum(endpoint.votes.values()) >= 16 for endpoint in shared):  # noqa: ASYNC110  # as above
            await asyncio.sleep(0.01)
        await asyncio.sleep(0.1)
        assert [sum(each.votes.values()) for each in shared] == [16, 16, 16]

    async with client(jury_of(shared)) as ev, client(jury_of(shared)) as other:
        loading = asyncio.create_task(ev.load(slowly(), CALM, run=run_url, **AUTO))
        await asyncio.sleep(0.2)
        done, _ = await asyncio.gather(other.work(run_url, [CALM]), loading)
    assert done.is_complete
    assert said(kept(seen)[0]) == said(report.outcomes)
    assert asked(shared) == asked(alone)


# Cases


async def test_further_samples_stand_and_go_with_their_cases(run_url, seen):
    endpoints = seeded()
    cases = answers(8)
    async with client(jury_of(endpoints)) as ev:
        before = {
            each.case.inputs["output"]: each for each in (await ev.gather(cases, CALM, run=run_url, **AUTO)).outcomes
        }
        counted = asked(endpoints)
        moved = [*cases[:0:-1], cases[3], cases[4]]  # the first is gone, the others in another order, two stand twice
        report = await ev.gather(moved, CALM, run=run_url, **AUTO)
    assert asked(endpoints) == counted
    assert [each.case.inputs for each in report.outcomes] == moved
    for each in report.outcomes:
        assert said([each])[0][1:] == said([before[each.case.inputs["output"]]])[0][1:]
    outcomes, count = kept(seen)
    assert said(outcomes) == said(report.outcomes)
    assert (count.evaluations, count.is_complete) == (9, True)


async def test_samples_that_were_loaded_and_are_not_asked_any_more_wait_until_a_case_is_worth_them(
    run_url, seen, tmp_path
):
    alone, shared = seeded(), seeded()
    cases = [*answers(6), *answers(6)]
    report = await by_file(tmp_path, alone, cases, **AUTO)
    async with client(jury_of(shared)) as ev:
        await ev.load(cases, CALM, run=run_url, repeats=6)
        await ev.load(cases, CALM, run=run_url, **AUTO)
        done = await ev.work(run_url, [CALM])
        assert asked(shared) == asked(alone)
        assert said(kept(seen)[0]) == said(report.outcomes)
        assert (done.is_complete, kept(seen)[1].is_complete) == (True, True)
        again = await ev.gather(cases, CALM, run=run_url, **AUTO)
    assert (again.counts.requests, said(again.outcomes)) == (0, said(report.outcomes))


async def test_a_run_with_other_templates_beside_a_jurys(run_url, seen):
    endpoints = seeded()
    async with client("local", jury_of(endpoints)) as ev:
        cases = [{**each, "text": "[1]"} for each in answers(6)]
        how = {"run": run_url, **AUTO, "extra_keys": "ignore"}
        report = await ev.gather(cases, [CALM, "is_json"], **how)
        again = await ev.gather(cases, [CALM, "is_json"], **how)
    assert [(each.index, each.template) for each in report.outcomes] == [
        (n, name) for n in range(6) for name in ("calm", "is_json")
    ]
    assert {len(each.samples) for each in report.outcomes[1::2]} == {0}
    assert min(len(each.samples) for each in report.outcomes[::2]) >= 2
    assert said(again.outcomes) == said(report.outcomes) == said(kept(seen)[0])
    count = kept(seen)[1]
    assert (count.evaluations, count.is_complete, again.counts.requests) == (12, True, 0)


async def test_equal_cases_share_their_further_samples(run_url, seen):
    endpoints = seeded()
    async with client(jury_of(endpoints)) as ev:
        report = await ev.gather([*answers(6), *answers(6)], CALM, run=run_url, **AUTO)
    first, second = report.outcomes[:6], report.outcomes[6:]
    assert [each[1:] for each in said(first)] == [each[1:] for each in said(second)]
    assert max(len(each.samples) for each in second) > 2
    assert {each.origin for each in second} == {"duplicate"}
    assert kept(seen)[1].is_complete


async def test_equal_cases_may_be_refused(run_url, seen):
    endpoints = seeded()
    async with client(jury_of(endpoints)) as ev:
        kept_as = RunFile(run_url, duplicates="refuse")
        report = await ev.gather([*answers(4), *answers(1)], CALM, run=kept_as, **AUTO)
        again = await ev.gather([*answers(4), *answers(1)], CALM, run=kept_as, **AUTO)
    assert [each.status.value for each in report.outcomes[4:]] == ["invalid"]
    assert said(again.outcomes) == said(report.outcomes) == said(kept(seen)[0])
    assert again.counts.requests == 0


async def test_votes_that_files_have_are_reused(run_url, seen, tmp_path):
    endpoints = seeded()
    async with client(jury_of(endpoints[:2])) as ev:
        await ev.gather(answers(4), CALM, run=tmp_path / "two.db")
    async with client(jury_of(endpoints)) as ev:
        loaded = await ev.load(answers(4), CALM, run=RunFile(run_url, reuse=f"{tmp_path}/*.db"), repeats=2)
        assert (loaded.evaluations, loaded.votes, loaded.ended) == (4, 24, 8)
        assert (await ev.work(run_url, [CALM])).statuses == {"scored": 4}
    assert asked(endpoints) == [dict.fromkeys(range(4), 2)] * 3
    assert kept(seen)[1].is_complete


async def test_what_is_told_of_a_run_is_told_of_its_cases(run_url, seen, tmp_path):
    pytest.importorskip("pyarrow")
    alone, shared = seeded(), seeded()
    await by_file(tmp_path, alone, answers(6), **AUTO)
    async with client(jury_of(shared[:2])) as ev:
        await ev.gather(answers(6), CALM, run=run_url, **AUTO)
    with seen() as view:
        labelled = [record.key for record in view.records()]
    async with client(jury_of(shared)) as ev:
        await ev.gather(answers(6), CALM, run=run_url, **AUTO)
    with seen() as view:
        assert [record.key for record in view.records()] == labelled  # people's labels stay
    (rows,) = [table.to_pylist() for table in _outcomes(RunUrl.parse(run_url))]
    with open_view(tmp_path / "same.db") as view:
        by_a_file = [flat(record.outcome.to_dict()) for record in view.records()]
    assert [(row["index"], row["score"], row["reason"]) for row in rows] == [
        (row["index"], row["score"], row["reason"]) for row in by_a_file
    ]


async def test_what_cannot_be_sent_is_invalid_once(run_url, seen):
    endpoints = seeded()
    cases = [*answers(2), {"other": "x"}]
    async with client(jury_of(endpoints)) as ev:
        report = await ev.gather(cases, CALM, run=run_url, **AUTO, extra_keys="ignore")
    assert [each.status.value for each in report.outcomes] == ["scored", "scored", "invalid"]
    assert kept(seen)[1].statuses == {"scored": 2, "invalid": 1}


async def test_failed_votes_are_tried_again_and_no_others(run_url, seen):
    is_broken = [True]
    endpoints = [*seeded(2), Voter(lambda n, _k: None if is_broken and n % 4 == 0 else True)]
    async with client(jury_of(endpoints)) as ev:
        await ev.gather(answers(8), CALM, run=run_url, repeats=2)
        is_broken.clear()
        counted = [sum(each.votes.values()) for each in endpoints]
        assert await ev.reopen(run_url) == 4
        assert not kept(seen)[1].is_complete
        await ev.work(run_url, [CALM])
    assert [sum(each.votes.values()) for each in endpoints] == [counted[0], counted[1], counted[2] + 4]
    outcomes, count = kept(seen)
    assert count.is_complete
    assert all(vote.passed for each in outcomes for sample in each.samples for vote in sample.votes[2:])


async def test_each_juror_keeps_to_its_own_bound_and_the_run_goes_on_with_a_higher_one(run_url, seen):
    endpoints = seeded()
    bound = [
        each.judge(name, max_cost=cost) for each, name, cost in zip(endpoints, NAMES, (1.0, 0.006, 1.0), strict=False)
    ]
    async with client(Jury(*bound)) as one:
        report = await one.gather(answers(30), CALM, run=run_url)
        cut_off = [each for each in report.outcomes if each.status == "cancelled"]
        assert 0 < len(cut_off) < 30
        assert [each.index for each in report.outcomes] == list(range(30))
        assert {type(each.error) for each in cut_off} == {CostLimitError}
        assert {len(each.votes) for each in cut_off} == {3}
        assert {vote.status.value for each in cut_off for vote in each.votes} == {"scored", "cancelled"}
        assert kept(seen)[1].pending == len(cut_off)
        change(RunUrl.parse(run_url), max_cost=2.0)
        assert (await one.work(run_url, [CALM])).is_complete
    assert asked(endpoints) == [dict.fromkeys(range(30), 1)] * 3


async def test_what_others_spend_is_of_the_judge_they_spend_it_on(run_url):
    endpoints = seeded()
    async with client(jury_of(endpoints)) as ev:
        await ev.load(answers(2), CALM, run=run_url)
    url = RunUrl.parse(run_url)
    async with WorkerJournal(url, 30.0) as one, WorkerJournal(url, 30.0) as other:
        one.spent_here["mini"] += 0.5
        one.spent_here["qwen"] += 0.25
        one.leases.pulse(one.spent_here)
        assert other.leases.spent_by_others() == {"mini": 0.5, "qwen": 0.25}
        assert one.leases.spent_by_others() == {}
        other.purses = {name: Purse(1.0) for name in ("mini", "qwen", "third")}
        other._pay({"mini": 0.5, "qwen": 0.25})
        other._pay({"mini": 0.75, "qwen": 0.25})
        assert [purse.spent for purse in other.purses.values()] == [0.75, 0.25, 0.0]


async def test_chunks_hold_whole_cases(run_url, sql):
    async with client(jury_of(seeded())) as ev:
        await ev.load(answers(400), CALM, run=run_url, repeats=3)
    sizes = sql("SELECT last - first + 1 FROM fi_async.chunks ORDER BY chunk")
    assert {size % 9 for (size,) in sizes} == {0}
    assert sum(size for (size,) in sizes) == 3_600
    assert {size for (size,) in sizes[:3]} == {36}
