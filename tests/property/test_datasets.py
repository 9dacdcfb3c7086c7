"""Whatever a server says of a dataset, no row gets a verdict that it does not have."""

from __future__ import annotations

import json
import math
import random
from contextlib import suppress
from typing import Any

import anyio
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from clock import VirtualClockLoop
from embedded import client
from fi_async import APIError, EvalResult, FiAsyncError, OutcomeStatus, ProtocolError
from fi_async.datasets.row_outcomes import EvaluatedColumn, outcomes_of
from fi_async.wire import dataset_replies as replies
from fi_async.wire.dataset_cells import verdict_of
from fi_async.wire.dataset_replies import ListedEvaluation
from fi_async.wire.responses import Reply
from fi_async.wire.templates import from_catalogue
from recorded_datasets import EXCHANGES, ReplayServer, body_of, ok

PAGE = Reply(200, {"content-type": "application/json"}, b"{}")
KINDS = {name: from_catalogue(name) for name in ("is_json", "levenshtein_similarity", "tone")}
LABELS = KINDS["tone"].choices

scalars = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8)
wild = st.recursive(
    scalars, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3)
)
said = (
    st.sampled_from(
        [
            *"Passed,Failed,passed,PASS,1.0,0.5,80%,NaN,inf,-0,1e999,error,, ,None,True,joy,['joy']".split(","),  # noqa: SIM905  # a table
            *('["joy", "x"]', "{'score': 1, 'choice': 'joy'}", str([LABELS[0]]), LABELS[0]),
            *(1, 0.5, True, False, math.nan),
        ]
    )
    | wild
)
statuses = st.sampled_from(["pass", "error", "running", "PASS", " pass ", "passed", "ok", "done", None, 1]) | wild
infos = wild | st.fixed_dictionaries(
    {},
    optional={
        "output": st.sampled_from(["Pass/Fail", "score", "choices", "numeric", "reason", "", 1]) | wild,
        "reason": st.sampled_from(["because", None]) | wild,
        "runtime": st.sampled_from([5, None]) | wild,
        "model": wild,
    },
)
cells = wild | st.fixed_dictionaries({}, optional={"cell_value": said, "status": statuses, "value_infos": infos})


@settings(max_examples=70)
@given(st.sampled_from(sorted(KINDS)), cells, cells)
@example("levenshtein_similarity", {"cell_value": "80%", "status": "pass"}, None)
@example("levenshtein_similarity", {"cell_value": "NaN", "status": "pass"}, None)
@example("levenshtein_similarity", {"cell_value": True, "status": "pass"}, None)
@example("is_json", {"cell_value": "Passed", "status": "passed"}, None)
@example("is_json", {"cell_value": "1.0", "status": "pass", "value_infos": {"output": "score"}}, None)
def test_a_cell_is_a_verdict_only_if_it_says_so(name, cell, reason):
    found = verdict_of(cell, reason, KINDS[name], PAGE)
    if not isinstance(found, EvalResult):
        assert found == "pending" or isinstance(found, FiAsyncError)
        return
    value = cell["cell_value"]
    assert str(cell["status"]).strip().lower() == "pass"
    if name == "is_json":
        assert (str(value), found.passed) in {("Passed", True), ("True", True), ("Failed", False), ("False", False)}
        assert found.score == float(found.passed)
    elif name == "levenshtein_similarity" and not isinstance(found.output, dict | list | str):
        assert not isinstance(value, bool)
        assert math.isfinite(float(value))
        assert found.output == float(value)
    elif name == "tone" and found.output_type == "choices":
        assert all(label in LABELS for label in found.choices)
    if isinstance(value, str):
        assert value.strip().lower() not in ("", "error", "nan", "80%", "inf", "1e999") or found.score is None


READERS = [
    replies.created,
    replies.making,
    replies.named,
    replies.evaluations,
    replies.table,
    replies.cells_scored,
    replies.done,
    replies.csv_text,
]


@pytest.mark.parametrize("read", READERS, ids=lambda read: read.__name__)
@given(
    status=st.sampled_from([200, 200, 200, 301, 400, 404, 429, 500, 502]),
    body=st.one_of(
        wild.map(lambda result: json.dumps({"status": True, "result": result}).encode()),
        wild.map(lambda body: json.dumps(body).encode()),
        st.sampled_from([b"", b"<html><title>502</title></html>", b'{"status": true, "res', b"a,b\n\xff"]),
    ),
)
@settings(max_examples=30)
def test_a_reply_is_read_or_is_an_error_of_the_api(read, status, body):
    with suppress(APIError):
        read(Reply(status, {"content-type": "application/json"}, body))


def spoiled(draw: st.DrawFn, value: Any) -> Any:
    """A value with one part of it, at any depth, gone or replaced by anything."""
    if isinstance(value, dict) and value and draw(st.integers(0, 3)):
        name = draw(st.sampled_from(sorted(value)))
        rest = {key: each for key, each in value.items() if key != name}
        return rest if draw(st.booleans()) else {**rest, name: spoiled(draw, value[name])}
    if isinstance(value, list) and value and draw(st.integers(0, 3)):
        place = draw(st.integers(0, len(value) - 1))
        return [*value[:place], spoiled(draw, value[place]), *value[place + 1 :]]
    return draw(wild)


