from __future__ import annotations

import asyncio
import csv
import io
import json
import os
import re
import resource
import signal
import sys
from pathlib import Path

import httpx
import pytest

import fi_async.client
from fi_async import AsyncEvaluator, Limit
from fi_async.cli.backend import limits
from fi_async.cli.totals import RunTotals
from fi_async.local import Faults, Quota
from fi_async.progress.displays import Lines
from fi_async.sources.files import JsonTable

HIT = "--param keyword=Paris"
KEYS = [
    "index",
    "id",
    "template",
    "status",
    "score",
    "passed",
    "output",
    "reason",
    "error",
    "backend",
    "model",
    "estimate",
    "eval_id",
    "attempts",
    "latency_s",
    "tokens",
    "input_tokens",
    "cached_tokens",
    "output_tokens",
    "reasoning_tokens",
    "cost",
    "origin",
    "inputs",
    "run",
]
GROUNDED = {"output": "The tower is in Paris.", "context": "The tower stands in Paris.", "text": "Paris"}


def test_every_row_becomes_a_line(cli, jsonl, lines):
    rows = [{"id": 7, "text": "Paris é", "note": [1]}, {"text": "Rome"}]
    ended = cli("run", jsonl(*rows), "--eval contains", HIT, "--out out.jsonl --backend local")
    assert ended.code == 0
    assert ended.err == ""
    first, second = lines()
    assert list(first) == list(second) == KEYS
    assert first | {"eval_id": None, "latency_s": None, "reason": None} == {
        "index": 0,
        "id": "7",
        "template": "contains",
        "status": "scored",
        "score": 1.0,
        "passed": True,
        "output": "Passed",
        "reason": None,
        "error": None,
        "backend": "local",
        "model": first["model"],
        "estimate": False,
        "eval_id": None,
        "attempts": 1,
        "latency_s": None,
        "tokens": None,
        "input_tokens": None,
        "cached_tokens": None,
        "output_tokens": None,
        "reasoning_tokens": None,
        "cost": None,
        "origin": "evaluated",
        "inputs": rows[0],
        "run": {"evaluations": 2, "backend_named": True},
    }
    assert first["eval_id"]
    assert first["reason"]
    assert first["latency_s"] >= 0
    assert (second["id"], second["passed"], second["inputs"]) == (None, False, rows[1])
    assert "é" in Path("out.jsonl").read_text(encoding="utf-8")


@pytest.mark.parametrize("templates", ["--eval contains groundedness", "--eval contains --eval groundedness"])
def test_both_ways_to_name_several_templates(templates, cli, jsonl, lines):
    ended = cli("run", jsonl(GROUNDED), templates, "--param contains.keyword=Paris --out out.jsonl --backend local")
    assert ended.code == 0
    assert [line["template"] for line in lines()] == ["contains", "groundedness"]
    assert "contains " in ended.out
    assert "groundedness  estimate" in ended.out


def test_a_template_named_twice_is_asked_once(cli, jsonl):
    ended = cli("run", jsonl({"text": "[1]"}), "--eval is_json is_json --json")
    assert ended.summary["evaluations"] == 1


def test_runs_that_share_a_budget_are_held_together(cli, jsonl, embedded):
    app = embedded(requests=Quota(3, 1.0))
    told = [cli("run", jsonl({"text": "[1]"}, {"text": "[2]"}), "--eval is_json --shared-budget budget --json")]
    told += [cli("run", "in.jsonl --eval is_json --shared-budget budget --json")]
    assert [(each.code, each.summary["scored"]) for each in told] == [(0, 2), (0, 2)]
    assert app.statistics()["posts"] == 4 + app.statistics()["refused_requests"]
    Path("notes").write_text("mine", encoding="utf-8")
    ended = cli("run", "in.jsonl --eval is_json --shared-budget notes")
    assert (ended.code, ended.out) == (2, "")
    assert f"shared_budget {Path('notes').absolute()} is damaged, or no shared budget" in ended.err


