"""`fi-async run --shard`, and `fi-async merge`: shards of a run from the command line."""

from __future__ import annotations

import csv
import json
import shutil
from pathlib import Path

import pytest

from fi_async.reports.run_labels import RunLabels

ROWS = [
    *({"id": f"id {n}", "text": f"Paris {n}"} for n in range(40)),
    b"{",
    {"txt": 1},
    {"id": "eq", "text": "Paris 7"},
]
ASKED = "--eval contains one_line --param contains.keyword=7 --backend local --no-progress"
ALONE = "shard {} of 3: these are its cases alone"


@pytest.fixture
def shards(cli, jsonl):
    """Run the rows in shards, and return their files."""

    def run(of, *only):
        jsonl(*ROWS)
        for number in only or range(1, of + 1):
            cli(f"run in.jsonl {ASKED} --shard {number}/{of} --run part-{number}.db --out part-{number}.jsonl")
        return [f"part-{number}.db" for number in only or range(1, of + 1)]

    return run


def lines_of(cli, name):
    """The outcomes of one_line that have a score."""
    return [line for line in exported(cli, name) if line["template"] == "one_line" and line["status"] == "scored"]


def exported(cli, name):
    assert cli("export", name, "-o exported.jsonl").code == 0
    lines = [json.loads(line) for line in Path("exported.jsonl").read_text(encoding="utf-8").splitlines()]
    return [{**line, "eval_id": None, "latency_s": None} for line in lines]


def test_eight_shards_merged_are_one_run(cli, shards):
    ended = cli("merge", *shards(8), "-o all.db")
    assert (ended.code, ended.err) == (0, "")
    assert ended.out == "86 evaluations of 8 shards are in all.db\n"
    assert cli(f"run in.jsonl {ASKED} --run one.db").code == 1
    assert exported(cli, "all.db") == exported(cli, "one.db")
    assert [(line["index"], line["id"]) for line in exported(cli, "all.db")][-2:] == [(42, "eq")] * 2


def test_what_is_missing_is_told_and_resume_evaluates_it(cli, shards):
    ended = cli("merge", *shards(6, 1, 2, 4), "-o all.db --json")
    assert ended.code == 1
    assert ended.err == (
        "fi-async: no file was given of shard 3, 5-6: their cases are missing\n"
        "fi-async: to go on with all that is missing: fi-async resume all.db\n"
    )
    told = ended.summary
    assert (told["missing"], told["unread"], told["pending"]) == ([3, 5, 6], [], 0)
    ended = cli("resume all.db --no-progress --json")
    assert (ended.summary["evaluations"], ended.summary["is_all"]) == (86, True)
    assert ended.summary["replayed"] == told["evaluations"] - ended.summary["duplicate"]
    cli(f"run in.jsonl {ASKED} --run one.db")
    assert exported(cli, "all.db") == exported(cli, "one.db")


def test_a_shard_says_so_wherever_it_is_looked_at(cli, shards):
    shards(3, 2)
    ran = cli(f"run in.jsonl {ASKED} --shard 2/3 --run part-2.db --min one_line>=0.5")
    assert ALONE.format(2) in ran.err
    assert (cli("status part-2.db --json").summary["shard"], cli("status part-2.db").out.count("2 of 3")) == ([2, 3], 1)
    for name in ("part-2.db", "part-2.jsonl"):
        gated = cli("gate", name, "--min one_line>=0.5 --junit gate.xml --backend local")
        assert ALONE.format(2) in gated.out
        assert f"{name}, shard 2 of 3" in Path("gate.xml").read_text(encoding="utf-8")
        assert cli("gate", name, "--min one_line>=0.5 --json --backend local").summary["part"] == "shard 2 of 3"
        assert cli("report", name, "-o page.html").code == 0
        assert "shard 2 of 3: these are its cases alone" in Path("page.html").read_text(encoding="utf-8")
    merged = cli("merge part-2.db -o all.db")
    assert merged.code == 1
    assert cli("gate all.db --min one_line>=0.5 --json --backend local").summary["part"] == ""


def test_a_shard_may_be_set_by_the_engine_that_counts(cli, shards, monkeypatch):
    shards(3, 2)
    monkeypatch.setenv("FI_ASYNC_SHARD", "2/3")
    assert cli(f"run in.jsonl {ASKED} --run again.db").code in (0, 1)
    assert exported(cli, "again.db") == exported(cli, "part-2.db")
    assert cli(f"run in.jsonl {ASKED} --run again.db --shard 1/3").code == 2


def test_resume_goes_on_with_the_shard_alone(cli, shards):
    (path,) = shards(3, 2)
    before = exported(cli, path)
    Path("in.jsonl").write_text(Path("in.jsonl").read_text() + '{"text": "new"}\n' * 9)
    assert cli("resume", path, "--no-progress").code in (0, 1)
    after = exported(cli, path)
    assert [line for line in after if line["index"] < 43] == before
    assert len({line["index"] for line in after} - {line["index"] for line in before}) in (0, 9)


