"""The paths of datasets: below /model-hub/, beside the evaluation API."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any, Final

from fi_async.local import gate
from fi_async.local.asgi import Request
from fi_async.local.datasets.book import DatasetBook
from fi_async.local.datasets.stored import StoredDataset
from fi_async.local.datasets.views import DatasetViews
from fi_async.local.envelopes import HttpReply, Refused, bad_request
from fi_async.local.evaluations import Visit

ROOT: Final = "/model-hub/"

_DEVELOPS: Final = f"{ROOT}develops/"
_ID: Final = r"([0-9a-fA-F-]{32,36})"
_OF_ONE: Final = re.compile(rf"{_DEVELOPS}{_ID}/([\w-]+)/(?:{_ID}/)?")
_PROGRESS: Final = re.compile(rf"{_DEVELOPS}dataset-creation-progress/{_ID}/")
_STATISTICS: Final = re.compile(rf"{ROOT}dataset/{_ID}/eval-stats/")
_LONGEST_NUMBER: Final = 9  # digits

Respond = Callable[[Request, Visit], HttpReply]
_Of = Callable[[StoredDataset, Request, Visit], HttpReply]
"""Answers a request about one dataset."""


class DatasetRoutes:
    """Says what answers at a path of datasets, by method."""

    def __init__(self, book: DatasetBook) -> None:
        self._book = book
        self._views = views = DatasetViews(book)
        self._of_all: dict[str, dict[str, Respond]] = {
            "create-dataset-from-local-file/": {"POST": book.create},
            "get-datasets-names/": {"GET": lambda request, visit: views.names(request.query, visit)},
            "delete_dataset/": {"DELETE": lambda request, visit: book.delete(gate.json_body(request), visit)},
        }
        self._by_name: dict[str, tuple[str, _Of]] = {
            "get-dataset-table": ("GET", self._table),
            "get_evals_list": ("GET", lambda dataset, _, visit: views.evaluations(dataset, visit)),
            "download_dataset": ("GET", lambda dataset, _, visit: views.csv_file(dataset, visit)),
            "add_rows": ("POST", lambda dataset, request, _: book.add_rows(dataset, _body(request))),
            "add_user_eval": (
                "POST",
                lambda dataset, request, visit: book.add_evaluation(dataset, _body(request), visit),
            ),
            "start_evals_process": ("POST", lambda dataset, request, visit: book.start(dataset, _body(request), visit)),
        }

    def find(self, path: str) -> dict[str, Respond] | None:
        """Return what answers at a path, by method; None where there is nothing."""
        if found := _PROGRESS.fullmatch(path):
            return {"GET": self._of(found[1], lambda dataset, _, visit: self._views.progress(dataset, visit.now))}
        if found := _STATISTICS.fullmatch(path):
            return {"GET": self._of(found[1], lambda dataset, _, visit: self._views.statistics(dataset, visit))}
        if found := _OF_ONE.fullmatch(path):
            return self._of_one(found[1], found[2], found[3])
        return self._of_all.get(path.removeprefix(_DEVELOPS)) if path.startswith(_DEVELOPS) else None

    def _of_one(self, dataset_id: str, what: str, eval_id: str | None) -> dict[str, Respond] | None:
        if eval_id is not None:
            stop: _Of = lambda dataset, _, visit: self._book.stop(dataset, eval_id, visit)  # noqa: E731  # as in the table
            return {"POST": self._of(dataset_id, stop)} if what == "stop_user_eval" else None
        if (found := self._by_name.get(what)) is None:
            return None
        method, respond = found
        return {method: self._of(dataset_id, respond, status=400 if respond == self._table else 404)}

    def _of(self, dataset_id: str, respond: _Of, *, status: int = 404) -> Respond:
        def answer(request: Request, visit: Visit) -> HttpReply:
            return respond(self._book.find(dataset_id, visit, status=status), request, visit)

        return answer

    def _table(self, dataset: StoredDataset, request: Request, visit: Visit) -> HttpReply:
        size, index = _number(request, "page_size", 10), _number(request, "current_page_index", 0)
        return self._views.table(dataset, max(1, size), index, visit)


def _body(request: Request) -> Any:
    body = gate.json_body(request)
    if not isinstance(body, dict):
        raise Refused(bad_request("Invalid data. Expected a dictionary."))
    return body


def _number(request: Request, name: str, default: int) -> int:
    text = request.query.get(name, "")
    if not text:
        return default
    if not text.isascii() or not text.isdigit() or len(text) > _LONGEST_NUMBER:
        raise Refused(bad_request(f"{name}: A valid integer is required."))
    return int(text)
