"""Labels that a run's file keeps: how they get there, what they tell, and the gates that go by them."""

from __future__ import annotations

import csv
import getpass
import json
import shutil
import socket
from pathlib import Path

import pytest

from fi_async.cli import label as label_command
from fi_async.journal.label_records import LabelAct
from fi_async.reports.run_labels import RunLabels
from labelled_runs import label

PASSED, FAILED = "[1, {}]", "no {}"


ROWS = [{"id": f"q{n}", "text": (FAILED if n % 4 == 3 else PASSED).format(n)} for n in range(40)]
RUN = "run rows.jsonl --eval is_json --backend local --no-progress"


@pytest.fixture(scope="session")
def made(tmp_path_factory):
    """Where files are that several tests begin with."""
    return tmp_path_factory.mktemp("made")


@pytest.fixture
def kept(cli, jsonl, made):
    """Keep a run of 40 rows of which the judge passes three of four, in run.db."""
    jsonl(*ROWS, name="rows.jsonl")
    if not (made / "run.db").exists():
        assert cli(RUN, "--run run.db").code == 0
        shutil.copy("run.db", made)
    shutil.copy(made / "run.db", ".")
    return "run.db"


def people(jsonl, **said):
    """Write labels by people: a function from the number of a case to a label, or None."""
    rows = [
        {"id": f"q{n}", "label": value, "by": by, "note": "odd" if n == 1 else ""}
        for by, rule in said.items()
        for n in range(40)
        if (value := rule(n)) is not None
    ]
    return jsonl(*rows, name="labels.jsonl")


def agreed(n):
    return n % 4 != 3


@pytest.fixture
def labelled(kept, cli, jsonl, made):
    """Let ana label as the judge but for two cases, and ben as ana but for two others."""
    if not (made / "labelled.db").exists():
        name = people(jsonl, ana=lambda n: agreed(n) and n > 1, ben=lambda n: agreed(n) and n not in (0, 1, 5, 6))
        ended = cli(f"label {kept} --from {name} --by nobody")
        assert (ended.code, ended.err) == (0, "")
        assert ended.out == "80 labels of is_json by ana, ben are in run.db: fi-async agree run.db\n"
        shutil.copy("run.db", made / "labelled.db")
    shutil.copy(made / "labelled.db", "run.db")
    return kept


def test_labels_of_a_file_are_kept_with_who_gave_them(labelled):
    kept = RunLabels.of(Path(labelled)).kept
    assert [(each.how["draw"], len(each.cases), each.how["of"]) for each in kept.draws] == [("file", 40, 40)]
    assert [each.by for each in kept.labels] == ["ana", "ben"] * 40
    assert [each.note for each in kept.labels if each.note] == ["odd", "odd"]
    assert all(each.at > 1e9 and each.act is LabelAct.GIVEN for each in kept.labels)


def test_labelling_again_adds_and_the_last_label_counts(labelled, cli, jsonl):
    name = jsonl({"id": "q5", "label": "pass"}, {"id": "q6", "label": "pass", "by": "ben"}, name="more.jsonl")
    assert cli(f"label {labelled} --from {name} --by ben").code == 0
    found = RunLabels.of(Path(labelled))
    assert (len(found.kept.labels), len(found.kept.draws)) == (82, 1)
    assert found.agreement().divided == 0


def test_agree_reads_the_labels_of_the_run(labelled, cli):
    ended = cli(f"agree {labelled}")
    assert (ended.code, ended.err) == (0, "")
    lines = [" ".join(line.split()) for line in ended.out.splitlines()]
    assert lines[0] == "is_json: 38 labels, 40 cases, by what most of 2 people say"
    assert "Passed 26 0" in lines
    assert any(line.startswith("kappa between people 0.886, ") for line in lines)
    assert any(line.startswith("kappa, judge and ana 0.875, ") for line in lines)
    told = json.loads(cli(f"agree {labelled} --json").out)
    assert (told["labels"], told["divided"], told["between"]["n"]) == (None, 2, 40)
    assert [each["name"] for each in told["people"]] == ["ana", "ben"]
    assert told["disagreements"][1]["note"] == "ana: odd; ben: odd"
    one = json.loads(cli(f"agree {labelled} --by ana --json").out)
    assert (one["labelled"], one["people"], one["kappa"]["value"]) == (40, [], told["people"][0]["kappa"]["value"])