def test_a_shard_without_rows_is_no_error(cli, jsonl):
    jsonl({"text": "Paris"})
    ended = [cli(f"run in.jsonl {ASKED} --shard {n}/9 --run part-{n}.db --json") for n in range(1, 10)]
    assert [each.code for each in ended] == [0] * 9
    assert cli("merge", *(f"part-{n}.db" for n in range(1, 10)), "-o all.db").code == 0
    assert len(exported(cli, "all.db")) == 2


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (
            "--shard 0/8",
            'Invalid value "0/8" for --shard. shard 0/8: shards are numbered from 1/8 to 8/8. Where an engine',
        ),
        ("--shard 9/8", 'Invalid value "9/8" for --shard. shard 9/8: shards are numbered from 1/8 to 8/8.'),
        ("--shard 3", 'Invalid value "3" for --shard. shard must be (i, N) or "i/N"'),
        ("--shard 1/8 --limits 7/min", "limit.count 7 of requests cannot be divided among 8 shards"),
        ("--shard 1/8 --min one_line>=1 --fail-fast", "--fail-fast has to know how many rows there are"),
    ],
)
def test_what_cannot_be_meant_is_refused(cli, jsonl, words, said):
    ended = cli("run", jsonl(*ROWS), ASKED, words)
    assert ended.code == 2
    assert said in ended.err


def test_labels_of_a_shard_that_is_given_twice_count_once(cli, shards):
    names = shards(2)
    for name in names:
        places = [line["index"] for line in lines_of(cli, name)]
        Path("labels.csv").write_text("index,label\n" + "".join(f"{at},pass\n" for at in places), encoding="utf-8")
        assert cli("label", name, "--from labels.csv --by ana --eval one_line").code == 0
    shutil.copy(names[0], "copy.db")
    Path("labels.csv").write_text(f"index,label\n{places[0]},fail\n", encoding="utf-8")
    assert cli("label", names[1], "--from labels.csv --by ben --eval one_line").code == 0
    told = []
    for several, out in ((names, "all.db"), ([names[0], "copy.db", names[1]], "again.db")):
        assert cli("merge", *several, "-o", out).code == 0
        told.append(cli("agree", out, "--json").summary | {"run": ""})
    assert told[0] == told[1]
    assert len(told[0]["people"]) == 2


def test_what_cannot_be_merged_is_refused(cli, shards):
    one, _ = shards(2)
    cli(f"run in.jsonl {ASKED} --run whole.db")
    for words, said in [
        (f"{one} whole.db -o all.db", "whole.db: it keeps a whole run, and no shard of one"),
        (f"{one} part-2.jsonl -o all.db", "part-2.jsonl: no run's file: give that of fi-async run --run PATH"),
        (f"{one} -o whole.db", "--out whole.db: it is there already: name another file, or move it away"),
        (f"{one} -o nowhere/all.db", "--out nowhere/all.db: there is no directory nowhere"),
        ("-o all.db", "RUN is missing"),
        (f"{one} none.db -o all.db", "none.db: no such file"),
    ]:
        ended = cli("merge", words)
        assert (ended.code, said in ended.err) == (2, True), ended.err
    cli(f"run in.jsonl {ASKED} --shard 2/2 --limit 9 --run few.db")
    ended = cli("merge", one, "few.db -o all.db")
    assert (ended.code, "--limit is null there, and 9 here" in ended.err) == (2, True), ended.err
    Path("in.jsonl").write_text(Path("in.jsonl").read_text() + "\n\n")
    cli(f"run in.jsonl {ASKED} --shard 2/2 --run other.db")
    ended = cli("merge", one, "other.db -o all.db")
    assert (ended.code, "the size of the source is" in ended.err) == (2, True)
    assert not list(Path().glob("all.db*"))


def test_evaluations_that_two_shards_made_are_told(cli, shards):
    one, two = shards(2)
    cli(f"run in.jsonl {ASKED} --shard 2/2 --run again.db")
    ended = cli("merge", one, two, "again.db -o all.db")
    assert ended.code == 0
    assert (
        "evaluations were made by several shards: kept is the one with a score, and of several the first" in ended.err
    )


def test_labels_of_shards_are_those_of_the_run(cli, shards, jsonl):
    for part in shards(2):
        assert cli(f"label {part} --eval contains --draw balanced --sample 8 --csv {part}.csv").code == 0
        with Path(f"{part}.csv").open(encoding="utf-8", newline="") as file:
            rows = [{**row, "label": "7" in row["inputs.text"], "by": "ana"} for row in csv.DictReader(file)]
        given = jsonl(
            *({name: row[name] for name in ("index", "weight", "label", "by")} for row in rows), name="g.jsonl"
        )
        assert cli(f"label {part} --eval contains --from {given}").code == 0
    before = [RunLabels.of(Path(f"part-{number}.db")).labelled("contains").pairs for number in (1, 2)]
    assert cli("merge part-1.db part-2.db -o all.db").code == 0
    found = RunLabels.of(Path("all.db"))
    assert len(found.kept.draws) == 1
    told = {
        (outcome.case.inputs["text"], label.by, label.value, label.weight)
        for outcome, label in found.labelled("contains").pairs
    }
    assert told == {
        (outcome.case.inputs["text"], label.by, label.value, label.weight) for each in before for outcome, label in each
    }
    assert json.loads(cli("agree all.db --json").out)["kappa"]["value"] == 1.0
