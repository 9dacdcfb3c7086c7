"""What a request will have to evaluate and that may take long, evaluated before it is answered, out of the event loop.

The server decides on a request without waiting; so whatever takes time has its verdict by then.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import suppress
from functools import partial
from typing import Any, Final
from uuid import UUID

from fi_async._threads import Worker
from fi_async.local import bounded, gate, scoring, validation
from fi_async.local.answers import Answers
from fi_async.local.asgi import Request
from fi_async.local.envelopes import Refused
from fi_async.local.store import Evaluation, Store
from fi_async.local.switches import Switches
from fi_async.local.validation import BrokenRowError

_SHORT: Final = 400  # bytes of a body or of stored inputs within which only these templates take long
_SLOW: Final = (*bounded.SHORT_TOO, *sorted(bounded.APART))

Evaluated = tuple[str, dict[str, Any], dict[str, Any]]
"""A template's name, inputs and params."""


def slow_cases(request: Request, switches: Switches, store: Store, answers: Answers) -> list[Evaluated]:
    """Return what this request evaluates and may take long; mostly nothing, which costs next to nothing to tell."""
    found = _posted(request, switches, answers) if request.method == "POST" else _asked_for(request, store)
    return [case for case in found if case[0] not in answers and bounded.may_take_long(*case)]


async def settle(cases: list[Evaluated], switches: Switches, *, to_the_end: bool) -> None:
    """Evaluate in another thread, to the end or up to the first that fails: the verdicts are kept for the answer."""
    if not cases:
        return
    worker = Worker("fi-async local evaluations")
    try:
        await worker.call(partial(_evaluate, cases, switches, to_the_end=to_the_end))
    finally:
        worker.close()


def _evaluate(cases: list[Evaluated], switches: Switches, *, to_the_end: bool) -> None:
    for case in cases:
        try:
            scoring.run_evaluator(*case, allow_network=switches.allow_network)
        except (scoring.BlankInputError, scoring.EngineError):
            if not to_the_end:
                return


def _posted(request: Request, switches: Switches, answers: Answers) -> Iterator[Evaluated]:
    if len(request.body) <= _SHORT and not any(name.encode() in request.body for name in _SLOW):
        return
    if not request.path.endswith("/new-eval/"):
        return
    with suppress(Refused, BrokenRowError):
        gate.authenticate(request, switches.keys)
        job = validation.valid_request(gate.json_body(request), switches, answers)
        if not job.is_async:
            params = json.loads(job.params)
            yield from ((job.template.name, row, params) for row in validation.rows(job.inputs))


def _asked_for(request: Request, store: Store) -> Iterator[Evaluated]:
    query = request.query if request.query_string else {}
    ids = []
    with suppress(ValueError):
        ids = [UUID(query["eval_id"]).bytes] if "eval_id" in query else []
    if "project_name" in query:
        key = request.headers.get("x-api-key", "")
        for version in query.get("versions", "").split(","):
            run = store.find_run(key, query["project_name"], version.strip())
            held = b"" if run is None else run.evaluations
            ids += [held[at : at + 16] for at in range(0, len(held), 16)]
    for row in map(store.find, ids):
        if row is not None and _is_worth_a_look(row):
            yield row.template, json.loads(row.inputs), json.loads(row.params)


def _is_worth_a_look(row: Evaluation) -> bool:
    return row.error is None and (row.template in _SLOW or len(row.inputs) > _SHORT)