def test_labels_go_out_and_come_in_again(labelled, cli, jsonl):
    told = json.loads(cli(f"agree {labelled} --json").out)
    for name in ("out.csv", "out.jsonl"):
        ended = cli(f"export {labelled} --labels --out {name}")
        assert (ended.code, ended.out) == (0, f"80 labels are in {name}\n")
        again = json.loads(cli(f"agree {labelled} {name} --json").out)
        assert {**again, "labels": None, "weighted": False} == told
    with Path("out.csv").open(newline="") as file:
        row = next(csv.DictReader(file))
    assert (row["index"], row["id"], row["by"], row["label"], row["note"], row["weight"], row["inputs.text"]) == (
        *("0", "q0", "ana", "Failed", "", "1.0"),
        "[1, 0]",
    )
    assert cli(f"export {labelled} --labels --out out.parquet").err == (
        "fi-async: --out out.parquet: labels are written as .csv or .jsonl\n"
    )


def test_labels_of_another_run_s_file(labelled, cli, jsonl):
    rows = [{"id": f"q{n}", "text": PASSED.format(n)} for n in range(39, -1, -1)]  # another order, and other answers
    cli("run", jsonl(*rows, name="new.jsonl"), "--eval is_json --backend local --run new.db --no-progress")
    told = json.loads(cli(f"agree new.db {labelled} --by ana --json").out)
    assert told["matrix"] == {"Passed": {"Passed": 28, "Failed": 0}, "Failed": {"Passed": 12, "Failed": 0}}
    assert cli("agree new.db").err == "fi-async: new.db: no case of is_json has a label: fi-async label new.db\n"


@pytest.mark.parametrize(
    ("conditions", "expected"),
    [
        ("is_json:true>=0.6", (0, "passed")),
        ("is_json:true>=0.75", (4, "below")),
        ("true<0.7 kappa>=0.8", (0, "passed")),
        ("is_json:kappa>=0.8 is_json>=0.75", (0, "passed")),
        ("is_json:kappa>=0.8 is_json>=0.8", (4, "below")),
        ("is_json:kappa>=0.95", (4, "below")),
        ("is_json:kappa>=0.8 --confidence 0.95", (5, "inconclusive")),
        ("is_json:kappa>=0.3 is_json:tnr>=0.4 is_json:tpr>=0.8 --confidence 0.95", (0, "passed")),
        ("is_json:alpha>=0.99 --confidence 0.95", (4, "below")),
    ],
)
def test_a_gate_by_the_labels_of_the_run(conditions, expected, labelled, cli):
    code, verdict = expected
    ended = cli(f"gate {labelled} --backend local --min", conditions)
    assert (ended.code, ended.err) == (code, "")
    assert ended.out.endswith(f"\ngate: {verdict}\n")
    without = conditions.replace("is_json>=0.75", "").replace("is_json>=0.8 ", "").removesuffix("is_json>=0.8")
    if without.strip() == conditions:
        assert cli(f"agree {labelled} --min", conditions).code == code


def test_a_gate_without_labels_is_inconclusive(kept, cli, jsonl):
    ended = cli(f"gate {kept} --backend local --min is_json:kappa>=0.5 is_json>=0.7")
    assert (ended.code, ended.err) == (5, "")
    said = " ".join(ended.out.split())
    assert "inconclusive is_json:kappa>=0.5 run.db: no case of is_json has a label: fi-async label run.db" in said
    name = people(jsonl, ana=agreed)
    assert cli(f"gate {kept} --backend local --min is_json:kappa>=0.5 --labels {name}").code == 0


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ("--min is_json:kapa>=0.5", "--min is_json:kapa>=0.5: there is no 'kapa'; did you mean kappa?"),
        ("--min is_jsn:kappa>=0.5", "--min is_jsn:kappa>=0.5: the run has no template 'is_jsn'; did you mean is_json?"),
        ("--min is_json:kappa>=2", "--min is_json:kappa>=2: kappa is at most 1"),
        ("--min is_json:true>=90", "--min is_json:true>=90: a pass rate is from 0 to 1: write 0.9"),
        ("--min is_json:true.mean>=0.9", "--min is_json:true.mean>=0.9: true has no mean: leave that out"),
        (
            "--min is_json>=0.9 --labels l.csv",
            "--labels needs --min 'TEMPLATE:true>=NUMBER' or 'TEMPLATE:kappa>=NUMBER'",
        ),
    ],
)
def test_what_a_gate_cannot_mean(words, said, labelled, cli):
    ended = cli(f"gate {labelled}", words)
    assert (ended.code, ended.out, ended.err) == (2, "", f"fi-async: {said}\n")


