"""Verdicts that somebody else gives, such as a model: asked for while the evaluation is under way, and kept."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, Final, NamedTuple

from fi_async.local import scoring
from fi_async.local.store import Evaluation, Store

_NO_WORDS: Final = "Evaluation failed. Please try again. If the problem persists, contact support."


class GivenAnswer(NamedTuple):
    """What somebody else said of one evaluation.

    Attributes:
        output: The verdict, of the template's output type.
        reason: Why, if it says so.
        model: Which model said so, if one did.
        error: Why there is no verdict; None if there is one.
        is_blank: True if that is because an input is blank.
    """

    output: Any = None
    reason: str | None = None
    model: str | None = None
    error: str | None = None
    is_blank: bool = False


LocalAnswer = Callable[[str, Mapping[str, Any], Mapping[str, Any]], Awaitable[tuple[Any, str | None, str | None]]]
"""From a template's name, inputs and params to an output, a reason and a model; what it raises is why it failed."""


class Answers:
    """Who answers which templates in place of this server, and what was answered.

    Args:
        given: What answers each, by the template's name.
        store: Keeps the answers.
    """

    def __init__(self, given: Mapping[str, LocalAnswer], store: Store) -> None:
        self._given = dict(given)
        self._store = store
        self._under_way: dict[bytes, asyncio.Task[GivenAnswer]] = {}

    def __contains__(self, template: object) -> bool:
        return template in self._given

    def answers(self, row: Evaluation) -> bool:
        """Tell whether an evaluation is somebody else's to make."""
        return row.error is None and row.template in self._given

    def find(self, row: Evaluation) -> GivenAnswer | None:
        """Return the answer to an evaluation; None if there is none, yet or ever."""
        text = self._store.find_answer(row.id) if self.answers(row) else None
        return None if text is None else GivenAnswer(*json.loads(text))

    def is_open(self, row: Evaluation) -> bool:
        """Tell whether an evaluation waits for its answer; if nobody was asked, as after a restart, ask now."""
        if not self.answers(row) or self.find(row) is not None:
            return False
        self.begin(row)
        return True

    def begin(self, row: Evaluation) -> None:
        """Ask for an answer, and go on."""
        if self.answers(row) and row.id not in self._under_way:
            task = self._under_way[row.id] = asyncio.get_running_loop().create_task(self.answer(row))
            task.add_done_callback(lambda _: self._under_way.pop(row.id, None))

    async def answer(self, row: Evaluation) -> GivenAnswer:
        """Return the answer to an evaluation, once it is there and kept."""
        found = await self._ask(row)
        self._store.add_answer(row.id, json.dumps(found))
        return found

    async def _ask(self, row: Evaluation) -> GivenAnswer:
        inputs, params = json.loads(row.inputs), json.loads(row.params)
        try:
            scoring.check_inputs(row.template, inputs)
            return GivenAnswer(*await self._given[row.template](row.template, inputs, params))
        except scoring.BlankInputError as blank:
            return GivenAnswer(error=str(blank), is_blank=True)
        except Exception as error:  # noqa: BLE001  # whatever it raises is why the evaluation failed
            return GivenAnswer(error=str(error) or _NO_WORDS)
