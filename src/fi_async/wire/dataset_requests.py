"""The calls about datasets: below /model-hub/ of the same server, with the same keys."""

from __future__ import annotations

import json
import secrets
from collections.abc import Mapping, Sequence
from typing import Any, Final
from urllib.parse import quote, urlencode

from fi_async._errors import InvalidCaseError
from fi_async.wire.requests import HttpCall

ROOT: Final = "/model-hub/"
MOST_BYTES: Final = 25 * 2**20
"""The longest file that the platform takes."""
LONGEST_NAME: Final = 50
"""Characters of an evaluation's name in a dataset, at most."""
ROWS_OF_A_PAGE: Final = 100
"""Rows that a page is asked for, at most; where the server gives fewer, it says how many pages there are."""

_DEVELOPS: Final = f"{ROOT}develops/"


def create(name: str, model_type: str, filename: str, content: bytes) -> HttpCall:
    """Return the call that makes a dataset of a CSV file; the server makes its rows a little later.

    It names no `source`: those of "sdk" are in no list of names, and could not be found again.
    """
    boundary = secrets.token_hex(16)
    fields = {"new_dataset_name": name, "model_type": model_type}
    parts = [
        f'--{boundary}\r\nContent-Disposition: form-data; name="{field}"\r\n\r\n{value}\r\n'
        for field, value in fields.items()
    ]
    file = (
        f'--{boundary}\r\nContent-Disposition: form-data; name="file"; filename="{filename}"\r\n'
        "Content-Type: text/csv\r\n\r\n"
    )
    body = b"".join([*(part.encode() for part in parts), file.encode(), content, f"\r\n--{boundary}--\r\n".encode()])
    return HttpCall(
        "POST",
        f"{_DEVELOPS}create-dataset-from-local-file/",
        body,
        repeatable=False,
        content_type=f"multipart/form-data; boundary={boundary}",
    )


def progress(dataset_id: str) -> HttpCall:
    """Return the call that asks how far the rows of a dataset's file are made."""
    return HttpCall("GET", f"{_DEVELOPS}dataset-creation-progress/{quote(dataset_id, safe='')}/")


def names(search: str = "") -> HttpCall:
    """Return the call that lists the datasets whose names contain a text, or all."""
    query = f"?{urlencode({'search_text': search}, quote_via=quote)}" if search else ""
    return HttpCall("GET", f"{_DEVELOPS}get-datasets-names/{query}")


def table(dataset_id: str, page: int, rows: int = ROWS_OF_A_PAGE) -> HttpCall:
    """Return the call for one page of a dataset's rows, counted from 0."""
    return HttpCall("GET", f"{_of(dataset_id)}get-dataset-table/?page_size={rows}&current_page_index={page}")


def add_rows(dataset_id: str, rows: Sequence[tuple[str, Mapping[str, str]]]) -> HttpCall:
    """Return the call that adds rows. Each has an id of ours: the server refuses one that is there."""
    body = [
        {"id": row_id, "cells": [{"column_name": column, "value": value} for column, value in cells.items()]}
        for row_id, cells in rows
    ]
    return HttpCall("POST", f"{_of(dataset_id)}add_rows/", _json({"rows": body}), repeatable=False)


def evaluations(dataset_id: str) -> HttpCall:
    """Return the call that lists the evaluations of a dataset, and how each stands."""
    return HttpCall("GET", f"{_of(dataset_id)}get_evals_list/?eval_type=user")


def add_evaluation(
    dataset_id: str,
    name: str,
    template_id: str,
    mapping: Mapping[str, str],
    params: Mapping[str, Any],
    *,
    model: str | None = None,
    error_localizer: bool = False,
) -> HttpCall:
    """Return the call that adds an evaluation to a dataset, and does not start it.

    Args:
        dataset_id: The dataset.
        name: Of the column for its verdicts; new in the dataset.
        template_id: As `get-evals/` gives it.
        mapping: The id of the column that each key of the template is taken from.
        params: The template's parameters.
        model: The judge.
        error_localizer: Ask which part of the input is at fault.
    """
    body = {
        "name": name,
        "template_id": template_id,
        "config": {"mapping": dict(mapping), "config": {}, "params": dict(params)},
        "run": False,
        **({} if model is None else {"model": model}),
        **({"error_localizer": True} if error_localizer else {}),
    }
    return HttpCall("POST", f"{_of(dataset_id)}add_user_eval/", _json(body, "eval_config"), repeatable=False)


def start(dataset_id: str, eval_ids: Sequence[str], *, failed_only: bool) -> HttpCall:
    """Return the call that starts evaluations: of all rows, or of those without a verdict."""
    body = {"user_eval_ids": list(eval_ids), **({"failed_only": True} if failed_only else {})}
    return HttpCall("POST", f"{_of(dataset_id)}start_evals_process/", _json(body), repeatable=False)


def stop(dataset_id: str, eval_id: str) -> HttpCall:
    """Return the call that stops an evaluation; one that has ended stays as it is."""
    return HttpCall("POST", f"{_of(dataset_id)}stop_user_eval/{quote(eval_id, safe='')}/", b"{}")


def statistics(dataset_id: str) -> HttpCall:
    """Return the call for the aggregates of a dataset's evaluations."""
    return HttpCall("GET", f"{ROOT}dataset/{quote(dataset_id, safe='')}/eval-stats/")


def download(dataset_id: str) -> HttpCall:
    """Return the call for a dataset's CSV."""
    return HttpCall("GET", f"{_of(dataset_id)}download_dataset/")


def delete(dataset_id: str) -> HttpCall:
    """Return the call that deletes a dataset."""
    body = _json({"dataset_ids": [dataset_id]})
    return HttpCall("DELETE", f"{_DEVELOPS}delete_dataset/", body, repeatable=False)


def _of(dataset_id: str) -> str:
    return f"{_DEVELOPS}{quote(dataset_id, safe='')}/"


def _json(body: Mapping[str, Any], field: str = "rows") -> bytes:
    try:
        return json.dumps(body, ensure_ascii=False, allow_nan=False, separators=(",", ":")).encode()
    except (TypeError, ValueError, RecursionError) as error:
        # Not the error's own text: it may quote the inputs.
        raise InvalidCaseError(
            f"{field} holds a value with no JSON form ({type(error).__name__}): use text, numbers, lists and dicts",
            field=field,
        ) from None
