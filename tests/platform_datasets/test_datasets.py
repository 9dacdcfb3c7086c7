"""Datasets against the embedded backend: each row once, whatever is lost, and no end that is not told."""

from __future__ import annotations

import csv
import io
import logging
import pickle
from uuid import RFC_4122, UUID, uuid4

import anyio
import pytest

from embedded import NEEDLE, backend, client, texts
from fi_async import (
    AmbiguousError,
    AsyncEvaluator,
    AuthenticationError,
    Case,
    ConfigurationError,
    Criteria,
    DatasetError,
    EvaluationError,
    Evaluator,
    InvalidCaseError,
    Judge,
    Limit,
    NotFoundError,
    OutcomeStatus,
    QuotaExhaustedError,
    ServerError,
    StalledError,
    Timeout,
    cases_from,
)
from fi_async.datasets.row_outcomes import EvaluatedColumn, outcomes_of, place_of, row_id
from fi_async.datasets.upload_rows import UploadRows
from fi_async.local import Faults, LocalBackend
from fi_async.wire.dataset_cells import verdict_of
from fi_async.wire.dataset_replies import DatasetColumn, DatasetRow, ListedEvaluation
from fi_async.wire.responses import Reply
from fi_async.wire.templates import from_catalogue
from recorded_datasets import ReplayServer, ok
from scripted import error

pytestmark = pytest.mark.anyio
LOSSES = Faults(status={503: 0.05}, reset_before=0.05, reset_after=0.15, cut_json=0.1, status_after={502: 0.05})


def verdicts(report):
    return [(each.index, each.template, each.status.value, each.score, each.passed) for each in report.outcomes]


async def test_a_dataset_scores_as_gather_does():
    cases = texts(130)
    async with client(backend(latency=0.5)) as ev:
        dataset = await ev.datasets.create(cases, name="straws")
        run = await dataset.evaluate(["contains", "is_json"], eval_config={"contains": NEEDLE})
        report = await run
        gathered = await ev.gather(cases, ["contains", "is_json"], eval_config={"contains": NEEDLE})
    assert verdicts(report) == verdicts(gathered)
    assert [each.reason for each in report.results] == [each.reason for each in gathered.results]
    assert [dict(each.case.inputs) for each in report.outcomes[::2]] == cases
    assert report.coverage == 1.0
    assert {each.backend for each in report.outcomes} == {"local"}


@pytest.mark.parametrize("seed", range(4))
async def test_lost_answers_make_no_second_dataset_evaluation_or_row(seed):
    app = backend(faults=LOSSES, seed=seed)
    cases = [{"id": f"q-{n}", **each} for n, each in enumerate(texts(40))]
    async with client(app, max_retries=20) as ev:
        dataset = await ev.datasets.create(cases, name="once")
        for part in range(10):
            assert await dataset.add_rows([{"id": f"more-{part}-{n}", "text": "needle"} for n in range(3)]) == 3
        run = await dataset.evaluate("contains", eval_config=NEEDLE)
        report = await run
        assert [each.rows for each in await ev.datasets.list()] == [70]
        assert len(await dataset.evaluations()) == 1
    ids = [case["id"] for case in cases] + [f"more-{part}-{n}" for part in range(10) for n in range(3)]
    assert [each.case.id for each in report.outcomes] == ids
    assert [each.passed for each in report.outcomes] == [n % 3 == 0 for n in range(40)] + [True] * 30
    assert app.statistics()["evaluations_made"] == 70
    assert sum(app.statistics()["faults"].values()) > 5


async def test_more_than_a_file_holds_goes_up_in_parts(monkeypatch):
    rows = UploadRows([{"text": f"[{n}]"} for n in range(1_200)], first_file=1_000)
    content, first = await rows.first()
    assert len(content) <= 1_000
    assert list(csv.DictReader(io.StringIO(content.decode()))) == first
    parts = [part async for part in rows.parts()]
    assert [len(part) for part in parts] == [500, 500, 1_200 - len(first) - 1_000]
    assert [*first, *(row for part in parts for row in part)] == [{"text": f"[{n}]"} for n in range(1_200)]


