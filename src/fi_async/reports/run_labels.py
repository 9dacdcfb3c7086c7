"""The labels that a run's file keeps, matched with the run's outcomes, and what they tell."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Self

from fi_async._errors import ConfigurationError, instead
from fi_async._models import Outcome
from fi_async._run_url import RunUrl
from fi_async.journal.label_records import DrawnCase, KeptLabel, KeptLabels, LabelAct, LabelDraw
from fi_async.journal.records import OutcomeRecord
from fi_async.journal.schema import is_run
from fi_async.reports.agreement import agreement_with, template_of
from fi_async.reports.agreement_figures import Agreement
from fi_async.reports.labels import BY, LABEL, NOTE, WEIGHT, GivenLabel, LabelledCases, match_labels, match_rows
from fi_async.reports.outcome_tables import text
from fi_async.reports.run_files import ReadableRun, load_run
from fi_async.sources.rows import TableRow

_THRESHOLD: Final = 0.5


class NoLabelsError(ConfigurationError):
    """A run's file has no labels of a template, and no other file of labels was given."""


@dataclass(frozen=True, slots=True)
class RunLabels:
    """A run, with the labels that its file keeps.

    Attributes:
        name: What messages call it.
        records: What has ended.
        kept: The labels.
    """

    name: str
    records: Sequence[OutcomeRecord]
    kept: KeptLabels

    @classmethod
    def of(cls, path: Path | RunUrl) -> Self:
        """Return those of a run's file, of one in a database, or of a file of lines, which keeps no labels.

        Raises:
            ConfigurationError, JournalError: As of `load_run`.
        """
        with load_run(path) as run:
            return cls.read(str(path), run)

    @classmethod
    def read(cls, name: str, run: ReadableRun) -> Self:
        """Return those of a run that is open."""
        return cls(name, tuple(run.records()), run.labels())

    @property
    def outcomes(self) -> list[Outcome]:
        """What has ended, without keys."""
        return [record.outcome for record in self.records]

    def of_template(self, name: str) -> list[Outcome]:
        """Return the outcomes of one template."""
        return [record.outcome for record in self.records if record.outcome.template == name]

    def keys(self, template: str) -> Mapping[int, str]:
        """Return what names the work of each case of a template, by the case's index."""
        return {each.outcome.index: each.key for each in self.records if each.outcome.template == template}

    def labelled(self, template: str, by: Collection[str] | None = None) -> LabelledCases:
        """Return the labels of the last draw that has any, matched with the cases that they are of.

        Args:
            template: Whose results they are of.
            by: By whom; None for all.

        Raises:
            NoLabelsError: There are none.
            ConfigurationError: There are none by these people.
        """
        standing = self.kept.standing(template)
        people = list(dict.fromkeys(name for name, _ in standing))
        for name in by or ():
            if name not in people:
                raise ConfigurationError(f"{self.name}: no labels of {template} by {name!r}{instead(name, people)}")
        said = [each for (name, _), each in standing.items() if by is None or name in by]
        draw = _labelled_draw(self.kept, template, said)
        if draw is None:
            raise NoLabelsError(f"{self.name}: no case of {template} has a label: fi-async label {self.name}")
        by_key: dict[str, list[KeptLabel]] = defaultdict(list)
        for each in said:
            by_key[each.key].append(each)
        found = self.places(draw)
        pairs = [
            (outcome, GivenLabel(f"{self.name}, {_named(outcome)}", each.value, drawn.weight, each.by, each.note))
            for outcome, drawn in found
            for each in by_key[drawn.key]
            if each.act is LabelAct.GIVEN
        ]
        is_weighted = len({drawn.weight for drawn in draw.cases}) > 1
        return LabelledCases(pairs, is_weighted, tuple(self._notes(template, draw, found, said)))

    def places(self, draw: LabelDraw) -> list[tuple[Outcome, DrawnCase]]:
        """Return the outcomes of the cases that were drawn, in the order of the run; a case may have moved since."""
        by_key: dict[str, dict[int, Outcome]] = defaultdict(dict)
        for record in self.records:
            if record.outcome.template == draw.template:
                by_key[record.key][record.outcome.index] = record.outcome
        there = [(each, by_key[each.key].pop(each.position, None)) for each in draw.cases]
        found = [(outcome, each) for each, outcome in there if outcome is not None]
        for each, outcome in there:
            if outcome is None and (others := by_key[each.key]):
                found.append((others.pop(min(others)), each))
        return sorted(found, key=lambda pair: pair[0].index)

    def _notes(
        self, template: str, draw: LabelDraw, found: Sequence[tuple[Outcome, DrawnCase]], said: Sequence[KeptLabel]
    ) -> Iterator[str]:
        drawn = {each.key for each in draw.cases}
        labels = [each for each in said if each.act is LabelAct.GIVEN]
        labelled = {each.key for each in labels}
        skipped = {each.key for each in said if each.act is LabelAct.SKIPPED} & drawn - labelled
        if left := sum(each.key not in labelled for each in draw.cases) - sum(
            each.key in skipped for each in draw.cases
        ):
            yield f"{left:,} of {len(draw.cases):,} drawn cases have no label yet"
        if skipped:
            yield f"{len(skipped):,} drawn cases were skipped: what is true of them is not known"
        if gone := len(draw.cases) - len(found):
            yield f"{gone:,} drawn cases are in the run no more"
        if others := labelled - drawn:
            yield f"{len(others):,} labelled cases are not of the last draw, and are left out"
        if swayed := sum(each.saw_verdict and each.key in drawn for each in labels):
            yield f"{swayed:,} labels were given with the judge's verdict in sight, and lean towards it"
        there = sum(outcome.result is not None for outcome in self.of_template(template))
        if (of := draw.how.get("of", there)) != there:
            yield f"the draw was from {of:,} cases with a result, and now there are {there:,}: --redraw takes all"

    def rows(self, template: str) -> Iterator[dict[str, Any]]:
        """Yield a row for each label that counts: index, id, by, label, note, weight, and the inputs.

        Raises:
            NoLabelsError: There are none.
        """
        for outcome, label in self.labelled(template).pairs:
            yield {
                "index": outcome.index,
                "id": outcome.case.id,
                BY: label.by,
                LABEL: label.value,
                NOTE: label.note,
                WEIGHT: label.weight,
                **{f"inputs.{key}": text(value) for key, value in outcome.case.inputs.items()},
            }

    def agreement(
        self,
        template: str | None = None,
        *,
        labels: Path | RunUrl | None = None,
        by: Collection[str] | None = None,
        labelled: RunLabels | None = None,
        threshold: float = _THRESHOLD,
        confidence: float = 0.95,
        column: str = LABEL,
    ) -> Agreement:
        """Return how far the judge of the run agrees with people: see `Report.agreement`.

        Args:
            template: As there.
            labels: A file of labels, or a run that keeps labels of equal cases. None: those that this run keeps.
            by: By whom; None for all.
            labelled: The run that the labels are of; None if they are of this one.
            threshold: As there.
            confidence: As there.
            column: The column of the labels in a file.

        Raises:
            NoLabelsError: There are none.
            ConfigurationError: As there.
        """
        name = template_of(template, self.outcomes) if template or labelled or labels else self.labelled_template()
        source = self if labelled is None else labelled
        template_of(name, source.outcomes)
        cases = source.of_template(name)
        if labels is None:
            found = source.labelled(name, by)
        elif isinstance(labels, RunUrl) or is_run(labels):
            found = _of_other_run(labels, name, cases)
        else:
            found = match_labels(labels, cases, column)
        if by is not None and labels is not None:
            found = _by_these(found, by, labels)
        return agreement_with(
            found,
            self.of_template(name),
            name,
            source=[] if labelled is None else cases,
            is_elsewhere=labelled is not None,
            threshold=threshold,
            confidence=confidence,
        )

    def agreements(self, confidence: float = 0.95) -> list[Agreement]:
        """Return how far the judge agrees with people on each template that has labels which can be compared."""
        found = []
        for name in self.kept.templates():
            with suppress(ConfigurationError):  # such as a draw without a label yet
                found.append(self.agreement(name, confidence=confidence))
        return found

    def labelled_template(self) -> str:
        """Return the one template that has labels; without any, the one of the run.

        Raises:
            ConfigurationError: There are several.
        """
        names = [name for name in self.kept.templates() if self.kept.standing(name)]
        return names[0] if len(names) == 1 else template_of(None, self.outcomes)


