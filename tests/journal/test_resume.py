"""A run that is kept goes on where it stood: nothing is sent for what ended, nothing submitted that was accepted."""

from __future__ import annotations

import anyio
import pytest

from embedded import NEEDLE, backend, texts
from fi_async import AmbiguousError, Case, JournalError, OutcomeStatus, RunFile, StalledError, Timeout
from fi_async.journal.stored import StoredCases
from fi_async.journal.view import open_view
from fi_async.journal.writer import Journal
from fi_async.sources.rows import Shape, Source
from scripted import Scripted, accepted, completed, error, failed, pending, uuid

pytestmark = pytest.mark.anyio


def told(report):
    return [(outcome.index, outcome.status.value, outcome.passed, outcome.origin) for outcome in report.outcomes]


async def test_the_same_call_again_asks_nothing(evaluator, path):
    app = backend(latency=0.5)
    async with evaluator(app) as ev:
        first = await ev.gather(texts(40), "contains", eval_config=NEEDLE, run=path)
        asked = app.statistics()["requests"]
        second = await ev.gather(texts(40), "contains", eval_config=NEEDLE, run=path)
    assert app.statistics()["requests"] == asked == 40
    assert told(first) == [(n, "scored", n % 3 == 0, "evaluated") for n in range(40)]
    assert told(second) == [(n, "scored", n % 3 == 0, "replayed") for n in range(40)]
    assert [each.result for each in second.outcomes] == [each.result for each in first.outcomes]
    assert (second.summary()["requests"], second.summary()["replayed"], second.wall_s) == (0, 40, 0.0)


async def test_only_what_has_not_ended_is_sent(evaluator, path):
    app = backend(latency=1.0)
    async with evaluator(app, concurrency=10) as ev:
        cut = await ev.gather(
            texts(40), "contains", eval_config=NEEDLE, run=RunFile(path, drain=0.001), timeout=Timeout(call=2.5)
        )
        assert cut.summary()["scored"] == 20
        assert cut.summary()["cancelled"] == 20
        await anyio.sleep(5)
        report = await ev.gather(texts(40), "contains", eval_config=NEEDLE, run=path)
    assert report.coverage == 1.0
    assert [outcome.passed for outcome in report.outcomes] == [n % 3 == 0 for n in range(40)]
    assert report.summary()["replayed"] == 20
    # The ten requests that the end of the call cut off may have been evaluated: told, and so they were.
    assert report.summary()["ambiguous"] == report.summary()["possible_duplicates"] == 10
    assert app.statistics()["duplicates"] == 10


async def test_requests_under_way_come_to_their_end_when_a_run_is_stopped(evaluator, path, stories):
    app = backend(latency=1.0)
    async with evaluator(app, concurrency=10) as ev:
        with anyio.move_on_after(2.5):
            await ev.gather(texts(40), "contains", eval_config=NEEDLE, run=path)
        assert anyio.current_time() == 3.0  # half a second for the ten under way, and no more were begun
        assert stories().count("scored") == 30
        report = await ev.gather(texts(40), "contains", eval_config=NEEDLE, run=path)
    assert report.coverage == 1.0
    assert app.statistics()["duplicates"] == report.summary()["possible_duplicates"] == 0
    assert app.statistics()["evaluations_made"] == 40


async def test_a_bug_ends_a_run_that_is_kept_at_once(evaluator, path):
    async with evaluator(Scripted(ZeroDivisionError("a bug"))) as ev:
        with pytest.raises(ZeroDivisionError, match=r"^a bug$"):
            await ev.gather(texts(40), "contains", eval_config=NEEDLE, run=path)
    assert anyio.current_time() == 0.0  # nothing is under way that could come to its end


async def test_what_the_server_accepted_is_asked_for_and_not_submitted_again(evaluator, path, stories):
    app = backend(latency=30.0)
    async with evaluator(app, strategy="async") as ev:
        with anyio.move_on_after(5):
            await ev.gather(texts(60), "contains", eval_config=NEEDLE, run=path)
        assert set(stories()) == {"accepted"}
        posts = app.statistics()["posts"]
        report = await ev.gather(texts(60), "contains", eval_config=NEEDLE, run=path)
    assert report.coverage == 1.0
    assert [outcome.passed for outcome in report.outcomes] == [n % 3 == 0 for n in range(60)]
    assert app.statistics()["posts"] == posts
    assert app.statistics()["duplicates"] == report.summary()["ambiguous"] == 0
    assert {outcome.attempts for outcome in report.outcomes} == {1}