BAD_ROWS = [
    {"text": "Paris"},
    b'{"text": "Paris',
    b"[1, 2]",
    b'{"text": "caf\xe9"}',
    b"",
    b'{"text": NaN}',
    b'{"text": 1e999}',
    b'{"text": 1.5}',
    b"[" * 100_000,
    {"text": None},
    {"id": "last", "text": "Rome"},
]


def test_bad_rows_name_their_line_and_the_rest_runs(cli, jsonl, lines):
    ended = cli("run", jsonl(*BAD_ROWS), "--eval contains", HIT, "--out out.jsonl --backend local")
    assert ended.code == 1
    found = lines()
    assert [line["index"] for line in found] == list(range(10))
    assert [line["status"] for line in found] == ["scored", *["invalid"] * 5, "scored", *["invalid"] * 2, "scored"]
    assert all(list(line) == KEYS for line in found)
    expected = [
        "in.jsonl, line 2: not valid JSON (Unterminated string starting at, column 10)",
        "in.jsonl, line 3: not a JSON object but a list",
        "in.jsonl, line 4: not valid UTF-8: save the file as UTF-8 (byte 14)",
        "in.jsonl, line 6: not valid JSON (NaN, Infinity, or too large a number or nesting)",
        "in.jsonl, line 7: not valid JSON (NaN, Infinity, or too large a number or nesting)",
    ]
    assert [line["error"] for line in found[1:6]] == expected
    assert found[7]["error"].startswith("in.jsonl, line 9: not valid JSON")
    assert found[8]["error"] == "in.jsonl, line 10: the input 'text' is None: give it text, or leave the key out"
    assert [line["inputs"] for line in found[1:4]] == [None] * 3
    assert found[8]["inputs"] == {"text": None}
    assert found[9]["id"] == "last"
    detail = "Unterminated string starting at, column 10"
    assert f"4 x UnreadableRow: not valid JSON (first: in.jsonl, line 2: {detail})" in " ".join(ended.out.split())
    told = cli("run in.jsonl --eval contains", HIT, "--json --backend local").summary["causes"][0]
    assert told == {
        "count": 4,
        "error": "UnreadableRow",
        "message": "not valid JSON",
        "first": "in.jsonl, line 2",
        "detail": detail,
    }


def test_a_byte_order_mark_is_no_fault(cli, jsonl):
    assert cli("run", jsonl(b'\xef\xbb\xbf{"text": "Paris"}'), "--eval contains", HIT).code == 0


def test_half_a_surrogate_pair_is_written_as_it_was_read(cli, jsonl, lines):
    row = {"text": "Paris", "note": "\ud83d"}
    assert cli("run", jsonl(row), "--eval contains", HIT, "--out out.jsonl").code == 0
    assert lines()[0]["inputs"] == row


def write_csv(*rows, name="in.csv", encoding="utf-8"):
    with Path(name).open("w", newline="", encoding=encoding) as file:
        csv.writer(file).writerows(rows)
    return name


def test_csv_with_quotes_and_line_breaks(cli, lines):
    rows = [("id", "text", "note"), ("a", 'in "Paris",\nFrance', "x"), (), ("b", "Rome"), ("c", "Paris", "x", "y")]
    ended = cli("run", write_csv(*rows), "--eval contains", HIT, "--out out.jsonl --backend local")
    assert ended.code == 1
    first, second, third = lines()
    assert (first["id"], first["passed"], first["inputs"]["text"]) == ("a", True, 'in "Paris",\nFrance')
    assert (second["id"], second["passed"], second["inputs"]) == ("b", False, {"id": "b", "text": "Rome"})
    assert third["error"] == "in.csv, line 6: more cells than the header has columns (4 instead of 3)"


