"""`fi-async label`: cases of a run for people to label, on a page or in a CSV file, or labels taken from a file."""

from __future__ import annotations

import errno
import getpass
import os
import sys
import threading
import time
import webbrowser
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from fi_async._errors import ConfigurationError
from fi_async._run_url import RunUrl
from fi_async.cli import errors, terminal
from fi_async.cli.errors import ImpossibleError, UsageError
from fi_async.cli.label_server import LabelServer
from fi_async.cli.options import LabelFlags
from fi_async.cli.outputs import check_output
from fi_async.cli.saved_command import command_line
from fi_async.journal.label_records import KeptLabel, LabelAct, LabelKeeper
from fi_async.reports.agreement import template_of
from fi_async.reports.kept_draws import AskedDraw, draw_for, draw_of_labels
from fi_async.reports.label_draws import draw_cases, write_sheet
from fi_async.reports.labelling import Labelling, LabelTask, choices_of, task_of
from fi_async.reports.labels import (
    BY,
    GivenLabel,
    LabelledCases,
    match_labels,
    read_choice,
    read_score,
    read_verdict,
)
from fi_async.reports.run_files import load_run, open_labels
from fi_async.reports.run_labels import RunLabels

_SAMPLE: Final = 50
_LONGEST_NAME: Final = 64
_LINUX: Final = "linux"


def label_run(run: Path | RunUrl, flags: LabelFlags) -> int:
    """Return 0 once cases were labelled, or written to be labelled elsewhere.

    Raises:
        ConfigurationError: It is no run, has no such template, or nothing that can be drawn so.
        UsageError: A file cannot be where it is to be, or the run keeps no labels; or nobody is named.
        JournalError: The run's file cannot be read or written.
        ImpossibleError: The port is taken.
        OSError: The CSV file cannot be written.
    """
    if flags.csv is not None:
        return _write_sheet(run, flags.csv, flags)
    with load_run(run) as loaded:
        found, info = RunLabels.read(str(run), loaded), loaded.info
    name = template_of(flags.eval, found.outcomes)
    by = person(flags.by)
    with open_labels(run) as book:
        if flags.from_ is not None:
            return _take(book, found, name, by, flags, choices=choices_of(info, name))
        asked = AskedDraw(flags.sample, flags.draw, flags.seed, flags.threshold, flags.verdicts)
        draw = draw_for(found, name, asked, redraw=flags.redraw, at=time.time())
        if draw not in found.kept.draws:
            book.draw(draw)
        task = task_of(info, draw, found.of_template(name))
        labelling = Labelling(book, found, draw, task, by, shows_verdict=flags.show_verdict, clock=time.time)
        if not labelling.is_done:
            _serve(labelling, flags)
        _tell(run, labelling)
    return errors.DONE


def person(given: str | None) -> str:
    """Return the name of whoever labels: as given, or that of the user of this machine.

    Raises:
        UsageError: It is no name, or nobody is known.
    """
    name = given
    if name is None:
        try:
            name = getpass.getuser().partition("@")[0]
        except (OSError, KeyError, ImportError):
            raise UsageError("nobody knows who labels here: give --by NAME") from None
    name = name.strip()
    if "@" in name:
        raise UsageError("--by is kept in the run's file: give a name, and no address")
    if not name or not name.isprintable() or len(name) > _LONGEST_NAME:
        raise UsageError(f"--by: a name is one line of at most {_LONGEST_NAME} characters that can be shown")
    return name


def _write_sheet(run: Path | RunUrl, out: Path, flags: LabelFlags) -> int:
    check_output("--csv", out, *([run] if isinstance(run, Path) else []))
    if flags.from_ is not None:
        raise UsageError("--csv writes cases, and --from takes labels: leave one out")
    if out.suffix.lower() != ".csv":
        raise UsageError(f"--csv {out}: its name must end in .csv")
    if out.exists():
        raise UsageError(f"--csv {out}: it is there already, and may hold labels: name another file")
    found = RunLabels.of(run)
    name = template_of(flags.eval, found.outcomes)
    own = found.of_template(name)
    threshold = 0.5 if flags.threshold is None else flags.threshold
    drawn = draw_cases(own, flags.sample or _SAMPLE, flags.draw or "random", seed=flags.seed or 0, threshold=threshold)
    write_sheet(out, drawn)
    print(
        f"{len(drawn):,} of {len(own):,} cases of {terminal.printable(name)} are in {out}: fill in its column"
        f" label, then {command_line('agree', str(run), out)}"
    )
    return errors.DONE