async def test_more_megabytes_than_a_file_may_have_go_up_each_row_once():
    cases = [{"text": f"[{n}]" + "," * 120_000} for n in range(215)]
    app = backend(faults=Faults(reset_after=0.3), seed=3)
    async with client(app, max_retries=20) as ev:
        dataset = await ev.datasets.create(cases, name="long")
        assert await dataset.count() == 215
        assert app.statistics()["faults"]["reset_after"] > 0
        text = await dataset.download()
    csv.field_size_limit(10**6)
    assert [row["text"] for row in csv.DictReader(io.StringIO(text))] == [case["text"] for case in cases]


async def test_a_cell_that_is_too_long_for_a_file_goes_in_a_part():
    cases = [{"text": "a"}, {"text": "x" * 131_073}, {"text": "b"}]
    async with client(backend()) as ev:
        dataset = await ev.datasets.create(cases, name="long cell")
        report = await (await dataset.evaluate("contains", eval_config={"keyword": "x"}))
        assert [each.case.inputs for each in report.outcomes] == cases
        assert [each.passed for each in report.outcomes] == [False, True, False]
        with pytest.raises(InvalidCaseError, match="first row has a cell of more than 131,072 characters"):
            await ev.datasets.create(cases[1:], name="long first")


async def test_an_upload_that_was_cut_off_is_gone_on_with():
    app = backend()
    cases = [{"text": f"[{n}]"} for n in range(150)]
    async with client(app) as ev:
        await ev.datasets.create(cases[:60], name="cut off")
        with pytest.raises(DatasetError, match=r"there is a dataset named 'cut off' already.*resume=True") as caught:
            await ev.datasets.create(cases, name="cut off")
        dataset = await ev.datasets.create(iter(cases), name="cut off", resume=True)
        assert (dataset.id, await dataset.count()) == (caught.value.dataset_id, 150)
        again = await ev.datasets.create(cases, name="cut off", resume=True)
        assert await again.count() == 150
        report = await (await again.evaluate("is_json"))
        assert [each.case.inputs["text"] for each in report.outcomes] == [case["text"] for case in cases]
        for others in (cases[:50], [{"text": "[x]"}, *cases[1:]], [{**case, "more": "x"} for case in cases]):
            with pytest.raises(DatasetError, match="another"):
                await ev.datasets.create(others, name="cut off", resume=True)
        fresh = await ev.datasets.create(cases[:2], name="new", resume=True)
        assert await fresh.count() == 2


async def test_another_client_comes_back_to_a_run_by_the_name():
    app = backend(latency=2.0, capacity=10)
    async with client(app) as first:
        dataset = await first.datasets.create(texts(30), name="shared")
        await dataset.evaluate("contains", eval_config=NEEDLE)
    async with client(app) as second:
        found = await second.datasets.get("shared")
        report = await (await found.attach("contains"))
        assert (await second.datasets.get(id=found.id)).name == "shared"
    assert [each.passed for each in report.outcomes] == [n % 3 == 0 for n in range(30)]
    assert app.statistics()["evaluations_made"] == 30


async def test_an_evaluation_that_was_added_and_not_started_is_started_by_attach():
    app = backend()
    async with client(app) as ev:
        dataset = await ev.datasets.create(texts(3), name="inactive")
        app.switches = app.switches.replace(overload="refuse", capacity=1, latency=5.0, queue_limit=0)
        await ev.submit("contains", {"text": "x"}, eval_config=NEEDLE)
        with pytest.raises(AmbiguousError):
            await dataset.evaluate("contains", eval_config=NEEDLE, max_retries=0)
        assert [each.status for each in await dataset.evaluations()] == ["Inactive"]
        app.switches = app.switches.replace(overload="queue")
        for names in ((), ("contains",)):
            with pytest.raises(DatasetError, match=r"added and never started: attach\('contains', start=True\)"):
                await dataset.attach(*names)
        assert (await (await dataset.attach(start=True))).coverage == 1.0