def test_csv_rows_that_cannot_be_read(cli, lines):
    Path("in.csv").write_bytes(b'\xef\xbb\xbftext\nParis\ncaf\xe9\n"Par"is\nRome\n"open\n')
    assert cli("run in.csv --eval contains", HIT, "--out out.jsonl").code == 1
    found = lines()
    assert [line["status"] for line in found] == ["scored", "invalid", "invalid", "scored", "invalid"]
    assert found[1]["error"] == "in.csv, line 3: not valid UTF-8: save the file as UTF-8"
    assert found[2]["error"] == "in.csv, line 4: not valid CSV (',' expected after '\"')"
    assert found[4]["error"] == "in.csv, line 6: not valid CSV (a quote is opened in line 6 and never closed)"


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "the first line must be the names of the columns: the file is empty"),
        (b"t\xe9xt\n1\n", "the first line must be the names of the columns: not valid UTF-8: save the file as UTF-8"),
        (b"text,text\n1,2\n", "in.csv: two columns are named 'text': rename one"),
        (
            b"answer\nParis\n",
            "in.csv has no column for 'text', which contains needs: --map text=COLUMN. It has 'answer'",
        ),
        (b"text\n", "in.csv holds no rows"),
    ],
)
def test_a_csv_that_cannot_be_used(content, said, cli):
    Path("in.csv").write_bytes(content)
    ended = cli("run in.csv --eval contains --backend local")
    assert (ended.code, ended.out) == (2, "")
    assert said in ended.err


def test_keys_are_taken_from_columns_of_other_names(cli, jsonl, lines):
    rows = [{"answer": "Paris", "text": "Rome"}, {"text": "Paris"}]
    ended = cli("run", jsonl(*rows), "--eval contains", HIT, "--map text=answer --out out.jsonl")
    assert ended.code == 1
    first, second = lines()
    assert (first["passed"], first["inputs"]) == (True, rows[0])
    assert second["error"].startswith("in.jsonl, line 2: contains needs the key 'text'")


def test_a_column_of_a_csv_can_be_mapped(cli):
    ended = cli("run", write_csv(("answer",), ("Paris",)), "--eval contains", HIT, "--map text=answer --json")
    assert ended.summary["templates"]["contains"]["pass_rate"] == 1.0


def test_rows_are_counted_before_the_run_only_for_a_file_that_keeps_it(cli, jsonl, monkeypatch):
    counted = []
    monkeypatch.setattr(JsonTable, "count", lambda self: counted.append(self.name))
    cli("run", jsonl({"text": "1"}), "--eval is_json --backend local --dry-run")
    assert counted == []


def test_the_limit_counts_rows(cli, jsonl):
    ended = cli("run", jsonl(b"{", {"text": "Paris"}, {"text": "Rome"}), "--eval contains", HIT, "--limit 2 --json")
    assert (ended.code, ended.summary["cases"], ended.summary["invalid"]) == (1, 2, 1)


class Pipe(io.BytesIO):
    """Bytes on stdin that stop coming, as those of a program that fails."""

    def readline(self, *_):
        raise OSError(5, "Input/output error")

    __next__ = readline


def test_stdin_is_jsonl(cli, stdin, lines):
    stdin(b'{"text": "Paris"}\n{')
    ended = cli("run - --eval contains", HIT, "--out out.jsonl")
    assert ended.code == 1
    assert [line["status"] for line in lines()] == ["scored", "invalid"]
    assert lines()[1]["error"].startswith("stdin, line 2: not valid JSON")


def test_stdin_that_breaks_ends_the_run(cli, monkeypatch):
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(Pipe()))
    ended = cli("run - --eval is_json --backend local")
    assert (ended.code, ended.err) == (3, "fi-async: stdin: Input/output error\n")


def test_no_rows_is_wrong_usage_and_leaves_the_output_alone(cli, jsonl):
    Path("out.jsonl").write_text("of yesterday")
    ended = cli("run", jsonl(), "--eval is_json --backend local --out out.jsonl")
    assert (ended.code, ended.out) == (2, "")
    assert ended.err == "fi-async: in.jsonl holds no rows: there is nothing to evaluate\n"
    assert Path("out.jsonl").read_text() == "of yesterday"


def test_an_output_of_yesterday_is_replaced(cli, jsonl, lines):
    Path("out.jsonl").write_text("of yesterday")
    assert cli("run", jsonl({"text": "[1]"}), "--eval is_json --out out.jsonl").code == 0
    assert len(lines()) == 1


