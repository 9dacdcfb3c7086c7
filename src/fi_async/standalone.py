"""evaluate() and aevaluate(): one evaluation in one line, with the environment's keys."""

from __future__ import annotations

import os
from collections.abc import Mapping
from functools import cache
from typing import TYPE_CHECKING, Any

from fi_async._models import Case, TemplateLike
from fi_async._public import public
from fi_async._settings import OMITTED, Omitted, Timeout
from fi_async.evaluator import AsyncEvaluator
from fi_async.sync import Evaluator

if TYPE_CHECKING:
    from fi_async._results import BatchRunResult, EvalResult


@public
def evaluate(
    template: TemplateLike,
    /,
    *,
    model: str | Omitted | None = OMITTED,
    model_name: str | Omitted | None = OMITTED,
    eval_config: Mapping[str, Any] | None = None,
    timeout: float | Timeout | Omitted | None = OMITTED,
    **inputs: Any,
) -> EvalResult:
    """Return the result of one evaluation: `.score`, `.passed`, `.reason`.

    Args:
        template: A template's name, or an object with an `eval_name`.
        model: The judge, such as "turing_small".
        model_name: Another word for `model`.
        eval_config: The template's parameters.
        timeout: Seconds for each case, from its first request to its outcome, waits for rate limits not counted;
            None sets no bound. A Timeout bounds more, such as `Timeout(call=10)` the call as a whole.
        **inputs: The inputs by key.

    Raises:
        MissingCredentialsError: FI_API_KEY or FI_SECRET_KEY is missing, and FI_BASE_URL is not "local".
        InvalidCaseError, APIError, EvaluationError: As `AsyncEvaluator.evaluate`.

    Example:
        >>> evaluate("contains", text="Paris, France", eval_config={"keyword": "Paris"}).passed
        True
    """
    # A Case: a list among the keywords is one input, and no batch.
    given: dict[str, Any] = {"model": model, "model_name": model_name, "eval_config": eval_config, "timeout": timeout}
    batch: BatchRunResult = _blocking_client(*_environment()).evaluate(template, Case(inputs), **given)
    return batch.eval_results[0]


@public
async def aevaluate(
    template: TemplateLike,
    /,
    *,
    model: str | Omitted | None = OMITTED,
    model_name: str | Omitted | None = OMITTED,
    eval_config: Mapping[str, Any] | None = None,
    timeout: float | Timeout | Omitted | None = OMITTED,
    **inputs: Any,
) -> EvalResult:
    """Return the result of one evaluation, as `evaluate` does, for programs that await."""
    given: dict[str, Any] = {"model": model, "model_name": model_name, "eval_config": eval_config, "timeout": timeout}
    batch: BatchRunResult = await _client(*_environment()).evaluate(template, Case(inputs), **given)
    return batch.eval_results[0]


def _environment() -> tuple[str | None, ...]:
    """Return what the clients are kept by: a program may change its keys, and clients never mix."""
    return tuple(os.environ.get(name) for name in ("FI_API_KEY", "FI_SECRET_KEY", "FI_BASE_URL"))


@cache
def _client(*_: str | None) -> AsyncEvaluator:
    return AsyncEvaluator()


@cache
def _blocking_client(*_: str | None) -> Evaluator:
    return Evaluator()
