"""Makes a run's file of another tool's results; everything that reads runs serves it, and nothing of it can be sent."""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import Callable, Coroutine, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from hashlib import blake2b
from os.path import expanduser
from pathlib import Path
from typing import Any, Final, Literal, Protocol, get_args

from fi_async._errors import ConfigurationError, EvaluationError, FiAsyncError, InvalidCaseError, instead
from fi_async._models import Case, Outcome, OutcomeStatus
from fi_async._public import public
from fi_async._run_url import is_store_url
from fi_async._values import shown_inputs
from fi_async._version import __version__
from fi_async.imports.foreign_rows import SCORE, ForeignRow, ForeignVerdict
from fi_async.imports.graders import GraderMapping
from fi_async.imports.openai_evals import OpenAIEvals
from fi_async.imports.promptfoo import Promptfoo
from fi_async.imports.row_memory import RowMemory
from fi_async.imports.score_lines import LineColumns, ScoreLines
from fi_async.journal.encoding import encode, storable, to_text
from fi_async.journal.events import EventKind
from fi_async.journal.file_storage import FileStorage
from fi_async.journal.records import IMPORTED, IMPORTED_FROM, RunInfo
from fi_async.journal.storage import CaseRow
from fi_async.journal.whole_file import made_whole, refuse_existing
from fi_async.journal.writer import Journal

ForeignTool = Literal["openai-evals", "promptfoo", "jsonl"]
"""Whose results a file holds: a run of OpenAI's hosted evals, an eval of promptfoo, or lines of any tool."""

_AT_ONCE: Final = 500  # rows
_MOST_TEMPLATES: Final = 1_000
_SHOWN: Final = 20  # places that a result names
_LONGEST: Final = 2_000  # characters of an error


class _Reader(Protocol):
    @property
    def graders(self) -> Sequence[GraderMapping]: ...

    @property
    def remarks(self) -> list[str]: ...

    @property
    def read(self) -> int: ...

    @property
    def left_out(self) -> int: ...

    def rows(self) -> Iterator[ForeignRow]: ...


@public
@dataclass(frozen=True, slots=True)
class ImportedRun:
    """What became of another tool's file. Every row is counted.

    Attributes:
        run: The run's file.
        tool: "openai-evals", "promptfoo" or "jsonl".
        rows: How many rows the file has.
        cases: How many cases the run has.
        evaluations: How many outcomes it has: one for each case and template that it was held against.
        scored: Those with a result.
        failed: Those that have none, in the tool's words.
        unreadable: How many rows cannot be read: they are invalid under every template.
        duplicates: How many rows are another one once more, and were left out.
        repeated: How many rows share id and template with an earlier one and say something else: they are cases too.
        left_out: How many rows were not asked for.
        templates: How many outcomes each template has.
        graders: What each grader of the tool is called, and how to run it anew.
        remarks: What there is to say of the file as a whole, and the first of the rows that were odd.
    """

    run: Path
    tool: ForeignTool
    rows: int
    cases: int
    evaluations: int
    scored: int
    failed: int
    unreadable: int
    duplicates: int
    repeated: int
    left_out: int
    templates: Mapping[str, int]
    graders: Sequence[GraderMapping]
    remarks: Sequence[str]

    def to_dict(self) -> dict[str, Any]:
        """Return it in plain values, ready for JSON."""
        names = ("rows", "cases", "evaluations", "scored", "failed", "unreadable", "duplicates", "repeated", "left_out")
        return {
            "run": str(self.run),
            "tool": self.tool,
            **{name: getattr(self, name) for name in names},
            "templates": dict(self.templates),
            "graders": [each.to_dict() for each in self.graders],
            "remarks": list(self.remarks),
        }

    def __str__(self) -> str:
        """Return the counts, the graders and the remarks: what `print` shows."""
        counts = [f"{self.scored:,} scored", f"{self.failed:,} failed"]
        told = {"unreadable": self.unreadable, "duplicate": self.duplicates, "repeated": self.repeated}
        told["left out"] = self.left_out
        odd = [f"{count:,} {what}" for what, count in told.items() if count]
        lines = [
            f"{self.rows:,} rows are {self.cases:,} cases and {self.evaluations:,} outcomes: {', '.join(counts)}",
            *([f"rows: {', '.join(odd)}"] if odd else []),
            *map(str, self.graders),
            *self.remarks,
        ]
        return "\n".join(" ".join(line.split()) for line in lines)  # names are the file's, and may have lines


