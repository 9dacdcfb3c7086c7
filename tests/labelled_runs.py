"""Runs that are kept in a file and labelled, for tests of whatever reads or writes labels."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from fi_async import Case, Evaluator
from fi_async.journal.kept_labels import LabelBook
from fi_async.journal.label_records import KeptLabel, LabelAct, LabelDraw
from fi_async.reports.kept_draws import AskedDraw, draw_for
from fi_async.reports.labelling import Labelling, task_of
from fi_async.reports.run_files import load_run
from fi_async.reports.run_labels import RunLabels

TEMPLATE = "is_json"


def kept_run(path: Path, texts: Sequence[Any], template: str = TEMPLATE, key: str = "text", **how: Any) -> Path:
    """Evaluate these texts on the embedded backend, and keep the run in a file."""
    cases = [Case({key: text}, f"q{number}") for number, text in enumerate(texts)]
    with Evaluator.local() as ev:
        ev.gather(cases, template, run=path, **how)
    return path


def labelling_of(
    path: Path, book: LabelBook, by: str = "ana", template: str = TEMPLATE, *, shows_verdict: bool = False, **asked: Any
) -> Labelling:
    """What one person labels of a run; the draw is kept."""
    with load_run(path) as loaded:
        run, info = RunLabels.read(str(path), loaded), loaded.info
    draw = draw_for(run, template, AskedDraw(**asked), redraw=False, at=1.0)
    if draw not in run.kept.draws:
        book.draw(draw)
    task = task_of(info, draw, run.of_template(template))
    return Labelling(book, run, draw, task, by, shows_verdict=shows_verdict, clock=lambda: 2.0)


def drawn(path: Path, template: str = TEMPLATE, **asked: Any) -> LabelDraw:
    """Draw cases of a run, and keep the draw."""
    run = RunLabels.of(path)
    draw = draw_for(run, template, AskedDraw(**asked), redraw=True, at=1.0)
    with LabelBook(path) as book:
        book.draw(draw)
    return draw


def label(path: Path, by: str, said: Mapping[str, Any], template: str = TEMPLATE, **facts: Any) -> None:
    """Label cases of a run by their ids; None skips."""
    keys = {record.outcome.case.id: record.key for record in RunLabels.of(path).records}
    with LabelBook(path) as book:
        for own, value in said.items():
            act = LabelAct.SKIPPED if value is None else LabelAct.GIVEN
            book.add(KeptLabel(template, keys[own], by, act, value, **facts))
