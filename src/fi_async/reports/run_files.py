"""A run to look at: from its file, or from the lines that `fi-async run --out` writes."""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Protocol, Self, cast

from fi_async._errors import ConfigurationError, FiAsyncError
from fi_async._models import Case, Inputs, Outcome, OutcomeStatus
from fi_async._results import EvalResult, Usage
from fi_async._run_url import RunUrl
from fi_async.journal.encoding import kind_of
from fi_async.journal.kept_labels import LabelBook
from fi_async.journal.label_records import KeptLabels, LabelKeeper
from fi_async.journal.records import OutcomeRecord, RunCount, RunInfo
from fi_async.journal.schema import is_run
from fi_async.journal.view import open_view
from fi_async.store.store_labels import StoreLabels
from fi_async.store.store_reader import open_run

LINES: Final = (".jsonl", ".ndjson")
BACKEND_NAMED: Final = "backend_named"
"""What a run's `source` says with False: nobody named the backend, and for want of a key pair it was the local one."""

SHARD: Final = "shard"
"""What the lines of a shard say of their run: which, from 1, and of how many."""

_TABLES: Final = (".csv", ".parquet", ".json", ".sqlite", ".sqlite3")
_FACTS: Final[Mapping[str, tuple[str, Callable[[str], Any]]]] = {
    "status": ("status", int),
    "request": ("request_id", str),
    "evaluation": ("eval_id", str),
    "attempt": ("attempts", int),
}
_FACT: Final = r"(?:(?:status|attempt) \d+|(?:request|evaluation) [^\s,()]+)"
_TAIL: Final = re.compile(rf" \(({_FACT}(?:, {_FACT})*)\)$")  # of an error's text
_NEEDED: Final = ("index", "template", "status", "inputs")


class ReadableRun(Protocol):
    """A run that can be read. Use it in `with`."""

    def __enter__(self) -> Self:
        """Return the run."""

    def __exit__(self, *exception: object) -> None:
        """Close the file of the run."""

    @property
    def info(self) -> RunInfo:
        """What the run is about."""

    def count(self) -> RunCount:
        """Return how many evaluations it has, and how they stand."""

    def records(self) -> Iterable[OutcomeRecord]:
        """Return what has ended, in input order."""

    def labels(self) -> KeptLabels:
        """Return what people said of its cases."""


@dataclass(frozen=True, slots=True)
class LoadedRun:
    """A run in memory.

    Attributes:
        info: What it is about.
        ended: What has ended, in input order.
        evaluations: How many evaluations it has; None if they are those.
    """

    info: RunInfo
    ended: tuple[OutcomeRecord, ...]
    evaluations: int | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exception: object) -> None:
        pass  # it is in memory

    def count(self) -> RunCount:
        """Return how many evaluations it has, and how they stand."""
        statuses = Counter(record.outcome.status.value for record in self.ended)
        paid = (each.outcome.possible_duplicates for each in self.ended)
        return RunCount(max(self.evaluations or 0, len(self.ended)), statuses, possible_duplicates=sum(paid))

    def records(self) -> Iterable[OutcomeRecord]:
        """Return what has ended, in input order."""
        return self.ended

    def labels(self) -> KeptLabels:
        """Return no labels: lines keep none."""
        return KeptLabels()


def load_run(path: Path | RunUrl) -> ReadableRun:
    """Return the run in a file: `.jsonl` or `.ndjson` as `fi-async run --out` writes it, else a run's journal.

    Lines say less than a journal: not which parameters the templates had, and of errors only the text. `run` on each
    says how many there were to be, if that was known, and whether nobody had named the backend.

    Raises:
        ConfigurationError: There is no such file, or its lines are no run's; the message names file and line.
        JournalError: It is no run's journal, or damaged.
    """
    if isinstance(path, RunUrl):
        return open_run(path)
    if not path.is_file():
        raise ConfigurationError(f"{path}: {'a directory, not a file' if path.is_dir() else 'no such file'}")
    if path.suffix.lower() in LINES:
        return _from_lines(path)
    if path.suffix.lower() in _TABLES and not is_run(path):
        raise ConfigurationError(f"{path}: no run: give a run's file, or the .jsonl that fi-async run --out writes")
    return open_view(path)


def open_labels(path: Path | RunUrl) -> LabelKeeper:
    """Return where the labels of a run are kept, to add to them.

    Raises:
        ConfigurationError: Lines keep none.
        JournalError: There is no such run, or it cannot be written.
    """
    if isinstance(path, RunUrl):
        return StoreLabels(path)
    if not is_run(path):
        raise ConfigurationError(
            f"{path}: only a run's file keeps labels: give that of fi-async run --run, or --csv PATH"
        )
    return LabelBook(path)