async def test_a_server_that_is_away_for_a_while_does_not_end_the_wait():
    app = backend(latency=400.0)
    async with client(app, max_retries=1) as ev:
        app.switches = app.switches.replace(latency=0.0)
        dataset = await ev.datasets.create(texts(3), name="away")
        app.switches = app.switches.replace(latency=400.0)
        run = await dataset.evaluate("contains", eval_config=NEEDLE)

        async def away() -> None:
            for faults in (Faults(status={503: 1.0}), Faults(reset_before=1.0), Faults(cut_json=1.0), Faults()):
                await anyio.sleep(100)
                app.switches = app.switches.replace(faults=faults)

        async with anyio.create_task_group() as tasks:
            tasks.start_soon(away)
            report = await run
        assert [each.passed for each in report.outcomes] == [n % 3 == 0 for n in range(3)]
        app.switches = app.switches.replace(faults=Faults(status={500: 1.0}))
        with pytest.raises(StalledError, match="not done after 600 s") as caught:
            await run
        assert isinstance(caught.value.__cause__, ServerError)
        assert caught.value.report is None


async def test_progress_is_told_until_all_have_ended():
    app = backend(latency=1.0, capacity=2)
    async with client(app) as ev:
        dataset = await ev.datasets.create(texts(8), name="slow")
        run = await dataset.evaluate("contains", eval_config=NEEDLE)
        seen = [progress async for progress in run]
        assert seen[0].rows == 8
        counted = [progress.scored["contains"] for progress in seen[:-1]]
        assert counted == sorted(counted)
        assert (counted[0], counted[-1]) == (0, 6)
        assert [progress.is_done for progress in seen] == [False] * (len(seen) - 1) + [True]
        assert seen[-1].evaluations[0].status == "Completed"
        assert repr(run) == f"<DatasetRun of {dataset.id} contains: Completed>"
        assert (await run.status()).is_done


async def test_an_evaluation_that_is_stopped_leaves_failures_and_may_be_gone_on_with():
    app = backend(latency=1.0, capacity=1)
    async with client(app) as ev:
        dataset = await ev.datasets.create(texts(6), name="stopped")
        run = await dataset.evaluate("contains", eval_config=NEEDLE)
        with pytest.raises(DatasetError, match="'contains' is under way"):
            await run.retry_failed()
        await anyio.sleep(2.5)
        await run.stop()
        report = await run
        assert [each.status.value for each in report.outcomes] == ["scored"] * 2 + ["failed"] * 4
        assert all("stopped" in str(each.error) for each in report.failures)
        assert all(each.score is None for each in report.failures)
        whole = await (await run.retry_failed())
        assert [each.passed for each in whole.outcomes] == [n % 3 == 0 for n in range(6)]
    assert app.statistics()["evaluations_made"] == 10  # those that were scored are not evaluated again


async def test_failed_rows_are_failures_and_only_they_are_run_again():
    app = backend(faults=Faults(fail=0.3), seed=5)
    async with client(app) as ev:
        dataset = await ev.datasets.create([*texts(20), {"text": None}], name="failing")
        run = await dataset.evaluate("contains", eval_config=NEEDLE)
        report = await run
        failed = [each.index for each in report.failures]
        assert failed[-1] == 20
        assert len(failed) > 3
        assert {type(each.error) for each in report.failures} == {EvaluationError}
        assert "No input received" in report.failures[-1].error.server_message
        app.switches = app.switches.replace(faults=Faults())
        report = await (await run.retry_failed())
        assert [each.index for each in report.failures] == [20]
    assert app.statistics()["evaluations_made"] == 21 + len(failed)


