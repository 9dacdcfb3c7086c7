"""Juries in runs: each vote an evaluation of its own, each case one verdict."""

from __future__ import annotations

import pytest

from fi_async import ConfigurationError, CostLimitError, Criteria, Judge, Jury, RunFile, UndecidedError
from fi_async.journal.merging import merge
from fi_async.journal.salvage import Salvage
from fi_async.journal.view import open_view
from judged import client
from voting import CALM, Voter, answers, noisy

pytestmark = pytest.mark.anyio

NAMES = ("mini", "qwen", "third", "fourth")


def voters(*passes):
    return [Voter(each) for each in passes]


def jury_of(endpoints, **options):
    return Jury(*(each.judge(name) for each, name in zip(endpoints, NAMES, strict=False)), **options)


def always(passed):
    return lambda _number, _asked: passed


async def test_each_juror_votes_on_each_case_and_the_majority_decides():
    endpoints = voters(lambda n, _: n % 2 == 0, lambda n, _: n % 3 == 0, lambda n, _: n % 5 == 0)
    async with client(jury_of(endpoints)) as ev:
        report = await ev.gather(answers(30), CALM)
    for each in report.outcomes:
        votes = [each.index % 2 == 0, each.index % 3 == 0, each.index % 5 == 0]
        assert each.passed is (sum(votes) >= 2)
        assert [vote.passed for vote in each.votes] == votes
        assert [vote.juror for vote in each.votes] == list(NAMES[:3])
        assert (each.backend, each.result.model) == ("judge", "majority of mini, qwen, third")
        assert each.cost == pytest.approx(sum(vote.cost for vote in each.votes))
    assert all(each.votes == dict.fromkeys(range(30), 1) for each in endpoints)
    assert report.counts.requests == 90


async def test_a_juror_without_a_readable_vote_is_a_seat_without_a_yes():
    endpoints = voters(always(passed=True), lambda n, _: n != 1, lambda _n, _k: None)
    async with client(jury_of(endpoints)) as ev:
        report = await ev.gather(answers(2), CALM)
    first, second = report.outcomes
    assert first.passed is True
    assert isinstance(second.error, UndecidedError)
    assert str(second.error).startswith(
        "no majority of 3 jurors: 1 Failed (qwen), 1 Passed (mini), 1 without a verdict (third); third: JudgeError"
    )


async def test_a_fourth_juror_costs_its_own_votes(tmp_path):
    endpoints = voters(*(noisy(lambda _: 0.6, seed) for seed in range(4)))
    path = tmp_path / "r.db"
    async with client(jury_of(endpoints[:3])) as ev:
        before = await ev.gather(answers(20), CALM, repeats=3, run=path)
    async with client(jury_of(endpoints)) as ev:
        after = await ev.gather(answers(20), CALM, repeats=3, run=path)
    assert after.counts.requests == 60
    assert all(each.votes == dict.fromkeys(range(20), 3) for each in endpoints)
    for old, new in zip(before.outcomes, after.outcomes, strict=True):
        for mine, other in zip(old.samples, new.samples, strict=True):
            assert [vote.passed for vote in other.votes[:3]] == [vote.passed for vote in mine.votes]
    with open_view(path) as view:
        kept = [record.outcome for record in view.records()]
        assert [(each.status, each.score) for each in kept] == [(each.status, each.score) for each in after.outcomes]
        assert view.count().is_complete
    async with client(jury_of(endpoints[:2], rule="mean")) as ev:  # fewer of them cost nothing
        fewer = await ev.gather(answers(20), CALM, repeats=3, run=path)
    assert fewer.counts.requests == 0
    assert fewer.coverage == 1.0
    with open_view(path) as view:
        assert [record.outcome.score for record in view.records()] == [each.score for each in fewer.outcomes]


async def test_labels_of_a_jurys_verdicts_stay_whatever_the_order_of_the_jurors(tmp_path):
    endpoints = voters(*(always(passed=True) for _ in range(3)))
    judges = [each.judge(name) for each, name in zip(endpoints, NAMES, strict=False)]
    keys = []
    for jurors in (judges[:2], judges[::-1]):
        async with client(Jury(*jurors)) as ev:
            await ev.gather(answers(3), CALM, run=tmp_path / "r.db")
        with open_view(tmp_path / "r.db") as view:
            keys.append([record.key for record in view.records()])
    assert keys[0] == keys[1]
    assert len(set(keys[0])) == 3


