"""The platform's own replies about datasets, replayed: what the client asks is what was recorded, and what it reads."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from embedded import client
from fi_async import DatasetError, EvaluationError, NotFoundError, Outcome, OutcomeStatus, StalledError
from fi_async.datasets.row_outcomes import EvaluatedColumn, outcomes_of
from fi_async.wire import dataset_replies as replies
from fi_async.wire.dataset_replies import ListedEvaluation
from fi_async.wire.templates import from_catalogue
from recorded_datasets import (
    BENCH,
    BIG,
    EXCHANGES,
    JSON_TEMPLATE,
    LEV_TEMPLATE,
    ReplayServer,
    body_of,
    ok,
    recorded,
    request_of,
    whole_table,
)

pytestmark = pytest.mark.anyio

DEVELOPS = "/model-hub/develops/"
TEMPLATES = ok([{"name": "is_json", "id": JSON_TEMPLATE}, {"name": "levenshtein_similarity", "id": LEV_TEMPLATE}])
ROWS = [
    {
        "id": str(n),
        "text": f"[{n}]" if n % 2 == 0 else f"{{bad {n}",
        "expected": f"[{n % 3}]" if n % 2 == 0 else f"x{n}",
    }
    for n in range(12)
]


def of_bench(**more):
    return {
        "/sdk/api/v1/get-evals/": [TEMPLATES],
        f"{DEVELOPS}get-datasets-names/": [ok({"datasets": []})],
        f"{DEVELOPS}create-dataset-from-local-file/": ["create_from_file"],
        f"{DEVELOPS}dataset-creation-progress/.*": ["creation_progress"],
        f"{DEVELOPS}{BENCH}/get-dataset-table/": ["table_done"],
        f"{DEVELOPS}{BENCH}/get_evals_list/": ["user_evals_done"],
        f"{DEVELOPS}{BENCH}/add_user_eval/": ["add_user_eval"],
        f"{DEVELOPS}{BENCH}/start_evals_process/": ["start_evals_process"],
        **more,
    }


def evals_without(*names):
    body = body_of("user_evals_done")
    body["result"]["evals"] = [each for each in body["result"]["evals"] if each["name"] not in names]
    return 200, body


async def test_a_file_goes_up_as_it_was_recorded():
    app = ReplayServer(of_bench())
    async with client(app) as ev:
        dataset = await ev.datasets.create(ROWS, name="bench-1795737722")
    assert (dataset.id, dataset.name) == (BENCH, "bench-1795737722")
    ((method, path, _, body),) = [each for each in app.requests if each[0] == "POST"]
    assert (method, path) == request_of("create_from_file")[:2]
    form = EXCHANGES["create_from_file"]["request"]["multipart"]
    assert f'name="new_dataset_name"\r\n\r\n{form["new_dataset_name"]}\r\n'.encode() in body
    assert f'name="model_type"\r\n\r\n{form["model_type"]}\r\n'.encode() in body
    # One of source "sdk", as recorded, is in no list of names, and could not be found again.
    assert b'name="source"' not in body
    file = body.partition(b"Content-Type: text/csv\r\n\r\n")[2].partition(b"\r\n--")[0].decode()
    plain = [line.replace('"', "") for line in file.splitlines()]
    assert plain == [line.replace('"', "") for line in form["file"]["content"].splitlines()]


async def test_an_evaluation_is_added_and_started_as_it_was_recorded():
    app = ReplayServer(
        of_bench(
            **{f"{DEVELOPS}{BENCH}/get_evals_list/": [evals_without("lev"), evals_without("lev"), "user_evals_done"]}
        )
    )
    async with client(app) as ev:
        dataset = await ev.datasets.get(id=BENCH)
        run = await dataset.evaluate(
            "levenshtein_similarity", mapping={"output": "text"}, names={"levenshtein_similarity": "lev"}
        )
    assert app.sent("/add_user_eval/") == [request_of("add_user_eval")[2]]
    assert app.sent("/start_evals_process/") == [request_of("start_evals_process")[2]]
    assert [(each.name, each.status) for each in run.evaluations] == [("lev", "Completed")]


async def test_a_name_that_is_taken_is_told_before_and_after_it_was_sent():
    async with client(ReplayServer(of_bench())) as ev:
        dataset = await ev.datasets.get(id=BENCH)
        with pytest.raises(DatasetError, match=r"has an evaluation named 'lev' already.*attach"):
            await dataset.evaluate("is_json", names={"is_json": "lev"})
    lists = [evals_without("lev"), evals_without("lev"), "user_evals_done"]
    late = ReplayServer(
        of_bench(
            **{
                f"{DEVELOPS}{BENCH}/get_evals_list/": lists,
                f"{DEVELOPS}{BENCH}/add_user_eval/": ["add_user_eval_same_name"],
            }
        )
    )
    async with client(late) as ev:
        dataset = await ev.datasets.get(id=BENCH)
        with pytest.raises(DatasetError, match="has an evaluation named 'lev' already"):
            await dataset.evaluate("is_json", names={"is_json": "lev"})  # its mapping is another's
    assert late.sent("/start_evals_process/") == []


async def test_the_recorded_table_is_the_report_of_its_run():
    app = ReplayServer(of_bench(**{f"{DEVELOPS}{BENCH}/get-dataset-table/": [(200, whole_table("table_done"))]}))
    async with client(app) as ev:
        report = await (await (await ev.datasets.get(id=BENCH)).attach())
    said = [(each.index, each.template, each.score, each.passed, each.case.id) for each in report.outcomes]
    assert said == [
        (0, "is_json", 1.0, True, "0"),
        (0, "levenshtein_similarity", 1.0, None, "0"),
        (1, "is_json", 0.0, False, "1"),
        (1, "levenshtein_similarity", 0.19999999999999996, None, "1"),
        (2, "is_json", 1.0, True, "2"),
        (2, "levenshtein_similarity", 1.0, None, "2"),
    ]
    first = report.results[0]
    assert (first.reason, first.runtime, first.output_type) == ("Text is valid JSON", 550, "Pass/Fail")
    assert report.outcomes[0].case.inputs == {"text": "[0]", "expected": "[0]"}


def read_table(name: str, *evaluated: tuple[str, str, str, str]) -> list[Outcome]:
    page = replies.table(recorded(name))
    columns = [
        EvaluatedColumn(ListedEvaluation(identity, called, template, status), from_catalogue(template))
        for identity, called, template, status in evaluated
    ]
    return list(outcomes_of(page.rows, page.columns, columns, page.reply, BENCH))


def test_a_cell_that_failed_is_a_failure_with_the_servers_words():
    failed, passed = read_table("table_errors", ("8eed1f31-220d-41d8-b4ee-fd623b7c2921", "jc", "is_json", "Completed"))
    assert (failed.status, type(failed.error)) == (OutcomeStatus.FAILED, EvaluationError)
    assert failed.error.server_message == "No input received for 'text'. Please check your input."
    assert (passed.passed, passed.case.inputs) == (True, {"text": "[1]", "expected": "[1]"})


def test_a_column_that_is_not_begun_has_no_verdicts_yet():
    outcomes = read_table(
        "table_running",
        ("d5b9bfd7-153f-4c19-a5a1-2acbfff4aec2", "json-check", "is_json", "Completed"),
        ("eebe37bc-75c6-4a65-8383-1bc455662855", "lev", "levenshtein_similarity", "NotStarted"),
    )
    assert [(each.template, each.status.value) for each in outcomes] == [
        ("is_json", "scored"),
        ("levenshtein_similarity", "stalled"),
    ] * 2
    assert isinstance(outcomes[1].error, StalledError)


async def test_failed_rows_are_run_again_as_it_was_recorded():
    evals = [{"id": "de401a3a-b98b-4ed3-ad78-64997a5360d6", "name": "j", "template_name": "is_json", "status": "Error"}]
    app = ReplayServer(
        {
            f"{DEVELOPS}dataset-creation-progress/.*": ["creation_progress"],
            f"{DEVELOPS}{BIG}/get_evals_list/": [ok({"evals": evals})],
            f"{DEVELOPS}{BIG}/get-dataset-table/": ["table_errors"],
            f"{DEVELOPS}{BIG}/start_evals_process/": ["rerun_failed"],
        }
    )
    async with client(app) as ev:
        run = await (await ev.datasets.get(id=BIG)).attach("j")
        assert await run.retry_failed() is run
    assert app.sent("/start_evals_process/") == [request_of("rerun_failed")[2]]


async def test_an_evaluation_is_stopped_and_a_dataset_deleted_as_it_was_recorded():
    eval_id = "de401a3a-b98b-4ed3-ad78-64997a5360d6"
    running = [{"id": eval_id, "name": "j", "template_name": "is_json", "status": "Running"}]
    app = ReplayServer(
        {
            f"{DEVELOPS}dataset-creation-progress/.*": ["creation_progress"],
            f"{DEVELOPS}{BIG}/get_evals_list/": [ok({"evals": running})],
            f"{DEVELOPS}{BIG}/get-dataset-table/": ["table_errors"],
            f"{DEVELOPS}{BIG}/stop_user_eval/{eval_id}/": ["stop_user_eval_running"],
            "/model-hub/dataset/.*": ["eval_stats"],
            f"{DEVELOPS}delete_dataset/": ["delete"],
        }
    )
    async with client(app) as ev:
        dataset = await ev.datasets.get(id=BIG)
        await (await dataset.attach()).stop()
        await dataset.delete()
    for name in ("stop_user_eval_running", "delete"):
        method, path, body = request_of(name)
        assert [(each[0], json.loads(each[3])) for each in app.requests if each[1] == path] == [(method, body)]


async def test_the_csv_is_handed_out_as_the_platform_writes_it():
    app = ReplayServer(
        {f"{DEVELOPS}{BENCH}/get-dataset-table/": ["table_done"], f"{DEVELOPS}{BENCH}/download_dataset/": ["download"]}
    )
    async with client(app) as ev:
        text = await (await ev.datasets.get(id=BENCH)).download()
    assert text == EXCHANGES["download"]["body"]


async def test_rows_are_added_as_it_was_recorded_but_with_ids():
    app = ReplayServer(
        {
            f"{DEVELOPS}dataset-creation-progress/.*": ["creation_progress"],
            f"{DEVELOPS}{BIG}/get-dataset-table/": ["table_errors", "table_errors", counted("table_errors", 501)],
            f"{DEVELOPS}{BIG}/add_rows/": ["add_rows"],
        }
    )
    async with client(app) as ev:
        assert await (await ev.datasets.get(id=BIG)).add_rows([{"text": "[1,2]", "expected": "[1]"}]) == 1
    (sent,) = app.sent("/add_rows/")
    (row,) = sent["rows"]
    assert set(row) == {"id", "cells"}  # by its id the server knows it if it comes again
    assert {"rows": [{"cells": row["cells"]}]} == request_of("add_rows")[2]


def counted(name, rows):
    body = body_of(name)
    body["result"]["metadata"]["total_rows"] = rows
    return 200, body


def test_an_unknown_evaluation_is_not_found():
    with pytest.raises(NotFoundError, match="Eval not found"):
        replies.done(recorded("start_unknown_eval"))


def test_the_aggregates_tell_how_many_cells_have_a_verdict():
    assert replies.cells_scored(recorded("eval_stats")) == {
        "eebe37bc-75c6-4a65-8383-1bc455662855": 12,
        "d5b9bfd7-153f-4c19-a5a1-2acbfff4aec2": 12,
    }


def test_every_recorded_exchange_is_replayed_here():
    source = Path(__file__).read_text(encoding="utf-8")
    # Added and started in one request, an answer that is lost would leave open which of the two was done: never sent.
    together = f"{'add_user_eval'}_run"
    assert [name for name in EXCHANGES if f'"{name}"' not in source] == [together]
