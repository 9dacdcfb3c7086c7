"""Tokens, dollars and who answered: the same on every screen that shows a kept run."""

from __future__ import annotations

import asyncio
import csv
import io
import json
import re
import sqlite3
from pathlib import Path

import pytest
from rich.console import Console

from fi_async import AsyncEvaluator, Criteria, Judge, template
from fi_async.cli.summary import show
from fi_async.cli.totals import RunTotals
from fi_async.local import ChatSwitches, LocalBackend, Switches
from fi_async.reports.run_files import load_run, outcomes_of
from fi_async.sources.rows import TableCase

CASES = [{"output": f"answer {number}", "text": "[1]"} for number in range(8)]
CALM = Criteria("calm", "Does {{output}} stay calm?")
JUDGES = "judge mini: a judge of your own, not the platform's"


@template
def short(output: str) -> bool:
    """Tell whether an answer is short."""
    return len(output) < 99


@pytest.fixture
def kept():
    """Keep a run of three kinds of evaluators in a file here; return its report and what the endpoint charged."""
    app = LocalBackend(Switches(chat=ChatSwitches(prices={"m": (0.25, 2.0)})))
    judge = Judge("m", base_url="http://127.0.0.1/v1", api_key="sk-1", app=app, price=(0.25, 2.0), name="mini")

    async def gathered():
        async with AsyncEvaluator(backends=["local", judge]) as ev:
            return await ev.gather([*CASES, CASES[0]], ["is_json", CALM, short], run="run.db", extra_keys="ignore")

    report = asyncio.run(gathered())
    [charged] = app.chat_statistics()["models"].values()
    return report, charged


def test_every_screen_of_a_kept_run_tells_what_the_endpoint_counted(kept, cli):
    report, charged = kept
    summary = report.summary()
    spent = {name: summary[name] for name in ("cost", "unknown_cost", "tokens")}
    assert (spent["cost"], spent["unknown_cost"]) == (pytest.approx(float(charged["dollars"]), abs=1e-9), 0)
    assert (spent["tokens"]["input"], spent["tokens"]["output"]) == (
        charged["prompt_tokens"],
        charged["completion_tokens"],
    )
    assert summary["duplicate"] == 10, "whose cost counts once"

    assert json.loads(cli("status run.db --json").out).items() >= spent.items()
    words = f"{spent['tokens']['total']:,} tokens, ${spent['cost']:.6f}"
    assert words in cli("status run.db").out
    assert cli("export run.db --out out.jsonl").code == 0
    for run in ("run.db", "out.jsonl"):
        told = cli(f"gate {run} --min calm>=0 --json").summary
        assert told.items() >= {**spent, "judges": JUDGES}.items()
        said = cli(f"gate {run} --min calm>=0")
        assert f"{JUDGES}\nspent: {words}\n" in said.out
    took = cli("compare run.db out.jsonl --json").summary["took"]
    names = ["local", "judge mini", "code"]
    assert took == {"before": {"answered_by": names, **spent}, "after": {"answered_by": names, **spent}}
    assert f"run.db: answered by local, judge mini, code, {words}" in cli("compare run.db out.jsonl").out


def test_pages_name_who_answered_and_what_it_took(kept, cli):
    report, _ = kept
    assert cli("report run.db --out page.html").code == 0
    assert cli("compare run.db run.db --html compared.html").code == 0
    report.to_html("memory.html")
    for name in ("page.html", "memory.html"):
        facts = json.loads(re.search(r'id="facts"[^>]*>(.*?)</script>', Path(name).read_text(), re.DOTALL)[1])
        told = dict(facts["run"])
        cost = report.summary()["cost"]
        assert (told["backend"], told["spent"].partition(", ")[2]) == ("local, judge, code", f"${cost:.6f}")
        assert facts["figures"]["judges"] == JUDGES
        by_template = {each["name"]: (each["answered_by"], each["cost"]) for each in facts["figures"]["templates"]}
        assert by_template == {
            "is_json": (["local"], None),
            "calm": (["judge mini"], cost),
            "short": (["code"], None),
        }
    facts = json.loads(re.search(r'id="facts"[^>]*>(.*?)</script>', Path("compared.html").read_text(), re.DOTALL)[1])
    assert facts["judges"] == JUDGES
    assert [dict(run["facts"])["backend"] for run in facts["runs"]] == ["local, judge, code"] * 2


@pytest.mark.parametrize("name", ["out.csv", "out.sqlite", "out.parquet"])
def test_tables_have_a_column_for_each(name, kept, cli):
    report, _ = kept
    assert cli(f"export run.db --out {name}").code == 0
    if name.endswith("csv"):
        rows = list(csv.DictReader(io.StringIO(Path(name).read_text(encoding="utf-8"))))
    elif name.endswith("sqlite"):
        database = sqlite3.connect(name)
        database.row_factory = sqlite3.Row
        rows = [dict(row) for row in database.execute("SELECT * FROM outcomes")]
        database.close()
    else:
        rows = pytest.importorskip("pyarrow.parquet").read_table(name).to_pylist()
    paid = [row for row in rows if row["template"] == "calm" and row["origin"] == "evaluated"]
    tokens = report.summary()["tokens"]
    assert {row["model"] for row in paid} == {"mini"}
    assert sum(int(row["input_tokens"]) for row in paid) == tokens["input"]
    assert sum(int(row["tokens"]) for row in paid) == tokens["total"]
    assert sum(float(row["cost"]) for row in paid) == pytest.approx(report.summary()["cost"], abs=1e-12)
    assert {row["cost"] for row in rows if row["template"] == "short"} <= {None, ""}


def test_the_summary_in_a_terminal_names_the_judge_its_tokens_and_its_cost(kept):
    totals = RunTotals(["is_json", "calm", "short"])
    for each in outcomes_of(load_run(Path("run.db"))):
        object.__setattr__(each, "case", TableCase(each.case.inputs, None, each.case.inputs, "in.csv, line 1"))
        totals.add(each)
    summary = kept[0].summary()
    assert totals.as_dict(1.0)["cost"] == summary["cost"]
    assert totals.as_dict(1.0)["templates"]["calm"]["tokens"] == summary["templates"]["calm"]["tokens"]
    written = io.StringIO()
    show(totals, 1.0, Console(width=100, file=written))
    shown = [" ".join(line.split()) for line in written.getvalue().splitlines()]
    [calm] = [line for line in shown if line.startswith("calm")]
    assert calm.endswith(f"{summary['tokens']['total']:,} ${summary['cost']:.6f} judge mini")
    assert JUDGES in shown
    assert any(line.endswith(f"cost ${summary['cost']:.6f}") for line in shown)
    assert any(line.endswith(f"tokens in {summary['tokens']['input']:,}") for line in shown)