async def test_what_may_have_been_evaluated_is_not_sent_again_unbidden(evaluator, path, stories):
    app = backend(latency=10.0)
    kept = RunFile(path, drain=0.001)
    async with evaluator(app, on_ambiguous="fail", concurrency=4) as ev:
        with anyio.move_on_after(5):
            await ev.gather(texts(8), "contains", eval_config=NEEDLE, run=kept)
        assert sorted(stories()) == ["fresh"] * 4 + ["open"] * 4
        report = await ev.gather(texts(8), "contains", eval_config=NEEDLE, run=kept)
        assert [type(outcome.error) for outcome in report.outcomes] == [AmbiguousError] * 4 + [type(None)] * 4
        assert (report.outcomes[0].attempts, report.outcomes[0].ambiguous) == (1, 1)
        assert app.statistics()["evaluations_made"] == 8
        again = await ev.gather(texts(8), "contains", eval_config=NEEDLE, run=kept)
        assert told(again) == [(n, r.status.value, r.passed, "replayed") for n, r in enumerate(report.outcomes)]
        bidden = RunFile(path, retry=["ambiguous"])
        retried = await ev.gather(texts(8), "contains", eval_config=NEEDLE, run=bidden)
    assert retried.coverage == 1.0
    assert [outcome.origin for outcome in retried.outcomes] == ["evaluated"] * 4 + ["replayed"] * 4


async def test_failed_and_stalled_cases_are_tried_again_when_asked(evaluator, path):
    app = Scripted(accepted(1), failed("the judge is down", 1), accepted(2), pending(), pending(), completed(number=2))
    cases, kept = texts(1), RunFile(path, retry=["failed"])
    async with evaluator(app, strategy="async", poll_interval=10.0, timeout=15.0) as ev:
        first = await ev.gather(cases, "contains", run=path)
        assert first.outcomes[0].error.server_message == "the judge is down"
        second = await ev.gather(cases, "contains", run=kept)
        assert isinstance(second.outcomes[0].error, StalledError)
        third = await ev.gather(cases, "contains", run=kept)  # "stalled" is not what is retried here
        assert (third.outcomes[0].origin, third.summary()["requests"]) == ("replayed", 0)
        last = await ev.gather(cases, "contains", run=RunFile(path, retry=["stalled"]))
    assert told(last) == [(0, "scored", True, "evaluated")]
    assert [method for method, *_ in app.requests] == ["POST", "GET", "POST", "GET", "GET", "GET"]
    assert last.outcomes[0].eval_id == uuid(2)


async def test_what_is_tried_again_counts_as_pending(evaluator, path):
    app = Scripted(accepted(1), failed("the judge is down", 1), accepted(2), pending())
    async with evaluator(app, strategy="async", poll_interval=10.0) as ev:
        await ev.gather(texts(1), "contains", run=path)
        with open_view(path) as view:
            assert (view.count().statuses, view.past.done) == ({"failed": 1}, 1)
        with anyio.move_on_after(5):
            await ev.gather(texts(1), "contains", run=RunFile(path, retry=["failed"]))
        with open_view(path) as view:
            assert (view.count().statuses, view.past.done, view.count().pending, view.count().accepted) == ({}, 0, 1, 1)


async def test_equal_work_is_evaluated_once(evaluator, path):
    app = backend(latency=1.0)
    cases = [Case({"text": f"case {n % 5} needle"}, id=f"c{n}") for n in range(30)]
    async with evaluator(app) as ev:
        report = await ev.gather(cases, "contains", eval_config=NEEDLE, run=path)
        again = await ev.gather(cases, "contains", eval_config=NEEDLE, run=path)
    assert app.statistics()["evaluations_made"] == 5
    assert [outcome.origin for outcome in report.outcomes] == ["evaluated"] * 5 + ["duplicate"] * 25
    assert [outcome.case.id for outcome in again.outcomes] == [f"c{n}" for n in range(30)]
    assert report.coverage == again.coverage == 1.0
    with open_view(path) as view:
        assert [(r.outcome.index, r.outcome.case.id) for r in view.records()] == [(n, f"c{n}") for n in range(30)]
        assert view.count().statuses == {"scored": 30}


