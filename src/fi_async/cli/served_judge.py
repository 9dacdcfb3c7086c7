"""A judge that answers in place of the embedded backend's estimates, through the client of the package itself."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from fi_async._models import Case
from fi_async.backends.judge import Judge
from fi_async.backends.rubrics import judged_names
from fi_async.evaluator import AsyncEvaluator
from fi_async.local.answers import LocalAnswer


class ServedJudge:
    """Answers the platform's judged templates, for a `LocalBackend`.

    Args:
        judge: Who is asked.
    """

    def __init__(self, judge: Judge) -> None:
        self._client = AsyncEvaluator(backends=[judge], extra_keys="ignore")

    @property
    def answers(self) -> Mapping[str, LocalAnswer]:
        """What answers each template that a judge can, by its name."""
        return dict.fromkeys(judged_names(), self._answer)

    async def _answer(
        self, template: str, inputs: Mapping[str, Any], params: Mapping[str, Any]
    ) -> tuple[Any, str | None, str | None]:
        """Return the verdict on one case, why, and the model.

        Raises:
            FiAsyncError: There is none; the message says why.
        """
        # A Case: a list among the inputs is one value, and no batch.
        batch = await self._client.evaluate(template, Case(dict(inputs)), eval_config=params or None)
        result = batch.eval_results[0]
        return result.output, result.reason, result.model

    async def aclose(self) -> None:
        """Close the connections to the judge."""
        await self._client.aclose()