@public
def import_run(
    path: str | Path,
    run: str | Path,
    *,
    tool: ForeignTool,
    eval_file: str | Path | None = None,
    prompt: int | None = None,
    columns: LineColumns | None = None,
) -> ImportedRun:
    """Make a run of the results in another tool's file, and return what became of each row.

    Reports, comparisons, gates, labels and exports take the run as any other. Nothing of it can be sent: it cannot be
    resumed, retried or reused. Memory does not grow with the file. On any error, no run is left behind.

    Args:
        path: The file: of "openai-evals", the output items of a run, as JSON or JSONL; of "promptfoo", `results.json`
            or `.jsonl`; of "jsonl", an object a line.
        run: The file of the run to make, such as "old.db"; there must be none.
        tool: Whose results they are.
        eval_file: Of "openai-evals": the eval object with its `testing_criteria`, if it is not in the file.
        prompt: Of "promptfoo": take only the results of this prompt and provider (`promptIdx`, from 0).
        columns: Of "jsonl": which columns say what.

    Raises:
        ConfigurationError: The file is cut off, is no such file, or holds no results; the message says how many rows
            were read. Or the run is there already.
        JournalError: The run cannot be written.
        OSError: The file cannot be read.
    """
    if is_store_url(run):
        raise ConfigurationError("run is the URL of a database, and what is imported becomes a file: name one")
    given, target = Path(expanduser(path)), Path(expanduser(run))  # noqa: PTH111  # a name nobody has stays
    refuse_existing(target)
    for each in (given, *([] if eval_file is None else [Path(expanduser(eval_file))])):  # noqa: PTH111  # as above
        _check_stored(each)

    def reader() -> _Reader:
        return _reader(given, tool, eval_file, prompt, columns)

    with made_whole(target, ".part") as part:
        importing = _Importing(reader, given, part, tool)
        importing.find_templates()  # outside of an event loop, which would put off an interrupt
        found = _run(importing.write)
    return replace(found, run=target)


def _reader(
    path: Path, tool: ForeignTool, eval_file: str | Path | None, prompt: int | None, columns: LineColumns | None
) -> _Reader:
    """Return what reads a tool's file.

    Raises:
        ConfigurationError: There is no such tool, or something was given that is another's.
    """
    given = {"eval_file": eval_file, "prompt": prompt, "columns": columns}
    of = {"eval_file": "openai-evals", "prompt": "promptfoo", "columns": "jsonl"}
    if tool not in get_args(ForeignTool):
        raise ConfigurationError(f"tool: there is no {tool!r}{instead(str(tool), get_args(ForeignTool))}")
    if odd := next((name for name, value in given.items() if value is not None and of[name] != tool), None):
        raise ConfigurationError(f"{odd} is of {of[odd]}, and these are results of {tool}: leave it out")
    if tool == "promptfoo":
        return Promptfoo(path, prompt)
    if tool == "jsonl":
        return ScoreLines(path, columns or LineColumns())
    return OpenAIEvals(path, None if eval_file is None else Path(expanduser(eval_file)))  # noqa: PTH111  # as below


def _run(write: Callable[[], Coroutine[Any, Any, ImportedRun]]) -> ImportedRun:
    """Return what it returns, also where an event loop is running already, as in a notebook."""
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return asyncio.run(write())
    with ThreadPoolExecutor(1) as thread:
        return thread.submit(lambda: asyncio.run(write())).result()