@pytest.mark.parametrize(
    ("param", "passes"),
    [
        ("keyword=Paris", [True, False, False]),
        ("contains.keyword=Paris case_sensitive=false", [True, True, False]),
        ('keyword="Paris"', [True, False, False]),
        ("keyword==", [False, False, True]),
    ],
)
def test_params_are_json_or_else_text(param, passes, cli, jsonl, lines):
    rows = [{"text": text} for text in ("Paris", "paris", "=")]
    cli("run", jsonl(*rows), "--eval contains --param", param, "--out out.jsonl")
    assert [line["passed"] for line in lines()] == passes


def test_the_numbers_are_those_of_a_report(cli, jsonl):
    cases = [GROUNDED | {"text": f"Paris {n}"[n % 5 :]} for n in range(40)]
    cases.append({"output": "alone"})
    templates = ["contains", "groundedness", "bleu_score"]
    config = {"contains": {"keyword": "Paris"}}

    async def gathered():
        async with AsyncEvaluator.local(extra_keys="ignore") as ev:
            return (await ev.gather(cases, templates, eval_config=config)).summary()

    expected = asyncio.run(gathered())
    ended = cli("run", jsonl(*cases), "--eval", *templates, "--param contains.keyword=Paris --json --no-progress")
    found = ended.summary
    assert expected["templates"].keys() == found["templates"].keys()
    for name, of in expected["templates"].items():
        assert found["templates"][name].pop("estimate") is (name == "groundedness")
        assert found["templates"][name].pop("answered_by") == of.pop("answered_by")
        assert found["templates"][name] == pytest.approx(of)
    left_out = {"wall_s", "templates"}
    assert {name: found[name] for name in expected if name not in left_out} == {
        name: value for name, value in expected.items() if name not in left_out
    }
    assert ended.code == 1


def test_the_table_at_80_and_60_columns(cli, jsonl, monkeypatch):
    file = jsonl(GROUNDED | {"reference": "a", "hypothesis": "a"}, b"{", *[{"a" * n: ""} for n in range(1, 9)])
    wide = cli("run", file, "--eval groundedness bleu_score")
    assert all(len(line) <= 80 for line in wide.out.splitlines())
    assert re.search(r"^ scored +2 +coverage +10.0% $", wide.out, re.MULTILINE)
    assert "and 12 more" in wide.out
    monkeypatch.setenv("COLUMNS", "60")
    narrow = cli("run", file, "--eval groundedness bleu_score")
    assert all(len(line) <= 60 for line in narrow.out.splitlines())
    assert "…" not in narrow.out


def test_templates_without_numbers_have_none(cli, jsonl):
    ended = cli("run", jsonl({"nothing": ""}), "--eval bleu_score --json")
    assert ended.summary["templates"]["bleu_score"] == {
        "mean_score": None,
        "pass_rate": None,
        "n": 0,
        "answered_by": ["local"],
        "cost": None,
        "unknown_cost": 0,
        "tokens": None,
        "estimate": False,
    }


def test_causes_are_grouped_and_hold_no_inputs(cli, jsonl, embedded):
    embedded(faults=Faults(fail=1.0))
    secret = "the-text-of-a-customer"
    ended = cli("run", jsonl({"text": secret}, {"text": secret}), "--eval is_json --max-retries 0")
    assert ended.code == 1
    assert "2 x" in ended.out
    assert "line 1" in ended.out
    assert secret not in ended.out + ended.err


def test_causes_beyond_what_is_told_apart_are_counted_together(cli, jsonl, monkeypatch):
    monkeypatch.setattr("fi_async.cli.totals.MOST_CAUSES", 2)
    ended = cli("run", jsonl(*({"a" * n: "x"} for n in range(1, 9))), "--eval is_json --json")
    assert [(cause["count"], cause["error"]) for cause in ended.summary["causes"]] == [
        (6, "other"),
        (1, "InvalidCaseError"),
        (1, "InvalidCaseError"),
    ]


def test_failures_name_their_error(cli, jsonl, lines, embedded):
    embedded(faults=Faults(status={503: 1.0}))
    ended = cli("run", jsonl({"text": "1"}), "--eval is_json --max-retries 0 --out out.jsonl --json")
    assert ended.code == 1
    (line,) = lines()
    assert (line["status"], line["attempts"]) == ("failed", 1)
    assert line["error"].startswith("ServerError: ")
    assert "status 503" in line["error"]
    assert (ended.summary["failed"], ended.summary["requests"]) == (1, 1)