async def test_equal_work_is_refused_when_asked(evaluator, path):
    app = backend()
    cases = [{"text": "a"}, {"text": "b"}, {"text": "a"}]
    async with evaluator(app) as ev:
        kept = RunFile(path, duplicates="refuse")
        report = await ev.gather(cases, "contains", eval_config=NEEDLE, run=kept)
    assert [outcome.status.value for outcome in report.outcomes] == ["scored", "scored", "invalid"]
    assert str(report.outcomes[2].error) == "case 2: it equals case 0: leave one out, or evaluate both once"


async def test_changed_cases_are_sent_and_removed_ones_are_told(evaluator, path):
    app = backend()
    async with evaluator(app) as ev:
        await ev.gather(texts(10), "contains", eval_config=NEEDLE, run=path)
        changed = [{"text": "quite another needle"}, *texts(8)]
        report = await ev.gather(changed, "contains", eval_config=NEEDLE, run=path)
        assert [outcome.origin for outcome in report.outcomes] == ["evaluated"] + ["replayed"] * 8
        assert report.counts.removed == report.summary()["removed"] == 2
        assert report.outcomes[0].passed
        with open_view(path) as view:
            assert [record.outcome.index for record in view.records()] == list(range(9))
        back = await ev.gather(texts(10), "contains", eval_config=NEEDLE, run=path)
    assert [outcome.origin for outcome in back.outcomes] == ["replayed"] * 10
    assert back.counts.removed == 1
    assert app.statistics()["evaluations_made"] == 11


async def test_another_model_is_other_work(evaluator, path):
    app = backend()
    async with evaluator(app) as ev:
        await ev.gather(texts(3), "contains", eval_config=NEEDLE, run=path, model_name="turing_small")
        report = await ev.gather(texts(3), "contains", eval_config=NEEDLE, run=path, model_name="turing_large")
    assert [outcome.origin for outcome in report.outcomes] == ["evaluated"] * 3
    assert report.counts.removed == 3


async def test_results_of_other_runs_are_taken_for_equal_work(evaluator, path):
    app = backend()
    async with evaluator(app) as ev:
        await ev.gather(texts(5), "contains", eval_config=NEEDLE, run=path)
        path.with_name("begun.db").touch()  # as another process leaves it for a moment
        other = RunFile(path.with_name("other.db"), reuse=str(path.with_name("*.db")))
        report = await ev.gather(texts(8), "contains", eval_config=NEEDLE, run=other)
        again = await ev.gather(texts(8), "contains", eval_config=NEEDLE, run=other)
    assert [outcome.origin for outcome in report.outcomes] == ["reused"] * 5 + ["evaluated"] * 3
    assert report.summary()["reused"] == 5
    assert [outcome.passed for outcome in report.outcomes] == [n % 3 == 0 for n in range(8)]
    assert {outcome.origin for outcome in again.outcomes} == {"replayed"}
    assert app.statistics()["evaluations_made"] == 8


async def test_invalid_cases_are_kept_too(evaluator, path):
    app = backend()
    cases = [{"text": ""}, {"text": "needle"}, {"txt": "needle"}, "no dict"]
    async with evaluator(app) as ev:
        first = await ev.gather(cases, "contains", eval_config=NEEDLE, run=path)
        second = await ev.gather(cases, "contains", eval_config=NEEDLE, run=path)
    assert [str(each.error) for each in second.outcomes] == [str(each.error) for each in first.outcomes]
    with open_view(path) as view:
        assert view.count().statuses == {"scored": 1, "invalid": 3}


class Formless:
    """What JSON has no form for, although it can be shown."""

    def __str__(self) -> str:
        return "a needle"


UNSENDABLE = {
    "no form": {"text": Formless()},
    "no form within": {"text": ["a needle", {"at": Formless()}]},
    "an id of no form": Case({"text": "a needle"}, id=Formless()),
    "a key too many": {"text": "a needle", "note": "x"},
    "missing": {"text": float("nan")},
    "half a character": {"text": "needle \ud800"},
    "no inputs": Case("a needle", id="own"),  # type: ignore[arg-type]  # what is refused
    "blank": {"text": " "},
}


