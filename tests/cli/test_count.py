"""One run, stopped at many instants: every screen tells the same numbers, and no verdict is given on a part."""

from __future__ import annotations

import asyncio
import json
import re
import signal
import sqlite3
from pathlib import Path

import pytest

from fi_async import AsyncEvaluator, RunFile
from fi_async.cli.outcome_collector import OutcomeCollector
from fi_async.journal.view import open_view
from fi_async.local import Faults

COUNT = 60
ASKED = "--eval is_json --backend local --concurrency 4 --strategy sync --no-progress"
GATE = "--min is_json>=0.2 --coverage 0.6"


@pytest.fixture
def stopped(cli, jsonl, monkeypatch):
    """Run 60 rows, and have them stopped when so many outcomes have come; return what came of it."""

    def run(after, *words, source=None, command=None):
        rows = jsonl(*({"id": n, "text": f"[{n // 2}]" if n % 4 else f"[{n}"} for n in range(COUNT)))
        seen = 0
        take = OutcomeCollector.take

        def counted(self, outcome):
            nonlocal seen
            take(self, outcome)
            seen += 1
            if seen == after:
                signal.raise_signal(signal.SIGINT)

        monkeypatch.setattr(OutcomeCollector, "take", counted)
        ended = cli(*(command or ("run", source or rows, ASKED)), *words)
        monkeypatch.setattr(OutcomeCollector, "take", take)
        return ended

    return run


def figures_of(page):
    """Return the numbers of a report."""
    text = Path(page).read_text(encoding="utf-8")
    [facts] = re.findall(r'<script type="application/json" id="facts">(.*?)</script>', text, re.DOTALL)
    return json.loads(facts)["figures"]


def lines_of(name):
    return [json.loads(line) for line in Path(name).read_text(encoding="utf-8").splitlines()]


def told_by_all(cli, ended):
    """Return what each screen says of a run: how many are done, scored, pending, of how many, at what coverage."""
    status = json.loads(cli("status r.db --json").out)
    cli("report r.db -o r.html")
    figures = figures_of("r.html")
    cli("export r.db -o export.jsonl")
    summary = ended.summary
    said = [
        json.loads(cli("gate", name, "--coverage 0.5 --json").out)["checks"][0]["said"]
        for name in ("r.db", "out.jsonl")
    ]
    assert said[0] == said[1]
    scored, evaluations = map(int, re.match(r"(\d+) of (\d+) cases", said[0]).groups())
    with open_view("r.db") as view:
        assert view.count().is_all
    screens = {
        "status": (status["done"], status["pending"], status["evaluations"], status["statuses"].get("scored", 0)),
        "summary": (
            summary["evaluations"] - summary["pending"],
            summary["pending"],
            summary["evaluations"],
            summary["scored"],
        ),
        "report": (
            figures["evaluations"] - figures["pending"],
            figures["pending"],
            figures["evaluations"],
            figures["statuses"]["scored"],
        ),
        "gate": (status["done"], evaluations - status["done"], evaluations, scored),
        "out": (len(lines_of("out.jsonl")), status["pending"], lines_of("out.jsonl")[0]["run"]["evaluations"], scored),
        "export": (
            len(lines_of("export.jsonl")),
            status["pending"],
            lines_of("export.jsonl")[0]["run"]["evaluations"],
            scored,
        ),
    }
    assert figures["cases"] == summary["cases"] == evaluations
    assert summary["coverage"] == scored / evaluations
    assert f"{status['done']} of {evaluations} cases done" in ended.err or ended.code < 100
    assert len(set(screens.values())) == 1, screens
    return screens["status"]