def test_a_refused_key_pair_is_one_line(cli, jsonl, embedded):
    embedded(keys={"right": "right"})
    Path("out.jsonl").write_text("of yesterday")
    ended = cli("run", jsonl(*[{"text": "1"}] * 50), "--eval is_json --backend local --out out.jsonl")
    assert (ended.code, ended.out) == (3, "")
    assert ended.err.count("\n") == 1
    assert "Invalid API key or secret key" in ended.err
    assert ended.err.endswith("Check FI_API_KEY and FI_SECRET_KEY\n")
    assert Path("out.jsonl").read_text() == "of yesterday"


def test_a_server_that_was_never_reached(cli, jsonl, monkeypatch):
    async def unreachable(*_):
        raise httpx.ConnectError("All connection attempts failed")

    monkeypatch.setattr(fi_async.client, "embedded_backend", lambda: unreachable)
    for rows in (3, 500):
        ended = cli("run", jsonl(b"{", *[{"text": "1"}] * rows), "--eval is_json --max-retries 0 --backend local")
        assert (ended.code, ended.out) == (3, "")
        assert ended.err.endswith("could not connect: All connection attempts failed (ConnectError)\n")
        assert "no request reached" in ended.err


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs a disk that is always full")
def test_a_full_disk(cli, jsonl):
    ended = cli("run", jsonl({"text": "1"}), "--eval is_json --backend local --out /dev/full")
    assert (ended.code, ended.out) == (3, "")
    assert ended.err == "fi-async: --out /dev/full: No space left on device\n"


@pytest.mark.parametrize("name", ["out.jsonl", "out.csv", "out.parquet", "out.sqlite"])
def test_a_disk_that_fills_up_is_told_after_the_summary(name, cli, jsonl):
    jsonl(*[{"text": f"[{n}, {n * n}]"} for n in range(1200)])
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (16_384, before[1]))
    try:
        ended = cli("run in.jsonl --eval is_json --backend local --no-progress --json --out", name)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert ended.code == 3
    assert ended.summary["scored"] > 0
    assert ended.err.startswith(f"fi-async: --out {name}: ")


@pytest.mark.parametrize("name", ["out.jsonl", "out.csv", "out.parquet", "out.sqlite"])
def test_an_output_that_cannot_be_written_is_told_before_anything_is_evaluated(name, cli, jsonl, embedded):
    app = embedded()
    ended = cli("run", jsonl({"text": "1"}), f"--eval is_json --backend local --out /proc/{name}")  # not even by root
    assert (ended.code, ended.out) == (3, "")
    assert ended.err.startswith(f"fi-async: --out /proc/{name}: ")
    assert app.statistics()["posts"] == 0


@pytest.fixture
def interrupt_after_5(embedded, monkeypatch):
    add = RunTotals.add

    def add_and_interrupt(self, outcome):
        add(self, outcome)
        if self.done == 5:
            signal.raise_signal(signal.SIGINT)

    embedded(latency=0.02)
    monkeypatch.setattr(RunTotals, "add", add_and_interrupt)


@pytest.mark.parametrize("source", ["in.jsonl", "-"])
def test_an_interrupt_keeps_what_was_done(source, cli, jsonl, stdin, interrupt_after_5):
    jsonl(*[{"text": "1"}] * 100)
    stdin(Path("in.jsonl").read_bytes())
    ended = cli("run", source, "--eval is_json --concurrency 2 --backend local --out out.jsonl --json")
    assert ended.code == 130
    done = len(Path("out.jsonl").read_text().splitlines())
    is_known = source != "-"
    told = {name: ended.summary[name] for name in ("scored", "cases", "evaluations", "pending", "is_all", "coverage")}
    assert told == {
        "scored": done,
        "cases": 100 if is_known else done,
        "evaluations": 100 if is_known else done,
        "pending": 100 - done if is_known else 0,
        "is_all": is_known,
        "coverage": done / 100 if is_known else 1.0,
    }
    assert 5 <= done < 100
    of_all = " of 100" if is_known else ""
    assert ended.err.startswith(f"interrupted: {done}{of_all} cases done; they are in out.jsonl.")


