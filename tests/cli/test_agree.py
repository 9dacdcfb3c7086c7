from __future__ import annotations

import csv
import json
from pathlib import Path

import pytest


@pytest.fixture
def run(jsonl):
    """Write the lines of a run with these verdicts or scores, P and F or numbers."""

    def write(values, name="run.jsonl", template="contains"):
        rows = []
        for index, value in enumerate(values):
            output = {"P": "Passed", "F": "Failed"}.get(value, value)
            passed = value == "P" if value in ("P", "F") else None
            row = {"index": index, "id": f"q{index}", "template": template, "status": "scored", "passed": passed}
            rows.append({**row, "output": output, "reason": "because", "inputs": {"text": f"text {index}"}})
        return jsonl(*rows, name=name)

    return write


def fill(name, said):
    """Write what `said` returns for each id into the column of labels."""
    with Path(name).open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    for row in rows:
        row["label"] = said(row["id"])
    with Path(name).open("w", newline="", encoding="utf-8") as file:
        table = csv.DictWriter(file, list(rows[0]))
        table.writeheader()
        table.writerows(rows)


def test_from_a_run_to_its_true_pass_rate(cli, run):
    run("PPPF" * 50)
    ended = cli("label run.jsonl --sample 40 --draw balanced --out labels.csv")
    assert (ended.code, ended.err) == (0, "")
    assert ended.out == (
        "40 of 200 cases of contains are in labels.csv: fill in its column label, then fi-async agree run.jsonl"
        " labels.csv\n"
    )
    text = Path("labels.csv").read_text()
    assert "because" not in text
    assert "Passed" not in text
    fill("labels.csv", lambda own: "pass" if int(own[1:]) % 4 < 2 else "fail")
    ended = cli("agree run.jsonl labels.csv")
    assert (ended.code, ended.err) == (0, "")
    assert "\n        judge\nperson  Passed  Failed\n" in ended.out
    assert "pass rate by the judge  0.750\n" in ended.out
    found = json.loads(cli("agree run.jsonl labels.csv --json").out)
    assert (found["run"], found["labels"], found["weighted"], found["labelled"]) == (
        "run.jsonl",
        "labels.csv",
        True,
        40,
    )
    truly = found["matrix"]["Passed"]["Passed"] / 20
    assert found["rate"]["value"] == pytest.approx(0.75 * truly)
    assert "verdict" not in found


@pytest.mark.parametrize(
    ("conditions", "expected"),
    [
        ("kappa>=0.5", (0, "passed")),
        ("kappa>=0.96", (4, "below")),
        ("kappa>=0.5 tpr>0.9 tnr>0.9 alpha>0.5 rate<0.9", (0, "passed")),
        ("kappa>=0.9 --confidence 0.95", (5, "inconclusive")),
        ("rate>=0.2 --confidence 0.95", (0, "passed")),
        ("rate>=0.99 --confidence 0.95", (4, "below")),
    ],
)
def test_a_bound_has_its_exit_code(conditions, expected, cli, run, jsonl):
    code, verdict = expected
    run("PF" * 20)
    jsonl(*({"id": f"q{index}", "label": index % 2 == (index == 7)} for index in range(40)), name="labels.jsonl")
    ended = cli("agree run.jsonl labels.jsonl --min", conditions)
    assert (ended.code, ended.err) == (code, "")
    assert ended.out.endswith(f"\ngate: {verdict}\n")
    assert json.loads(cli("agree run.jsonl labels.jsonl --json --min", conditions).out)["verdict"] == verdict


def test_what_labels_do_not_tell_is_inconclusive(cli, run, jsonl):
    run([0.1, 0.9, 0.8])
    jsonl(*({"id": f"q{index}", "label": label} for index, label in enumerate([0.2, 0.9, 0.7])), name="labels.jsonl")
    ended = cli("agree run.jsonl labels.jsonl --min kappa>=0.5")
    assert ended.code == 5
    assert "labels of this kind do not tell it" in ended.out
    assert cli("agree run.jsonl labels.jsonl --min rate>=0.5").code == 0


