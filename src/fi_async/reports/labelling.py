"""One person labels the cases of a draw: what is shown next, and what is kept of what was said."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from threading import Lock
from typing import Any, Final

from fi_async import _catalogue
from fi_async._models import Outcome
from fi_async.journal.label_records import KeptLabel, LabelAct, LabelDraw, LabelKeeper
from fi_async.journal.records import RunInfo
from fi_async.reports.outcome_tables import text
from fi_async.reports.run_labels import RunLabels

LONGEST_NOTE: Final = 2_000
"""Characters of a note."""


_MOST: Final = 1e15  # of a score; NaN is not below it


class RefusedError(ValueError):
    """What a page sent cannot be kept; the text says why."""


@dataclass(frozen=True, slots=True)
class LabelTask:
    """What people are asked.

    Attributes:
        template: Whose results are checked.
        kind: What labels are: "verdicts", "choices" or "scores".
        question: What the judge was asked, as far as it is known.
        choices: The labels to choose from.
    """

    template: str
    kind: str
    question: str = ""
    choices: Sequence[str] = ()


def _question(info: RunInfo, template: str) -> Mapping[str, Any]:
    return next((each for each in info.questions if each.get("template") == template), {})


def choices_of(info: RunInfo, template: str) -> tuple[str, ...]:
    """Return the choices that a template gives its judge; none where nobody says.

    Args:
        info: What the run's file says of it.
        template: Its name.
    """
    asked = _question(info, template)
    own, config = (asked.get(part) or {} for part in ("asks", "config"))
    found = own.get("choices") or _catalogue.rows().get(template, {}).get("choices") or config.get("choices")
    return tuple(map(str, found)) if isinstance(found, list | tuple) else ()


def task_of(info: RunInfo, draw: LabelDraw, outcomes: Sequence[Outcome]) -> LabelTask:
    """Return what people are asked of a run's cases.

    Args:
        info: What the run's file says of it.
        draw: The cases.
        outcomes: Of the run, under the template.
    """
    name = draw.template
    own = _question(info, name).get("asks") or {}
    known = _catalogue.rows().get(name, {})
    choices: Sequence[str] = choices_of(info, name)
    if not choices:
        results = [each.result.choices for each in outcomes if each.result is not None]
        choices = sorted({choice for each in results for choice in each or ()})
    kind = str(draw.how.get("kind", "verdicts"))
    question = own.get("text") or known.get("description") or ""
    return LabelTask(name, kind, str(question), tuple(map(str, choices)) if kind == "choices" else ())


class Labelling:
    """What one person has labelled of a draw: read from the run's file each time, and added to it.

    Args:
        book: The labels of the run's file.
        run: Its outcomes.
        draw: The cases to label.
        task: What is asked of each.
        by: Who labels.
        shows_verdict: True to show what the judge says.
        clock: Seconds since the epoch.
    """

    def __init__(
        self,
        book: LabelKeeper,
        run: RunLabels,
        draw: LabelDraw,
        task: LabelTask,
        by: str,
        *,
        shows_verdict: bool = False,
        clock: Callable[[], float],
    ) -> None:
        self.task, self.by, self.shows_verdict = task, by, shows_verdict
        self._book, self._clock, self._lock = book, clock, Lock()
        there = {drawn.key: outcome for outcome, drawn in run.places(draw)}
        keys = dict.fromkeys(each.key for each in draw.cases if each.key in there)  # equal cases are asked of once
        self._cases = [(key, there[key]) for key in keys]
        self._places = {key: place for place, (key, _) in enumerate(self._cases)}

    def __len__(self) -> int:
        return len(self._cases)

    def _standing(self) -> dict[str, KeptLabel]:
        """Return what this person has said of the cases, by key, in the order in which it was said."""
        standing = self._book.read().standing(self.task.template, self.by)
        return {key: each for (_, key), each in standing.items() if key in self._places}

    def count(self) -> tuple[int, int]:
        """Return how many cases this person has labelled, and how many skipped."""
        acts = [each.act for each in self._standing().values()]
        return acts.count(LabelAct.GIVEN), acts.count(LabelAct.SKIPPED)

    @property
    def is_done(self) -> bool:
        """True if every case is labelled or skipped."""
        return len(self._standing()) == len(self)

    def state(self) -> dict[str, Any]:
        """Return what a page shows, in plain values: how far it is, and the first case that is left."""
        return self._state(self._standing())

    def _state(self, standing: Mapping[str, KeptLabel]) -> dict[str, Any]:
        acts = [each.act for each in standing.values()]
        left = next((place for place, (key, _) in enumerate(self._cases) if key not in standing), None)
        return {
            "template": self.task.template,
            "question": self.task.question,
            "kind": self.task.kind,
            "choices": list(self.task.choices),
            "by": self.by,
            "total": len(self),
            "labelled": acts.count(LabelAct.GIVEN),
            "skipped": acts.count(LabelAct.SKIPPED),
            "case": None if left is None else self._case(left),
        }

    def _case(self, place: int) -> dict[str, Any]:
        outcome = self._cases[place][1]
        told = outcome.case.inputs if isinstance(outcome.case.inputs, Mapping) else {}
        return {
            "place": place,
            "name": f"case {outcome.index}" if outcome.case.id is None else text(outcome.case.id),
            "inputs": [{"key": key, **_shown(value)} for key, value in told.items()],
            "verdict": _verdict(outcome) if self.shows_verdict else None,
        }

    def act(self, said: Any) -> dict[str, Any]:
        """Keep what a page says, and return what it shows next. It is in the file, whatever happens then.

        Args:
            said: An object of `act`, which is "label", "skip" or "back", the `place` of the case, the `value` of a
                label, and a `note`. "back" takes back what was said last.

        Raises:
            RefusedError: It is no such object, or the value is no label of this template.
            JournalError: It cannot be written.
        """
        if not isinstance(said, Mapping) or said.get("act") not in ("label", "skip", "back"):
            raise RefusedError("no such act: label, skip or back")
        with self._lock:
            standing = self._standing()
            kept = self._taken_back(standing) if said["act"] == "back" else self._kept(said)
            self._book.add(kept)
            return self._state(self._standing())

    def _taken_back(self, standing: Mapping[str, KeptLabel]) -> KeptLabel:
        if not standing:
            raise RefusedError("nothing to take back: no case is labelled yet")
        key = next(reversed(list(standing)))
        return KeptLabel(self.task.template, key, self.by, LabelAct.TAKEN_BACK, at=self._clock())

    def _kept(self, said: Mapping[str, Any]) -> KeptLabel:
        place, note = said.get("place"), said.get("note", "")
        if not isinstance(place, int) or isinstance(place, bool) or not 0 <= place < len(self):
            raise RefusedError("no such case")
        if not isinstance(note, str) or len(note) > LONGEST_NOTE:
            raise RefusedError(f"a note is text of {LONGEST_NOTE:,} characters at most")
        is_label = said["act"] == "label"
        return KeptLabel(
            self.task.template,
            self._cases[place][0],
            self.by,
            LabelAct.GIVEN if is_label else LabelAct.SKIPPED,
            self._value(said.get("value")) if is_label else None,
            note=text(note.strip()) or "",
            saw_verdict=self.shows_verdict,
            at=self._clock(),
        )

    def _value(self, value: Any) -> bool | str | float:
        kind = self.task.kind
        if kind == "verdicts" and isinstance(value, bool):
            return value
        if kind == "choices" and isinstance(value, str) and value in self.task.choices:
            return value
        if kind == "scores" and isinstance(value, int | float) and not isinstance(value, bool) and abs(value) < _MOST:
            return value
        raise RefusedError(f"{json.dumps(value)} is no label of {self.task.template}")


def _shown(value: Any) -> dict[str, Any]:
    """Return an input as a page shows it: JSON with a line for each of its parts, else the text.

    Text that is JSON gets other blanks, and nothing else: what would be shown otherwise than it is stays as it is.
    """
    found = value
    if isinstance(value, str) and value.lstrip()[:1] in ("{", "["):
        try:
            found = json.loads(value)
        except (ValueError, RecursionError):
            found = None
    written = json.dumps(found, ensure_ascii=False, indent=2, default=str) if isinstance(found, dict | list) else None
    if written is None or (isinstance(value, str) and _without_blanks(written) != _without_blanks(value)):
        return {"text": text(value) or "", "is_json": False}
    return {"text": text(written), "is_json": True}


def _without_blanks(written: str) -> str:
    return "".join(written.split())


def _verdict(outcome: Outcome) -> dict[str, str]:
    result = outcome.result
    if outcome.passed is not None:
        said = "Passed" if outcome.passed else "Failed"
    elif result is not None and result.choices:
        said = ", ".join(result.choices)
    else:
        said = "-" if outcome.score is None else f"{outcome.score:.4g}"
    return {"said": said, "reason": (result.reason if result else None) or ""}
