"""People label the cases of a run in a database."""

from __future__ import annotations

import asyncio
import json
from dataclasses import replace
from pathlib import Path

import pytest

from fi_async import AsyncEvaluator, Case, JournalError
from fi_async._run_url import RunUrl, secrets_of
from fi_async.cli import main
from fi_async.journal.label_records import DrawnCase, KeptLabel, KeptLabels, LabelAct, LabelDraw
from fi_async.reports.run_labels import RunLabels
from fi_async.store.store_labels import StoreLabels

DRAW = LabelDraw("is_json", (DrawnCase("k1", 0, 2.0), DrawnCase("k0", 7, 1.5)), {"draw": "random", "of": 3}, 9.0)
GIVEN = KeptLabel("is_json", "k1", "ana", LabelAct.GIVEN, True, "sure\x00", at=10.0)


@pytest.fixture
def run(run_url):
    """Evaluate some cases into a run of a database."""
    cases = [Case({"text": text}, f"q{number}") for number, text in enumerate(["[1]", "no", "{}x", "[2]"])]

    async def evaluate():
        async with AsyncEvaluator.local() as ev:
            await ev.load(cases, "is_json", run=run_url)
            await ev.work(run_url)

    asyncio.run(evaluate())
    return run_url


def test_what_is_kept_is_read_again(run):
    acts = [GIVEN, replace(GIVEN, value=0.25, by="ben"), replace(GIVEN, act=LabelAct.TAKEN_BACK, value=None, note="")]
    with StoreLabels(RunUrl.parse(run)) as labels:
        labels.draw(DRAW)
        labels.draw(replace(DRAW, cases=()))
        labels.add(*acts[:2])
        labels.add(acts[2])
        assert labels.read() == KeptLabels((DRAW, replace(DRAW, cases=())), tuple(acts))
    assert RunLabels.of(RunUrl.parse(run)).kept.labels == tuple(acts)
    with pytest.raises(JournalError, match="there is no run 'other'"):
        StoreLabels(RunUrl.parse(run.replace("/nightly", "/other")))


def test_the_commands_label_agree_and_gate(run, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    rows = [{"id": f"q{number}", "label": number != 1, "by": by} for number in range(4) for by in ("ana", "ben")]
    Path("labels.jsonl").write_text("".join(f"{json.dumps(row)}\n" for row in rows))
    assert main(["label", run, "--from", "labels.jsonl"]) == 0
    capsys.readouterr()
    assert main(["agree", run, "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert told["matrix"] == {"Passed": {"Passed": 2, "Failed": 1}, "Failed": {"Passed": 0, "Failed": 1}}
    assert main(["gate", run, "--min", "is_json:kappa>=0.9"]) == 4
    assert main(["gate", run, "--min", "is_json:true>=0.7"]) == 0
    assert main(["export", run, "--labels", "--out", "out.csv"]) == 0
    assert main(["label", run, "--by", "ana"]) == 0  # nothing is left
    said = capsys.readouterr()
    assert "4 of 4 cases of is_json are labelled by ana: fi-async agree " in said.out
    assert not any(secret in said.out + said.err for secret in secrets_of(run))