@pytest.mark.parametrize("also", [False, True], ids=["one template", "two templates"])
async def test_what_could_not_be_sent_is_not_sent_when_only_the_file_is_left(also, evaluator, path):
    """What the file has of a value without a form is its `str()`, which is no answer of anybody."""
    app = backend()
    names, config = (["contains", "is_json"], {"contains": NEEDLE}) if also else (["contains"], NEEDLE)
    async with evaluator(app) as ev:
        first = await ev.gather([*UNSENDABLE.values(), {"text": "needle"}], names, eval_config=config, run=path)
        requests = app.statistics()["requests"]
        held = Source(StoredCases(path), Shape(id_column=None))
        again = RunFile(path, held_only=True, retry=("failed", "stalled", "ambiguous"))
        second = await ev.gather(held, names, eval_config=config, run=again)
    assert app.statistics()["requests"] == requests
    assert second.summary()["removed"] == 0
    of_each = 2 if also else 1
    assert [each.status.value for each in first.outcomes] == ["invalid"] * of_each * len(UNSENDABLE) + [
        "scored"
    ] * of_each
    for before, after in zip(first.outcomes, second.outcomes, strict=True):
        assert (after.index, after.template, after.status) == (before.index, before.template, before.status)
        assert str(after.error) == str(before.error)
        assert getattr(after.error, "field", None) == getattr(before.error, "field", None)
        assert after.case.id == before.case.id
        assert after.origin == "replayed"


async def test_only_the_template_that_refused_a_case_refuses_it_again(evaluator, path):
    """The other is asked when only the file is left, if it was not before."""
    app, cases = backend(latency=1.0), [{"text": "needle", "expected_text": Formless()}]
    names = ["contains", "equals"]
    async with evaluator(app) as ev:
        with anyio.move_on_after(0.5):
            await ev.gather(cases, names, eval_config={"contains": NEEDLE}, run=RunFile(path, drain=0.001))
        held = Source(StoredCases(path), Shape(id_column=None))
        report = await ev.gather(held, names, eval_config={"contains": NEEDLE}, run=RunFile(path, held_only=True))
    assert [(each.template, each.status.value) for each in report.outcomes] == [
        ("contains", "scored"),
        ("equals", "invalid"),
    ]
    assert report.summary()["removed"] == 0


async def test_an_evaluation_that_the_server_has_lost_is_started_anew(evaluator, path):
    lost = error(400, "Evaluation not found.")
    app = Scripted(accepted(1), pending(), lost, accepted(2), completed(number=2))
    async with evaluator(app, strategy="async", poll_interval=10.0) as ev:
        with anyio.move_on_after(12):
            await ev.gather(texts(1), "contains", run=path)
        report = await ev.gather(texts(1), "contains", run=path)
    assert told(report) == [(0, "scored", True, "evaluated")]
    assert report.summary()["possible_duplicates"] == 1
    assert report.outcomes[0].attempts == 2


@pytest.mark.parametrize(
    ("policy", "expected"),
    [("fail", ("stalled", 1, 0)), ("resubmit", ("scored", 2, 1)), ("wait", ("scored", 1, 0))],
)
async def test_a_stalled_case_fails_is_started_anew_or_waited_for(evaluator, path, policy, expected):
    app = Scripted(
        accepted(1),
        pending(),
        pending(),
        accepted(2) if policy == "resubmit" else pending(),
        completed(number=2 if policy == "resubmit" else 1),
    )
    async with evaluator(app, strategy="async", poll_interval=10.0, timeout=15.0, on_stalled=policy) as ev:
        (outcome,) = (await ev.gather(texts(1), "contains", run=path)).outcomes
    assert (outcome.status.value, outcome.attempts, outcome.possible_duplicates) == expected


async def test_a_stream_hands_out_what_is_in_the_file(evaluator, path, stories):
    app = backend(latency=1.0)
    async with evaluator(app, concurrency=4) as ev:
        async for outcome in ev.stream(texts(12), "contains", eval_config=NEEDLE, run=path):
            assert stories()[outcome.index] == "scored"
        replayed = [o.origin async for o in ev.stream(texts(12), "contains", eval_config=NEEDLE, run=path)]
    assert replayed == ["replayed"] * 12


async def test_progress_begins_where_the_run_stood(evaluator, path):
    """Also where what ended comes last, long after what did not."""
    cases, told_of, removed = [{"text": ""}, *texts(40)], [], []
    async with evaluator(backend(latency=1.0), concurrency=10) as ev:
        await ev.gather([cases[0], *cases[21:]], "contains", eval_config=NEEDLE, run=path)
        await ev.gather(cases, "contains", eval_config=NEEDLE, run=path, progress=told_of.append)
        await ev.gather(cases[:30], "contains", eval_config=NEEDLE, run=path, progress=removed.append)
    assert (told_of[0].done, told_of[0].failed, told_of[0].total) == (21, 1, 41)
    assert [each.done for each in told_of] == sorted(each.done for each in told_of)
    assert (told_of[-1].done, told_of[-1].failed) == (41, 1)
    assert (removed[-1].done, removed[-1].failed) == (30, 1)


