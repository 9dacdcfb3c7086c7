"""`fi-async status` and `fi-async runs`: how runs stand, also while another process goes on with them."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from rich import box
from rich.console import Console, Group
from rich.live import Live
from rich.table import Table
from rich.text import Text

from fi_async._errors import JournalError
from fi_async._run_url import RunUrl
from fi_async._spending import spent_words
from fi_async.cli import errors, terminal
from fi_async.cli.errors import UsageError
from fi_async.cli.saved_command import check_run
from fi_async.cli.stored_runs import words_of
from fi_async.journal.counting import CountedRun
from fi_async.journal.lock import is_being_written
from fi_async.journal.records import RunCount
from fi_async.journal.schema import is_run
from fi_async.journal.view import open_view
from fi_async.progress.displays import clock
from fi_async.store.run_control import Control
from fi_async.store.run_workers import SharedStanding, WorkerStanding, standing_of
from fi_async.store.store_counts import count_run
from fi_async.store.store_reader import runs_in

_WINDOWS: Final = (5.0, 60.0)  # seconds that the rate is taken over: the first in which many ended
_MANY: Final = 2_000  # so that the rate is right to some percent
_EVERY: Final = 1.0  # second between two looks
_SHARE: Final = 5  # a look takes no more than one part in so many of the time


@dataclass(frozen=True, slots=True)
class RunStatus:
    """How a run stands. Each case counts once for each template.

    Attributes:
        run: The path of its file.
        state: "running", "stopped" (it can be gone on with), "complete", or "damaged"; of a run in a database also
            "paused".
        started_at: When it first began, in ISO 8601; None where that is not known.
        evaluations: How many there are, or will be where that is known.
        done: Those of them that have ended.
        pending: Those that have not.
        is_all: False if there may be more: the run was stopped before all its cases were read.
        statuses: How many ended in each status.
        accepted: Those of the pending that the server has accepted.
        under_way: Those of the pending whose request waits for its answer, while the run is running.
        ambiguous: The others of the pending that may have been evaluated: sent, and no answer is known.
        possible_duplicates: Requests sent again although the one before may have been evaluated.
        rate: Evaluations a second that ended within the last minute, or 5 seconds if 2,000 did; since the run was begun
            or gone on with.
        eta_s: Seconds until all are done, at this rate; None if that is not known.
        templates: Their names.
        cost: Dollars that judges took so far; None if none are known.
        unknown_cost: Outcomes that a judge answered and whose cost nobody knows.
        tokens: What judges took, by kind; None without one.
        workers: Who works on it, or did, of a run in a database.
        control: What is set for all of these; None without any.
        shard: Which part of a run it is, from 1, and of how many; None if it is all of it.
    """

    run: str
    state: str
    started_at: str | None = None
    evaluations: int = 0
    done: int = 0
    pending: int = 0
    is_all: bool = True
    statuses: dict[str, int] = field(default_factory=dict)
    accepted: int = 0
    under_way: int = 0
    ambiguous: int = 0
    possible_duplicates: int = 0
    rate: float = 0.0
    eta_s: float | None = None
    templates: tuple[str, ...] = ()
    cost: float | None = None
    unknown_cost: int = 0
    tokens: dict[str, int] | None = None
    workers: Sequence[WorkerStanding] = ()
    control: Control | None = None
    shard: Sequence[int] | None = None

    @property
    def scored(self) -> int:
        """Those with a score."""
        return self.statuses.get("scored", 0)


def status_of(run: Path | RunUrl, now: float) -> RunStatus:
    """Return how a run stands at a time, in seconds since the epoch.

    Raises:
        JournalError: Its file cannot be read.
    """
    is_written = isinstance(run, Path) and is_being_written(run)  # before it is read: it may come to its end meanwhile
    view, reader = count_run(run) if isinstance(run, RunUrl) else (open_view(run), None)
    with view:
        info = view.info
        since, rate = _rate(view, now if reader is None else reader.now())  # by the clock that its events are told by
        shared = None if reader is None else standing_of(reader, since)
        is_running = is_written if shared is None else shared.is_running
        count = view.count(is_running=is_running)
        return RunStatus(
            run=str(run),
            state=_state_of(count, shared, is_running=is_running),
            started_at=datetime.fromtimestamp(info.started_at, UTC).isoformat(timespec="seconds"),
            evaluations=count.evaluations,
            done=count.done,
            pending=count.pending,
            is_all=count.is_all,
            statuses=dict(count.statuses),
            accepted=count.accepted,
            under_way=count.under_way,
            ambiguous=count.ambiguous,
            possible_duplicates=count.possible_duplicates,
            rate=rate,
            eta_s=count.pending / rate if rate and is_running else None,
            templates=info.templates,
            shard=info.shard,
            **view.spending().as_dict(),
            workers=() if shared is None else shared.workers,
            control=None if shared is None else shared.control,
        )


def _rate(view: CountedRun, now: float) -> tuple[float, float]:
    """Return the last seconds in which enough evaluations ended, and how many a second did."""
    since = rate = 0.0
    for window in _WINDOWS:
        since = min(window, max(1.0, now - view.info.passes[-1]))
        ended = view.ended_since(now - since)
        rate = ended / since
        if ended >= _MANY:
            break
    return since, rate


def _state_of(count: RunCount, shared: SharedStanding | None, *, is_running: bool) -> str:
    if count.is_complete and count.done and (shared is not None or not is_running):
        return "complete"
    if shared is not None and shared.control.paused:
        return "paused"
    return "running" if is_running else "stopped"


def list_runs(place: Path | RunUrl, *, as_json: bool) -> int:
    """Return 0 after printing a line for each run in a directory, or in a database.

    Raises:
        UsageError: There is no such directory.
        JournalError: The database cannot be read, or has no runs.
    """
    found = [_or_damaged(each) for each in _runs_in(place)]
    if as_json:
        print(json.dumps([asdict(each) for each in found], indent=2))
    elif found:
        console = terminal.stdout()
        console.print(_table(found, console))
    else:
        print(f"{place}: no runs")
    return errors.DONE


def _runs_in(place: Path | RunUrl) -> Sequence[Path | RunUrl]:
    if isinstance(place, RunUrl):
        return runs_in(place)
    if not place.is_dir():
        raise UsageError(f"{place}: {'not a directory' if place.exists() else 'no such directory'}")
    return [path for path in sorted(place.iterdir()) if path.is_file() and is_run(path)]


def _or_damaged(run: Path | RunUrl) -> RunStatus:
    try:
        return status_of(run, time.time())
    except JournalError:
        return RunStatus(str(run), "damaged")


def _table(found: list[RunStatus], console: Console) -> Table:
    table = terminal.table_for(console)
    table.add_column("run", overflow="fold")
    if console.width < terminal.NARROW:
        for heading in ("done", "of", "state"):
            table.add_column(heading, justify="left" if heading == "state" else "right", no_wrap=True)
        for each in found:
            table.add_row(each.run, f"{each.done:,}", f"{each.evaluations:,}", _state(each))
        return table
    table.add_column("started", no_wrap=True)
    for heading in ("cases", "done", "pending", "scored"):
        table.add_column(heading, justify="right", no_wrap=True)
    table.add_column("state", no_wrap=True)
    for each in found:
        numbers = (each.evaluations, each.done, each.pending, each.scored)
        table.add_row(each.run, _when(each), *(f"{number:,}" for number in numbers), _state(each))
    return table


def show_status(run: Path | RunUrl, *, as_json: bool, watch: bool) -> int:
    """Return 0 after printing how a run stands; with `watch`, again and again for as long as it goes on.

    Raises:
        UsageError: There is no such run.
        JournalError: Its file cannot be read.
    """
    check_run(run)
    looks = _looks(run) if watch else iter([status_of(run, time.time())])
    if as_json:
        for each in looks:
            print(json.dumps(asdict(each), indent=None if watch else 2), flush=True)
        return errors.DONE
    console = terminal.stdout()
    if not watch:
        console.print(*map(_status, looks))
        return errors.DONE
    with Live(console=console, auto_refresh=False) as live:
        for each in looks:
            live.update(_status(each), refresh=True)
    return errors.DONE


def _looks(run: Path | RunUrl) -> Iterator[RunStatus]:
    while True:
        began = time.monotonic()
        status = status_of(run, time.time())
        yield status
        # Workers of a run in a database may come and go.
        if status.state == "complete" or (isinstance(run, Path) and status.state != "running"):
            return
        time.sleep(max(_EVERY, _SHARE * (time.monotonic() - began)))


def _status(of: RunStatus) -> Table | Group:
    table = Table(box=None, show_header=False)
    table.add_column(style="dim")
    table.add_column(overflow="fold")
    share = f" of {of.evaluations:,} ({of.done / of.evaluations:.1%})" if of.evaluations else ""
    lines: list[tuple[str, str | Text]] = [
        ("run", terminal.printable(of.run)),
        ("state", _state(of)),
        *([] if of.shard is None else [("shard", "{} of {}".format(*of.shard))]),
        ("started", _when(of)),
        ("templates", ", ".join(map(terminal.printable, of.templates))),
        ("done", f"{of.done:,}{share}"),
        *((f"  {status}", f"{count:,}") for status, count in of.statuses.items()),
        ("pending", f"{of.pending:,}{'' if of.is_all else ', and those that were not read'}"),
        ("  accepted", f"{of.accepted:,}"),
        *([("  under way", f"{of.under_way:,}")] if of.state == "running" else []),
        ("  possibly evaluated", f"{of.ambiguous:,}"),
        ("possible duplicates", f"{of.possible_duplicates:,}"),
        *([("spent", ", ".join(spent))] if (spent := spent_words(asdict(of))) else []),
    ]
    if of.state == "running":
        lines += [("rate", f"{of.rate:,.1f}/s"), ("eta", "-" if of.eta_s is None else clock(of.eta_s))]
    if of.control is not None and of.control != Control():
        lines.append(("set", words_of(of.control)))
    for name, value in lines:
        table.add_row(name, value)
    return Group(table, _workers(of.workers)) if of.workers else table


def _workers(of: Sequence[WorkerStanding]) -> Table:
    table = Table(box=box.SIMPLE_HEAD, show_edge=False)
    for heading in ("worker", "machine"):
        table.add_column(heading, no_wrap=True)
    for heading in ("done", "rate", "chunks", "lease"):
        table.add_column(heading, justify="right", no_wrap=True)
    table.add_column("state", no_wrap=True)
    for each in of:
        is_at_work = each.state in ("working", "silent")
        lease = f"{each.lease_left:.0f} s" if is_at_work else "-"
        cells = (f"{each.ended:,}", f"{each.rate:,.1f}/s", f"{each.chunks:,}", lease)
        style = {"working": "green", "silent": "yellow", "lost": "red"}.get(each.state, "")
        machine = terminal.printable(f"{each.host}:{each.pid}")
        table.add_row(str(each.worker), machine, *cells, Text(each.state, style=style))
    return table


def _state(of: RunStatus) -> Text:
    return Text(
        of.state,
        style={"running": "green", "damaged": "red", "stopped": "yellow", "paused": "yellow"}.get(of.state, ""),
    )


def _when(of: RunStatus) -> str:
    """Return when the run began, by the clock on the wall here."""
    if of.started_at is None:
        return "-"
    return datetime.fromisoformat(of.started_at).astimezone().isoformat(" ", timespec="minutes")[:16]
