"""From rows to HTTP calls: what each endpoint of the API is asked with."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, Literal
from urllib.parse import quote, urlencode
from uuid import UUID

from fi_async._errors import InvalidCaseError
from fi_async.panels.shape import Seat

ROOT: Final = "/sdk/api/v1/"  # every path ends in a slash: without it a POST is redirected into a GET
ROWS_OF_SEVERAL_LISTS: Final = 3  # the server's bound on a batch of two or more lists
ROWS_OF_ONE_LIST: Final = 1000  # the server sets none; a reply lost should not cost more than this


@dataclass(frozen=True, slots=True)
class HttpCall:
    """One request, complete but for the host and the headers.

    Attributes:
        method: "GET", "POST" or "DELETE".
        path: From the root, with its query.
        body: Encoded, mostly JSON; None for GET. Always sent with a Content-Length: the server reads a
            body without one as empty.
        repeatable: True if sending it twice does no harm. The server knows no idempotency key, so a
            POST that starts an evaluation never is.
        tokens: What it is reckoned to use of a limit of tokens.
        content_type: Of the body, where it is not JSON.
    """

    method: Literal["GET", "POST", "DELETE"]
    path: str
    body: bytes | None = None
    repeatable: bool = True
    tokens: int = 0
    content_type: str | None = None

    @property
    def endpoint(self) -> str:
        """The path without its query, which may name what is asked for."""
        return self.path.partition("?")[0]


@dataclass(frozen=True, slots=True)
class Parameters:
    """All that an evaluation is asked with, but its inputs.

    Attributes:
        template: The template's name.
        model: The judge's name.
        config: The template's own parameters, sent as `config.params`.
        fingerprint: What else decides the verdict, where it is not the platform's: a function's source, a judge's
            prompt. Never sent.
        juror: Whose vote it is; None without a jury. Never sent.
        sample: Which of the samples of its case it is, from 0. Never sent.
    """

    template: str
    model: str | None = None
    config: Mapping[str, Any] | None = None
    custom_eval_name: str | None = None
    trace_eval: bool = False
    span_id: str | None = None
    error_localizer: bool = False
    fingerprint: str | None = None
    juror: str | None = None
    sample: int = 0

    @property
    def seat(self) -> Seat:
        """Which of the evaluations of a case it is."""
        return Seat(self.template, self.juror, self.sample)


def max_rows(keys: int) -> int:
    """Return how many rows one request may carry if each has so many keys."""
    return ROWS_OF_ONE_LIST if keys == 1 else ROWS_OF_SEVERAL_LISTS


def new_eval(parameters: Parameters, rows: Sequence[Mapping[str, str]], *, is_async: bool) -> HttpCall:
    """Return the call that starts an evaluation of each row; the reply names them in this order.

    One row goes as plain strings, several as lists of equal length.
    """
    inputs: dict[str, Any] = dict(rows[0])
    if len(rows) > 1:
        inputs = {key: [row[key] for row in rows] for key in inputs}
    # Fields at their default are left out: the server refuses null for some, and unknown fields for all.
    given = {
        "eval_name": parameters.template,
        "inputs": inputs,
        "model": parameters.model,
        "span_id": parameters.span_id,
        "custom_eval_name": parameters.custom_eval_name,
        "trace_eval": parameters.trace_eval or None,
        "is_async": is_async or None,
        "error_localizer": parameters.error_localizer or None,
        "config": {"params": parameters.config} if parameters.config else None,
    }
    body = {name: value for name, value in given.items() if value is not None}
    return HttpCall("POST", f"{ROOT}new-eval/", _json("eval_config", body), repeatable=False)


def get_eval(eval_id: str) -> HttpCall:
    """Return the call that asks how an evaluation stands; the server takes one id a request.

    An id is opaque text: the platform's are UUIDs, and what another server calls its evaluations is sent back quoted.
    """
    return HttpCall("GET", f"{ROOT}new-eval/?eval_id={quote(eval_id, safe='', errors='replace')}")


def eval_id_of(given: object) -> str:
    """Return the id that a caller gives, a text or a UUID, as text.

    Raises:
        InvalidCaseError: It is neither, or blank.
    """
    if isinstance(given, UUID) or (isinstance(given, str) and given.strip()):
        return str(given)
    said = "blank" if isinstance(given, str) else type(given).__name__
    raise InvalidCaseError(f"eval_id must be a text, as submit() returns it, not {said}", field="eval_id")


def get_evals() -> HttpCall:
    """Return the call that lists all templates."""
    return HttpCall("GET", f"{ROOT}get-evals/")


def configure_evaluations(body: Mapping[str, Any]) -> HttpCall:
    """Return the call that checks an evaluation's configuration for a tracing platform."""
    return HttpCall("POST", f"{ROOT}configure-evaluations/", _json("eval_config", body))


def evaluate_pipeline(project_name: str, version: str, eval_data: Sequence[Mapping[str, Any]]) -> HttpCall:
    """Return the call that evaluates a project's version; the server refuses a version it has seen."""
    body = {"project_name": project_name, "version": version, "eval_data": list(eval_data)}
    return HttpCall("POST", f"{ROOT}evaluate-pipeline/", _json("eval_data", body), repeatable=False)


def pipeline_results(project_name: str, versions: Sequence[str]) -> HttpCall:
    """Return the call that asks for the aggregates of some versions of a project."""
    query = urlencode({"project_name": project_name, "versions": ",".join(versions)}, quote_via=quote)
    return HttpCall("GET", f"{ROOT}evaluate-pipeline/?{query}")


def _json(field: str, body: Mapping[str, Any]) -> bytes:
    try:
        text = json.dumps(body, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
        return text.encode()
    except (TypeError, ValueError, RecursionError) as error:
        # Not the error's own text: it may quote the inputs.
        raise InvalidCaseError(
            f"{field} holds a value with no JSON form ({type(error).__name__}): use text, numbers, lists and dicts",
            field=field,
        ) from None
