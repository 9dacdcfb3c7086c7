"""Labels that people gave: read from a dict, a list or a file, and matched with the cases of a run."""

from __future__ import annotations

import math
import os
from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path
from typing import Any, Final, Literal

from fi_async import _catalogue
from fi_async._errors import ConfigurationError, instead
from fi_async._models import Outcome
from fi_async._run_url import is_store_url
from fi_async._values import NotPlainError, id_text
from fi_async.reports.outcome_tables import inert, text
from fi_async.sources.csv_files import CsvTable
from fi_async.sources.files import JsonTable
from fi_async.sources.rows import Table, TableRow
from fi_async.sources.workbooks import WORKBOOKS, WorkbookTable

Labels = Mapping[Any, Any] | Sequence[Any] | str | os.PathLike[str]
"""Labels by id; or in the order of the cases, None where one has none; or the path of a CSV or JSONL file."""

LabelKind = Literal["verdicts", "choices", "scores"]
"""What labels are: passed or failed, one of some choices, or numbers."""

LABEL: Final = "label"
WEIGHT: Final = "weight"
BY: Final = "by"
NOTE: Final = "note"
INPUTS: Final = "inputs."  # before the key of an input, in the name of its column
_TWICE: Final = 2
_LOOKED_AT: Final = 2_000  # ids that one like a wrong one is looked for among
_VERDICTS: Final[Mapping[str, bool]] = {
    **dict.fromkeys(("passed", "pass", "true", "yes", "1", "1.0"), True),
    **dict.fromkeys(("failed", "fail", "false", "no", "0", "0.0"), False),
}
_WORDS: Final = "write Passed or Failed (pass, true, yes, 1; fail, false, no, 0)"


@dataclass(frozen=True, slots=True)
class GivenLabel:
    """What a person said of one case.

    Attributes:
        place: Where it stands, such as "labels.csv, line 3".
        value: What was said.
        weight: How many cases of the run it stands for.
        by: Who said it; empty where nobody is named.
        note: What else the person wrote.
    """

    place: str
    value: Any
    weight: float = 1.0
    by: str = ""
    note: str = ""


@dataclass(frozen=True, slots=True)
class LabelledCases:
    """Labels of one template, matched.

    Attributes:
        pairs: Each with the outcome that it is of, in the order of the outcomes; one of each person.
        is_weighted: True if they have weights.
        notes: What makes them say less than they seem to.
    """

    pairs: Sequence[tuple[Outcome, GivenLabel]]
    is_weighted: bool = False
    notes: Sequence[str] = ()


def match_labels(labels: Labels, outcomes: Sequence[Outcome], column: str = LABEL) -> LabelledCases:
    """Return each labelled outcome of a template with its label, in order.

    Args:
        labels: By id, in order, or in a file with a column for them and one for ids (or `index`, or the inputs). A
            column `by` in a file names who gave each, a column `note` is what else they wrote.
        outcomes: All of one template.
        column: The column of the labels in a file.

    Raises:
        ConfigurationError: A label is of no case, two are of one, or there is none; the message names its place.
    """
    if is_store_url(labels):
        raise ConfigurationError(
            "labels is the URL of a database, and must be a file: fi-async export URL --labels -o labels.csv makes one"
        )
    if isinstance(labels, str | os.PathLike):
        path = Path(os.path.expanduser(labels))  # noqa: PTH111  # a name nobody has stays
        return match_rows(list(_rows(path, column)), outcomes, os.fspath(labels), column)
    cases = _Cases(outcomes)
    if isinstance(labels, Mapping):
        given = (
            (cases.of_id(f"labels[{key!r}]", key), GivenLabel(f"labels[{key!r}]", each)) for key, each in labels.items()
        )
    elif isinstance(labels, Sequence):
        if len(labels) != len(outcomes):
            raise ConfigurationError(
                f"labels: a list of {len(labels):,}, and there are {len(outcomes):,} cases: give one for each, in"
                " order, with None where there is none, or a dict of labels by id"
            )
        given = ((place, GivenLabel(f"labels[{place}]", each)) for place, each in enumerate(labels))
    else:
        raise ConfigurationError(f"labels: give a dict by id, a list in order, or a path, not {type(labels).__name__}")
    return _matched(given, cases, outcomes, "labels")


def match_rows(rows: Sequence[TableRow], outcomes: Sequence[Outcome], name: str, column: str = LABEL) -> LabelledCases:
    """Return each labelled outcome of a template with its label, in order; see `match_labels`.

    Args:
        rows: As of a file.
        outcomes: All of one template.
        name: What messages call the file.
        column: The column of the labels.

    Raises:
        ConfigurationError: As there.
    """
    cases = _Cases(outcomes)
    given = ((cases.of_row(row, column), _of_row(row, column, cases.keys)) for row in rows)
    is_weighted = any(WEIGHT in (row.values or {}) for row in rows)
    return _matched(given, cases, outcomes, f"column {column!r} of {name}", is_weighted=is_weighted)