async def test_votes_are_reused_in_other_runs_and_paid_there(tmp_path):
    endpoints = voters(always(passed=True), always(passed=True), always(passed=False))
    async with client(jury_of(endpoints[:2])) as ev:
        await ev.gather(answers(5), CALM, run=tmp_path / "two.db")
    async with client(jury_of(endpoints)) as ev:
        run = RunFile(tmp_path / "three.db", reuse=str(tmp_path / "two.db"))
        report = await ev.gather(answers(5), CALM, run=run)
    assert report.counts.requests == 5
    assert {vote.origin for each in report.outcomes for vote in each.votes} == {"reused", "evaluated"}
    assert report.summary()["cost"] == pytest.approx(
        sum(vote.cost for each in report.outcomes for vote in each.votes if vote.origin == "evaluated")
    )


async def test_a_run_of_one_judge_goes_on_with_a_jury(tmp_path):
    endpoints = voters(always(passed=True), always(passed=True), always(passed=False))
    async with client(endpoints[0].judge("mini")) as ev:
        await ev.gather(answers(5), CALM, run=tmp_path / "r.db")
    async with client(jury_of(endpoints)) as ev:
        report = await ev.gather(answers(5), CALM, run=tmp_path / "r.db")
    with open_view(tmp_path / "r.db") as view:
        assert [record.outcome.passed for record in view.records()] == [each.passed for each in report.outcomes]
        assert view.count().is_complete


async def test_a_juror_that_is_slow_holds_no_votes_of_the_others():
    endpoints = [Voter(latency=1.0), Voter(latency=1.0), Voter(latency=30.0)]
    async with client(
        Jury(*(each.judge(name, concurrency=4) for each, name in zip(endpoints, NAMES, strict=False)))
    ) as ev:
        report = await ev.gather(answers(40), CALM)
    assert report.coverage == 1.0
    assert report.wall_s == pytest.approx(300.0, abs=5.0)


async def test_jurors_at_one_endpoint_are_asked_each_in_its_way():
    app = Voter(lambda _n, asked: asked == 0)
    at = {"api_key": "key", "app": app}
    cold, hot = Judge("m", name="cold", temperature=0.0, **at), Judge("m", name="hot", temperature=1.0, **at)
    async with client(Jury(cold, hot, rule="mean")) as ev:
        report = await ev.gather(answers(3), CALM)
    assert [each.score for each in report.outcomes] == [0.5] * 3
    assert app.votes == dict.fromkeys(range(3), 2)
    assert {tuple(vote.result.model for vote in each.votes) for each in report.outcomes} == {("cold", "hot")}


async def test_a_jury_judges_the_templates_of_the_platform_beside_other_backends():
    async with client("local", jury_of(voters(always(passed=True), always(passed=True)))) as ev:
        cases = [{"output": "Answer 1.", "context": "Answer 1.", "input": "?", "text": "[1]"}]
        report = await ev.gather(cases, ["is_json", "groundedness"])
    assert [(each.template, each.backend, each.passed, len(each.votes)) for each in report.outcomes] == [
        ("is_json", "local", True, 0),
        ("groundedness", "judge", True, 2),
    ]


async def test_evaluate_asks_the_jury():
    async with client(jury_of(voters(always(passed=True), always(passed=True), always(passed=False)))) as ev:
        assert (await ev.evaluate(CALM, output="Answer 1.")).passed is True
    async with client(jury_of(voters(always(passed=True), always(passed=False)))) as ev:
        with pytest.raises(UndecidedError, match="no majority of 2 jurors"):
            await ev.evaluate(CALM, output="Answer 1.")


async def test_a_juror_without_money_leaves_cases_for_later(tmp_path):
    endpoints = voters(always(passed=True), always(passed=True), always(passed=False))
    judges = [each.judge(name) for each, name in zip(endpoints, NAMES, strict=False)]
    poor = endpoints[2].judge("third", max_cost=0.003)
    async with client(Jury(*judges[:2], poor)) as ev:
        report = await ev.gather(answers(20), CALM, run=tmp_path / "r.db")
    assert {str(each.status) for each in report.outcomes} == {"scored", "cancelled"}
    spent = endpoints[2].votes.total()
    async with client(Jury(*judges[:2], poor)) as ev:  # what it spent before counts
        await ev.gather(answers(20), CALM, run=tmp_path / "r.db")
    assert endpoints[2].votes.total() == spent
    async with client(Jury(*judges)) as ev:
        again = await ev.gather(answers(20), CALM, run=tmp_path / "r.db")
    assert again.coverage == 1.0
    assert all(each.votes == dict.fromkeys(range(20), 1) for each in endpoints)