def test_an_interrupt_before_anything_was_done(cli, jsonl, embedded, monkeypatch):
    embedded(latency=5)
    monkeypatch.setattr(Lines, "show", lambda *_: signal.raise_signal(signal.SIGINT))
    ended = cli("run", jsonl(GROUNDED), "--eval is_json groundedness --backend local")
    assert (ended.code, ended.out) == (130, "")
    assert ended.err == "interrupted: 0 of 2 evaluations done. Requests cut off may have been evaluated.\n"


@pytest.mark.parametrize("columns", ["100", "50"])
def test_a_bar_in_a_terminal(columns, cli, jsonl, monkeypatch):
    monkeypatch.setenv("FORCE_COLOR", "1")
    monkeypatch.setenv("NO_COLOR", "1")
    monkeypatch.setenv("COLUMNS", columns)
    ended = cli("run", jsonl({"text": "[1]"}, b"{"), "--eval is_json --backend local")
    assert "2/2" in ended.err
    assert ("scored 1 failed 1" in ended.err) is (columns == "100")
    assert not {f"\x1b[{code}m" for code in range(30, 48)} & {*ended.err.split()}
    assert "\x1b[3" not in ended.err + ended.out
    assert cli("run", "in.jsonl --eval is_json --backend local --no-progress").err == ""


def test_a_bar_for_nobody_knows_how_many(cli, stdin, monkeypatch):
    monkeypatch.setenv("FORCE_COLOR", "1")
    stdin(b'{"text": "1"}')
    assert "1/?" in cli("run - --eval is_json --backend local").err


@pytest.mark.parametrize("source", ["in.jsonl", "-"])
def test_lines_where_there_is_no_terminal(source, cli, stdin, embedded, monkeypatch):
    embedded(latency=0.1)
    monkeypatch.setattr(Lines, "every", 0.15)
    rows = b'{"text": "1"}\n' * 4
    Path("in.jsonl").write_bytes(rows)
    stdin(rows)
    first, *_ = cli("run", source, "--eval is_json --concurrency 1 --backend local").err.splitlines()
    total = "4" if source == "in.jsonl" else "?"
    assert first.startswith(f"1/{total}  scored 1  failed 0  ")
    assert ("eta" in first) is (source == "in.jsonl")
    assert cli("run", "in.jsonl --eval is_json --backend local --no-progress").err == ""


def test_lines_say_what_is_waited_for(cli, jsonl, embedded, monkeypatch):
    embedded(latency=0.3)
    monkeypatch.setattr(Lines, "every", 0.15)
    ended = cli("run", jsonl(*[{"text": "1"}] * 2), "--eval is_json --concurrency 1 --backend local")
    assert ended.err.splitlines()[0].endswith("  waiting for concurrency 1")


def test_a_dry_run_prints_the_plan_and_evaluates_nothing(cli, jsonl, embedded):
    app = embedded()
    file = jsonl({"text": "1"}, {"text": "1"})
    ended = cli("run", file, "--eval is_json --backend local --dry-run")
    assert (ended.code, ended.err) == (0, "")
    assert ended.out.startswith("2 cases, 2 evaluations, 2 requests, about 1.0 s. What sets the time: ")
    assert "duplicates of earlier cases, which would be paid again: 1\n" in ended.out
    told = cli("run", file, "--eval is_json --backend local --dry-run --json").summary
    assert (told["cases"], told["requests"], told["templates"][0]["strategy"]) == (2, 2, "sync")
    assert app.statistics()["requests"] == 0
    file = jsonl({"text": "1"}, {"text": ""})
    ended = cli("run", file, "--eval is_json --backend local --dry-run")
    assert ended.code == 1
    assert f"invalid cases, which cannot be sent: 1\n  {file}, line 2: the input 'text' is blank" in ended.out


def test_options_reach_the_engine(cli, jsonl, lines, embedded):
    app = embedded()
    options = "--model turing_small --strategy async --on-ambiguous fail --timeout 9 --concurrency 3 --out out.jsonl"
    assert cli("run", jsonl({"text": "1"}), "--eval is_json", options).code == 0
    assert app.statistics()["requests"] > 1
    assert lines()[0]["eval_id"]