def test_a_run_is_judged_by_the_labels_in_its_file(labelled, cli):
    assert cli(RUN, f"--run {labelled} --min is_json:kappa>=0.8 is_json:true>=0.6").code == 0
    assert cli(RUN, f"--run {labelled} --min kappa>=0.99").code == 4
    assert cli(RUN, f"--run {labelled} --min is_json:kappa>=0.8 --confidence 0.95").code == 5
    assert cli(RUN, f"--run {labelled} --min is_json:kappa>=0.3 is_json>=0.5 --confidence 0.95").code == 0
    ended = cli(RUN, "--run fresh.db --min is_json:kappa>=0.8 --json")
    assert (ended.code, ended.summary["gate"]["verdict"]) == (5, "inconclusive")
    assert (
        ended.summary["gate"]["checks"][0]["said"]
        == "fresh.db: no case of is_json has a label: fi-async label fresh.db"
    )


def test_a_run_is_judged_by_the_labels_of_a_file(kept, cli, jsonl):
    name = people(jsonl, ana=lambda n: agreed(n) and n > 1)
    for keeping in ("", "--run run.db", "--run other.db"):
        ended = cli(RUN, keeping, f"--labels {name} --json --min is_json:true>=0.7")
        check = ended.summary["gate"]["checks"][0]
        assert (ended.code, check["verdict"], check["said"]) == (0, "passed", "0.7 by 40 labels")
    assert cli(RUN, f"--labels {name} --min is_json:true>=0.71").code == 4
    assert cli("resume other.db --json --no-progress").summary["gate"]["verdict"] == "passed"


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ("--min is_json:kappa>=0.5", "--min is_json:kappa>=0.5 needs labels: give --labels PATH"),
        (
            "--labels x.csv --min is_json>=0.5",
            "--labels needs --min 'TEMPLATE:true>=NUMBER' or 'TEMPLATE:kappa>=NUMBER'",
        ),
        (
            "--run run.db --min is_json:true>=0.5 --fail-fast",
            "--min is_json:true>=0.5 is told by all results of a run: leave --fail-fast out",
        ),
        ("--labels none.csv --min is_json:kappa>=0.5", "none.csv: no such file of labels"),
        ("--confidence 0.9", "--confidence is of the intervals that must reach --min: give --min too"),
        (
            "--min is_json>=0.5 --confidence 0.9 --fail-fast",
            "--confidence is told by all results of a run: leave --fail-fast out",
        ),
    ],
)
def test_what_a_run_cannot_mean(words, said, kept, cli):
    ended = cli(RUN, words)
    assert (ended.code, ended.err) == (2, f"fi-async: {said}\n")


def test_the_report_tells_of_labels(labelled, cli):
    told = json.loads(cli(f"report {labelled} --json").out)
    assert (told["run"], told["cases"], told["statuses"]["scored"]) == ("run.db", 40, 40)
    (found,) = told["agreements"]
    assert found == {
        name: value for name, value in json.loads(cli(f"agree {labelled} --json").out).items() if name in found
    }
    assert not Path("run.html").exists()
    assert cli(f"report {labelled}").code == 0
    assert '"agreements": [{"template": "is_json", "labelled": 38, "people": 2' in Path("run.html").read_text()


def test_who_labels(monkeypatch):
    assert label_command.person(" Ana ") == "Ana"
    monkeypatch.setattr(getpass, "getuser", lambda: "ana@corp.example")
    assert label_command.person(None) == "ana"

    def nobody():
        raise OSError

    monkeypatch.setattr(getpass, "getuser", nobody)
    for given, said in {
        None: "nobody knows who labels here: give --by NAME",
        "ana@corp.example": "--by is kept in the run's file: give a name, and no address",
        "": "--by: a name is one line of at most 64 characters that can be shown",
        "a\nb": "--by: a name is one line",
        "x" * 65: "--by: a name is one line",
    }.items():
        with pytest.raises(label_command.UsageError, match=said):
            label_command.person(given)


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ("rows.out --by ana", "rows.out: no such file"),
        (
            "lines.jsonl --by ana",
            "lines.jsonl: only a run's file keeps labels: give that of fi-async run --run, or --csv",
        ),
        ("run.db --by a@b.example", "--by is kept in the run's file: give a name, and no address"),
        ("run.db --eval is_jsn --by ana", "the run has no template 'is_jsn'; did you mean is_json?"),
        ("run.db --by ana --draw uncertain --sample 3", "--draw uncertain needs scores of different degrees"),
        ("run.db --csv l.csv --from m.csv", "--csv writes cases, and --from takes labels: leave one out"),
        ("run.db --from some.jsonl --by ana", "some.jsonl, line 2: the label 'hm' is no verdict"),
    ],
)
def test_what_cannot_be_labelled(words, said, kept, cli, jsonl):
    jsonl({"id": "q0", "label": "pass"}, {"id": "q1", "label": "hm"}, name="some.jsonl")
    cli(f"export {kept} --out lines.jsonl")
    ended = cli("label", words)
    assert (ended.code, ended.out) == (2, "")
    assert ended.err.startswith(f"fi-async: {said}")
    assert RunLabels.of(Path(kept)).kept.labels == ()