def _take(book: LabelKeeper, run: RunLabels, name: str, by: str, flags: LabelFlags, *, choices: Sequence[str]) -> int:
    """Put the labels of a file into the run's; where a row says by whom, by those."""
    path = flags.from_ or Path()
    given = match_labels(path, run.of_template(name))
    draw = draw_of_labels(run, name, given, f"--from {path}", redraw=flags.redraw, at=time.time())
    labels = _read_labels(run, LabelTask(name, draw.how["kind"], choices=choices), given, by)
    if draw not in run.kept.draws:
        book.draw(draw)
    book.add(*labels)
    people = ", ".join(dict.fromkeys(each.by for each in labels))
    print(
        f"{len(labels):,} labels of {terminal.printable(name)} by {terminal.printable(people)} are in {run.name}: "
        f"{command_line('agree', run.name)}"
    )
    return errors.DONE


def _read_labels(run: RunLabels, task: LabelTask, given: LabelledCases, by: str) -> list[KeptLabel]:
    """Return the labels of a file as they are kept: one for all equal cases.

    Raises:
        ConfigurationError: One is no label of the template, or equal cases have different ones.
    """
    keys, now = run.keys(task.template), time.time()
    found: dict[tuple[str, str], tuple[KeptLabel, str]] = {}
    for outcome, label in given.pairs:
        who, key = _person_of(label) or by, keys[outcome.index]
        kept = KeptLabel(task.template, key, who, LabelAct.GIVEN, _read(task, label), note=label.note, at=now)
        before, place = found.setdefault((who, key), (kept, label.place))
        if before.value != kept.value:
            raise ConfigurationError(
                f"{label.place}: the case equals that in {place}, which has another label: make them one"
            )
    return [kept for kept, _ in found.values()]


def _person_of(label: GivenLabel) -> str:
    """Return who gave a label of a file; empty where the row names nobody.

    Raises:
        ConfigurationError: That is no name to be kept.
    """
    try:
        return person(label.by) if label.by else ""
    except UsageError as error:
        said = str(error).removeprefix("--by").removeprefix(":").strip()
        raise ConfigurationError(f"{label.place}: its column {BY!r}: {said}") from None


def _read(task: LabelTask, label: GivenLabel) -> bool | str | float:
    if task.kind == "verdicts":
        return read_verdict(label)
    return read_score(label) if task.kind == "scores" else read_choice(task.template, label, task.choices)


def _serve(labelling: Labelling, flags: LabelFlags) -> None:
    try:
        server = LabelServer(labelling, flags.port)
    except OSError as error:
        if error.errno == errno.EADDRINUSE:
            raise ImpossibleError(f"port {flags.port} is taken; --port 0 takes a free one") from None
        raise
    labelled, skipped = labelling.count()
    already = f", {labelled + skipped:,} of them done" if labelled + skipped else ""
    drawn = terminal.counted(len(labelling), "case")
    print(f"{drawn} of {terminal.printable(labelling.task.template)}{already}. Label them at")
    print(f"  {server.url}")
    print("Each label is kept as you give it. Ctrl-C stops; the same command goes on.", flush=True)
    if _shall_open() if flags.open is None else flags.open:
        # A browser in the terminal would not return.
        threading.Thread(target=webbrowser.open, args=(server.url,), daemon=True).start()
    try:
        server.run()
    except KeyboardInterrupt:
        print()


def _shall_open() -> bool:
    """Tell whether a person sits here, before a screen that a browser can open on."""
    if not sys.stdout.isatty() or "SSH_CONNECTION" in os.environ:
        return False
    return not sys.platform.startswith(_LINUX) or bool({"DISPLAY", "WAYLAND_DISPLAY"} & os.environ.keys())


def _tell(run: Path | RunUrl, labelling: Labelling) -> None:
    labelled, skipped = labelling.count()
    also = f", {skipped:,} skipped" if skipped else ""
    name, by = terminal.printable(labelling.task.template), terminal.printable(labelling.by)
    then = command_line("label" if labelled + skipped < len(labelling) else "agree", str(run))
    print(f"{labelled:,} of {len(labelling):,} cases of {name} are labelled by {by}{also}: {then}")