@st.composite
def spoiled_tables(draw: st.DrawFn) -> Any:
    return spoiled(draw, body_of("table_done")["result"])


@given(spoiled_tables())
@settings(max_examples=80)
def test_a_recorded_table_that_is_spoiled_gives_its_verdicts_or_none(result):
    """Each verdict of the recorded table stays that of its row, or is lost."""
    truth = whole_truth()
    reply = Reply(200, {"content-type": "application/json"}, json.dumps({"status": True, "result": result}).encode())
    try:
        page = replies.table(reply)
    except ProtocolError:
        return
    for each in outcomes_of(page.rows, page.columns, EVALUATED, page.reply, "id"):
        row = page.rows[each.index]
        if each.status is OutcomeStatus.SCORED and row.id in {row_id for row_id, _ in truth}:
            recorded = truth[row.id, each.template]
            cell = next(iter(found for key, found in row.cells.items() if key == COLUMNS[each.template]), None)
            assert each.score == recorded or cell not in RECORDED_CELLS


EVALUATED = [
    EvaluatedColumn(ListedEvaluation(identity, called, template, "Completed"), from_catalogue(template))
    for identity, called, template in (
        ("d5b9bfd7-153f-4c19-a5a1-2acbfff4aec2", "json-check", "is_json"),
        ("eebe37bc-75c6-4a65-8383-1bc455662855", "lev", "levenshtein_similarity"),
    )
]
COLUMNS = {
    "is_json": "ada74774-d431-4b9c-b212-6b36dde5f70a",
    "levenshtein_similarity": "3fbd5bef-2a72-424b-a419-7816a89acda8",
}
RECORDED_CELLS = [row[column] for row in body_of("table_done")["result"]["table"] for column in COLUMNS.values()]


def whole_truth() -> dict[tuple[str, str], float | None]:
    page = replies.table(Reply(200, {}, EXCHANGES["table_done"]["body"].encode()))
    return {
        (page.rows[each.index].id, each.template): each.score
        for each in outcomes_of(page.rows, page.columns, EVALUATED, page.reply, "id")
    }


ID = "11111111-1111-4111-8111-111111111111"
TABLE = f"/model-hub/develops/{ID}/get-dataset-table/"


class Paged(ReplayServer):
    """Pages of rows whose verdict is told by their text; as large as it likes, in any order, some of them twice."""

    def __init__(self, rows: int, most: int, seed: int, *, lost: int = 0) -> None:
        super().__init__({TABLE: [self.page], r".*/get_evals_list/": [ok({"evals": [self.evaluation()]})]})
        self.replies[r".*dataset-creation-progress.*"] = [ok({"processing_status": "completed"})]
        self.rows, self.most, self.rng, self.lost = rows, most, random.Random(seed), lost

    def evaluation(self) -> dict[str, str]:
        return {"id": "e", "name": "j", "template_name": "is_json", "status": "Completed"}

    def page(self, _: bytes) -> tuple[int, Any]:
        query = self.requests[-1][2]
        size, index = min(int(query["page_size"]), self.most), int(query["current_page_index"])
        numbers = list(range(self.rows))[index * size : (index + 1) * size]
        self.rng.shuffle(numbers)
        if self.lost and len(numbers) > 1:
            self.lost -= 1
            numbers[0] = numbers[1]  # a row twice, and another not at all
        table = [
            {
                "row_id": f"r{n}",
                "order": n,
                "t": {"cell_value": str(n), "status": "pass"},
                "v": {"cell_value": "Passed" if n % 3 else "Failed", "status": "pass", "value_infos": {"runtime": 1}},
            }
            for n in numbers
        ]
        columns = [
            {"id": "t", "name": "text", "origin_type": "OTHERS", "source_id": None},
            {"id": "v", "name": "j", "origin_type": "evaluation", "source_id": "e"},
        ]
        metadata = {"dataset_name": "d", "total_rows": self.rows, "total_pages": -(-self.rows // size)}
        return ok({"metadata": metadata, "column_config": columns, "table": table})


@given(rows=st.integers(0, 60), most=st.integers(1, 25), seed=st.integers(0, 99), lost=st.integers(0, 2))
@settings(max_examples=25, deadline=None)
def test_rows_out_of_order_and_pages_of_any_size_keep_each_verdict_with_its_row(rows, most, seed, lost):
    async def read() -> Any:
        async with client(Paged(rows, most, seed, lost=lost)) as ev:
            return await (await (await ev.datasets.get(id=ID)).attach())

    report = anyio.run(read, backend_options={"loop_factory": VirtualClockLoop})
    found = [(each.index, each.case.inputs["text"], each.passed) for each in report.outcomes]
    assert found == [(n, str(n), bool(n % 3)) for n in range(rows)]


def test_a_table_whose_pages_never_fit_together_is_an_error_and_no_report():
    async def read() -> Any:
        async with client(Paged(10, 4, 1, lost=10**6)) as ev:
            await (await (await ev.datasets.get(id=ID)).attach())

    with pytest.raises(ProtocolError, match="says that the dataset has 10 rows, and its pages have"):
        anyio.run(read, backend_options={"loop_factory": VirtualClockLoop})
