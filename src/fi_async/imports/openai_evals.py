"""Runs of OpenAI's hosted evals: the output items of a run, as its API lists them."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from fi_async._errors import ConfigurationError
from fi_async._values import NotPlainError, id_text
from fi_async.imports.foreign_rows import (
    ForeignRow,
    ForeignVerdict,
    as_list,
    as_mapping,
    usage_of,
    verdicts_of,
)
from fi_async.imports.graders import GraderMapping, GraderNames, references
from fi_async.imports.row_files import RawRow, RowFile

_ROWS: Final = ((), ("data",), ("output_items",), ("output_items", "data"))
_KEPT: Final = ("eval", "testing_criteria", "has_more")
_UUID: Final = re.compile(r"-[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$")
_VERDICT_ONLY: Final = ("string_check", "label_model")
_OWN_WORDS: Final[Mapping[str, str]] = {
    "label_model": "a model chose a label: ask anew with a Criteria",
    "score_model": "a model gave a number: ask anew with a Criteria",
    "text_similarity": "ours may round, stem or tokenize otherwise",
    "python": "ask anew with a function of yours and @template",
}


class OpenAIEvals:
    """Reads the output items of a run, and names its graders.

    Args:
        path: The file: a list object, an array, an object with `output_items` or `data` and the eval beside it, or
            items or pages of them a line.
        eval_file: The eval object, with its `testing_criteria`; None if it is inside, or not at hand.

    Raises:
        ConfigurationError: The eval object is none.
        OSError: A file cannot be read.
    """

    def __init__(self, path: Path, eval_file: Path | None = None) -> None:
        self._file = RowFile(path, _ROWS, _KEPT)
        self._names = GraderNames()
        self._kinds: dict[str, str] = {}
        criteria = _criteria_in(eval_file) if eval_file is not None else self._criteria_inside(path)
        for each in criteria:
            self._add(as_mapping(each))

    @staticmethod
    def _criteria_inside(path: Path) -> Sequence[Any]:
        beside = RowFile(path, _ROWS, _KEPT)
        beside.facts_beside_rows()
        return as_list(_criteria_of(beside.facts))

    @property
    def graders(self) -> Sequence[GraderMapping]:
        """What each grader is called in the run; complete once all rows are read."""
        return self._names.mappings()

    @property
    def remarks(self) -> list[str]:
        """What there is to say of the file as a whole, once all rows are read."""
        if self._file.facts.get("has_more") is not True:
            return []
        return ["its last page says has_more: the run has further items, which are not in this file"]

    @property
    def left_out(self) -> int:
        """None: every row was asked for."""
        return 0

    @property
    def read(self) -> int:
        """How many rows were read."""
        return self._file.read

    def rows(self) -> Iterator[ForeignRow]:
        """Yield every item.

        Raises:
            ConfigurationError: The file is cut off, or holds no items.
            OSError: It cannot be read.
        """
        return map(self._row, self._file.rows())

    def _add(self, criterion: Mapping[str, Any]) -> None:
        grader, kind = criterion.get("name"), criterion.get("type")
        if not isinstance(grader, str) or not isinstance(kind, str):
            return
        told, template, flags, said = kind, "", "", _OWN_WORDS.get(kind, "")
        if kind == "string_check":
            told = f"{kind} {criterion.get('operation')}"
            template, flags, said = _string_check(criterion)
        name = self._names.add(grader, told, template, flags=flags, said=said)
        self._kinds[name] = kind

    def _row(self, raw: RawRow) -> ForeignRow:
        if raw.fault:
            return ForeignRow(raw.place, fault=raw.fault)
        item = raw.value
        if "results" not in item and "datasource_item" not in item and "sample" not in item:
            return ForeignRow(raw.place, fault="no output item: it has neither results nor a datasource_item")
        sample = as_mapping(item.get("sample"))
        inputs = dict(as_mapping(item.get("datasource_item")))
        output = _said(sample)
        if output is not None:
            inputs["output" if "output" not in inputs else "sample_output"] = output
        failure = _error(sample.get("error"))
        results = as_list(item.get("results"))
        return ForeignRow(
            raw.place,
            id=_id(item),
            inputs=inputs,
            verdicts=[each for result in results for each in self._verdicts(result, failure)],
            failure="" if results else failure or f"it has no results (status {item.get('status')!r})"[:200],
            own=item.get("id") if isinstance(item.get("id"), str) else None,
        )

    def _verdicts(self, result: object, failure: str) -> Sequence[ForeignVerdict]:
        said = as_mapping(result)
        called = said.get("name")
        name = self._name(called if isinstance(called, str) and called else "grader", said.get("type"))
        sample = as_mapping(said.get("sample"))
        failure = failure or _error(sample.get("error")) or _error(said.get("error"))
        usage = as_mapping(sample.get("usage"))
        took = usage_of(usage.get("prompt_tokens"), usage.get("completion_tokens"), usage.get("cached_tokens"))
        if failure:
            return [ForeignVerdict(name, None, failure, took)]
        numbers = self._kinds.get(name) not in _VERDICT_ONLY
        reason = said.get("reason") or _said(sample)
        return verdicts_of(name, said.get("passed"), said.get("score"), reason=reason, numbers=numbers, usage=took)

    def _name(self, called: str, kind: object) -> str:
        """Return the name of a grader, which in results may have a UUID behind it."""
        grader = called if called in self._names else _UUID.sub("", called)
        if grader not in self._names:
            told = kind.removesuffix("-grader").replace("-", "_") if isinstance(kind, str) else ""
            said = "no eval object tells what it is" if not told else _OWN_WORDS.get(told, "no eval object tells how")
            self._kinds[self._names.add(grader, told, said=said)] = told
        return self._names.add(grader)


def _string_check(criterion: Mapping[str, Any]) -> tuple[str, str, str]:
    """Return the template of ours that asks exactly the same, how to ask it, and why there is none."""
    operation, given, wanted = (criterion.get(key) for key in ("operation", "input", "reference"))
    if not isinstance(given, str) or not isinstance(wanted, str):
        return "", "", "its input or its reference is no text"
    keys = references((given, wanted))
    if given not in keys:
        return "", "", "its input is more than one value: ask anew with a function of yours and @template"
    if operation == "eq" and wanted in keys:
        return "equals", f"--eval equals --map text={keys[given]} expected_text={keys[wanted]}", ""
    if operation in ("like", "ilike") and "{{" not in wanted and wanted:
        case = " contains.case_sensitive=false" if operation == "ilike" else ""
        keyword = json.dumps(wanted, ensure_ascii=False)
        return "contains", f"--eval contains --map text={keys[given]} --param 'contains.keyword={keyword}'{case}", ""
    return "", "", "no template of ours asks exactly that: ask anew with a function of yours and @template"


def _criteria_of(facts: Mapping[str, Any]) -> object:
    return facts.get("testing_criteria") or as_mapping(facts.get("eval")).get("testing_criteria")


def _criteria_in(path: Path) -> Sequence[Any]:
    try:
        found = _criteria_of(as_mapping(json.loads(path.read_bytes())))
    except (ValueError, RecursionError) as error:
        raise ConfigurationError(f"{path}: not valid JSON ({error})") from None
    if not isinstance(found, list):
        raise ConfigurationError(f"{path}: no eval object: it has no testing_criteria")
    return found


def _id(item: Mapping[str, Any]) -> str | None:
    """Return what names the case in every run of its eval: the id of its row in the data source."""
    given = item.get("datasource_item_id", item.get("id"))
    try:
        return id_text(given)
    except NotPlainError:
        return None


def _said(sample: Mapping[str, Any]) -> str | None:
    """Return the text that a model gave: its messages, one after the other."""
    output = sample.get("output")
    texts = [as_mapping(each).get("content") for each in as_list(output)]
    found = [each for each in texts if isinstance(each, str)]
    direct = sample.get("output_text", output)
    return "\n".join(found) if found else direct if isinstance(direct, str) else None


def _error(error: object) -> str:
    """Return what an error says; empty if it is none: it may be there without saying anything."""
    if isinstance(error, str):
        return error.strip()
    told = as_mapping(error)
    words = [str(told[key]) for key in ("code", "message") if told.get(key)]
    return ": ".join(words)
