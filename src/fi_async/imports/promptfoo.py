"""Results of promptfoo: what `promptfoo eval -o results.json` and `promptfoo export eval` write, version 3."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from fi_async.imports.foreign_rows import (
    ForeignRow,
    ForeignVerdict,
    as_list,
    as_mapping,
    usage_of,
    verdicts_of,
)
from fi_async.imports.graders import GraderMapping, GraderNames
from fi_async.imports.row_files import RawRow, RowFile

SUCCESS: Final = "success"
"""The template that has the verdict of promptfoo over a whole row."""

_ROWS: Final = (("results",), ("results", "results"))
_KEPT: Final = ("version", "stats", "evalId")
_ERROR: Final = 2  # a failureReason: the row was not graded, or its grading failed
_VERDICT_ONLY: Final = frozenset(
    f"{prefix}{kind}"
    for prefix in ("", "not-")
    for kind in (
        *("equals", "contains", "icontains", "contains-all", "contains-any", "icontains-all", "icontains-any"),
        *("starts-with", "regex", "is-json", "contains-json", "is-html", "contains-html", "is-xml", "contains-xml"),
        *("is-sql", "contains-sql", "is-refusal", "latency", "cost", "is-valid-openai-tools-call"),
    )
)
_OURS: Final[Mapping[str, tuple[str, str]]] = {
    "equals": ("equals", "--eval equals --map text=output expected_text=KEY"),
    "contains": ("contains", "--eval contains --map text=output --param contains.keyword=VALUE"),
    "icontains": (
        "contains",
        "--eval contains --map text=output --param contains.keyword=VALUE contains.case_sensitive=false",
    ),
    "starts-with": ("starts_with", "--eval starts_with --map text=output --param starts_with.substring=VALUE"),
}


class Promptfoo:
    """Reads the results of an eval, and names its assertions.

    Args:
        path: The file: `.json`, or `.jsonl` with a result a line.
        prompt: Take only the results of this prompt and provider: `promptIdx`, from 0. None for all.

    Attributes:
        left_out: How many results are of another.
    """

    def __init__(self, path: Path, prompt: int | None = None) -> None:
        self._file = RowFile(path, _ROWS, _KEPT)
        self._prompt = prompt
        self._names = GraderNames()
        self._names.add(SUCCESS, "all assertions of a row", SUCCESS, said="promptfoo's verdict over the row")
        self._labels: dict[int, str] = {}
        self.left_out = 0

    @property
    def graders(self) -> Sequence[GraderMapping]:
        """What each assertion is called in the run; complete once all rows are read."""
        return self._names.mappings()

    @property
    def remarks(self) -> list[str]:
        """What there is to say of the file as a whole, once all rows are read."""
        found = []
        if self._prompt is None and len(self._labels) > 1:
            told = ", ".join(f"{at} ({label})" for at, label in sorted(self._labels.items())[:5])
            found.append(f"it has several prompts or providers: {told}; --prompt N takes one, to compare them as runs")
        stats = as_mapping(self._file.facts.get("stats"))
        counts = [stats.get(name, 0) for name in ("successes", "failures", "errors")]
        if all(isinstance(each, int) for each in counts) and sum(counts) not in (0, self._file.read):
            found.append(f"its stats count {sum(counts):,} results, and {self._file.read:,} are in it")
        return found

    @property
    def read(self) -> int:
        """How many rows were read."""
        return self._file.read

    def rows(self) -> Iterator[ForeignRow]:
        """Yield every result.

        Raises:
            ConfigurationError: The file is cut off, or holds no results.
            OSError: It cannot be read.
        """
        for raw in self._file.rows():
            if (row := self._row(raw)) is None:
                self.left_out += 1
            else:
                yield row

    def _row(self, raw: RawRow) -> ForeignRow | None:
        if raw.fault:
            return ForeignRow(raw.place, fault=raw.fault)
        result = raw.value
        if {"success", "gradingResult", "response", "error"}.isdisjoint(result):
            return ForeignRow(raw.place, fault="no result of promptfoo: it has neither success nor a response")
        prompt, test = result.get("promptIdx"), result.get("testIdx")
        if isinstance(prompt, int):
            if self._prompt is not None and prompt != self._prompt:
                return None
            self._labels.setdefault(prompt, _label(result))
        error = _trouble(result)
        return ForeignRow(
            raw.place,
            id=self._id(test, prompt),
            inputs=_inputs(result),
            verdicts=self._failed(result, error) if error else self._graded(result),
            own=result.get("id") if isinstance(result.get("id"), str) else None,
        )

    def _id(self, test: object, prompt: object) -> str | None:
        if not isinstance(test, int):
            return None
        behind = "" if self._prompt is not None or not isinstance(prompt, int) else f", prompt {prompt}"
        return f"test {test}{behind}"

    def _failed(self, result: Mapping[str, Any], error: str) -> Sequence[ForeignVerdict]:
        """Return the failure of a row under each assertion that it was to be held against."""
        asserted = as_list(as_mapping(result.get("testCase")).get("assert"))
        names = [self._name(as_mapping(each)) for each in asserted if not isinstance(each, str)]
        return [ForeignVerdict(name, None, error) for name in (SUCCESS, *_distinct(names))]

    def _graded(self, result: Mapping[str, Any]) -> Sequence[ForeignVerdict]:
        grading = as_mapping(result.get("gradingResult"))
        passed = result.get("success", grading.get("pass"))
        reason = grading.get("reason") or result.get("error")
        found = verdicts_of(SUCCESS, passed, result.get("score", grading.get("score")), reason=reason)
        parts = [as_mapping(each) for each in as_list(grading.get("componentResults")) if each is not None]
        names = _distinct([self._name(as_mapping(each.get("assertion"))) for each in parts])
        for name, each in zip(names, parts, strict=True):
            kind = as_mapping(each.get("assertion")).get("type")
            tokens = as_mapping(each.get("tokensUsed"))
            usage = usage_of(tokens.get("prompt"), tokens.get("completion"), tokens.get("cached"))
            numbers = kind not in _VERDICT_ONLY
            found += verdicts_of(
                name, each.get("pass"), each.get("score"), reason=each.get("reason"), numbers=numbers, usage=usage
            )
        return found

    def _name(self, assertion: Mapping[str, Any]) -> str:
        kind, metric = assertion.get("type"), assertion.get("metric")
        kind = kind if isinstance(kind, str) and kind else "assertion"
        if isinstance(metric, str) and metric and metric != kind:
            return self._names.add(f"{metric} ({kind})" if metric in _OURS else metric, kind, said="a metric of yours")
        template, flags = _OURS.get(kind, ("", ""))
        return self._names.add(kind, kind, template, flags=flags, said="no template of ours asks exactly that")


def _distinct(names: Sequence[str]) -> list[str]:
    """Return the names of a row's assertions, numbered where one is there several times."""
    seen: dict[str, int] = {}
    found = []
    for name in names:
        seen[name] = seen.get(name, 0) + 1
        found.append(name if seen[name] == 1 else f"{name} #{seen[name]}")
    return found