@pytest.mark.parametrize("after", [1, 2, 5, 13, 31, 59, COUNT])
def test_all_screens_tell_the_same_of_a_run_that_was_stopped(after, cli, stopped, embedded):
    embedded(latency=0.01)
    ended = stopped(after, "--run r.db --out out.jsonl --json")
    assert ended.code == 130 or after == COUNT
    done, pending, evaluations, _ = told_by_all(cli, ended)
    assert (done + pending, evaluations) == (COUNT, COUNT)
    assert done >= after
    if done < 0.6 * COUNT:
        for name in ("r.db", "out.jsonl"):
            assert cli("gate", name, GATE).code == 5

    # Stopped again while it is gone on with, and then not any more.
    again = stopped(max(1, after // 2), "--out out.jsonl --json --no-progress", command=("resume", "r.db"))
    assert told_by_all(cli, again)[0] >= done
    last = cli("resume r.db --out out.jsonl --json --no-progress")
    assert told_by_all(cli, last) == (COUNT, 0, COUNT, COUNT)
    assert cli("gate r.db", GATE).code == cli("gate out.jsonl", GATE).code == 0


def test_the_lines_of_a_run_that_nothing_keeps_say_how_many_there_were_to_be(cli, stopped, embedded):
    embedded(latency=0.01)
    ended = stopped(20, "--out out.jsonl --json")
    written = len(lines_of("out.jsonl"))
    assert (ended.summary["evaluations"], ended.summary["pending"]) == (COUNT, COUNT - written)
    gated = json.loads(cli("gate out.jsonl", GATE, "--json").out)
    assert gated["verdict"] == "inconclusive"
    assert gated["checks"][1]["said"] == (
        f"{written} of {COUNT} cases have a score ({written / COUNT:.1%}), {COUNT - written} have not ended"
    )


def test_possible_duplicates_are_those_of_all_passes_on_every_screen(cli, stopped, embedded):
    app = embedded(latency=0.01, faults=Faults(reset_after=0.2), seed=3)
    ended = stopped(30, "--run r.db --out out.jsonl --json --max-retries 9")
    for _ in range(3):
        with open_view("r.db") as view:
            outcomes = [record.outcome for record in view.records()]
            count = view.count()
        assert json.loads(cli("status r.db --json").out)["possible_duplicates"] == count.possible_duplicates
        assert ended.summary["possible_duplicates"] == count.possible_duplicates
        paid = sum(each.possible_duplicates for each in outcomes if each.origin == "evaluated")  # and not of equal rows
        assert paid <= count.possible_duplicates
        ended = cli("resume r.db --json --no-progress")
    assert paid == count.possible_duplicates
    cli("report r.db -o r.html")
    assert figures_of("r.html")["possible_duplicates"] == count.possible_duplicates
    assert count.possible_duplicates >= app.statistics()["duplicates"] > 0


def test_equal_rows_that_are_refused_are_counted_by_all(cli, jsonl):
    jsonl({"id": "a", "text": "1"}, {"id": "b", "text": "1"}, {"id": "c", "text": "2"})
    ended = cli("run in.jsonl --eval is_json --backend local --duplicates refuse --run r.db --out out.jsonl --json")
    assert told_by_all(cli, ended)[:3] == (3, 0, 3)
    [refused] = [line for line in lines_of("export.jsonl") if line["status"] == "invalid"]
    assert (refused["id"], refused["error"]) == (
        "b",
        "case 1: it equals case 0: leave one out, or evaluate both once",
    )
    again = cli("resume r.db --json --out out.jsonl --no-progress")
    assert told_by_all(cli, again)[:3] == (3, 0, 3)


def test_a_run_of_nobody_knows_how_many_has_no_verdict_until_all_were_read(cli, stdin, stopped, embedded):
    embedded(latency=0.01)
    stdin(b"".join(b'{"text": "%d"}\n' % n for n in range(500)))
    ended = stopped(10, "--run r.db --json", source="-")
    assert (ended.code, ended.summary["is_all"]) == (130, False)
    assert re.match(r"(?s).*\ninterrupted: \d+ cases done; they are in r.db. ", ended.err)
    gated = json.loads(cli("gate r.db --min is_json>=0.1 --json").out)
    assert (gated["verdict"], gated["doubts"]) == (
        "inconclusive",
        ["it was stopped before all its cases were read: go on with it"],
    )
    assert "and those that were not read" in cli("status r.db").out
    gone_on = cli("resume r.db --no-progress")  # with what the file holds, which is not all
    assert "; there may be more, which were not read before it was stopped\n" in gone_on.err
    assert json.loads(cli("status r.db --json").out)["is_all"] is False
    assert cli("gate r.db --min is_json>=0.1").code == 5


# Runs that a program began


async def _gather(count, stop_after=None, **options):
    async with AsyncEvaluator.local(strategy="sync", concurrency=4) as ev:
        cases = [{"text": "a 7" if n % 2 else "b"} for n in range(count)]
        outcomes = ev.stream(
            [{**case, "text": f"{case['text']} {n}"} for n, case in enumerate(cases)],
            ["contains", "is_json"],
            eval_config={"contains": {"keyword": "a"}},
            run=RunFile("p.db"),
            **options,
        )
        seen = 0
        async for _ in outcomes:
            seen += 1
            if seen == stop_after:
                break
        await outcomes.aclose()


def test_a_run_that_a_program_began_is_gone_on_with(cli, embedded):
    embedded(latency=0.01)
    asyncio.run(_gather(COUNT, 30, timeout=77.0, limits=()))
    before = json.loads(cli("status p.db --json").out)
    assert before["evaluations"] == 2 * COUNT
    assert 30 <= before["done"] < 2 * COUNT
    assert cli("gate p.db --min contains>=0.1 --coverage 0.9").code == 5
    with open_view("p.db") as view:
        held = view.past.held
    ended = cli("resume p.db --no-progress --json --out p.jsonl --concurrency 2")
    more = 2 * COUNT - held
    assert ended.err == f"p.db: a program began it: going on with the {held} cases that it holds" + (
        f"; {more} more were not read before it was stopped, and stay pending\n" if more else "\n"
    )
    after = json.loads(cli("status p.db --json").out)
    assert (after["evaluations"], after["done"]) == (2 * COUNT, held)
    passed = {line["inputs"]["text"]: line["passed"] for line in lines_of("p.jsonl") if line["template"] == "contains"}
    assert all(found == text.startswith("a") for text, found in passed.items())  # the keyword is that of the program
    asyncio.run(_gather(COUNT))  # which may go on with it too
    assert json.loads(cli("status p.db --json").out)["done"] == 2 * COUNT
    assert cli("resume p.db").out == f"p.db: nothing to do: all {2 * COUNT} evaluations have ended\n"


def test_what_failed_in_a_program_is_tried_again(cli, embedded):
    embedded(faults=Faults(status={503: 1.0}))
    asyncio.run(_gather(3, max_retries=0))
    app = embedded()
    assert cli("resume p.db").out == "p.db: nothing to do: all 6 evaluations have ended, 6 without a score\n"
    ended = cli("retry p.db --json --no-progress")
    assert ended.err == (
        "p.db: trying again what failed or stalled; what may have been evaluated is left: --ambiguous sends it again\n"
        "p.db: a program began it: going on with the 6 cases that it holds\n"
    )
    assert (ended.code, ended.summary["scored"], app.statistics()["evaluations_made"]) == (0, 6, 6)
    for command in ("export p.db -o p.csv", "report p.db", "gate p.db --coverage 1"):
        assert cli(command).code == 0


def test_what_a_retry_sends_again_is_a_possible_duplicate_and_counts_on(cli, jsonl, embedded):
    app = embedded(faults=Faults(reset_after=1.0))
    rows = jsonl(*({"id": n, "text": f"[{n}]"} for n in range(4)))
    first = cli("run", rows, "--eval is_json --backend local --no-progress --json --run r.db --on-ambiguous fail")
    assert (first.summary["failed"], first.summary["possible_duplicates"]) == (4, 0)
    app = embedded(seed=1)
    assert cli("retry r.db --no-progress --json").summary["failed"] == 4  # alone it leaves them
    assert app.statistics()["requests"] == 0
    again = cli("retry r.db --ambiguous --no-progress --json --out out.jsonl")
    assert (again.summary["scored"], again.summary["possible_duplicates"]) == (4, 4)
    assert json.loads(cli("status r.db --json").out)["possible_duplicates"] == 4
    with open_view("r.db") as view:
        counts = {(each.outcome.attempts, each.outcome.ambiguous) for each in view.records()}
    assert counts == {(2, 1)}
    assert cli("resume r.db --no-progress --json").summary["possible_duplicates"] == 4  # replayed, it is still so


def test_a_run_ends_with_the_next_step(cli, jsonl, embedded):
    embedded(faults=Faults(status={503: 1.0}))
    words = "--eval contains --param keyword=7 --backend local --no-progress --max-retries 0"
    rows = jsonl(*({"id": f"q-{n}", "text": f"answer {n}"} for n in range(7)))
    shown = cli("run", rows, words, "--run r.db").out
    assert "no score: q-0, q-1, q-2, q-3, q-4 and 2 more\n" in shown
    assert shown.endswith("try again: fi-async retry r.db\nreport: fi-async report r.db\n")
    embedded()
    shown = cli("run", rows, words, "--out out.jsonl").out
    assert "lowest: 0 q-0  answer 0\n" in shown
    assert shown.endswith("report: fi-async report out.jsonl\n")
    assert cli("run", rows, words).out.endswith("report: add --run PATH, then fi-async report PATH\n")


def test_the_pause_before_a_run_was_gone_on_with_is_in_no_rate(cli, jsonl):
    cli("run", jsonl({"text": "[1]"}), "--eval is_json --backend local --no-progress --run r.db")
    with sqlite3.connect("r.db") as connection:  # as if that had been half a minute ago
        connection.execute("UPDATE passes SET at = at - 30")
        connection.execute("UPDATE events SET at = at - 30")
    connection.close()
    jsonl(*({"text": f"[{n}]"} for n in range(1, 21)))
    cli("resume r.db --no-progress")
    status = json.loads(cli("status r.db --json").out)
    assert status["rate"] > 5  # 19 within the last moments, and not 20 within half a minute
    cli("report r.db -o r.html")
    timeline = figures_of("r.html")["timeline"]
    assert (timeline["pauses"], timeline["active_s"] < 10) == (1, True)


def test_of_several_templates_the_one_that_a_case_is_about_is_named(cli, jsonl):
    rows = [{"id": "a", "text": ""}, {"id": "b", "text": "{"}]
    shown = cli("run", jsonl(*rows), "--eval is_json contains --param contains.keyword=x --backend local").out
    assert "no score: a (contains), a (is_json)\n" in shown or "no score: a (is_json), a (contains)\n" in shown
    assert "lowest: 0 b (is_json)  {\n" in shown


def test_what_was_scored_in_place_of_a_key_that_is_not_there_is_told(cli, jsonl):
    rows = [{"text": "[1]"}, {"output": "[2]"}, {"output": "{"}, {"other": "[3]"}]
    shown = cli("run", jsonl(*rows), "--eval is_json --backend local").out
    assert "\nis_json: 'text' was taken from 'output' in 2 of 3 scored cases\n" in shown
    assert "taken from" not in cli("run", jsonl(rows[0]), "--eval is_json --backend local").out