async def test_progress_of_a_kept_run_is_told(evaluator, path):
    told_of = []
    async with evaluator(backend(latency=1.0), concurrency=4) as ev:
        await ev.gather(texts(12), "contains", eval_config=NEEDLE, run=path, progress=told_of.append)
    assert (told_of[-1].done, told_of[-1].total, told_of[-1].elapsed_s) == (12, 12, 3.0)


async def test_leaving_a_stream_keeps_what_was_under_way(evaluator, path):
    app = backend(latency=1.0)
    async with evaluator(app, concurrency=4) as ev:
        outcomes = ev.stream(texts(40), "contains", eval_config=NEEDLE, run=path)
        async for _ in outcomes:
            break
        await outcomes.aclose()
        report = await ev.gather(texts(40), "contains", eval_config=NEEDLE, run=path)
    assert report.coverage == 1.0
    assert app.statistics()["duplicates"] == 0


async def test_several_templates_share_a_file(evaluator, path):
    app = backend()
    cases = [{"text": "[1] needle"}, {"text": "[1]"}]
    async with evaluator(app) as ev:
        config = {"contains": NEEDLE}
        await ev.gather(cases, ["is_json", "contains"], eval_config=config, run=path)
        report = await ev.gather(cases, ["is_json", "contains"], eval_config=config, run=path)
        assert [outcome.origin for outcome in report.outcomes] == ["replayed"] * 4
        one = await ev.gather(cases, "is_json", run=path)
    assert [(o.template, o.passed, o.origin) for o in one.outcomes] == [
        ("is_json", False, "replayed"),
        ("is_json", True, "replayed"),
    ]
    assert one.counts.removed == 2


async def test_a_run_of_another_server_is_refused(evaluator, path):
    async with evaluator(backend()) as ev:
        await ev.gather(texts(1), "contains", eval_config=NEEDLE, run=path)
        ev._session.connection = ev._session.connection.__class__("https://elsewhere.test", None)
        with pytest.raises(ValueError, match=r"this run was made on local, .* unknown on https://elsewhere\.test"):
            await ev.gather(texts(1), "contains", eval_config=NEEDLE, run=path)


async def test_the_source_s_own_error_is_raised_and_what_was_done_is_kept(evaluator, path, stories):
    def cases():
        yield from texts(3)
        raise OSError("the file ends here")

    async with evaluator(backend(latency=1.0)) as ev:
        with pytest.raises(OSError, match="the file ends here"):
            await ev.gather(cases(), "contains", eval_config=NEEDLE, run=path)
        report = await ev.gather(texts(3), "contains", eval_config=NEEDLE, run=path)
    assert report.coverage == 1.0


async def test_a_second_writer_is_refused(evaluator, path):
    async with evaluator(backend(latency=5.0)) as ev, anyio.create_task_group() as tasks:
        tasks.start_soon(lambda: ev.gather(texts(3), "contains", eval_config=NEEDLE, run=path))
        await anyio.sleep(1)
        with pytest.raises(JournalError) as caught:
            await ev.gather(texts(3), "contains", eval_config=NEEDLE, run=path)
    assert str(caught.value) == (
        f"{path}: another process is writing this run: wait for it to end, or use another file"
    )


async def test_the_statuses_are_told_while_the_run_goes_on(evaluator, path):
    async with evaluator(backend(latency=10.0), strategy="async") as ev, anyio.create_task_group() as tasks:
        tasks.start_soon(lambda: ev.gather(texts(40), "contains", eval_config=NEEDLE, run=path))
        await anyio.sleep(5)
        with open_view(path) as view:
            assert (view.count().pending, view.count().accepted, view.count().ambiguous, view.count().statuses) == (
                40,
                40,
                0,
                {},
            )
            assert view.info.ended_at is None
        await anyio.sleep(20)
        with open_view(path) as view:
            assert (view.count().pending, view.count().statuses) == (0, {OutcomeStatus.SCORED: 40})
            assert view.info.ended_at is not None