def _matched(
    given: Iterable[tuple[int, GivenLabel]],
    cases: _Cases,
    outcomes: Sequence[Outcome],
    where: str,
    *,
    is_weighted: bool = False,
) -> LabelledCases:
    found: dict[tuple[int, str], GivenLabel] = {}
    for place, label in given:
        if _is_blank(label.value):
            continue
        if (place, label.by) in found:
            also = f" by {label.by}" if label.by else ""
            raise ConfigurationError(
                f"{label.place}: {cases.name(place)} has a label{also} already, in {found[place, label.by].place}:"
                " leave one of them out"
            )
        found[place, label.by] = label
    if not found:
        raise ConfigurationError(f"{where}: no case has a label: fill in some")
    in_order = sorted(found.items(), key=lambda item: item[0][0])  # of one case, as the people come in the file
    return LabelledCases([(outcomes[place], label) for (place, _), label in in_order], is_weighted)


def _is_blank(value: Any) -> bool:
    return value is None or (isinstance(value, str) and not value.strip())


class _Cases:
    """The cases of one template, to be found by id, by index, or by inputs."""

    def __init__(self, outcomes: Sequence[Outcome]) -> None:
        self._outcomes = outcomes
        self.keys = {key for outcome in outcomes for key in outcome.case.inputs}
        self._by_id: dict[str, list[int]] = defaultdict(list)
        for place, outcome in enumerate(outcomes):
            if outcome.case.id is not None:
                for own in {outcome.case.id, inert(outcome.case.id)}:  # as it is, and as a CSV file may hold it
                    self._by_id[own].append(place)
        self._by_index = {outcome.index: place for place, outcome in enumerate(outcomes)}
        self._by_inputs: dict[tuple[str, ...], dict[tuple[str | None, ...], list[int]]] = {}

    def name(self, place: int) -> str:
        own = self._outcomes[place].case.id
        return f"case {self._outcomes[place].index}" if own is None else f"the case {own!r}"

    def of_id(self, where: str, given: Any) -> int:
        try:
            own = id_text(given)
        except NotPlainError:
            own = None
        places = self._by_id.get(own or "", [])
        if len(places) > 1:
            raise ConfigurationError(
                f"{where}: {len(places)} cases have the id {own!r}: name the case by its place in the run, in a"
                " column 'index'"
            )
        if places:
            return places[0]
        if not self._by_id:
            raise ConfigurationError(f"{where}: the cases of the run have no ids: give labels in order, or by 'index'")
        raise ConfigurationError(f"{where}: the run has no case with the id {own!r}{_like(own or '', self._by_id)}")

    def of_row(self, row: TableRow, column: str) -> int:
        values = row.values or {}
        own, index = values.get("id"), values.get("index")
        is_shared = index is not None and len(self._by_id.get(str(own), [])) >= _TWICE
        if not _is_blank(own) and self._by_id and not is_shared:
            return self.of_id(row.place, own)
        if index is not None and not _is_blank(index):
            place = self._by_index.get(int(index)) if str(index).strip().isdecimal() else None
            if place is None:
                raise ConfigurationError(f"{row.place}: the run has no case of index {index!r}: they count from 0")
            return place
        return self._of_inputs(row, column)

    def _of_inputs(self, row: TableRow, column: str) -> int:
        given = {
            name.removeprefix(INPUTS): inert(text(value))  # a CSV file may have it so
            for name, value in (row.values or {}).items()
            if name not in (column, WEIGHT, "id", "index")
        }
        known = self.keys
        keys = tuple(sorted(known.intersection(given)))
        if not keys:
            raise ConfigurationError(
                f"{row.place}: nothing says which case it is of: add a column 'id', or the inputs"
                f" ({', '.join(sorted(known))})"
            )
        if keys not in self._by_inputs:
            self._by_inputs[keys] = self._grouped(keys)
        places = self._by_inputs[keys].get(tuple(given[key] for key in keys), [])
        if len(places) != 1:
            what = f"{len(places)} cases have" if places else "no case has"
            raise ConfigurationError(
                f"{row.place}: {what} these inputs ({', '.join(keys)}): add a column 'id' or 'index'"
            )
        return places[0]

    def _grouped(self, keys: tuple[str, ...]) -> dict[tuple[str | None, ...], list[int]]:
        found: dict[tuple[str | None, ...], list[int]] = defaultdict(list)
        for place, outcome in enumerate(self._outcomes):
            found[tuple(inert(text(outcome.case.inputs.get(key))) for key in keys)].append(place)
        return found


def _like(own: str, known: Iterable[str]) -> str:
    """Return what to say instead of an id: one like it, or what ids look like."""
    known = list(known)
    similar = get_close_matches(own, known[:_LOOKED_AT], n=1)
    return f"; did you mean {similar[0]}?" if similar else f": its ids are such as {', '.join(known[:3])}"


