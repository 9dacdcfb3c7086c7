"""What the API says of datasets: their tables, evaluations, statistics and CSV."""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping
from datetime import UTC, datetime
from statistics import fmean, quantiles
from typing import Any, Final

from fi_async.local import results, templates
from fi_async.local.datasets.book import DatasetBook
from fi_async.local.datasets.stored import CellRun, ColumnEvaluation, StoredColumn, StoredDataset, StoredRow
from fi_async.local.envelopes import HttpReply, success
from fi_async.local.evaluations import Visit
from fi_async.local.results import EvaluationEnd

MOST_ROWS: Final = 100
"""Rows of a page, at most."""

_NO_REASON: Final = "No reasoning available. Please rerun the evaluation."
_SHARES: Final = (5, 10, 20, 30, 40, 50, 60, 70, 80, 90, 95)


class DatasetViews:
    """Shows the datasets of a book."""

    def __init__(self, book: DatasetBook) -> None:
        self._book = book

    def progress(self, dataset: StoredDataset, now: float) -> HttpReply:
        """Return how far the rows of a file are made."""
        is_failed = dataset.failure is not None and now >= dataset.ready_at
        is_completed = not is_failed and dataset.pending is None
        word = "failed" if is_failed else "completed" if is_completed else "processing"
        ended = _iso(dataset.ready_at) if is_failed or is_completed else None
        return success(
            {
                "dataset_id": dataset.id,
                "dataset_name": dataset.name,
                "processing_status": word,
                "is_processing": not is_failed and not is_completed,
                "is_completed": is_completed,
                "is_failed": is_failed,
                "original_filename": dataset.filename,
                "estimated_rows": dataset.estimated[0],
                "estimated_columns": dataset.estimated[1],
                "queued_at": _iso(dataset.made_at),
                "started_at": _iso(dataset.made_at),
                "completed_at": ended if is_completed else None,
                "failed_at": ended if is_failed else None,
                "error_message": dataset.failure if is_failed else None,
            }
        )

    def names(self, query: Mapping[str, str], visit: Visit) -> HttpReply:
        """Return the datasets whose name contains a text, without regard to case."""
        wanted = query.get("search_text", "").lower()
        return success(
            {
                "datasets": [
                    {
                        "dataset_id": each.id,
                        "name": each.name,
                        "model_type": each.model_type,
                        "row_count": len(each.rows),
                    }
                    for each in self._book.of(visit.owner, visit.now)
                    if wanted in each.name.lower()
                ]
            }
        )

    def evaluations(self, dataset: StoredDataset, visit: Visit) -> HttpReply:
        """Return the evaluations of a dataset, the latest first."""
        listed = [self._evaluation(each, visit) for each in reversed(dataset.evaluations.values())]
        return success({"evals": listed, "eval_recommendations": []})

    def _evaluation(self, evaluation: ColumnEvaluation, visit: Visit) -> dict[str, Any]:
        template = evaluation.template
        return {
            "id": evaluation.id,
            "name": evaluation.name,
            "template_name": template.name,
            "eval_template_name": template.name,
            "eval_required_keys": list(template.required),
            "config": {
                "config": {},
                "params": evaluation.params,
                "mapping": evaluation.mapping,
                "reason_column": True,
            },
            "model": evaluation.model or "",
            "column_id": evaluation.column.id,
            "updated_at": _iso(evaluation.updated_at),
            "status": self._book.status_of(evaluation, visit),
            "template_type": "single",
            "template_id": templates.id_of(template.name),
            "owner": "system",
            "mapping": evaluation.mapping,
            "params": evaluation.params,
            "error_localizer": evaluation.error_localizer,
            "output_type": {"Pass/Fail": "pass_fail"}.get(template.output_type, "percentage"),
        }

    def table(self, dataset: StoredDataset, size: int, index: int, visit: Visit) -> HttpReply:
        """Return a page of rows with all their cells."""
        size = min(size, MOST_ROWS)
        total = len(dataset.rows)
        rows = [
            {"row_id": row.id, "order": order, **self._cells(dataset, row, visit)}
            for order, row in enumerate(dataset.rows[index * size : (index + 1) * size], index * size)
        ]
        columns = [self._column(dataset, column, place, visit) for place, column in enumerate(dataset.columns)]
        return success(
            {
                "metadata": {
                    "dataset_name": dataset.name,
                    "total_rows": total,
                    "total_pages": -(-total // size),
                    "error_messages": [],
                    "status": {"dataset_status": "Completed" if dataset.pending is None else "Running"},
                },
                "column_config": columns,
                "table": rows,
                "is_processing_data": dataset.pending is not None and dataset.failure is None,
            }
        )

    def _column(self, dataset: StoredDataset, column: StoredColumn, place: int, visit: Visit) -> dict[str, Any]:
        evaluation = dataset.evaluations.get(column.source_id or "")
        return {
            "id": column.id,
            "name": column.name,
            "is_frozen": None,
            "is_visible": True,
            "data_type": column.data_type,
            "source_type": "text",
            "origin_type": column.origin,
            "source_id": column.source_id,
            "average_score": None,
            "order_index": place,
            "status": "Completed" if evaluation is None else self._book.status_of(evaluation, visit),
            "metadata": {"run_prompt": False, "run_prompt_id": []},
            "choices_map": {},
            "reason_column": column.origin == "evaluation",
        }

    def _cells(self, dataset: StoredDataset, row: StoredRow, visit: Visit) -> dict[str, Any]:
        cells = {
            column.id: _cell(row.cells.get(column.id), "pass", {"metadata": {}})
            for column in dataset.columns
            if column.source_id is None
        }
        for evaluation in dataset.evaluations.values():
            run = evaluation.runs.get(row.id)
            if run is None:
                continue
            ended = self._book.end_of(run, visit)
            if ended is None:
                cells[evaluation.column.id] = _cell(None, "running", {})
            elif ended.error is not None:
                cells[evaluation.column.id] = _cell("error", "error", {"reason": ended.error, "metadata": {}})
                cells[evaluation.reason_column.id] = _cell(_NO_REASON, "error", {"reason": _NO_REASON, "metadata": {}})
            else:
                facts = _facts(evaluation, run, ended)
                cells[evaluation.column.id] = _cell(str(ended.output), "pass", facts)
                cells[evaluation.reason_column.id] = _cell(ended.reason, "pass", facts)
        return cells

    def csv_file(self, dataset: StoredDataset, visit: Visit) -> HttpReply:
        """Return the whole dataset as CSV; a cell without a verdict says "error"."""
        text = io.StringIO(newline="")
        writer = csv.writer(text, lineterminator="\n")
        writer.writerow([column.name for column in dataset.columns])
        for row in dataset.rows:
            cells = self._cells(dataset, row, visit)
            writer.writerow([(cells.get(column.id) or {}).get("cell_value") for column in dataset.columns])
        name = dataset.filename.replace('"', "")
        disposition = (("content-disposition", f'attachment; filename="{name}"'),)
        return HttpReply(200, text.getvalue().encode(), disposition, "text/csv")

    def statistics(self, dataset: StoredDataset, visit: Visit) -> HttpReply:
        """Return aggregates of each evaluation; cells without a verdict are left out."""
        found = []
        for evaluation in dataset.evaluations.values():
            ended = [self._book.end_of(run, visit) for run in evaluation.runs.values()]
            outputs = [each.output for each in ended if each is not None and each.error is None]
            total, output = _aggregate(evaluation, outputs)
            cells = {"name": evaluation.name, "id": evaluation.id, "total_cells": len(outputs), "output": output}
            found.append(
                {
                    "name": evaluation.template.name,
                    **total,
                    "result": [cells],
                    "output_type": evaluation.template.output_type,
                    "id": templates.id_of(evaluation.template.name),
                }
            )
        return success(found)


def _aggregate(evaluation: ColumnEvaluation, outputs: list[Any]) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return what stands beside the cells of an evaluation, and what is said of their outputs."""
    if evaluation.template.output_type == "Pass/Fail":
        passed = outputs.count("Passed")
        share = 100 * passed / len(outputs) if outputs else 0.0
        failed = len(outputs) - passed
        said = {"pass": share, "fail": 100 - share if outputs else 0.0, "pass_count": passed, "fail_count": failed}
        return {"total_pass_rate": share}, said
    numbers = [float(each) for each in outputs if isinstance(each, int | float)]
    if not numbers:
        return {"total_avg": None}, {}
    cuts = quantiles(numbers, n=100, method="inclusive") if len(numbers) > 1 else [numbers[0]] * 99
    points = {f"p{share}": round(cuts[share - 1], 2) for share in _SHARES} | {"p100": max(numbers)}
    return {"total_avg": round(100 * fmean(numbers), 2)}, points


def _facts(evaluation: ColumnEvaluation, run: CellRun, ended: EvaluationEnd) -> dict[str, Any]:
    passed = {"Passed": 1.0, "Failed": 0.0}.get(ended.output) if isinstance(ended.output, str) else ended.output
    return {
        "failure": ended.output == "Failed",
        "reason": ended.reason,
        "runtime": round((run.evaluation.ready - run.evaluation.start) * 1000),
        "model": evaluation.model or "",
        "metrics": [{"id": "passed", "value": passed}],
        "metadata": None,
        "output": evaluation.template.output_type,
        "name": evaluation.name,
        "eval_id": results.eval_id(run.evaluation.id),
        **evaluation.template.marks,
    }


def _cell(value: str | None, status: str, infos: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "cell_value": value,
        "metadata": {"response_time_ms": None, "token_count": None, "annotation": None},
        "status": status,
        "value_infos": infos,
        "feedback_info": {},
    }


def _iso(when: float) -> str:
    return datetime.fromtimestamp(when, UTC).isoformat()
