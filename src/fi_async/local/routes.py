"""The API's routes: which path and method is answered by what."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from fi_async.local import configure, envelopes, fields, gate, results, templates, validation
from fi_async.local.asgi import Request
from fi_async.local.datasets.book import DatasetBook
from fi_async.local.datasets.routes import ROOT as DATASETS
from fi_async.local.datasets.routes import DatasetRoutes
from fi_async.local.envelopes import HttpReply, Refused
from fi_async.local.evaluations import Answer, EvaluationBook, Visit
from fi_async.local.fields import Field
from fi_async.local.pipeline import Pipelines

API = "/sdk/api/v1/"

Responder = Callable[[Request, Visit], Answer | HttpReply]

_NOT_FOUND = "Evaluation not found."
_LONGEST_NUMBER = 18  # digits: Python reads no number of thousands of them
_TEMPLATE_NOT_FOUND = "Evaluation template not found."


@dataclass(frozen=True, slots=True)
class Route:
    """What answers at a path, by method."""

    title: str
    by_method: Mapping[str, Responder]

    def answer(self, request: Request, visit: Visit) -> Answer:
        """Answer a request; HEAD as GET, OPTIONS with a description of the route."""
        method = "GET" if request.method == "HEAD" else request.method
        answer = self.by_method.get(method, self._describe if method == "OPTIONS" else _not_allowed)(request, visit)
        return Answer(answer, visit.now) if isinstance(answer, HttpReply) else answer

    def _describe(self, _request: Request, _visit: Visit) -> HttpReply:
        media = ["application/json"]
        return envelopes.json_reply(200, {"name": self.title, "description": "", "renders": media, "parses": media})


class Routes:
    """The table of paths."""

    def __init__(self, evaluations: EvaluationBook, pipelines: Pipelines, datasets: DatasetBook) -> None:
        self._evaluations = evaluations
        self._datasets = DatasetRoutes(datasets)
        self._pipelines = pipelines
        self._table = {
            "new-eval/": Route("Standalone Eval View V2", {"GET": self._progress, "POST": self._evaluate}),
            "get-evals/": Route("Get Evals View", {"GET": self._templates}),
            "configure-evaluations/": Route("Configure Evaluations View", {"POST": self._configure}),
            "evaluate-pipeline/": Route("Evaluate Pipeline View", {"GET": self._runs, "POST": self._run}),
        }
        self._one_template = Route("Get Eval Structure View", {"GET": self._template})

    def find(self, path: str) -> Route | None:
        """Return the route of a path; the trailing slash is part of it."""
        if path.startswith(DATASETS):
            by_method = self._datasets.find(path)
            return None if by_method is None else Route("Dataset View", by_method)
        tail = path.removeprefix(API) if path.startswith(API) else ""
        if tail.startswith("eval/") and tail.count("/") == 2 and tail.endswith("/") and tail != "eval//":
            return self._one_template
        return self._table.get(tail)

    def _evaluate(self, request: Request, visit: Visit) -> Answer | HttpReply:
        refusal = self._evaluations.overloaded(visit)
        return refusal or self._evaluations.submit(self._asked(request, visit), visit)

    def _asked(self, request: Request, visit: Visit) -> validation.ValidRequest:
        return validation.valid_request(gate.json_body(request), visit.switches, self._evaluations.answers)

    def _progress(self, request: Request, visit: Visit) -> HttpReply:
        text = fields.clean(request.query, {"eval_id": Field(fields.text)})["eval_id"]
        try:
            row = self._evaluations.find(text, visit.owner)
        except ValueError:
            validation.refuse("eval_id", "Must be a valid UUID.")
        if row is None:
            return envelopes.bad_request(_NOT_FOUND)
        return results.poll_reply(row, visit.now, visit.switches, self._evaluations.answers)

    def _templates(self, _request: Request, visit: Visit) -> HttpReply:
        return templates.listing(allow_network=visit.switches.allow_network)

    def _template(self, request: Request, visit: Visit) -> HttpReply:
        number = request.path.removesuffix("/").rpartition("/")[2]
        if not number.isascii() or not number.isdigit():
            raise Refused(envelopes.html_page(500))  # recorded: the platform does not catch this
        if len(number) > _LONGEST_NUMBER:
            return envelopes.bad_request(_TEMPLATE_NOT_FOUND)
        found = templates.numbered(int(number), allow_network=visit.switches.allow_network)
        return envelopes.bad_request(_TEMPLATE_NOT_FOUND) if found is None else envelopes.success(found)

    def _configure(self, request: Request, visit: Visit) -> HttpReply:
        return configure.configure(gate.json_body(request), visit.switches.own_templates)

    def _run(self, request: Request, visit: Visit) -> HttpReply:
        return self._evaluations.overloaded(visit) or self._pipelines.submit(gate.json_body(request), visit)

    def _runs(self, request: Request, visit: Visit) -> HttpReply:
        return self._pipelines.report(request.query, visit)


def _not_allowed(request: Request, _visit: Visit) -> HttpReply:
    return envelopes.api_error(405, "method_not_allowed", f'Method "{request.method}" not allowed.')
