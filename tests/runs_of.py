"""Outcomes and runs made up for tests."""

from __future__ import annotations

from collections.abc import Iterable

from fi_async import Case, EvalResult, EvaluationError, Outcome, OutcomeStatus

VERDICTS = {"P": "Passed", "F": "Failed"}


def outcome(index, value, template="groundedness", *, own_id=None, inputs=None):
    """An outcome of this value: P, F, a number, a label; None without a score."""
    case = Case({"output": f"answer {index}"} if inputs is None else inputs, own_id)
    if value is None:
        error = EvaluationError("the judge is out")
        return Outcome(index, case, template, OutcomeStatus.FAILED, error=error)
    output = VERDICTS.get(value, value)
    kind = "Pass/Fail" if value in VERDICTS else "choices" if isinstance(value, str) else "score"
    result = EvalResult(name=template, output=output, output_type=kind, reason=f"why {index}")
    return Outcome(index, case, template, OutcomeStatus.SCORED, result=result)


def outcomes(values: Iterable, template="groundedness", *, ids=""):
    """An outcome of each of these; `ids` names them by letter."""
    return [
        outcome(index, None if value == "-" else value, template, own_id=ids[index] if ids else None)
        for index, value in enumerate(values)
    ]
