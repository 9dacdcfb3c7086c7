"""evaluate-pipeline/: many evaluations under the version of a project, answered with aggregates only."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any
from uuid import uuid4

from fi_async.local import envelopes, fields, results, templates, validation
from fi_async.local.answers import Answers
from fi_async.local.envelopes import HttpReply, Messages, Refused
from fi_async.local.evaluations import EvaluationBook, Visit, is_storable, jsonb_order
from fi_async.local.fields import Field
from fi_async.local.store import Evaluation, PipelineRun, Store
from fi_async.local.switches import Switches
from fi_async.local.templates import TemplateFacts
from fi_async.local.validation import ValidRequest

_ACCEPTED = "Evaluation run accepted and is being processed."
_PROCESSING = "Evaluations are being processed. Please try again in a few minutes."
_RETRIEVED = "Evaluation runs retrieved successfully."
_ID_BYTES = 16


class WrongItemError(ValueError):
    """An item of a run is wrong; `messages` are by its fields."""

    def __init__(self, messages: Messages) -> None:
        super().__init__(messages)
        self.messages = messages


class Pipelines:
    """Accepts runs and sums them up."""

    def __init__(self, store: Store, evaluations: EvaluationBook) -> None:
        self._store = store
        self._evaluations = evaluations

    def submit(self, body: Any, visit: Visit) -> HttpReply:
        """Accept a run, whose version must be new in its project."""
        values = fields.clean(body, _RUN)
        jobs = _jobs(values["eval_data"], visit.switches, self._evaluations.answers)
        project, version = values["project_name"], values["version"]
        if visit.switches.projects is not None and project not in visit.switches.projects:
            validation.refuse("project_name", f"Project with name '{project}' not found.")
        if self._store.find_run(visit.owner, project, version):
            validation.refuse("version", f"An evaluation run for version '{version}' already exists in this project.")
        evaluations = b"".join(row.id for row in self._accept(jobs, visit))
        run = PipelineRun(uuid4().bytes, visit.owner, project, version, evaluations)
        self._store.add_run(run)
        return envelopes.success(
            {
                "message": _ACCEPTED,
                "project_name": project,
                "version": version,
                "evaluation_run_id": results.eval_id(run.id),
            }
        )

    def _accept(self, jobs: Sequence[ValidRequest], visit: Visit) -> list[Evaluation]:
        rows = [(job, list(validation.rows(job.inputs))) for job in jobs]
        if not all(is_storable(inputs) for _, each in rows for inputs in each):
            return []  # the platform swallows the error, rolls back, and keeps a run without evaluations
        return [row for job, each in rows for row in self._evaluations.accept(job, each, visit)[0]]

    def report(self, query: Mapping[str, str], visit: Visit) -> HttpReply:
        """Return the summaries of the versions asked for, once all of them are done."""
        values = fields.clean(dict(query), _REPORT)
        project = values["project_name"]
        versions = [version.strip() for version in values["versions"].split(",") if version.strip()]
        if not versions:
            validation.refuse("versions", "At least one version must be provided in the 'versions' parameter.")
        runs = {version: self._store.find_run(visit.owner, project, version) for version in versions}
        if unknown := [version for version, run in runs.items() if run is None]:
            validation.refuse("versions", f"Evaluation runs not found for versions: {', '.join(unknown)}")
        found = [(run, self._rows(run)) for run in runs.values() if run is not None]
        if any(results.state(row, visit.now, self._evaluations.answers) != "done" for _, rows in found for row in rows):
            return envelopes.success({"message": _PROCESSING, "status": "processing"})
        summaries = [
            {
                "id": results.eval_id(run.id),
                "project": run.project,
                "version": run.version,
                "results_summary": _summary(rows, visit.switches, self._evaluations.answers),
            }
            for run, rows in found
        ]
        return envelopes.success({"message": _RETRIEVED, "status": "completed", "evaluation_runs": summaries})

    def _rows(self, run: PipelineRun) -> list[Evaluation]:
        ids = [run.evaluations[at : at + _ID_BYTES] for at in range(0, len(run.evaluations), _ID_BYTES)]
        return [row for row in map(self._store.find, ids) if row is not None]


def _jobs(items: Sequence[Any], switches: Switches, answers: Answers) -> list[ValidRequest]:
    """Return the items of a run, all valid.

    Raises:
        Refused: With the messages about all wrong items, each under its index.
    """
    if not items:
        validation.refuse("eval_data.non_field_errors", "This list may not be empty.")
    jobs: list[ValidRequest] = []
    messages: dict[str, Sequence[str]] = {}
    for index, item in enumerate(items):
        try:
            jobs.append(_job(item, switches, answers))
        except WrongItemError as wrong:
            messages |= {f"eval_data.{index}.{field}": texts for field, texts in wrong.messages.items()}
    if messages:
        raise Refused(envelopes.invalid(messages))
    return jobs


def _job(item: Any, switches: Switches, answers: Answers) -> ValidRequest:
    """Return the evaluations of one item, in which unknown fields are let pass."""
    if not isinstance(item, dict):
        raise WrongItemError({"non_field_errors": [fields.not_an_object(item)]})
    values, wrong = fields.checked(item, _ITEM)
    if wrong:
        raise WrongItemError({field: [message] for field, message in wrong.items()})
    name, inputs, params = values["eval_template"], values["inputs"], values["config"].get("params", {})
    template = templates.template_named(name)
    if template is None:
        raise WrongItemError({"eval_template": [f"Evaluation template with name '{name}' not found."]})
    if name not in answers and (why := templates.why_unavailable(name, switches)):
        raise WrongItemError({"eval_template": [why]})
    if message := validation.wrong_keys(template, inputs) or _wrong_lists(inputs):
        raise WrongItemError({"inputs": [message]})
    if messages := validation.wrong_params(template, params):
        raise WrongItemError({"config": messages})
    return ValidRequest(
        template, inputs, json.dumps(params), values["model_name"], is_async=True, error_localizer=False
    )


def _wrong_lists(inputs: Mapping[str, Any]) -> str | None:
    if not all(isinstance(value, list) for value in inputs.values()):
        return "All input values must be lists for batched requests."
    return validation.same_length(list(inputs.values()))


def _summary(rows: Sequence[Evaluation], switches: Switches, answers: Answers) -> dict[str, Any]:
    """Return the aggregate of each template; evaluations that failed are left out, without a word."""
    outputs: dict[str, list[Any]] = {}
    for row in rows:
        ended = results.end_of(row, switches, answers)
        if ended.error is None:
            outputs.setdefault(row.template, []).append(ended.output)
    known = {row.template: results.template_of(row) for row in rows}
    return {name: _aggregate(known[name], each) for name, each in outputs.items()}


def _aggregate(template: TemplateFacts, outputs: Sequence[Any]) -> Any:
    """Return the percentage of each label, that of passes, or 100 times the mean, by the template's output type."""
    if template.output_type == "choices":
        # As recorded: an output that holds a score besides its choice counts for none of the labels.
        labels = [output if isinstance(output, list) else [output] for output in outputs]
        in_order = sorted(template.choices, key=jsonb_order)
        return {choice: _percent([choice in each for each in labels]) for choice in in_order}
    if template.output_type == "Pass/Fail":
        return _percent([output == "Passed" for output in outputs])
    return _percent(outputs)


def _percent(shares: Sequence[float]) -> float:
    return 100 * sum(shares) / len(shares)


_RUN = {
    "project_name": Field(fields.filled_text),
    "version": Field(fields.filled_text),
    "eval_data": Field(fields.array),
}
_ITEM = {
    "eval_template": Field(fields.filled_text),
    "inputs": Field(validation.input_values),
    "model_name": Field(fields.text, None, nullable=True),
    "config": Field(fields.dictionary, default={}),
}
_REPORT = {"project_name": Field(fields.filled_text), "versions": Field(fields.text)}