async def test_an_evaluation_that_never_ends_is_stalled_with_what_is_done():
    app = backend(faults=Faults(stuck=0.5), seed=1)
    async with client(app) as ev:
        dataset = await ev.datasets.create(texts(10), name="stuck")
        run = await dataset.evaluate("contains", eval_config=NEEDLE, timeout=30)
        began = anyio.current_time()
        with pytest.raises(StalledError, match=r"'contains' is Running.*attach\(\)") as caught:
            await run
        assert anyio.current_time() - began <= 2 * 30 + 1  # the table is looked at before it is given up
        assert caught.value.dataset_id == dataset.id
        statuses = [each.status for each in caught.value.report.outcomes]
        assert set(statuses) == {OutcomeStatus.SCORED, OutcomeStatus.STALLED}
        assert [each.passed for each in caught.value.report.outcomes if each.result] == [
            each.index % 3 == 0 for each in caught.value.report.outcomes if each.result
        ]


async def test_the_timeout_of_the_call_ends_the_wait():
    app = backend(latency=1000.0)
    async with client(app, timeout=Timeout(call=5)) as ev:
        app.switches = app.switches.replace(latency=0.0)
        dataset = await ev.datasets.create(texts(3), name="short")
        app.switches = app.switches.replace(latency=1000.0)
        run = await dataset.evaluate("contains", eval_config=NEEDLE)
        began = anyio.current_time()
        with pytest.raises(StalledError, match="not done after") as caught:
            await run
        assert anyio.current_time() - began == pytest.approx(5.0, abs=0.5)
        assert [each.status.value for each in caught.value.report.outcomes] == ["stalled"] * 3


async def test_a_dataset_that_is_never_made_and_one_that_cannot_be_are_told():
    async with client(backend(faults=Faults(dataset_stuck=1.0)), timeout=20) as ev:
        began = anyio.current_time()
        with pytest.raises(StalledError, match="rows are still processing after 20 s") as caught:
            await ev.datasets.create(texts(3), name="stuck")
        assert anyio.current_time() - began == 20.0
        assert caught.value.dataset_id == (await ev.datasets.list())[0].id
    async with client(backend(faults=Faults(dataset_fail=1.0))) as ev:
        with pytest.raises(DatasetError, match="could not make the dataset: File processing error") as caught:
            await ev.datasets.create(texts(3), name="failed")
        assert (await ev.datasets.get("failed")).id == caught.value.dataset_id
        await ev.datasets.delete("failed")
        assert await ev.datasets.list() == []


async def test_unknown_names_and_ids_are_told():
    async with client(backend()) as ev:
        with pytest.raises(NotFoundError, match="no dataset named 'answers'; there are none"):
            await ev.datasets.get("answers")
        dataset = await ev.datasets.create(texts(2), name="answers")
        with pytest.raises(NotFoundError, match="no dataset named 'answer'; did you mean answers"):
            await ev.datasets.get("answer")
        with pytest.raises(NotFoundError, match="no dataset with the id 0000"):
            await ev.datasets.get(id="00000000-0000-4000-8000-000000000000")
        with pytest.raises(ConfigurationError, match="id is a UUID"):
            await ev.datasets.get(id="../x")
        with pytest.raises(ConfigurationError, match="one of the two"):
            await ev.datasets.get()
        with pytest.raises(DatasetError, match="has no evaluations"):
            await dataset.attach()
        await dataset.evaluate("contains", eval_config=NEEDLE)
        with pytest.raises(DatasetError, match="no evaluation 'contain'; did you mean contains"):
            await dataset.attach("contain")
        run = await dataset.attach()
        await dataset.delete()
        for call in (dataset.count, dataset.evaluations, dataset.download, dataset.delete, run.wait, run.report):
            with pytest.raises(NotFoundError, match="no dataset with the id"):
                await call()