def test_the_local_backend_is_named_when_it_is_the_fallback(cli, jsonl, monkeypatch):
    file = jsonl({"text": "[1]"})
    said = (
        "No FI_API_KEY and FI_SECRET_KEY: using the embedded local backend (its judge-like scores are lexical"
        " estimates). --backend cloud to use your account.\n"
    )
    assert cli("run", file, "--eval is_json").err == said
    monkeypatch.setenv("FI_BASE_URL", "local")
    assert cli("run", file, "--eval is_json").err == ""
    monkeypatch.setenv("FI_API_KEY", "key")
    monkeypatch.setenv("FI_SECRET_KEY", "secret")
    assert cli("run", file, "--eval is_json").err == ""


def test_os_pipes_are_read_as_they_come(cli, lines):
    os.mkfifo("in.jsonl")
    pid = os.posix_spawn("/bin/sh", ["sh", "-c", 'echo \'{"text": "1"}\' > in.jsonl'], os.environ)
    assert cli("run in.jsonl --eval is_json --out out.jsonl").code == 0
    os.waitpid(pid, 0)
    assert json.dumps(lines()[0]["inputs"]) == '{"text": "1"}'


def test_given_limits_rows_and_intervals_are_kept_to(cli, jsonl, embedded):
    app = embedded(requests=Quota(3, 1.0))
    rows = [{"text": f"[{number}]"} for number in range(7)]
    asked = "--eval is_json --strategy sync --rows 1 --limits 3/1s 100/hour:evaluations --json"
    ended = cli("run", jsonl(*rows), asked)
    assert (ended.code, ended.summary["scored"]) == (0, 7)
    assert (app.statistics()["posts"], app.statistics()["refused_requests"]) == (7, 0)
    app = embedded(latency=0.05)
    ended = cli("run", "in.jsonl --eval is_json --strategy async --rows 7 --poll-interval 0.01 --json")
    assert (ended.code, ended.summary["scored"], app.statistics()["posts"]) == (0, 7, 1)
    assert app.statistics()["gets"] > 7


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ("300/min", Limit(300, "minute")),
        ("40/10s", Limit(40, 10.0)),
        ("5/s", Limit(5, "second")),
        ("1000/hour:evaluations", Limit(1000, "hour", of="evaluations")),
        ("9/d:requests", Limit(9, "day")),
    ],
)
def test_a_limit_is_read(given, expected):
    assert limits([given]) == [expected]


@pytest.mark.parametrize("given", ["300", "0/min", "x/min", "3/0s", "3/min:rows", "3/fortnight", "-3/min"])
def test_a_limit_that_cannot_be_read_is_refused(given, cli, jsonl):
    ended = cli("run", jsonl({"text": "[1]"}), f"--eval is_json --limits={given}")
    assert (ended.code, ended.out) == (2, "")
    assert f"--limits {given}: " in ended.err


@pytest.mark.parametrize(("choice", "status"), [("", "scored"), ("--extra-keys forbid", "invalid")])
def test_columns_that_no_template_takes_are_left_out_as_help_says_or_refused(choice, status, cli, jsonl, lines):
    cli("run", jsonl({"text": "[1]", "note": "x"}), f"--eval is_json {choice} --out out.jsonl")
    assert [line["status"] for line in lines()] == [status]
    assert "--extra-keys" in (told := cli("run --help").out)
    assert "[default: ignore]" in " ".join(told[told.index("--extra-keys") :].split())


def test_a_narrow_terminal_cuts_no_name_apart(cli, jsonl, monkeypatch):
    monkeypatch.setenv("COLUMNS", "40")
    shown = cli(
        "run", jsonl({"output": "a", "context": "a", "text": "1"}), "--eval is_json groundedness --backend local"
    ).out
    assert shown.splitlines()[:5] == [
        "template          n mean score pass rate",
        "─" * 40,
        "is_json           1      1.000    100.0%",
        "groundedness      1      1.000    100.0%",
        "estimate                                ",
    ]