@pytest.mark.parametrize("at", [0.0, 1e-9, 0.2])
async def test_a_timeout_that_lands_while_the_file_takes_cases_in_loses_none_of_them(evaluator, path, monkeypatch, at):
    admit = Journal.admit

    async def slowly(self, rows):
        await anyio.sleep(0.1)
        return await admit(self, rows)

    app = backend(latency=1.0)
    async with evaluator(app) as ev:
        await ev.gather(texts(100), "contains", eval_config=NEEDLE, run=path)
        monkeypatch.setattr(Journal, "admit", slowly)
        report = await ev.gather(texts(300), "contains", eval_config=NEEDLE, run=path, timeout=Timeout(call=0.05 + at))
    assert [each.index for each in report.outcomes] == list(range(300))
    # What ended in the earlier run is handed out again; 16 requests were under way and came to their end.
    told = {"replayed": 100, "cancelled": 184} if at == 0.2 else {"replayed": 64, "cancelled": 236}
    assert told.items() <= report.summary().items()
    assert report.summary()["scored"] == 300 - told["cancelled"]
    async with evaluator(app) as ev:
        monkeypatch.undo()
        report = await ev.gather(texts(300), "contains", eval_config=NEEDLE, run=path)
    assert (report.coverage, app.statistics()["duplicates"]) == (1.0, report.summary()["possible_duplicates"])


ODD_IDS = ["job-17", "a/b?c#d", 17, "x" * 3000, "\ud83d", " ", '"; drop table log; --']


def accepted_under(*ids):
    items = [{"name": "contains", "output_type": "Pass/Fail", "eval_id": each} for each in ids]
    return 200, {"status": True, "result": [{"evaluations": items}]}


@pytest.mark.parametrize("odd", ODD_IDS, ids=lambda odd: repr(odd)[:12])
async def test_an_id_that_is_no_uuid_ends_nobodys_run_and_is_resumed(evaluator, path, odd):
    """One of three evaluations is accepted under an odd id; the run is stopped, and goes on from its file."""

    def answer(request):
        method, path, body, _ = request
        if method == "POST":
            return accepted_under(*(odd if text == "1" else uuid(int(text)) for text in body["inputs"]["text"]))
        if not ready:
            return pending()
        number = next((n for n in range(3) if path.endswith(uuid(n))), 1)
        return completed("Passed", number, eval_id=odd if number == 1 else uuid(number))

    cases = [{"text": str(number)} for number in range(3)]
    options = {"strategy": "async", "eval_config": NEEDLE, "run": RunFile(path, drain=0.001)}
    ready = False
    app = Scripted(answer)
    async with evaluator(app) as ev:
        cut = await ev.gather(cases, "contains", timeout=Timeout(call=5.0), **options)
        assert [outcome.status.value for outcome in cut.outcomes] == ["stalled"] * 3
        ready = True
        report = await ev.gather(cases, "contains", **options)
    told_id = odd if isinstance(odd, str) and odd != "\ud83d" else {17: "17"}.get(odd, "\ufffd")
    assert [outcome.score for outcome in report.outcomes] == [1.0] * 3
    assert report.outcomes[1].eval_id == told_id
    assert sum(request[0] == "POST" for request in app.requests) == 1


@pytest.mark.parametrize("odd", ["job-17", ""])
async def test_an_odd_id_that_the_server_then_does_not_know_is_that_cases_failure(evaluator, path, odd):
    def answer(request):
        method, path, body, _ = request
        if method == "POST":
            return accepted_under(*(odd if text == "1" else uuid(int(text)) for text in body["inputs"]["text"]))
        number = next((n for n in range(3) if path.endswith(uuid(n))), None)
        return error(400, "Must be a valid UUID.") if number is None else completed("Passed", number)

    cases = [{"text": str(number)} for number in range(3)]
    async with evaluator(Scripted(answer), strategy="async") as ev:
        report = await ev.gather(cases, "contains", eval_config=NEEDLE, run=path)
    assert [outcome.status.value for outcome in report.outcomes] == ["scored", "failed", "scored"]


async def test_cases_that_are_equal_under_one_template_only_are_held_as_they_were(evaluator, path):
    names, cases = ["is_json", "equals"], [{"text": "[1]", "expected_text": f"case {n}"} for n in range(3)]
    async with evaluator(backend(latency=1.0), extra_keys="ignore") as ev:
        await ev.gather(cases, names, run=path)
        with open_view(path) as view:
            assert list(view.past.positions)[1:] == [0, 0, 1, 2]
        held = Source(StoredCases(path), Shape(id_column=None))
        assert [case.inputs for case in held.rows()] == cases
        report = await ev.gather(held, names, run=RunFile(path, held_only=True))
    assert (report.summary()["requests"], report.summary()["removed"]) == (0, 0)
