"""evaluate() and aevaluate(): one evaluation in one line, with the environment's keys."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Any

from fi_async._models import Case, TemplateLike
from fi_async._public import public
from fi_async._settings import OMITTED, Omitted, Timeout
from fi_async.backends.chosen import FUNCTIONS, Backend, Backends
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
    backends: Sequence[Backend] | None = None,
    **inputs: Any,
) -> EvalResult:
    """Return the result of one evaluation: `.score`, `.passed`, `.reason`.

    Args:
        template: A template's name, or a function with `@template`, or a `Criteria`.
        model: The judge, such as "turing_small".
        model_name: Another word for `model`.
        eval_config: The template's parameters.
        timeout: Seconds for each case, from its first request to its outcome, waits for rate limits not counted;
            None sets no bound. A Timeout bounds more, such as `Timeout(call=10)` the call as a whole.
        backends: Who evaluates, as of AsyncEvaluator. None: the platform, and a function of yours itself.
        **inputs: The inputs by key.

    Raises:
        MissingCredentialsError: FI_API_KEY or FI_SECRET_KEY is missing, the platform is asked, and FI_BASE_URL is not
            "local"; or a judge has no key.
        ConfigurationError: Nobody in `backends` answers the template.
        InvalidCaseError, APIError, EvaluationError: As `AsyncEvaluator.evaluate`.

    Example:
        >>> evaluate("contains", text="Paris, France", eval_config={"keyword": "Paris"}).passed
        True
    """
    # A Case: a list among the keywords is one input, and no batch.
    given: dict[str, Any] = {"model": model, "model_name": model_name, "eval_config": eval_config, "timeout": timeout}
    batch: BatchRunResult = _blocking_client(_who(template, backends)).evaluate(template, Case(inputs), **given)
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
    backends: Sequence[Backend] | None = None,
    **inputs: Any,
) -> EvalResult:
    """Return the result of one evaluation, as `evaluate` does, for programs that await."""
    given: dict[str, Any] = {"model": model, "model_name": model_name, "eval_config": eval_config, "timeout": timeout}
    batch: BatchRunResult = await _client(_who(template, backends)).evaluate(template, Case(inputs), **given)
    return batch.eval_results[0]


@dataclass(frozen=True)
class _Who:
    """What the clients are kept by: a program may change its keys, and clients never mix.

    Attributes:
        environment: The keys, and the server.
        backends: Who evaluates; None for the platform.
        parts: What judges are asked over: judges that are equal may have others.
    """

    environment: tuple[str | None, ...]
    backends: tuple[Backend, ...] | None
    parts: tuple[int, ...] = ()


def _who(template: TemplateLike, backends: Sequence[Backend] | None) -> _Who:
    environment = [os.environ.get(name) for name in ("FI_API_KEY", "FI_SECRET_KEY", "FI_BASE_URL")]
    if backends is None:
        return _Who(tuple(environment), (FUNCTIONS,) if _is_function(template) else None)
    judges = Backends(backends).all_judges  # checked before anything is made of it
    if judges:
        from fi_async.backends.judge import KEY_VARIABLE  # noqa: PLC0415  # not needed by who asks the platform

        environment.append(os.environ.get(KEY_VARIABLE))
    parts = tuple(id(part) for judge in judges for part in (judge.app, judge.http_client))
    return _Who(tuple(environment), tuple(backends), parts)


def _is_function(template: TemplateLike) -> bool:
    if isinstance(template, str):
        return False
    from fi_async.backends.own_code import FunctionTemplate  # noqa: PLC0415  # as above

    return isinstance(template, FunctionTemplate)


@cache
def _client(who: _Who) -> AsyncEvaluator:
    return AsyncEvaluator(backends=who.backends)


@cache
def _blocking_client(who: _Who) -> Evaluator:
    return Evaluator(backends=who.backends)