def _rows(path: Path, column: str) -> Iterator[TableRow]:
    """Yield the rows of a file that have a label.

    Raises:
        ConfigurationError: It cannot be read, or has no such column.
    """
    if not path.is_file():
        raise ConfigurationError(f"{path}: no such file of labels")
    table, seen = _table(path), False
    names: dict[str, None] = {}
    for row in table.records():
        if row.values is None:
            raise ConfigurationError(f"{row.place}: {row.fault}{f' ({row.detail})' if row.detail else ''}")
        names |= dict.fromkeys(row.values)
        seen = seen or column in row.values
        if not _is_blank(row.values.get(column)):
            yield row
    if not seen:
        raise ConfigurationError(f"{path}: no column {column!r}{instead(column, names)}")


def _table(path: Path) -> Table:
    match path.suffix.lower():
        case ".csv":
            return CsvTable(str(path), path)
        case ".jsonl" | ".ndjson" | ".json":
            return JsonTable(str(path), lambda: path.open("rb"), path)
        case suffix if suffix in WORKBOOKS:
            return WorkbookTable(str(path), path)
        case _:
            raise ConfigurationError(f"{path}: labels come from a .csv, .xlsx or .jsonl file")


def _of_row(row: TableRow, column: str, inputs: Collection[str]) -> GivenLabel:
    values = {BY: "", NOTE: "", **(row.values or {})}
    by, note = ("" if name in inputs else text(values[name]) or "" for name in (BY, NOTE))
    weight = values.get(WEIGHT, 1.0)
    try:
        number = float(weight)
    except (TypeError, ValueError):
        number = math.nan
    if not (math.isfinite(number) and number > 0):
        raise ConfigurationError(
            f"{row.place}: {WEIGHT} must be a number above 0, not {weight!r}: leave it as it was drawn"
        )
    return GivenLabel(row.place, values[column], number, by.strip(), note)


def kind_of_labels(template: str, outcomes: Sequence[Outcome], given: Sequence[GivenLabel]) -> LabelKind:
    """Return what the labels of a template are.

    Args:
        template: Its name.
        outcomes: The scored ones.
        given: The labels.

    Raises:
        ConfigurationError: Its results are of no kind that can be compared with one label.
    """
    kind = kind_of_results(template, outcomes)
    return "verdicts" if kind == "scores" and _number(given[0].value) is None else kind


def kind_of_results(template: str, outcomes: Sequence[Outcome]) -> LabelKind:
    """Return what labels of a template are, if they are of the kind that its results are.

    Raises:
        ConfigurationError: Its results are of no kind that can be compared with one label.
    """
    results = [outcome.result for outcome in outcomes if outcome.result is not None]
    if not results:
        raise ConfigurationError(f"{template}: no case has a result to compare labels with")
    if all(result.passed is not None for result in results):
        return "verdicts"
    if all(result.choices is not None and len(result.choices) == 1 for result in results):
        return "choices"
    if any(result.score is None for result in results):
        raise ConfigurationError(
            f"{template}: its results are neither verdicts nor scores nor one choice each: labels cannot be compared"
            " with them"
        )
    return "scores"


def _number(value: Any) -> float | None:
    """Return the number that a label is; None if it is none."""
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        return None
    try:
        number = float(value)
    except ValueError:
        return None
    return number if math.isfinite(number) else None


def read_verdict(label: GivenLabel) -> bool:
    """Return whether a label says passed.

    Raises:
        ConfigurationError: It says neither that nor failed.
    """
    found = label.value if isinstance(label.value, bool) else _VERDICTS.get(str(label.value).strip().lower())
    if found is None:
        raise ConfigurationError(f"{label.place}: the label {label.value!r} is no verdict: {_WORDS}")
    return found


def read_score(label: GivenLabel) -> float:
    """Return the number that a label is.

    Raises:
        ConfigurationError: It is none.
    """
    number = _number(label.value)
    if number is None:
        raise ConfigurationError(
            f"{label.place}: the label {label.value!r} is no number, and others are: label by numbers alone, or"
            " by verdicts"
        )
    return number


def read_choice(template: str, label: GivenLabel, choices: Sequence[str] = ()) -> str:
    """Return the choice that a label is.

    Args:
        template: The name of the template.
        label: The label.
        choices: Those that there are, where the run says so.

    Raises:
        ConfigurationError: The template has no such choice.
    """
    given = str(label.value).strip()
    known = choices or _catalogue.rows().get(template, {}).get("choices") or [given]
    found = next((choice for choice in known if choice.lower() == given.lower()), None)
    if found is None:
        raise ConfigurationError(
            f"{label.place}: {template} has no label {label.value!r}: there are {', '.join(known)}"
        )
    return str(found)
