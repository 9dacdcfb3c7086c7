"""What becomes of datasets: made from a file, given rows, evaluated column by column, stopped, deleted."""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Mapping
from typing import Any, Final
from uuid import UUID

from fi_async.local import draws, envelopes, results, templates, validation
from fi_async.local.counts import ServerCounts
from fi_async.local.datasets.stored import CellRun, ColumnEvaluation, StoredColumn, StoredDataset, StoredRow, new_id
from fi_async.local.datasets.uploads import read_file, read_form
from fi_async.local.envelopes import HttpReply, Refused, bad_request, success
from fi_async.local.evaluations import EvaluationBook, Visit
from fi_async.local.results import EvaluationEnd
from fi_async.local.switches import Switches
from fi_async.local.templates import template_of_id
from fi_async.local.validation import ValidRequest

NOT_FOUND: Final = "Dataset not found"
LONGEST_NAME: Final = 50
"""Characters of an evaluation's name, at most."""

_STOPPED: Final = EvaluationEnd(error="Evaluation was stopped by user.")
_MAKING_FAILED: Final = "File processing error: An unexpected error occurred while processing the file"


class DatasetBook:
    """Keeps the datasets of all owners, in memory; their evaluations are booked like any other.

    Args:
        evaluations: Where each row's evaluation is booked.
        counts: What is told of faults.
    """

    def __init__(self, evaluations: EvaluationBook, counts: ServerCounts) -> None:
        self.evaluations = evaluations
        self._counts = counts
        self._datasets: dict[str, StoredDataset] = {}
        self._number = 0

    def of(self, owner: str, now: float) -> list[StoredDataset]:
        """Return the datasets of an owner, the oldest first."""
        found = [dataset for dataset in self._datasets.values() if dataset.owner == owner]
        for dataset in found:
            dataset.settle(now)
        return found

    def find(self, text: str, visit: Visit, *, status: int = 404) -> StoredDataset:
        """Return the dataset with this id.

        Raises:
            Refused: There is none; with this status.
        """
        found = self._datasets.get(_id(text))
        if found is None or found.owner != visit.owner:
            raise Refused(bad_request(NOT_FOUND) if status == 400 else not_found(NOT_FOUND))
        found.settle(visit.now)
        return found

    def create(self, request: Any, visit: Visit) -> HttpReply:
        """Make a dataset of a form's file; its rows are there a little later."""
        form = read_form(request)
        columns, rows = read_file(form)
        name = form.fields.get("new_dataset_name") or form.filename
        if any(dataset.name == name for dataset in self.of(visit.owner, visit.now)):
            raise Refused(bad_request("A dataset with this name already exists. Please choose a different name."))
        number, self._number = self._number, self._number + 1
        dataset = StoredDataset(
            visit.owner, name, form.fields.get("model_type", ""), form.filename, visit.now, pending=(columns, rows)
        )
        dataset.estimated = len(rows), len(columns)
        self._settle_fate(dataset, visit.switches, number)
        self._datasets[dataset.id] = dataset
        return success(
            {
                "message": "Dataset creation started successfully. Processing in background.",
                "dataset_id": dataset.id,
                "dataset_name": name,
                "dataset_model_type": dataset.model_type,
                "processing_status": "queued",
                "estimated_rows": len(rows),
                "estimated_columns": len(columns),
            }
        )

    def _settle_fate(self, dataset: StoredDataset, switches: Switches, number: int) -> None:
        took = draws.latency(switches.latency, switches.seed, number, "dataset")
        dataset.ready_at = dataset.made_at + took
        fate = draws.pick(switches.faults.of_dataset(), draws.uniform(switches.seed, "dataset fate", number))
        if fate is not None:
            self._counts.faults[fate] += 1
        if fate == "dataset_stuck":
            dataset.ready_at = math.inf
        elif fate == "dataset_fail":
            dataset.failure = _MAKING_FAILED

    def add_rows(self, dataset: StoredDataset, body: Any) -> HttpReply:
        """Add rows; one whose id is there already is refused, as the platform's database does, and those after it."""
        rows = body.get("rows") if isinstance(body, dict) else None
        if not isinstance(rows, list) or not rows:
            raise Refused(bad_request("Data missing in the request"))
        there = {row.id for row in dataset.rows}
        for row in rows:
            identity = row.get("id") or new_id()
            if identity in there:
                raise Refused(envelopes.server_error("Failed to add data to rows"))
            there.add(identity)
            given = {cell["column_name"]: cell.get("value") for cell in row.get("cells", [])}
            cells = {column.id: given.get(column.name, "") for column in dataset.columns}
            dataset.rows.append(StoredRow(cells, identity))
        return success(f"Successfully added {len(rows)} row(s)")

    def delete(self, body: Any, visit: Visit) -> HttpReply:
        """Delete datasets, all or none."""
        wanted = [str(each) for each in body.get("dataset_ids") or ()] if isinstance(body, dict) else []
        missing = [each for each in wanted if self._datasets.get(each, _NOBODYS).owner != visit.owner]
        if not wanted or missing:
            raise Refused(bad_request(f"Datasets not found: {', '.join(missing)}"))
        for each in wanted:
            del self._datasets[each]
        return success(f"{len(wanted)} datasets deleted successfully")

    def add_evaluation(self, dataset: StoredDataset, body: Any, visit: Visit) -> HttpReply:
        """Add an evaluation: a column for its verdicts, and one for its reasons."""
        name, config = str(body.get("name") or ""), body.get("config") or {}
        if any(each.name == name for each in dataset.evaluations.values()):
            raise Refused(bad_request("Eval Template name must be unique"))
        if not name or len(name) > LONGEST_NAME:
            raise Refused(bad_request(f"Name must be between 1 and {LONGEST_NAME} characters"))
        template = template_of_id(str(body.get("template_id")))
        if template is None:
            raise Refused(not_found("Eval template not found"))
        mapping, params = config.get("mapping") or {}, config.get("params") or {}
        self._check(dataset, template, mapping, params, visit)
        identity = new_id()
        verdicts = StoredColumn(name, _data_type(template.output_type), "evaluation", identity)
        reasons = StoredColumn(f"{name}-reason", "text", "evaluation_reason", identity)
        added = ColumnEvaluation(
            name,
            template,
            dict(mapping),
            dict(params),
            body.get("model") or None,
            bool(body.get("error_localizer")),
            verdicts,
            reasons,
            identity,
            updated_at=visit.now,
        )
        dataset.columns += [verdicts, reasons]
        dataset.evaluations[identity] = added
        if body.get("run"):
            self._run(added, dataset.rows, visit)
        return success("success")

    def _check(
        self, dataset: StoredDataset, template: Any, mapping: Mapping[str, Any], params: Any, visit: Visit
    ) -> None:
        columns = {column.id for column in dataset.columns}
        if missing := [key for key in template.required if mapping.get(key) not in columns]:
            raise Refused(bad_request(f"Missing mapping for required keys: {', '.join(missing)}"))
        if messages := validation.wrong_params(template, params):
            raise Refused(bad_request(messages[0]))
        why = templates.why_unavailable(template.name, visit.switches)
        if template.name not in self.evaluations.answers and why:
            raise Refused(bad_request(why))

    def start(self, dataset: StoredDataset, body: Any, visit: Visit) -> HttpReply:
        """Start evaluations: of all rows, or of those without a verdict."""
        if refusal := self.evaluations.overloaded(visit):
            return refusal
        wanted = [dataset.evaluations.get(str(each)) for each in body.get("user_eval_ids") or ()]
        found = [each for each in wanted if each is not None]
        if not found:
            raise Refused(not_found("Eval not found"))
        for each in found:
            rows = dataset.rows
            if body.get("failed_only"):
                rows = [row for row in rows if not self._has_verdict(each, row, visit)]
            self._run(each, rows, visit)
        return success(f"Successfully updated {len(found)} eval(s) status")

    def _run(self, evaluation: ColumnEvaluation, rows: Iterable[StoredRow], visit: Visit) -> None:
        evaluation.is_started, evaluation.stopped, evaluation.is_ended = True, False, False
        evaluation.updated_at = visit.now
        params = json.dumps(evaluation.params)
        for row in list(rows):
            inputs = {key: row.cells.get(column) or "" for key, column in evaluation.mapping.items()}
            job = ValidRequest(
                evaluation.template,
                inputs,
                params,
                evaluation.model,
                is_async=True,
                error_localizer=evaluation.error_localizer,
            )
            accepted, _ = self.evaluations.accept(job, [inputs], visit)
            evaluation.runs[row.id] = CellRun(accepted[0])

    def stop(self, dataset: StoredDataset, eval_id: str, visit: Visit) -> HttpReply:
        """Stop an evaluation: rows without a verdict get none. One that has ended stays as it is."""
        found = dataset.evaluations.get(_id(eval_id))
        if found is None:
            raise Refused(not_found("Eval not found"))
        if self.status_of(found, visit) in ("NotStarted", "Running"):
            found.stopped, found.updated_at = True, visit.now
            for run in found.runs.values():
                if self.end_of(run, visit) is None:
                    run.stopped, run.ended = True, _STOPPED
        return success("User evaluation stopped")

    def status_of(self, evaluation: ColumnEvaluation, visit: Visit) -> str:
        """Return how an evaluation stands, in the platform's words."""
        if not evaluation.is_started:
            return "Inactive"
        if evaluation.stopped:
            return "Error"
        runs = evaluation.runs.values()
        if evaluation.is_ended or all(self.end_of(run, visit) is not None for run in runs):
            evaluation.is_ended = True
            return "Completed"
        begun = any(run.ended is not None or visit.now > run.evaluation.start for run in runs)
        return "Running" if begun else "NotStarted"

    def end_of(self, run: CellRun | None, visit: Visit) -> EvaluationEnd | None:
        """Return how the evaluation of a row ended; None if it has not."""
        if run is None:
            return None
        if run.ended is None and results.state(run.evaluation, visit.now, self.evaluations.answers) == "done":
            run.ended = results.end_of(run.evaluation, visit.switches, self.evaluations.answers)
        return run.ended

    def _has_verdict(self, evaluation: ColumnEvaluation, row: StoredRow, visit: Visit) -> bool:
        ended = self.end_of(evaluation.runs.get(row.id), visit)
        return ended is not None and ended.error is None


_NOBODYS: Final = StoredDataset("", "", "", "", 0.0)


def not_found(text: str) -> HttpReply:
    """Return a 404 in the API's own shape."""
    return envelopes.error(404, "not_found", "not_found", text)


def _id(text: str) -> str:
    """Return an id in the form that it is kept under; a text that is none as it is."""
    try:
        return str(UUID(text))
    except ValueError:
        return text


def _data_type(output_type: str) -> str:
    return {"Pass/Fail": "boolean", "score": "float", "numeric": "float", "choices": "array"}.get(output_type, "text")