def _check_stored(path: Path) -> None:
    """Return if a file can be read twice: a pipe would be empty the second time, and a run of nothing would be made.

    Raises:
        ConfigurationError: It cannot, or there is none.
    """
    if path.is_file():
        return
    if not path.exists():
        raise ConfigurationError(f"{path}: no such file")
    what = "a directory" if path.is_dir() else "no file on a disk, and is read twice: write its contents to one"
    raise ConfigurationError(f"{path}: it is {what}")


class _Importing:
    """One import: the file is read twice, as what has no result counts under every template that there is."""

    def __init__(
        self,
        reader: Callable[[], _Reader],
        path: Path,
        part: Path,
        tool: ForeignTool,
    ) -> None:
        self._reader, self._path, self._part, self._tool = reader, path, part, tool
        self._templates: dict[str, int] = {}
        self._counts: Counter[str] = Counter()
        self._odd: list[str] = []
        self._next = self._named = 0
        self._again = reader()

    async def write(self) -> ImportedRun:
        """Write the run, and return what became of the rows."""
        reader = self._again
        info = RunInfo(
            name=Path(self._part.stem).stem,
            templates=tuple(self._templates),
            model_name=None,
            backend=IMPORTED,
            base_url=IMPORTED,
            started_at=time.time(),
            version=__version__,
            source={IMPORTED_FROM: self._tool, "imported_file": self._path.name},
        )
        with RowMemory() as memory:
            async with Journal(FileStorage(self._part), info) as journal:
                batch: list[CaseRow] = []
                for row in reader.rows():
                    batch += self._cases_of(_numbered(row), memory)
                    if len(batch) >= _AT_ONCE:
                        await journal.admit(batch)
                        batch = []
                if batch:
                    await journal.admit(batch)
                journal.write(0, EventKind.READ, str(journal.pass_number))
        return self._result(reader)

    def find_templates(self) -> None:
        """Read the file once, before it is written.

        Raises:
            ConfigurationError: It has no result, or far too many templates.
        """
        reader, first = self._reader(), ""
        for row in reader.rows():
            first = first or row.fault or row.failure
            for each in _numbered(row).verdicts:
                self._templates.setdefault(each.template, 0)
            if len(self._templates) > _MOST_TEMPLATES:
                raise ConfigurationError(
                    f"{self._path}: more than {_MOST_TEMPLATES:,} templates: is that which names them right?"
                )
        if not self._templates and reader.left_out:
            raise ConfigurationError(
                f"{self._path}: none of {reader.read:,} rows is of the prompt that was asked for; nothing is written"
            )
        if not self._templates:
            said = f"; the first says: {first}" if first else ""
            raise ConfigurationError(
                f"{self._path}: none of {reader.read:,} rows has a result of {self._tool}{said}; nothing is written"
            )

    def _cases_of(self, row: ForeignRow, memory: RowMemory) -> list[CaseRow]:
        """Return what a row adds to the run; nothing if it is another once more."""
        position = self._position(row, memory)
        if position is None:
            return []
        outcomes = self._outcomes(row, position)
        for each in outcomes:
            self._templates[each.template] += 1
            self._counts[each.status] += 1
        inputs = to_text(shown_inputs(row.inputs))
        case_id = None if row.id is None else storable(row.id)
        return [
            CaseRow(_key(self._tool, position, each.template), each.template, position, case_id, inputs, encode(each))
            for each in outcomes
        ]

    def _position(self, row: ForeignRow, memory: RowMemory) -> int | None:
        """Return the position of a row's case; None if the row was there before, word for word."""
        if row.id is None or row.fault:
            return self._new()
        said = [(each.template, each.result and each.result.output, each.error) for each in row.verdicts]
        self._named += 1
        number = self._named
        if memory.first(number, "row", row.id, row.own, row.inputs, said, row.failure) != number:
            self._counts["duplicates"] += 1
            self._remark(f"{row.place}: {row.id} once more, word for word: left out")
            return None
        position = memory.first(self._next, "id", row.id)
        templates = [each.template for each in row.verdicts] or list(self._templates)
        firsts = [memory.first(number, "case", row.id, each) for each in templates]
        if all(first == number for first in firsts):  # a case's first line, or one of further templates
            return self._new() if position == self._next else position
        self._counts["repeated"] += 1
        self._remark(f"{row.place}: {row.id} again, with another result or other inputs: a case of its own")
        return self._new()

    def _new(self) -> int:
        self._next += 1
        return self._next - 1

    def _outcomes(self, row: ForeignRow, position: int) -> list[Outcome]:
        case = Case(row.inputs, row.id)
        if row.fault or not (row.verdicts or row.failure):
            fault = row.fault or "it has no result"
            self._counts["unreadable"] += 1
            self._remark(f"{row.place}: {fault}")
            refusal = InvalidCaseError(f"{row.place}: {fault}", index=position)
            return [self._without(each, position, case, refusal) for each in self._templates]
        if row.failure:
            failed = EvaluationError(_clipped(row.failure))
            return [self._without(each, position, case, failed) for each in self._templates]
        found = [self._outcome(each, position, case) for each in row.verdicts]
        told = {each.template for each in row.verdicts}
        # Where a verdict failed, the number that goes with it is missing too.
        beside = [replace(each, template=f"{each.template}{SCORE}") for each in row.verdicts if each.result is None]
        more = [each for each in beside if each.template in self._templates and each.template not in told]
        return [*found, *(self._outcome(replace(each, usage=None), position, case) for each in more)]

    def _outcome(self, said: ForeignVerdict, position: int, case: Case) -> Outcome:
        if said.result is None:
            failed = EvaluationError(_clipped(said.error))
            return replace(self._without(said.template, position, case, failed), usage=said.usage)
        is_named = said.result.name == said.template
        result = said.result if is_named else said.result.model_copy(update={"name": said.template})
        return Outcome(position, case, said.template, OutcomeStatus.SCORED, result, backend=IMPORTED, usage=said.usage)

    @staticmethod
    def _without(template: str, position: int, case: Case, error: FiAsyncError) -> Outcome:
        is_invalid = isinstance(error, InvalidCaseError)
        status = OutcomeStatus.INVALID if is_invalid else OutcomeStatus.FAILED
        return Outcome(position, case, template, status, error=error, backend=IMPORTED)

    def _remark(self, text: str) -> None:
        if len(self._odd) < _SHOWN:
            self._odd.append(text)

    def _result(self, reader: _Reader) -> ImportedRun:
        counts = self._counts
        odd = counts["unreadable"] + counts["duplicates"] + counts["repeated"]
        more = [f"and {odd - _SHOWN:,} more rows like these"] if odd > _SHOWN else []
        return ImportedRun(
            run=self._part,
            tool=self._tool,
            rows=reader.read,
            cases=self._next,
            evaluations=sum(self._templates.values()),
            scored=counts[OutcomeStatus.SCORED],
            failed=counts[OutcomeStatus.FAILED],
            unreadable=counts["unreadable"],
            duplicates=counts["duplicates"],
            repeated=counts["repeated"],
            left_out=reader.left_out,
            templates=dict(self._templates),
            graders=reader.graders,
            remarks=[*reader.remarks, *self._odd, *more],
        )


def _numbered(row: ForeignRow) -> ForeignRow:
    """Return a row whose verdicts have templates of different names, which a file can hold."""
    names = [storable(each.template) for each in row.verdicts]
    if len(set(names)) == len(names) and all(map(str.isascii, names)):
        return row
    seen: Counter[str] = Counter()
    found = []
    for name, each in zip(names, row.verdicts, strict=True):
        seen[name] += 1
        found.append(replace(each, template=name if seen[name] == 1 else f"{name} #{seen[name]}"))
    return replace(row, verdicts=found)


def _key(tool: str, position: int, template: str) -> str:
    """Return the key of an outcome: like that of no work that could be sent."""
    return blake2b(to_text([IMPORTED, tool, position, template]).encode(), digest_size=12).hexdigest()


def _clipped(text: str) -> str:
    return text if len(text) <= _LONGEST else f"{text[:_LONGEST]}…"
