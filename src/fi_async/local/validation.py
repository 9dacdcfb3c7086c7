"""The rules of a request to evaluate: fields, keys, values, batches."""

from __future__ import annotations

import json
from collections.abc import Container, Iterator
from dataclasses import dataclass
from typing import Any, NoReturn

from fi_async.local import fields, scoring, templates
from fi_async.local.envelopes import Refused, invalid
from fi_async.local.fields import Field
from fi_async.local.switches import Switches
from fi_async.local.templates import TemplateFacts

MAX_ROWS = 3

RequestInputs = dict[str, Any]

_WRONG_VALUES = "All input values must be either strings, lists of strings, or lists of lists of strings."
_WRONG_PARAMS = "Invalid function parameter input. Please check the value and try again."


class BrokenRowError(ValueError):
    """A row that the platform accepts and then crashes on: it cannot be taken from the lists, or not be stored."""


@dataclass(frozen=True, slots=True)
class ValidRequest:
    """A valid request to evaluate; its inputs may still be several rows, its params are JSON text."""

    template: TemplateFacts
    inputs: RequestInputs
    params: str
    model: str | None
    is_async: bool
    error_localizer: bool


def valid_request(body: Any, switches: Switches, answered: Container[str] = ()) -> ValidRequest:
    """Return what a body of POST new-eval/ asks for; templates that are `answered` need no evaluator here.

    Raises:
        Refused: With the platform's 400.
    """
    values = fields.clean(body, _NEW_EVAL)
    template = templates.template_named(values["eval_name"])
    if template is None:
        refuse("non_field_errors", f"Evaluation template with name :{values['eval_name']} not found.")
    inputs = values["inputs"]
    for message in (wrong_keys(template, inputs), _wrong_lists(inputs)):
        if message:
            refuse("inputs", message)
    params = values["config"].get("params", {})
    if messages := wrong_params(template, params):
        raise Refused(invalid({"config": messages}))
    if template.name not in answered and (why := templates.why_unavailable(template.name, switches)):
        refuse("non_field_errors", why)
    return ValidRequest(
        template, inputs, json.dumps(params), values["model"], values["is_async"], values["error_localizer"]
    )


def refuse(field: str, message: str) -> NoReturn:
    """Raise the 400 with one message about one field."""
    raise Refused(invalid({field: [message]}))


def wrong_keys(template: TemplateFacts, inputs: RequestInputs) -> str | None:
    """Return what is wrong with the keys: they must be the template's, though optional ones may be missing."""
    unexpected = [key for key in inputs if key not in template.required]
    if unexpected:
        return f"Unexpected keys provided: {', '.join(unexpected)}. Accepted keys are: {', '.join(template.required)}"
    missing = [key for key in template.required if key not in inputs and key not in template.optional]
    return f"Missing required keys: {', '.join(missing)}" if missing else None


def wrong_params(template: TemplateFacts, params: Any) -> list[str]:
    """Return what is wrong with the params of the template's function."""
    if not isinstance(params, dict):
        return [_WRONG_PARAMS]
    return scoring.check_params(template.name, params) if template.name in scoring.supported() else []


def rows(inputs: RequestInputs) -> Iterator[RequestInputs]:
    """Yield the rows of a request, as the platform splits it.

    The first key in JSON order decides alone: if its value is a list, there is a row for each of its items,
    and every other value is indexed: of a string, row by row, that gives one character.

    Raises:
        BrokenRowError: Where another value is too short, after the rows before.
    """
    first = next(iter(inputs.values()), "")
    if not isinstance(first, list):
        yield inputs
        return
    for index in range(len(first)):
        if any(len(value) <= index for value in inputs.values()):
            raise BrokenRowError(f"a value has no item {index}")
        yield {key: value[index] for key, value in inputs.items()}


def same_length(lists: list[list[Any]]) -> str | None:
    """Return what is wrong with lists that differ in length."""
    return "All input lists must have the same length." if len({len(each) for each in lists}) > 1 else None


def _wrong_lists(inputs: RequestInputs) -> str | None:
    flat = [value for value in inputs.values() if isinstance(value, list) and not _is_nested(value)]
    if len(flat) < 2:  # one list alone has no limit
        return None
    if wrong := same_length(flat):
        return wrong
    if len(flat[0]) > MAX_ROWS:
        return f"Input lists cannot have more than {MAX_ROWS} items, but found length {len(flat[0])}."
    return None


def input_values(value: Any) -> RequestInputs:
    """Take an object of inputs; the values must be strings, lists of them, or lists of those."""
    inputs = fields.dictionary(value)
    if not all(isinstance(each, str) or _is_list_of_text(each) or _is_nested(each) for each in inputs.values()):
        raise fields.WrongValueError(_WRONG_VALUES)
    return inputs


def _is_list_of_text(value: Any) -> bool:
    return isinstance(value, list) and all(isinstance(item, str) for item in value)


def _is_nested(value: Any) -> bool:
    return isinstance(value, list) and bool(value) and all(_is_list_of_text(item) for item in value)


_NEW_EVAL = {
    "eval_name": Field(fields.filled_text),
    "inputs": Field(input_values),
    "model": Field(fields.text, None, nullable=True),
    "span_id": Field(fields.text, None, nullable=True),
    "custom_eval_name": Field(fields.text, None, nullable=True),
    "trace_eval": Field(fields.boolean, default=False),
    "is_async": Field(fields.boolean, default=False),
    "error_localizer": Field(fields.boolean, default=False),
    "config": Field(fields.dictionary, default={}),
}