def test_labels_of_a_file_have_to_be_of_the_draw(labelled, cli, jsonl):
    label(Path(labelled), "ana", {"q0": True})
    rows = [{"id": f"r{n}", "text": PASSED.format(n + 100)} for n in range(3)]
    cli("run", jsonl(*rows, name="rows.jsonl"), f"--eval is_json --backend local --run {labelled} --no-progress")
    name = jsonl({"id": "r1", "label": "pass"}, name="other.jsonl")
    ended = cli(f"label {labelled} --from {name} --by ana")
    assert ended.err == (
        "fi-async: --from other.jsonl: 1 of its cases are not among those that were drawn in run.db: --redraw takes"
        " those of the file in their place\n"
    )
    assert cli(f"label {labelled} --from {name} --by ana --redraw").code == 0
    found = RunLabels.of(Path(labelled)).labelled("is_json")
    assert [outcome.case.id for outcome, _ in found.pairs] == ["r1"]
    assert found.notes == ("40 labelled cases are not of the last draw, and are left out",)


def test_equal_cases_have_one_label(cli, jsonl):
    rows = [{"id": f"q{n}", "text": PASSED.format(n // 2)} for n in range(4)]
    cli("run", jsonl(*rows, name="rows.jsonl"), "--eval is_json --backend local --run run.db --no-progress")
    name = jsonl(*({"id": f"q{n}", "label": n != 3} for n in range(4)), name="labels.jsonl")
    ended = cli(f"label run.db --from {name} --by ana")
    assert ended.code == 2
    assert ended.err == (
        "fi-async: labels.jsonl, line 4: the case equals that in labels.jsonl, line 3, which has another label: make"
        " them one\n"
    )
    name = jsonl(*({"id": f"q{n}", "label": n < 2} for n in range(4)), name="labels.jsonl")
    assert cli(f"label run.db --from {name} --by ana").out.startswith("2 labels of is_json by ana")
    assert json.loads(cli("agree run.db --json").out)["matrix"]["Failed"] == {"Passed": 2, "Failed": 0}


def test_labels_by_somebody_who_gave_none(labelled, cli, jsonl):
    name = people(jsonl, ana=agreed)
    for words in (labelled, f"{labelled} {name}"):
        ended = cli(f"agree {words} --by anna")
        assert ended.code == 2
        assert ended.err.endswith("did you mean ana?\n")
    assert json.loads(cli(f"agree {labelled} {name} --by ana --json").out)["labelled"] == 40


def test_a_run_that_is_labelled_needs_no_page(labelled, cli):
    ended = cli(f"label {labelled} --by ana")
    assert (ended.code, ended.err) == (0, "")
    assert ended.out == "40 of 40 cases of is_json are labelled by ana: fi-async agree run.db\n"


def test_a_port_that_is_taken(kept, cli):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        ended = cli(f"label {kept} --by ana --port {port}")
    assert (ended.code, ended.err) == (3, f"fi-async: port {port} is taken; --port 0 takes a free one\n")


def test_a_browser_opens_where_a_person_sits(monkeypatch):
    monkeypatch.setattr(label_command.sys, "platform", "linux")
    monkeypatch.setattr(label_command.sys.stdout, "isatty", lambda: True, raising=False)
    for name in ("SSH_CONNECTION", "DISPLAY", "WAYLAND_DISPLAY"):
        monkeypatch.delenv(name, raising=False)
    assert label_command._shall_open() is False
    monkeypatch.setenv("DISPLAY", ":0")
    assert label_command._shall_open() is True
    monkeypatch.setenv("SSH_CONNECTION", "10.0.0.1")
    assert label_command._shall_open() is False
    monkeypatch.delenv("SSH_CONNECTION")
    monkeypatch.setattr(label_command.sys.stdout, "isatty", lambda: False, raising=False)
    assert label_command._shall_open() is False


@pytest.mark.parametrize(
    ("by", "said"),
    [
        ("ben@corp.example", "is kept in the run's file: give a name, and no address"),
        ("a\nb", "a name is one line of at most 64 characters that can be shown"),
    ],
)
def test_who_gave_a_label_of_a_file_has_a_name(kept, cli, jsonl, by, said):
    name = jsonl({"id": "q0", "label": "pass"}, {"id": "q1", "label": "pass", "by": by}, name="some.jsonl")
    ended = cli(f"label {kept} --from {name} --by ana")
    assert (ended.code, ended.err) == (2, f"fi-async: some.jsonl, line 2: its column 'by': {said}\n")
    assert RunLabels.of(Path(kept)).kept.labels == ()