async def test_what_cannot_be_meant_is_refused_before_anything_is_sent():
    app = backend()
    async with client(app) as ev:
        for name in ("", "  ", "two\nlines", "x" * 256, None, " a"):
            with pytest.raises(ConfigurationError, match="name"):
                await ev.datasets.create(texts(1), name=name)
        with pytest.raises(ConfigurationError, match="holds no rows"):
            await ev.datasets.create([], name="none")
        with pytest.raises(InvalidCaseError, match="case 1: the input 'text' holds a NUL") as caught:
            await ev.datasets.create([{"text": "a"}, {"text": "\0"}], name="nul")
        assert (caught.value.index, caught.value.field) == (1, "text")
        with pytest.raises(InvalidCaseError, match="case 0: not a dict"):
            await ev.datasets.create([["text"]], name="lists")
        with pytest.raises(ConfigurationError, match="begins or ends in white space"):
            await ev.datasets.create([{"text ": "a"}], name="columns")
        assert app.statistics()["posts"] == 0


async def test_an_evaluation_that_cannot_be_meant_is_not_begun():
    app = backend()
    async with client(app) as ev:
        dataset = await ev.datasets.create([{"answer": "a", "source": "b", "id": "7"}], name="columns")
        posts = app.statistics()["posts"]
        wrong = [
            ({"eval_templates": "groundedness"}, "needs the key 'input'|needs the key 'context'"),
            ({"eval_templates": "is_json", "mapping": {"text": "answr"}}, "no column 'answr'; did you mean answer"),
            ({"eval_templates": "is_json", "mapping": {"text": "answer", "txt": "id"}}, "key 'txt', which no template"),
            ({"eval_templates": "is_json", "names": {"is_jso": "x"}}, "names has 'is_jso'"),
            ({"eval_templates": "is_json", "names": {"is_json": "x" * 51}}, "1 to 50 characters"),
            ({"eval_templates": ["is_json", "contains"], "names": {"is_json": "contains"}}, "calls two templates"),
            ({"eval_templates": Criteria("calm", "Is {{output}} calm?")}, "calm is your own"),
        ]
        for given, words in wrong:
            with pytest.raises(ConfigurationError, match=words):
                await dataset.evaluate(**given)
        with pytest.raises(NotFoundError, match="is_jso"):
            await dataset.evaluate("is_jso")
        assert app.statistics()["posts"] == posts
        with pytest.raises(InvalidCaseError, match="the column 'other', which"):
            await dataset.add_rows([{"other": "x"}])
    with pytest.raises(ConfigurationError, match='add "cloud" to backends'):
        _ = AsyncEvaluator(backends=["local", Judge("m", api_key="k")]).datasets


async def test_keys_are_mapped_as_gather_fills_them():
    async with client(backend()) as ev:
        cases = [{"answer": "Paris is in France.", "source": "Paris is in France.", "question": "Where?"}]
        dataset = await ev.datasets.create(cases, name="aliases")
        report = await (await dataset.evaluate("groundedness", mapping={"context": "source"}))
        gathered = await ev.gather(cases_from(cases, mapping={"context": "source"}), "groundedness")
        assert [each.passed for each in report.outcomes] == [each.passed for each in gathered.outcomes] == [True]
        assert report.results[0].estimate


async def test_all_kinds_of_sources_go_up(tmp_path):
    file = tmp_path / "answers.csv"
    file.write_text("id,text,n\n1,[1],5\n2,,6\n", encoding="utf-8")

    async def coming():
        for n in range(3):
            yield {"text": f"[{n}]"}

    async with client(backend()) as ev:
        assert await (await ev.datasets.create(file, name="file")).download() == "id,text,n\n1,[1],5\n2,,6\n"
        assert await (await ev.datasets.create(coming(), name="async")).count() == 3
        rich = [Case({"text": [1, 2], "of": {"a": None}}, id="x"), {"text": float("nan"), "more": 1.5}]
        made = await ev.datasets.create(rich, name="rich")
        rows = list(csv.DictReader(io.StringIO(await made.download())))
        assert rows == [
            {"text": "[1, 2]", "of": '{"a": null}', "id": "x", "more": ""},
            {"text": "", "of": "", "id": "", "more": "1.5"},
        ]
        frame = pytest.importorskip("pandas").DataFrame({"text": ["[1]", None], "n": [1, 2]})
        assert await (await ev.datasets.create(frame, name="frame")).count() == 2