def _trouble(result: Mapping[str, Any]) -> str:
    """Return why a row was not graded; empty if it was: of a failed assertion, `error` is but the reason."""
    said = result.get("error")
    words = said.strip() if isinstance(said, str) else ""
    response = as_mapping(result.get("response")).get("error")
    of_provider = response.strip() if isinstance(response, str) else ""
    reason = result.get("failureReason")
    if reason == _ERROR or of_provider:
        return words or of_provider or "promptfoo says that it failed, and not why"
    has_grades = bool(as_mapping(result.get("gradingResult")))
    return words if words and not has_grades and reason is None else ""


def _inputs(result: Mapping[str, Any]) -> Mapping[str, Any]:
    inputs = dict(as_mapping(result.get("vars")) or as_mapping(as_mapping(result.get("testCase")).get("vars")))
    output = as_mapping(result.get("response")).get("output")
    if output is not None:
        inputs["output" if "output" not in inputs else "response"] = output
    raw = as_mapping(result.get("prompt")).get("raw")
    if isinstance(raw, str):
        inputs.setdefault("prompt", raw)
    return inputs


def _label(result: Mapping[str, Any]) -> str:
    provider = as_mapping(result.get("provider"))
    named = provider.get("label") or provider.get("id") or result.get("provider")
    prompt = as_mapping(result.get("prompt")).get("label")
    told = [each for each in (named, prompt) if isinstance(each, str) and each]
    return ", ".join(each if len(each) <= 40 else f"{each[:40]}…" for each in told) or "unnamed"
