"""The pages that pictures are taken of: made of the examples, on the embedded backend."""

from __future__ import annotations

import asyncio
import csv
import json
import threading
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

import nbformat
from nbclient import NotebookClient
from nbconvert import HTMLExporter

from fi_async import AsyncEvaluator, Case, Evaluator, compare_runs
from fi_async.cli.label_server import LabelServer
from fi_async.journal.kept_labels import LabelBook
from fi_async.journal.records import OutcomeRecord, RunInfo
from fi_async.local import Faults, LocalBackend, Lognormal, Switches
from fi_async.reports.compare import compare
from fi_async.reports.comparison_page import write_comparison
from fi_async.reports.report_page import write_report
from fi_async.reports.run_files import load_run, outcomes_of
from labelled_runs import labelling_of

EXAMPLES = Path(__file__).parents[2] / "examples"
TEMPLATES = ("groundedness", "context_adherence", "completeness")
SERVER = Switches(latency=Lognormal(0.06, 0.5), faults=Faults(fail=0.02), seed=4)


def _cases() -> Iterator[Case]:
    for line in (EXAMPLES / "support_answers.jsonl").read_text(encoding="utf-8").splitlines():
        try:
            row = json.loads(line)
            yield Case({key: row[key] for key in ("input", "output", "context")}, str(row["id"]))
        except (ValueError, TypeError, KeyError):
            continue


async def _evaluated() -> list[OutcomeRecord]:
    async with AsyncEvaluator.local(LocalBackend(SERVER), concurrency=8) as ev:
        return [OutcomeRecord("", outcome, time.time()) async for outcome in ev.stream(_cases(), TEMPLATES)]


def reported(place: Path) -> Path:
    """The report of a run in which some things went wrong."""
    page = place / "support-answers.html"
    begun = time.time()
    records = asyncio.run(_evaluated())
    settings = {"concurrency": 8, "max_retries": 4, "strategy": "sync", "timeout_s": 600}
    info = RunInfo("support-answers", TEMPLATES, None, "local", "", begun, time.time(), "0.1.0", settings)
    write_report(page, info, records)
    return page


def compared(place: Path) -> Path:
    """What changed when an assistant was told to be brief: it forgets some facts, and makes up others."""
    _answered(place, verbose=None, brief=9)
    page = place / "changes.html"
    with load_run(place / "verbose.db") as before, load_run(place / "brief.db") as after:
        write_comparison(page, compare(outcomes_of(before), outcomes_of(after)), before, after)
    return page


def several(place: Path) -> Path:
    """The same of an assistant that was told to be briefer still."""
    _answered(place, verbose=None, brief=9, curt=2)
    page = place / "matrix.html"
    compare_runs([place / f"{name}.db" for name in ("verbose", "brief", "curt")]).to_html(page)
    return page


def _answered(place: Path, **runs: int | None) -> None:
    """Evaluate the answers of assistants; of each, every so many are evasive."""
    with (EXAMPLES / "support_answers.csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    with Evaluator.local() as ev:
        for name, evasive in runs.items():
            answers = (row["answer"] for row in rows) if evasive is None else _brief(rows, evasive)
            cases = [
                Case({"input": row["question"], "output": answer, "context": row["passage"]}, row["id"])
                for row, answer in zip(rows, answers, strict=True)
            ]
            ev.gather(cases, TEMPLATES, run=place / f"{name}.db")


@contextmanager
def labelled(place: Path) -> Iterator[str]:
    """The address of the page on which a run of the examples is labelled."""
    path = place / "support.db"
    with Evaluator.local() as ev:
        ev.gather(_cases(), "groundedness", run=path)
    with LabelBook(path) as book:
        labelling = labelling_of(path, book, template="groundedness")
        server = LabelServer(labelling)
        thread = threading.Thread(target=server.run)
        thread.start()
        try:
            yield server.url
        finally:
            server.stop()
            thread.join()


def _brief(rows: list[dict[str, str]], evasive: int) -> Iterable[str]:
    for number, row in enumerate(rows):
        if number % evasive == evasive // 2:
            yield "That should be sorted out within a week. Sorry for the wait!"
        elif number % 7 == 2:
            yield row["passage"].split(". ")[1].rstrip(".") + "."
        else:
            yield row["answer"]


def executed(place: Path, scheme: str) -> Path:
    """The notebook with its outputs, as Jupyter shows it."""
    done = place / "cookbook.ipynb"
    if not done.exists():
        notebook = nbformat.read(EXAMPLES / "cookbook.ipynb", as_version=4)
        NotebookClient(notebook, kernel_name="python3", resources={"metadata": {"path": str(EXAMPLES)}}).execute()
        nbformat.write(notebook, done)
    page = place / f"cookbook-{scheme}.html"
    body, _ = HTMLExporter(theme=scheme).from_filename(done)
    page.write_text(body, encoding="utf-8")
    return page