def test_labels_of_another_run(cli, run, jsonl):
    run("PF" * 30, "labelled.jsonl")
    run("PPPF" * 10)
    jsonl(*({"id": f"q{index}", "label": "PF"[index % 2] == "P"} for index in range(60)), name="labels.jsonl")
    found = json.loads(cli("agree run.jsonl labels.jsonl --labelled labelled.jsonl --json").out)
    told = found["estimator"], found["labelled"], found["cases"], found["rate"]["value"]
    assert told == (
        "Rogan-Gladen",
        60,
        40,
        0.75,
    )


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ("agree run.jsonl labels.jsonl --min kapa>=0.5", "--min kapa>=0.5: there is no 'kapa'; did you mean kappa?"),
        ("agree run.jsonl labels.jsonl --min kappa>=60", "--min kappa>=60: kappa is at most 1"),
        ("agree run.jsonl none.csv", "none.csv: no such file of labels"),
        ("agree run.jsonl labels.jsonl --column said", "labels.jsonl: no column 'said'; did you mean id?"),
        ("agree run.jsonl labels.jsonl --eval contain", "the run has no template 'contain'; did you mean contains?"),
        ("label run.jsonl --out labels.jsonl", "--csv labels.jsonl: its name must end in .csv"),
        (
            "label run.jsonl --out there.csv",
            "--csv there.csv: it is there already, and may hold labels: name another file",
        ),
        ("label run.jsonl --out no/l.csv", "--csv no/l.csv: there is no directory no"),
        (
            "label run.jsonl --out l.csv --sample 1 --draw uncertain",
            "--draw uncertain needs scores of different degrees",
        ),
    ],
)
def test_what_cannot_be_meant_so(words, said, cli, run, jsonl):
    run("PF")
    jsonl({"id": "q0", "label": True}, name="labels.jsonl")
    Path("there.csv").write_text("kept")
    ended = cli(words)
    assert (ended.code, ended.out) == (2, "")
    assert ended.err.startswith(f"fi-async: {said}")
    assert Path("there.csv").read_text() == "kept"


def test_a_gate_asks_for_the_true_rate(cli, run, jsonl):
    run("PPPF" * 10)
    jsonl(*({"id": f"q{index}", "label": index % 4 < 2} for index in range(40)), name="labels.jsonl")
    ended = cli("gate run.jsonl --labels labels.jsonl --min contains>=0.7 contains:true>=0.7")
    assert ended.code == 4
    assert " below   contains:true>=0.7  0.5 by 40 labels" in ended.out
    assert cli("gate run.jsonl --labels labels.jsonl --min contains:true>=0.5").code == 0
    assert cli("gate run.jsonl --labels labels.jsonl --min contains:true>=0.5 --confidence 0.9").code == 5
    assert cli("gate run.jsonl --min contains:true>=0.5").err == (
        "fi-async: --min contains:true>=0.5 needs labels: give --labels PATH\n"
    )
    ended = cli("gate run.jsonl --min contains>=0.5 --labels labels.jsonl")
    assert (ended.code, ended.err) == (
        2,
        "fi-async: --labels needs --min 'TEMPLATE:true>=NUMBER' or 'TEMPLATE:kappa>=NUMBER'\n",
    )
    assert cli("gate run.jsonl --labels labels.jsonl --min other:true>=0.5").code == 2


def test_cases_without_a_score_may_truly_pass_or_fail(cli, run, jsonl):
    name = run("PPPF" * 10)
    lost = {
        "index": 40,
        "id": "q40",
        "template": "contains",
        "status": "failed",
        "error": "ServerError: x",
        "inputs": {},
    }
    with Path(name).open("a") as file:
        file.write("".join(json.dumps({**lost, "index": 40 + more}) + "\n" for more in range(10)))
    jsonl(*({"id": f"q{index}", "label": index % 4 < 3} for index in range(40)), name="labels.jsonl")
    asked = "gate run.jsonl --labels labels.jsonl --min contains:true>=0.7"
    ended = cli(asked)
    assert ended.code == 5
    assert "0.75 by 40 labels; 0.6 to 0.8 (10 missing)" in " ".join(ended.out.split())
    assert cli(asked, "--coverage 0.8").code == 0
    assert cli("gate run.jsonl --labels labels.jsonl --min contains:true>=0.6").code == 0