async def test_shards_become_one_run_and_a_damaged_file_is_read_by_cases(tmp_path):
    endpoints = voters(*(noisy(lambda _: 0.6, seed) for seed in range(2)))
    async with client(jury_of(endpoints, rule="mean")) as ev:
        for number in (1, 2):
            await ev.gather(answers(12), CALM, repeats=2, run=tmp_path / f"{number}.db", shard=(number, 2))
        whole = await ev.gather(answers(12), CALM, repeats=2, run=tmp_path / "whole.db")
    merged = merge([tmp_path / "1.db", tmp_path / "2.db"], tmp_path / "both.db")
    assert (merged.pending, merged.absent) == (0, 0)
    with open_view(tmp_path / "both.db") as view:
        assert [(r.outcome.index, len(r.outcome.samples)) for r in view.records()] == [(n, 2) for n in range(12)]
        assert view.count().is_complete
    with Salvage(tmp_path / "whole.db") as saved:
        assert [r.outcome.score for r in saved.records()] == [each.score for each in whole.outcomes]


async def test_no_juror_is_paid_for_cases_that_another_cannot_judge_any_more():
    endpoints = voters(always(passed=True), always(passed=True), always(passed=True))
    judges = [each.judge(name, concurrency=2) for each, name in zip(endpoints[:2], NAMES, strict=False)]
    async with client(Jury(*judges, endpoints[2].judge("third", concurrency=2, max_cost=0.003))) as ev:
        report = await ev.gather(answers(300), CALM)
    assert [each.index for each in report.outcomes] == list(range(300))
    scored = sum(str(each.status) == "scored" for each in report.outcomes)
    assert 0 < scored < 20
    assert {type(each.error) for each in report.failures} == {CostLimitError}
    assert all(each.votes.total() <= scored + 10 for each in endpoints), "what was under way ends"


LOCAL = {"base_url": "http://127.0.0.1:1/v1"}


@pytest.mark.parametrize(
    ("jurors", "options", "words"),
    [
        ([], {}, "a jury has two judges at least, and there is none"),
        (["a"], {}, "a jury has two judges at least, and there is 'a' alone"),
        (["a", "a"], {}, "'a' is there twice, and would say the same twice"),
        (["a", "b"], {"rule": "most"}, "rule must be one of 'majority', 'mean', 'unanimous', not 'most'"),
        (["a", "b"], {"name": " "}, "name must be one line of text"),
    ],
)
def test_a_jury_that_cannot_be_is_refused(jurors, options, words):
    with pytest.raises(ConfigurationError, match=words):
        Jury(*(Judge(each, **LOCAL) for each in jurors), **options)


def test_jurors_are_judges_with_names_of_their_own():
    with pytest.raises(ConfigurationError, match="its jurors must be Judges, not 'cloud'"):
        Jury(Judge("a", **LOCAL), "cloud")  # type: ignore[arg-type]
    with pytest.raises(ConfigurationError, match=r"pass them one by one, as in Jury\(\*judges\)"):
        Jury([Judge("a", **LOCAL), Judge("b", **LOCAL)])  # type: ignore[arg-type]
    with pytest.raises(ConfigurationError, match="two jurors are called 'a': give each a name="):
        Jury(Judge("a", **LOCAL), Judge("a", temperature=1.0, **LOCAL))
    with pytest.raises(ConfigurationError, match="'b' is there twice"):
        Jury(Judge("a", **LOCAL), Judge("a", name="b", **LOCAL))


async def test_a_rule_that_cannot_be_kept_is_refused():
    scores = Criteria("warmth", "How warm is {{output}}?", output_type="score")
    endpoints = voters(always(passed=True), always(passed=True))
    async with client(jury_of(endpoints, rule="unanimous")) as ev:
        with pytest.raises(ConfigurationError, match="warmth gives scores"):
            await ev.gather(answers(1), scores)
    async with client(jury_of(endpoints, rule="mean")) as ev:
        tone = Criteria("tone_of", "Which tone has {{output}}?", choices=["calm", "rude"])
        with pytest.raises(ConfigurationError, match="tone_of gives choices without scores"):
            await ev.gather(answers(1), tone)
