"""From a stored evaluation to what the API says of it: its verdict, its state, its two spellings."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any, Literal
from uuid import UUID

from fi_async.local import scoring, templates
from fi_async.local.answers import Answers, GivenAnswer
from fi_async.local.envelopes import HttpReply, bad_request, server_error, success
from fi_async.local.store import Evaluation
from fi_async.local.switches import Switches
from fi_async.local.templates import TemplateFacts

ENGINE_FAILED = "Evaluation failed. Please try again. If the problem persists, contact support."
RATE_LIMITED = "API call not allowed: rate_limited"

_BEING_PROCESSED = "Evaluation is being processed."
_PASS_MARK = 0.5


@dataclass(frozen=True, slots=True)
class EvaluationEnd:
    """How an evaluation ends: with a verdict, or with an `error` and the reply a synchronous request gets."""

    output: Any = None
    reason: str | None = None
    error: str | None = None
    refusal: HttpReply | None = None


def end_of(row: Evaluation, switches: Switches, answers: Answers) -> EvaluationEnd:
    """Evaluate: the same row always ends the same way, unless it asks the network. An answer has to be there."""
    if row.error is not None:
        refusal = server_error() if row.error == RATE_LIMITED else bad_request(row.error)
        return EvaluationEnd(error=row.error, refusal=refusal)
    if answers.answers(row):
        return _answered(answers.find(row) or GivenAnswer(error=ENGINE_FAILED))
    try:
        inputs, params = json.loads(row.inputs), json.loads(row.params)
        verdict = scoring.run_evaluator(row.template, inputs, params, allow_network=switches.allow_network)
    except scoring.BlankInputError as blank:
        return EvaluationEnd(error=str(blank), refusal=server_error())
    except scoring.EngineError as failed:
        return EvaluationEnd(error=str(failed), refusal=bad_request(str(failed)))
    return EvaluationEnd(verdict.output, verdict.reason)


def _answered(found: GivenAnswer) -> EvaluationEnd:
    if found.error is None:
        return EvaluationEnd(found.output, found.reason)
    return EvaluationEnd(error=found.error, refusal=server_error() if found.is_blank else bad_request(found.error))


def state(row: Evaluation, now: float, answers: Answers) -> Literal["pending", "processing", "done"]:
    """Return how far an evaluation has come."""
    if now >= row.ready:
        return "processing" if answers.is_open(row) else "done"
    return "processing" if now > row.start else "pending"


def sync_item(row: Evaluation, ended: EvaluationEnd, answers: Answers) -> dict[str, Any]:
    """Return an evaluation as the reply to a synchronous request lists it."""
    template = template_of(row)
    return {
        "name": row.template,
        "reason": ended.reason,
        "runtime": _milliseconds(row),
        "output": ended.output,
        "output_type": template.output_type,
        "eval_id": eval_id(row.id),
        **_marks(row, answers),
    }


def async_item(row: Evaluation, answers: Answers) -> dict[str, Any]:
    """Return an evaluation as the reply to an asynchronous request lists it."""
    template = template_of(row)
    return {
        "name": row.template,
        "output_type": template.output_type,
        "eval_id": eval_id(row.id),
        **_marks(row, answers),
    }


def poll_reply(row: Evaluation, now: float, switches: Switches, answers: Answers) -> HttpReply:
    """Return the reply to GET new-eval/ about this evaluation."""
    reached = state(row, now, answers)
    word, result = _finished(row, switches, answers) if reached == "done" else (reached, _BEING_PROCESSED)
    content = {"eval_status": word, "result": result}
    return success(_camel(content) if switches.spelling == "camel" else content)


def _finished(row: Evaluation, switches: Switches, answers: Answers) -> tuple[str, dict[str, Any]]:
    template, ended = template_of(row), end_of(row, switches, answers)
    answered = answers.find(row)
    scored = ended.error is None
    result: dict[str, Any] = {
        "eval_id": eval_id(row.id),
        "name": row.template,
        "input_data": json.loads(row.inputs),
        "reason": ended.reason,
        "runtime": float(_milliseconds(row)) if scored else None,
        # Recorded: the platform forgets the model of synchronous evaluations.
        "model": (row.model if row.is_async else None) if answered is None else answered.model,
        "output_type": template.output_type if scored else None,
        "value": str(ended.output) if scored else None,
        "error_localizer_enabled": row.error_localizer,
        **_marks(row, answers),
    }
    if row.error_localizer and scored:
        result["error_localizer"] = {"error_analysis": {}, "selected_input_key": None}
    completed = scored and (row.is_async or not _reads_as_failure(template, ended.output))
    if not completed:
        result["error_message"] = ended.error
    return "completed" if completed else "failed", result


def _reads_as_failure(template: TemplateFacts, output: Any) -> bool:
    """Whether the platform stores a synchronous evaluation with this verdict as failed, with a null error.

    Recorded: "Failed", lists of choices, and a model's scores below the pass mark.
    """
    if isinstance(output, list):
        return True
    low = template.judged_by_model and isinstance(output, int | float) and output < _PASS_MARK
    return low or bool(output == "Failed")


def eval_id(identity: bytes) -> str:
    """Return an id as the API writes it."""
    return str(UUID(bytes=identity))


def template_of(row: Evaluation) -> TemplateFacts:
    """Return the template of a stored evaluation."""
    template = templates.template_named(row.template)
    if template is None:
        raise LookupError(f"the store holds an evaluation of {row.template!r}, which the catalogue no longer has")
    return template


def _marks(row: Evaluation, answers: Answers) -> dict[str, Any]:
    """Return the fields that tell a reply as this server's; what a model answers is no estimate."""
    marks = template_of(row).marks
    return {**marks, "estimate": False} if row.template in answers else marks


def _milliseconds(row: Evaluation) -> int:
    return round((row.ready - row.start) * 1000)


def _camel(content: Any) -> Any:
    """Return the same with camelCase keys; what the user sent keeps its own."""
    if not isinstance(content, dict):
        return content
    return {_camel_word(key): value if key == "input_data" else _camel(value) for key, value in content.items()}


def _camel_word(word: str) -> str:
    head, *tail = word.split("_")
    return head + "".join(part.capitalize() for part in tail)
