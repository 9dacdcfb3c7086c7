"""One file of the shards of a run: what it tells is what one run would have told."""

from __future__ import annotations

import json
import sqlite3
from contextlib import closing

import pytest

from embedded import NEEDLE, backend, texts
from fi_async import Case, ConfigurationError, JournalError, RunFile, Timeout
from fi_async.journal.merging import merge
from fi_async.journal.schema import EventKind
from fi_async.journal.stored import StoredCases
from fi_async.journal.view import open_view
from fi_async.sources.rows import Shape, Source
from judged import CALM, PRICE, Endpoint, talks
from judged import client as judged_by
from scripted import Scripted, error
from voting import CALM as CALM_ANSWERS
from voting import Voter, answers, noisy

pytestmark = pytest.mark.anyio

CASES = [Case(inputs, f"id {n}") for n, inputs in enumerate([*texts(30), {"text": ""}, {"txt": "odd"}, *texts(6)])]
ASKED = {"eval_config": {"contains": NEEDLE}}
BOTH = ["contains", "one_line"]


def shown(path):
    """What a file tells of all outcomes, but for ids of evaluations and times."""
    with open_view(path) as view:
        told = [each.outcome.to_dict() for each in view.records()]
        return [{k: v for k, v in each.items() if k not in ("eval_id", "latency_s")} for each in told], view.count()


@pytest.fixture
def kept(evaluator, tmp_path):
    """Keep a run, or a shard of it, in a file of that name."""

    async def keep(name, shard=None, cases=CASES, asked=BOTH, **how):
        path = tmp_path / f"{name}.db"
        async with evaluator(backend()) as ev:
            await ev.gather(
                cases, asked, run=RunFile(path, duplicates=how.pop("duplicates", "once")), shard=shard, **how
            )
        return path

    return keep


@pytest.mark.parametrize("duplicates", ["once", "refuse"])
async def test_merged_shards_are_the_run(kept, tmp_path, duplicates):
    shards = [await kept(f"part {n}", (n, 4), **ASKED, duplicates=duplicates) for n in (3, 1, 4, 2)]
    whole = await kept("whole", **ASKED, duplicates=duplicates)
    found = merge(shards, tmp_path / "all.db")
    assert shown(tmp_path / "all.db") == shown(whole)
    assert found.is_whole
    assert (found.evaluations, found.pending, found.repeated) == (76, 0, 0)
    with open_view(tmp_path / "all.db") as view, open_view(whole) as one:
        assert view.past.is_in_order == one.past.is_in_order is False
        assert (view.info.name, view.info.shard, view.info.templates) == ("all", None, ("contains", "one_line"))
        assert view.info.questions == one.info.questions
        assert list(view.past.positions) == list(one.past.positions)
    assert sorted(each.name for each in tmp_path.iterdir() if "all.db" in each.name) == ["all.db"]


async def test_a_merged_run_goes_on_with_what_is_missing_and_repeats_nothing(kept, evaluator, tmp_path):
    shards = [await kept(f"part {n}", (n, 4), **ASKED) for n in (1, 2, 4)]
    path = tmp_path / "all.db"
    found = merge(shards, path)
    assert (found.missing, found.is_whole, found.pending) == ([3], False, 0)
    _, count = shown(path)
    assert not count.is_all
    app = backend()
    async with evaluator(app) as ev:
        report = await ev.gather(CASES, BOTH, run=path, **ASKED)
    assert 0 < app.statistics()["evaluations_made"] < 60
    assert {each.origin for each in report.outcomes if each.index < 30} == {"evaluated", "replayed"}
    assert shown(path) == shown(await kept("whole", **ASKED))


async def test_a_shard_that_is_gone_on_with_from_its_own_file_keeps_its_places(kept, evaluator, tmp_path):
    path = tmp_path / "part.db"
    async with evaluator(backend(latency=1.0), concurrency=4) as ev:
        await ev.gather(
            CASES, BOTH, run=RunFile(path, drain=0.001), shard=(2, 3), timeout=Timeout(call=1.5), rows=1, **ASKED
        )
    with open_view(path) as view:
        places = list(view.past.positions)
        assert view.info.shard == [2, 3]
        assert view.count().pending > 0
    async with evaluator(backend()) as ev:
        held = Source(StoredCases(path), Shape(id_column=None))
        await ev.gather(held, BOTH, run=RunFile(path, held_only=True), shard=(2, 3), **ASKED)
    with open_view(path) as view:
        assert list(view.past.positions) == places
        assert view.count().pending == 0
    others = [await kept(f"part {n}", (n, 3), **ASKED) for n in (1, 3)]
    async with evaluator(backend()) as ev:  # the rest of the source, which had not been read
        await ev.gather(CASES, BOTH, run=path, shard=(2, 3), **ASKED)
    merge([path, *others], tmp_path / "all.db")
    ours, whole = shown(tmp_path / "all.db")[0], shown(await kept("whole", **ASKED))[0]
    assert [each | {"attempts": 0} for each in ours] == [each | {"attempts": 0} for each in whole]