def _from_lines(path: Path) -> LoadedRun:
    facts: dict[str, Any] = {}
    with path.open("rb") as file:
        outcomes = [_outcome(raw, f"{path}, line {number}", facts) for number, raw in enumerate(file, 1) if raw.strip()]
    outcomes.sort(key=lambda outcome: outcome.index)  # lines come as cases end
    when = path.stat().st_mtime  # lines do not tell when the run began
    info = RunInfo(
        name=path.stem,
        templates=tuple(dict.fromkeys(outcome.template for outcome in outcomes)),
        model_name=None,
        backend=outcomes[0].backend if outcomes else "",
        base_url="",
        started_at=0.0,
        ended_at=when,
        source={name: value for name, value in facts.items() if name == BACKEND_NAMED},
        shard=facts.get(SHARD),
    )
    evaluations = facts.get("evaluations")
    records = tuple(OutcomeRecord("", outcome, when) for outcome in outcomes)
    return LoadedRun(info, records, evaluations if isinstance(evaluations, int) else None)


def _outcome(raw: bytes, place: str, facts: dict[str, Any]) -> Outcome:
    """Return the outcome on a line, and add to `facts` what it says of its run."""
    try:
        line = json.loads(raw)
        missing = [name for name in _NEEDED if name not in line]
        if missing:
            raise ConfigurationError(f"{place}: no line that fi-async run --out writes: it has no {missing[0]!r}")
        facts |= line.get("run") or {}
        return _told(line, int(line["index"]), Case(cast("Inputs", line["inputs"]), line.get("id")))
    except ConfigurationError:
        raise
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        raise ConfigurationError(f"{place}: no line that fi-async run --out writes: {error}") from error


def _told(line: Mapping[str, Any], index: int, case: Case) -> Outcome:
    """Return the outcome that a line tells of a case, or one of its samples or votes."""
    status = OutcomeStatus(line["status"])
    samples, votes = (
        [_told({"template": line["template"], **part}, index, case) for part in line.get(name) or ()]
        for name in ("samples", "votes")
    )
    return Outcome(
        index=index,
        case=case,
        template=str(line["template"]),
        status=status,
        result=_result(line) if status is OutcomeStatus.SCORED else None,
        error=None if line.get("error") is None else _error(str(line["error"]), status),
        attempts=line.get("attempts", 0),
        eval_id=line.get("eval_id"),
        backend=line.get("backend", "cloud"),
        latency_s=line.get("latency_s"),
        usage=_usage(line),
        cost=line.get("cost"),
        origin=line.get("origin", "evaluated"),
        samples=samples,
        votes=votes,
        sample=line.get("sample", 0),
        juror=line.get("juror"),
        at_first=line.get("at_first"),
    )


def _usage(line: Mapping[str, Any]) -> Usage | None:
    known = {name: line[name] for name in Usage.model_fields if line.get(name) is not None}
    return Usage(**known) if known else None


def _error(text: str, status: OutcomeStatus) -> FiAsyncError:
    """Return the error that a text names; where cases are invalid it names none."""
    name, _, message = ("InvalidCaseError", "", text) if status is OutcomeStatus.INVALID else text.partition(": ")
    kind = kind_of(name)
    if kind is FiAsyncError:
        return FiAsyncError(text)
    tail = _TAIL.search(message)
    told = [each.split(" ") for each in tail[1].split(", ")] if tail else []
    facts = {_FACTS[label][0]: _FACTS[label][1](value) for label, value in told}
    return kind(message.removesuffix(tail[0]) if tail else message, **facts)


def _result(line: Mapping[str, Any]) -> EvalResult:
    label = line.get("passed") is None and isinstance(line.get("output"), str)
    return EvalResult(
        name=line["template"],
        output=line.get("output"),
        reason=line.get("reason"),
        output_type="choices" if label else None,  # a label called Passed is no verdict
        eval_id=line.get("eval_id"),
        backend=line.get("backend", "cloud"),
        model=line.get("model"),
        usage=_usage(line),
        cost=line.get("cost"),
        estimate=bool(line.get("estimate")),
    )


def outcomes_of(run: ReadableRun) -> Iterator[Outcome]:
    """Yield the outcomes of a run."""
    return (record.outcome for record in run.records())
