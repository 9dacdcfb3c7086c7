"""From a user's case to the exact inputs a template takes: preflight, before any request.

The server takes strings, and takes a list as a batch, silently. So a row's own lists and other rich
values travel as JSON text, and a batch is what the caller spelled as one: see `rows_of`.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from fi_async._errors import InvalidCaseError
from fi_async._models import Case, Inputs, Template
from fi_async._settings import ExtraKeys
from fi_async._values import NotPlainError, as_text, plain

ALIASES: Final[Mapping[str, tuple[str, ...]]] = {
    "output": ("response", "answer", "generated", "input"),
    "input": ("query", "question", "prompt_input", "output"),
    "context": ("contexts",),
    "expected": ("expected_output", "expected_response", "ground_truth"),
    "expected_value": ("expected_output", "expected_response", "ground_truth"),
    "generated_value": ("output", "response", "answer"),
    "reference": ("expected_output", "expected_response", "ground_truth"),
    "hypothesis": ("output", "response"),
    "text": ("output", "content"),
    "conversation": ("messages",),
    "prompt": ("instructions", "system_prompt"),
    "system_prompt": ("prompt", "instructions"),
    "image": ("image_url", "input_image_url"),
    "caption": ("output",),
    "instruction": ("prompt",),
    "instructions": ("prompt",),
    "images": ("image_urls", "input_image_urls"),
    "input_pdf": ("pdf",),
    "json_content": ("json", "expected_output"),
    "input_audio": ("audio",),
    "audio": ("input_audio",),
    "generated_audio": ("audio", "output"),
    "generated_transcript": ("transcript", "output"),
}
"""Where a missing required key may be taken from, first match first: what users of the official SDK rely on."""


_LISTED: Final = 20  # keys that a message has room for
_OPENS_JSON: Final = frozenset('[{"n')  # n: null


@dataclass(frozen=True, slots=True)
class PreparedInputs:
    """The inputs of one evaluation as they are sent, in the template's order of keys.

    Attributes:
        inputs: Text by key.
        filled: Keys that were missing, and the key of the case that filled each.
    """

    inputs: dict[str, str]
    filled: Mapping[str, str]


def rows_of(inputs: Inputs | Case | Sequence[Inputs | Case]) -> list[Case]:
    """Return the cases of one `evaluate` or `submit` call, each one row.

    A Case, and each member of a list, is one row, whatever lists it holds. A dict is a batch if its
    values are lists of strings, or of lists of strings, as the official SDK has it.

    Raises:
        InvalidCaseError: Lists stand beside single values, or have unequal lengths, or are empty: the
            server would read a string character by character, drop rows, or evaluate nothing.
    """
    if isinstance(inputs, Case):
        return [inputs]
    if isinstance(inputs, Mapping):
        return _split_batch(inputs)
    if isinstance(inputs, Sequence) and not isinstance(inputs, str | bytes) and inputs:
        return [case_of(each, index) for index, each in enumerate(inputs)]
    raise InvalidCaseError(
        f"inputs must be a dict of inputs by key, a Case, or a non-empty list of these, not {_kind(inputs)}"
    )


def case_of(item: Inputs | Case, index: int | None = None) -> Case:
    """Return one item of a run as a Case.

    Raises:
        InvalidCaseError: It is neither a Case nor a dict, or its id is no text and cannot become any.
    """
    if isinstance(item, Case):
        if item.id is not None and not isinstance(item.id, str):
            raise InvalidCaseError(
                f"the id is a {_kind(item.id)} with no JSON form: give text, a number or a UUID",
                field="id",
                index=index,
            )
        return item
    if isinstance(item, Mapping):
        return Case(item)
    raise InvalidCaseError(f"a case must be a dict of inputs by key, or a Case, not {_kind(item)}", index=index)


def _split_batch(inputs: Inputs) -> list[Case]:
    lengths = {key: len(value) for key, value in inputs.items() if _is_batch(value)}
    if not lengths:
        return [Case(inputs)]
    for key, value in inputs.items():
        if key not in lengths:
            raise InvalidCaseError(
                f"inputs[{key!r}] is one {_kind(value)} beside lists of rows: the server would take it apart"
                " character by character. Repeat it once per row, or pass one dict per row in a list",
                field=key,
            )
    if len(set(lengths.values())) > 1:
        shown = ", ".join(f"{key}: {length}" for key, length in lengths.items())
        raise InvalidCaseError(f"the lists in inputs differ in length ({shown}): give each the same number of rows")
    (count,) = set(lengths.values())
    if not count:
        raise InvalidCaseError("the lists in inputs are empty: there is nothing to evaluate")
    return [Case({key: values[row] for key, values in inputs.items()}) for row in range(count)]


def _is_batch(value: object) -> bool:
    if not isinstance(value, list | tuple):
        return False
    if all(isinstance(each, str) for each in value):
        return True
    return all(isinstance(each, list | tuple) and all(isinstance(s, str) for s in each) for each in value)


def prepare(
    case: Case,
    templates: Sequence[Template],
    *,
    fill_missing: bool = True,
    extra_keys: ExtraKeys = "forbid",
) -> list[PreparedInputs | InvalidCaseError]:
    """Return what to send for a case under each template, or why it cannot be sent.

    A key that some of the templates take is not extra for the others: it is left out of their rows.
    """
    if not isinstance(case.inputs, Mapping):
        error = InvalidCaseError(f"inputs must be a dict of inputs by key, not {_kind(case.inputs)}")
        return [error] * len(templates)
    sources = [sources_of(case.inputs, template, fill_missing) for template in templates]
    extra: str | None = None
    if extra_keys == "forbid" and all(map(_keys, templates)):
        taken = {source for each in sources for source in each.values()}
        extra = next((key for key in case.inputs if key not in taken), None)
    rows: list[PreparedInputs | InvalidCaseError] = []
    for template, source in zip(templates, sources, strict=True):
        try:
            rows.append(_row(case.inputs, template, source, extra))
        except InvalidCaseError as error:
            rows.append(error)
    return rows


def sources_of(inputs: Inputs, template: Template, fill_missing: bool) -> dict[str, str]:
    """Return, for each of the template's keys that the case can supply, the case's key that does."""
    if not _keys(template):
        return {key: key for key in inputs}
    sources: dict[str, str] = {}
    fills = fill_missing and not template.partial and not template.raw
    for key in (*template.required_keys, *template.optional_keys):
        candidates = (key, *ALIASES.get(key, ())) if fills else (key,)
        source = next((each for each in candidates if each in inputs), None)
        if source is not None:
            sources[key] = source
    return sources


def _row(inputs: Inputs, template: Template, sources: Mapping[str, str], extra: str | None) -> PreparedInputs:
    if extra is not None:
        why = "" if template.raw else ", and the server refuses keys it does not know"
        raise InvalidCaseError(
            f"{template.name} does not take the key {extra!r}{why}."
            ' Remove it, or have it left out: extra_keys="ignore" in a program, --extra-keys ignore in a command.'
            f" It takes: {_listed(_keys(template))}",
            field=str(extra),
        )
    missing = [key for key in template.required_keys if key not in sources]
    if missing and not (template.partial and sources):
        aliases = () if template.raw else ALIASES.get(missing[0], ())
        given = [alias for alias in aliases if alias in inputs]
        instead = f" (or one of {_listed(aliases)})" if aliases else ""
        if given:
            instead = f" (with fill_missing=True it is taken from {given[0]!r})"
        raise InvalidCaseError(
            f"{template.name} needs the key {missing[0]!r}{instead}. The case has: {_quoted(inputs) or 'no keys'}",
            field=missing[0],
        )
    if template.raw:
        return PreparedInputs({key: _named(source, inputs[source]) for key, source in sources.items()}, {})
    row = {key: text_of(source, inputs[source]) for key, source in sources.items()}
    _refuse_blank(row, sources, template)
    return PreparedInputs(row, {key: source for key, source in sources.items() if key != source})


def _refuse_blank(row: Mapping[str, str], sources: Mapping[str, str], template: Template) -> None:
    blank = [key for key, text in row.items() if _is_blank(text)]
    if blank and (not template.partial or len(blank) == len(row)):
        raise InvalidCaseError(
            f"the input {sources[blank[0]]!r} is blank, and the server refuses blank inputs: give it text,"
            " or leave this case out",
            field=sources[blank[0]],
        )


def _keys(template: Template) -> tuple[str, ...]:
    return (*template.required_keys, *template.optional_keys)


def _named(key: str, value: object) -> str:
    """Return the JSON that names a value which is handed on as it is: a list is not the text of one.

    Raises:
        InvalidCaseError: It has no JSON form, so that no file could keep it.
    """
    try:
        return json.dumps(value if isinstance(value, str) else plain(value))
    except NotPlainError as error:
        raise InvalidCaseError(f"the input {key!r} {error}: convert it to text first", field=key) from None


def text_of(key: str, value: object) -> str:
    """Return a value as the text that is sent: strings as they are, anything richer as JSON.

    Raises:
        InvalidCaseError: It is None, has no JSON form, or holds a character the server cannot store.
    """
    if not isinstance(value, str):
        if value is None:
            raise InvalidCaseError(f"the input {key!r} is None: give it text, or leave the key out", field=key)
        try:
            text = as_text(value)
        except NotPlainError as error:
            raise InvalidCaseError(f"the input {key!r} {error}: convert it to text first", field=key) from None
        if text is None:
            raise InvalidCaseError(
                f"the input {key!r} is missing (NaN, NaT or NA): give it text, or leave the key out", field=key
            )
        value = text
    if "\0" in value:
        raise InvalidCaseError(
            f"the input {key!r} holds a NUL character, which the server cannot store: remove it", field=key
        )
    if not value.isascii() and not _encodes(value):
        raise InvalidCaseError(
            f"the input {key!r} holds half of a surrogate pair, which is no character: decode the text anew,"
            ' say with errors="replace"',
            field=key,
        )
    return value


def _is_blank(text: str) -> bool:
    """Tell whether the server reads a text as no input: white space, null, or JSON of nothing else."""
    first = text[:1]
    if first.isalnum() and first not in _OPENS_JSON:
        return False  # as nearly all begin
    parts: list[object] = [text]
    while parts:
        part = parts.pop()
        if isinstance(part, str):
            stripped = part.strip()
            if stripped[:1] in _OPENS_JSON:
                try:
                    parts.append(json.loads(stripped))
                except (ValueError, RecursionError):
                    return False
            elif stripped:
                return False
        elif isinstance(part, dict | list):
            parts += part.values() if isinstance(part, dict) else part
        elif part is not None:
            return False
    return True


def _encodes(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def _kind(value: object) -> str:
    return "None" if value is None else type(value).__name__


def _listed(keys: Iterable[object]) -> str:
    return ", ".join(str(key) for key in keys)


def _quoted(keys: Iterable[object]) -> str:
    """Return a case's keys as messages list them: quoted, so that blanks are seen; of many, the first."""
    quoted = [repr(str(key)) for key in keys]
    return ", ".join([*quoted[:_LISTED], *([f"and {len(quoted) - _LISTED} more"] if len(quoted) > _LISTED else [])])