async def test_a_file_keeps_one_shard(kept):
    path = await kept("part", (1, 2))
    for shard, said in [((2, 2), "shard 2 of 2"), (None, "a whole run"), ((1, 3), "shard 1 of 3")]:
        with pytest.raises(ConfigurationError) as caught:
            await kept("part", shard)
        assert str(caught.value) == (
            f"{path}: it keeps shard 1 of 2, and this is {said}: each shard needs a file of its own"
        )
    await kept("whole")
    with pytest.raises(ConfigurationError, match="keeps a whole run, and this is shard 1 of 2"):
        await kept("whole", (1, 2))


async def test_cases_that_were_removed_stay_removed(kept, tmp_path):
    for n in (1, 2):
        await kept(f"part {n}", (n, 2), cases=texts(20), **ASKED)
    shards = [await kept(f"part {n}", (n, 2), cases=texts(12), **ASKED) for n in (1, 2)]
    await kept("whole", cases=texts(20), **ASKED)
    whole = await kept("whole", cases=texts(12), **ASKED)
    merge(shards, tmp_path / "all.db")
    assert shown(tmp_path / "all.db") == shown(whole)
    with open_view(tmp_path / "all.db") as view:
        assert (view.past.count, view.past.held) == (40, 24)


async def test_pending_cases_stay_pending_with_what_is_known_of_them(kept, evaluator, tmp_path):
    part, other = tmp_path / "part.db", await kept("other", (2, 2), asked="contains", eval_config=NEEDLE)
    async with evaluator(backend(latency=1.0), concurrency=4) as ev:
        await ev.gather(
            CASES,
            "contains",
            eval_config=NEEDLE,
            run=RunFile(part, drain=0.001),
            shard=(1, 2),
            timeout=Timeout(call=1.5),
        )
    with open_view(part) as view:
        pending, ambiguous = view.count().pending, view.count().ambiguous
        assert 0 < ambiguous <= pending
    found = merge([part, other], tmp_path / "all.db")
    _, count = shown(tmp_path / "all.db")
    assert (count.pending, count.ambiguous) == (pending, ambiguous)
    assert (found.pending, found.is_whole, found.unread) == (pending, False, [part])


async def test_what_several_shards_evaluated_is_kept_once_and_all_of_it_was_paid(tmp_path):
    endpoint = Endpoint(prices={"m": PRICE})
    paths = [tmp_path / f"{n}.db" for n in range(3)]
    for path, shard in zip(paths, [(1, 2), (2, 2), (2, 2)], strict=True):
        async with judged_by(endpoint.judge(price=PRICE)) as ev:
            await ev.gather(talks(12), CALM, run=path, shard=shard)
    with open_view(paths[1]) as view:
        repeated = view.past.count
    spent = []
    for path in paths:
        with open_view(path) as view:
            spent.append(view.spending().as_dict())
    found = merge(paths, tmp_path / "all.db")
    assert (found.repeated, found.conflicting, found.evaluations) == (repeated, 0, 12)
    with open_view(tmp_path / "all.db") as view:
        whole = view.spending().as_dict()
    assert whole["cost"] == pytest.approx(sum(each["cost"] for each in spent))
    assert whole["tokens"]["total"] == sum(each["tokens"]["total"] for each in spent)


async def test_a_copy_of_a_shard_counts_once(tmp_path):
    endpoint = Endpoint(prices={"m": PRICE})
    path, copy = tmp_path / "part.db", tmp_path / "copy.db"
    async with judged_by(endpoint.judge(price=PRICE)) as ev:
        await ev.gather(talks(6), CALM, run=path, shard=(1, 1))
    copy.write_bytes(path.read_bytes())
    found = merge([path, copy], tmp_path / "all.db")
    assert found.repeated == 0
    with open_view(tmp_path / "all.db") as view, open_view(path) as one:
        assert view.spending().as_dict() == one.spending().as_dict()


async def test_of_two_outcomes_the_one_with_a_score_is_kept_and_the_conflict_counted(evaluator, tmp_path):
    failing, scoring = tmp_path / "failed.db", tmp_path / "scored.db"
    async with evaluator(Scripted(error(400, "no"))) as ev:
        await ev.gather(texts(1), "contains", eval_config=NEEDLE, run=failing, shard=(1, 1))
    async with evaluator(backend()) as ev:
        await ev.gather(texts(1), "contains", eval_config=NEEDLE, run=scoring, shard=(1, 1))
    for order in ([failing, scoring], [scoring, failing]):
        path = tmp_path / "all.db"
        found = merge(order, path)
        assert (found.repeated, found.conflicting) == (1, 1)
        assert [each["status"] for each in shown(path)[0]] == ["scored"]
        path.unlink()


