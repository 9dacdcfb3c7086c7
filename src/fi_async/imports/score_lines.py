"""Results as one JSON object a line, in columns that the caller names: the form for every other tool."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from fi_async._errors import ConfigurationError
from fi_async._public import public
from fi_async._values import NotPlainError, id_text
from fi_async.imports.foreign_rows import ForeignRow, ForeignVerdict, verdicts_of
from fi_async.imports.graders import GraderMapping, GraderNames
from fi_async.imports.row_files import RawRow, RowFile

_GIVEN: Final = ("score", "passed", "reason", "error")


@public
@dataclass(frozen=True, slots=True)
class LineColumns:
    """Which columns of a line say what; all others are inputs.

    Args:
        score: The columns of numbers. One is called as `template` says; of several, each is a template of its own.
        passed: The columns of verdicts; as of `score`.
        template: The column with the template's name, so that a case may have several lines; or a name for all.
        id: The column with the case's id.
        reason: The column with the grader's words.
        error: The column that says why a line has no result.
    """

    score: Sequence[str] = ()
    passed: Sequence[str] = ()
    template: str = "template"
    id: str = "id"
    reason: str = "reason"
    error: str = "error"

    def __post_init__(self) -> None:
        if twice := sorted(set(self.score) & set(self.passed)):
            raise ConfigurationError(f"{twice[0]!r} is a column of scores and of verdicts: name it for one of them")


class ScoreLines:
    """Reads lines of results.

    Args:
        path: The file.
        columns: Which columns say what; without scores and verdicts, `score` and `passed`.
    """

    def __init__(self, path: Path, columns: LineColumns) -> None:
        self._file = RowFile(path, (), lines_only=True)
        self._columns = columns
        self._several = len(columns.score) > 1 or len(columns.passed) > 1
        self._scores = tuple(columns.score) or (() if columns.passed else ("score",))
        self._passes = tuple(columns.passed) or (() if columns.score else ("passed",))
        self._names = GraderNames()

    @property
    def graders(self) -> Sequence[GraderMapping]:
        """The templates; complete once all rows are read."""
        return self._names.mappings()

    @property
    def remarks(self) -> list[str]:
        """Nothing: the lines say it all."""
        return []

    @property
    def left_out(self) -> int:
        """None: every row was asked for."""
        return 0

    @property
    def read(self) -> int:
        """How many rows were read."""
        return self._file.read

    def rows(self) -> Iterator[ForeignRow]:
        """Yield every line that is not blank.

        Raises:
            ConfigurationError: The last line is cut off.
            OSError: The file cannot be read.
        """
        return map(self._row, self._file.rows())

    def _row(self, raw: RawRow) -> ForeignRow:
        if raw.fault:
            return ForeignRow(raw.place, fault=raw.fault)
        line, columns = raw.value, self._columns
        try:
            own = id_text(line.get(columns.id))
        except NotPlainError as error:
            return ForeignRow(raw.place, fault=f"its {columns.id!r} {error}")
        told = {*self._scores, *self._passes, columns.template, columns.id, columns.reason, columns.error}
        nested = {} if columns.score or columns.passed else _nested(line)
        within = line.get("inputs")
        inputs = within if isinstance(within, dict) else line
        inputs = {
            key: value for key, value in inputs.items() if key not in nested and (inputs is within or key not in told)
        }
        said = line.get(columns.error)
        failure = "" if said in (None, "", False) else str(said)
        found = self._several_of(line) if self._several else self._nested_of(nested) or self._one_of(line, failure)
        if isinstance(found, str):
            return ForeignRow(raw.place, fault=found)
        if failure:
            found = [ForeignVerdict(each.template, None, failure) for each in found]
        return ForeignRow(raw.place, id=own, inputs=inputs, verdicts=found)

    def _one_of(self, line: dict[str, Any], failure: str) -> Sequence[ForeignVerdict] | str:
        """Return the result of a line under its one template; or why it has none."""
        given = line.get(self._columns.template)
        if given is None and not failure and not any(column in line for column in (*self._scores, *self._passes)):
            return f"it has none of the columns {', '.join((*self._scores, *self._passes))}"
        name = given if given is not None else self._named()
        if not isinstance(name, str) or not name.strip():
            return f"its {self._columns.template!r} is {type(name).__name__}, no name of a template"
        score, passed = ([line.get(column) for column in columns] for columns in (self._scores, self._passes))
        self._names.add(name)
        reason = line.get(self._columns.reason)
        return verdicts_of(name, passed[0] if passed else None, score[0] if score else None, reason=reason)

    def _nested_of(self, nested: dict[str, dict[str, Any]]) -> Sequence[ForeignVerdict]:
        found: list[ForeignVerdict] = []
        for name, said in nested.items():
            self._names.add(name)
            if error := said.get("error"):
                found.append(ForeignVerdict(name, None, str(error)))
            else:
                found += verdicts_of(name, said.get("passed"), said.get("score"), reason=said.get("reason"))
        return found

    def _named(self) -> str:
        """Return the name of lines that name no template: that of --template, or the column's."""
        if self._columns.template != "template":
            return self._columns.template
        return next((name for name in (*self._passes, *self._scores) if name not in _GIVEN), "score")

    def _several_of(self, line: dict[str, Any]) -> Sequence[ForeignVerdict] | str:
        """Return the results of a line with a column for each template; cells that are not there say nothing."""
        found: list[ForeignVerdict] = []
        for column in (*self._passes, *self._scores):
            self._names.add(column)
            if (cell := line.get(column)) is None and column in line:
                found.append(ForeignVerdict(column, None, "it has neither a verdict nor a score"))
            elif cell is not None:
                is_pass = column in self._passes
                found += verdicts_of(column, cell if is_pass else None, None if is_pass else cell)
        return found or f"it has none of the columns {', '.join((*self._passes, *self._scores))}"


def _nested(line: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """Return what each template says, where a line has an object for each, of `score`, `passed`, `reason`, `error`."""
    return {
        key: value
        for key, value in line.items()
        if key != "inputs" and isinstance(value, dict) and value and value.keys() <= set(_GIVEN) and key not in _GIVEN
    }