def _named(outcome: Outcome) -> str:
    return f"case {outcome.index}" if outcome.case.id is None else f"the case {outcome.case.id!r}"


def _labelled_draw(kept: KeptLabels, template: str, said: Sequence[KeptLabel]) -> LabelDraw | None:
    """Return the last draw that has a label; None if none has."""
    given = {each.key for each in said if each.act is LabelAct.GIVEN}
    draws = (each for each in reversed(kept.draws) if each.template == template)
    return next((each for each in draws if any(case.key in given for case in each.cases)), None)


def _of_other_run(path: Path | RunUrl, template: str, cases: Sequence[Outcome]) -> LabelledCases:
    """Return the labels that another run keeps, each with the case here that has its id, or its inputs."""
    other = RunLabels.of(path)
    template_of(template, other.outcomes)
    notes = other.labelled(template).notes
    rows = [TableRow(f"{path}, case {row['index']}", _without_index(row)) for row in other.rows(template)]
    found = match_rows(rows, cases, str(path))
    return LabelledCases(found.pairs, found.is_weighted, notes)


def _without_index(row: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in row.items() if name != "index" and value is not None}


def _by_these(found: LabelledCases, by: Collection[str], labels: Path | RunUrl) -> LabelledCases:
    pairs = [(outcome, label) for outcome, label in found.pairs if label.by in by]
    if not pairs:
        people = list(dict.fromkeys(label.by for _, label in found.pairs))
        raise ConfigurationError(f"{labels}: no labels by {', '.join(by)}{instead(next(iter(by)), people)}")
    return LabelledCases(pairs, found.is_weighted, found.notes)