async def test_white_space_that_the_platform_cuts_off_is_told(caplog):
    async with client(backend()) as ev:
        with caplog.at_level(logging.WARNING, "fi_async"):
            dataset = await ev.datasets.create([{"text": " a"}, {"text": "b"}], name="spaces")
    assert dataset.remarks == (
        "1 cells begin or end in white space, which the platform cuts off: their verdicts are of the rest",
    )
    assert dataset.remarks[0] in caplog.text


async def test_a_full_plan_is_no_rate_limit_that_is_waited_out():
    app = ReplayServer(
        {
            "/model-hub/develops/get-datasets-names/": [ok({"datasets": []})],
            "/model-hub/develops/create-dataset-from-local-file/": [error(429, "Row limit reached")],
        }
    )
    async with client(app) as ev:
        with pytest.raises(QuotaExhaustedError, match="the plan takes no more: Row limit reached"):
            await ev.datasets.create(texts(2), name="full")


async def test_datasets_of_one_name_are_told_by_their_ids():
    twice = [{"dataset_id": f"id-{n}", "name": "twice", "model_type": "GenerativeLLM"} for n in (1, 2)]
    async with client(ReplayServer({"/model-hub/develops/get-datasets-names/": [ok({"datasets": twice})]})) as ev:
        with pytest.raises(DatasetError, match=r"2 datasets are named 'twice'.*id-1, id-2"):
            await ev.datasets.get("twice")