async def test_two_cases_that_are_equal_under_one_template_only_may_be_in_two_shards(kept, tmp_path):
    cases = [{"output": "[1]", "text": f"{n}"} for n in range(8)]
    asked = ["is_json", "one_line"]
    how = {"eval_config": {}, "extra_keys": "ignore"}
    shards = [await kept(f"part {n}", (n, 2), cases=cases, asked=asked, **how) for n in (1, 2)]
    whole = await kept("whole", cases=cases, asked=asked, **how)
    merge(shards, tmp_path / "all.db")
    assert shown(tmp_path / "all.db") == shown(whole)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"shard": (2, 3)}, "the number of shards is 2 there, and 3 here"),
        ({"eval_config": {"contains": {"keyword": "hay"}}}, 'contains\'s config is {"keyword": "needle"} there, and'),
        ({"model": "turing_flash"}, "the model is null there, and turing_flash here"),
        ({"asked": ["one_line", "contains"]}, "the list of templates is"),
    ],
)
async def test_runs_of_different_questions_are_refused(kept, tmp_path, change, said):
    one = await kept("one", (1, 2), **ASKED)
    other = await kept("other", **{"shard": (2, 2), **ASKED, **change})
    with pytest.raises(ConfigurationError) as caught:
        merge([one, other], tmp_path / "all.db")
    assert str(caught.value).startswith(f"{one} and {other} are of different runs: {said}")
    assert not list(tmp_path.glob("all*"))


async def test_shards_of_different_sources_are_refused(kept, tmp_path):
    one = await kept("one", (1, 2), cases=texts(20), asked="contains", eval_config=NEEDLE)
    other = await kept("other", (2, 2), cases=[{"text": "new"}, *texts(20)], asked="contains", eval_config=NEEDLE)
    with pytest.raises(ConfigurationError, match="different cases at place"):
        merge([one, other], tmp_path / "all.db")


async def test_a_source_that_grew_by_cases_of_no_shard_is_told(kept, tmp_path):
    one = await kept("one", (1, 2), cases=texts(20), asked="contains", eval_config=NEEDLE)
    other = await kept("other", (2, 2), cases=texts(40), asked="contains", eval_config=NEEDLE)
    found = merge([one, other], tmp_path / "all.db")
    assert found.absent > 0
    assert not found.is_whole


async def test_a_whole_run_and_a_damaged_one_are_refused(kept, tmp_path):
    whole = await kept("whole")
    with pytest.raises(ConfigurationError, match="it keeps a whole run, and no shard of one"):
        merge([whole], tmp_path / "all.db")
    part = await kept("part", (1, 2))
    with closing(sqlite3.connect(part)) as file:
        file.execute("DELETE FROM cases WHERE n = 1")
        file.commit()
    with pytest.raises(JournalError, match="is damaged"):
        merge([part], tmp_path / "all.db")
    assert not list(tmp_path.glob("all*"))


async def test_a_merged_file_has_the_whole_history(kept, tmp_path):
    shards = [await kept(f"part {n}", (n, 2), **ASKED) for n in (1, 2)]
    merge(shards, tmp_path / "all.db")
    counted = []
    for path in (*shards, tmp_path / "all.db"):
        with closing(sqlite3.connect(path)) as file:
            kinds = f"({EventKind.INTENT}, {EventKind.ENDED})"
            counted.append(file.execute(f"SELECT count(*) FROM events WHERE kind IN {kinds}").fetchone()[0])
            passes = [json.loads(info)["shard"] for (info,) in file.execute("SELECT info FROM passes")]
    assert counted[0] + counted[1] == counted[2]
    assert passes == [None]


async def test_shards_whose_cases_have_different_numbers_of_samples(tmp_path):
    files = []
    for number, share in ((1, 0.5), (2, 0.5), (2, 0.7)):  # the second shard is run twice
        voter = Voter(noisy(lambda _, share=share: share, seed=len(files)))
        files.append(tmp_path / f"part {len(files)}.db")
        async with judged_by(voter.judge()) as ev:
            await ev.gather(answers(20), CALM_ANSWERS, repeats="auto", shard=(number, 2), run=files[-1])
    found = merge(files, tmp_path / "all.db")
    assert (found.evaluations, found.pending, found.is_whole) == (20, 0, True)
    with open_view(tmp_path / "all.db") as view:
        assert [record.outcome.index for record in view.records()] == list(range(20))