async def test_requests_keep_to_the_limits_of_the_client():
    app = backend()
    async with client(app, limits=[Limit(2, per=10)]) as ev:
        began = anyio.current_time()
        dataset = await ev.datasets.create(texts(2), name="limits")
        run = await dataset.evaluate("contains", eval_config=NEEDLE)
        await run
        took = anyio.current_time() - began
    asked = app.statistics()["requests"]
    assert asked > run.counts.requests > 5
    assert took >= 10 * ((asked - 1) // 2 - 1)  # two in each window, the first of which had begun
    with pytest.raises(TypeError, match="cannot be pickled"):
        pickle.dumps(run)
    assert repr(dataset) == f"<Dataset 'limits' {dataset.id}>"


async def test_a_refused_key_pair_ends_all_at_once():
    app = backend(keys={"other": "secret"})
    async with client(app) as ev:
        with pytest.raises(AuthenticationError):
            await ev.datasets.create(texts(2), name="refused")
    assert app.statistics()["requests"] == 1


def test_programs_that_do_not_await_have_the_same():
    with Evaluator.local(LocalBackend()) as ev:
        dataset = ev.datasets.create(({"text": f"[{n}"} for n in range(70)), name="blocking")
        assert (dataset.count(), dataset.add_rows(iter([{"text": "[1]"}]))) == (70, 1)
        run = dataset.evaluate("is_json")
        assert [progress.is_done for progress in run][-1]
        report = run.wait()
        assert [each.passed for each in report.outcomes] == [False] * 70 + [True]
        assert verdicts(run.report()) == verdicts(report)
        assert run.status().is_done
        run.stop()
        assert ev.datasets.get("blocking").attach("is_json").names == run.names == ("is_json",)
        assert [each.status for each in dataset.evaluations()] == ["Completed"]
        assert run.retry_failed().wait().coverage == 1.0
        assert dataset.download().count("\n") == 72
        assert [each.rows for each in ev.datasets.list()] == [71]
        assert dataset.remarks == ()
        assert run.dataset_id == dataset.id
        ev.datasets.delete(id=dataset.id)
        assert ev.datasets.list() == []
        other = ev.datasets.create([{"text": "x"}], name="other")
        other.delete()
        for each in (dataset, run, ev.datasets):
            assert dataset.id in repr(each) or "local" in repr(each)
            with pytest.raises(TypeError, match="cannot be pickled"):
                pickle.dumps(each)


async def test_a_dataset_of_the_name_that_somebody_else_made_meanwhile_is_not_taken_for_ours():
    theirs = {"dataset_id": "11111111-1111-4111-8111-111111111111", "name": "race", "model_type": "GenerativeLLM"}
    app = ReplayServer(
        {
            "/model-hub/develops/get-datasets-names/": [ok({"datasets": []}), ok({"datasets": [theirs]})],
            "/model-hub/develops/create-dataset-from-local-file/": [
                error(502),
                error(400, "A dataset with this name already exists. Please choose a different name."),
            ],
            "/model-hub/develops/dataset-creation-progress/.*": [
                ok({"processing_status": "completed", "original_filename": "theirs.csv"})
            ],
        }
    )
    async with client(app) as ev:
        with pytest.raises(DatasetError, match="there is a dataset named 'race' already") as caught:
            await ev.datasets.create(texts(2), name="race")
    assert caught.value.dataset_id == theirs["dataset_id"]
    assert len([each for each in app.requests if each[0] == "POST"]) == 2


async def test_a_dataset_of_ours_whose_answer_came_after_all_is_found_by_its_file():
    app = backend(faults=Faults(reset_after=1.0))
    async with client(app, max_retries=2) as ev:
        dataset = await ev.datasets.create(texts(2), name="late")
        assert [each.id for each in await ev.datasets.list()] == [dataset.id]
    assert app.statistics()["posts"] == 1


def test_the_id_of_a_row_tells_its_place_and_no_other_row_has_it():
    ids = [
        row_id(dataset, place, token) for dataset in ("a", "b") for place in (0, 1, 2**47) for token in (0, 1, 2**23)
    ]
    assert len(set(ids)) == len(ids)
    assert {(UUID(each).version, UUID(each).variant) for each in ids} == {(8, RFC_4122)}
    assert [place_of("a", each) for each in ids[:9]] == [0] * 3 + [1] * 3 + [2**47] * 3
    assert [place_of("a", each) for each in (*ids[9:], str(uuid4()), "r1")] == [None] * 11


async def test_rows_that_were_added_in_several_goes_keep_their_order():
    async with client(backend()) as ev:
        dataset = await ev.datasets.create([{"text": "0"}], name="order")
        for begin in (1, 3, 5):
            await dataset.add_rows([{"text": str(begin)}, {"text": str(begin + 1)}])
        report = await (await dataset.evaluate("is_json"))
    assert [each.case.inputs["text"] for each in report.outcomes] == [str(n) for n in range(7)]


def test_a_row_that_a_stopped_evaluation_did_not_come_to_says_so():
    column = DatasetColumn("c", "text")
    listed = ListedEvaluation("e", "checked", "is_json", "Error")
    rows = [DatasetRow("r", 0, {"c": {"cell_value": "[1]", "status": "pass"}})]
    for was_stopped, words in ((True, "was stopped before it came to this row"), (False, r"has ended \(Error\)")):
        evaluated = [EvaluatedColumn(listed, from_catalogue("is_json"), was_stopped)]
        (outcome,) = outcomes_of(rows, [column], evaluated, Reply(200, {}, b""), "d")
        assert outcome.status is OutcomeStatus.FAILED
        with pytest.raises(EvaluationError, match=words):
            raise outcome.error


def test_a_cell_that_says_error_has_the_reasons_words_whatever_its_status():
    cell = {"cell_value": "error", "status": "pass", "value_infos": {}}
    found = verdict_of(cell, {"cell_value": "why"}, from_catalogue("is_json"), Reply(200, {}, b""))
    assert (type(found), found.server_message) == (EvaluationError, "why")
