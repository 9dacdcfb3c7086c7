from __future__ import annotations

import asyncio
import io
import json
import os
import tracemalloc
from collections import Counter
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fi_async import ConfigurationError, Evaluator, RunFile, import_run
from fi_async.cli import main
from fi_async.imports.json_stream import JsonReader, StreamError
from fi_async.reports.run_files import load_run, outcomes_of


@pytest.fixture
def lines(tmp_path, monkeypatch):
    """Write lines of scores here, and import them as old.db."""
    monkeypatch.chdir(tmp_path)
    rows = [{"id": f"q{n}", "template": "tone", "passed": n % 3 > 0, "output": f"answer {n}"} for n in range(30)]
    rows[7] = {"id": "q7", "template": "tone", "error": "timeout"}
    (tmp_path / "lines.jsonl").write_text("".join(f"{json.dumps(row)}\n" for row in rows), encoding="utf-8")
    return import_run("lines.jsonl", "old.db", tool="jsonl")


def test_the_commands_serve_it(lines, capsys):
    assert (lines.scored, lines.failed) == (29, 1)
    for words, code in [
        ("report old.db", 0),
        ("status old.db", 0),
        ("export old.db -o old.csv", 0),
        ("label old.db --out labels.csv --sample 5", 0),
        ("gate old.db --min tone>=0.5 --coverage 0.9", 0),
        ("gate old.db --min tone>=0.99", 4),
        ("compare old.db old.db", 0),
        ("compare old.db old.csv", 2),
    ]:
        assert main(words.split()) == code, words
    capsys.readouterr()


@pytest.mark.parametrize("command", ["resume", "retry", "retry --ambiguous"])
def test_nothing_of_it_can_be_sent(command, lines, capsys):
    name, *flags = command.split()
    assert main([name, "old.db", *flags]) == 2
    said = capsys.readouterr()
    assert said.out == ""
    assert said.err == (
        "fi-async: old.db: it was imported from jsonl (lines.jsonl), and nothing of it can be sent: to evaluate its"
        " cases anew, give them to fi-async run\n"
    )


def test_no_run_goes_on_with_it_nor_reuses_it(lines, tmp_path):
    case = [{"text": "[1]"}]
    with Evaluator.local() as ev:
        with pytest.raises(ConfigurationError, match="results that were imported, and no run can go on"):
            ev.gather(case, "is_json", run=tmp_path / "old.db")
        report = ev.gather(case, "is_json", run=RunFile(tmp_path / "new.db", reuse=str(tmp_path / "old.db")))
    assert report.outcomes[0].origin == "evaluated"


def test_a_run_that_is_there_stays(lines):
    with pytest.raises(ConfigurationError, match=r"old\.db: it is there already: name another file for the run"):
        import_run("lines.jsonl", "old.db", tool="jsonl")


def test_a_part_of_an_import_that_was_killed_is_made_anew(lines, tmp_path):
    (tmp_path / "new.db.part").write_bytes(b"half")
    assert import_run("lines.jsonl", "new.db", tool="jsonl").cases == 30
    assert not list(tmp_path.glob("*.part*"))


def test_in_an_event_loop_too(lines):
    async def within():
        return import_run("lines.jsonl", "loop.db", tool="jsonl")

    assert asyncio.run(within()).cases == 30


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"tool": "prompfoo"}, "tool: there is no 'prompfoo'; did you mean promptfoo?"),
        ({"tool": "jsonl", "prompt": 1}, "prompt is of promptfoo, and these are results of jsonl: leave it out"),
    ],
)
def test_what_cannot_be_meant_so(lines, options, said):
    with pytest.raises(ConfigurationError) as raised:
        import_run("lines.jsonl", "new.db", **options)
    assert str(raised.value) == said


def test_where_nothing_can_be_written(lines):
    with pytest.raises(ConfigurationError, match=r"^lost/new\.db: there is no directory lost$"):
        import_run("lines.jsonl", "lost/new.db", tool="jsonl")
    with pytest.raises(ConfigurationError, match=r"^lost\.jsonl: no such file$"):
        import_run("lost.jsonl", "new.db", tool="jsonl")


def test_the_command(lines, capsys, tmp_path):
    capsys.readouterr()
    assert main(["import", "lines.jsonl", "--as", "jsonl", "-o", "new.db"]) == 1
    assert capsys.readouterr().out.splitlines() == [
        "30 rows are 30 cases and 30 outcomes: 29 scored, 1 failed",
        "tone -> tone",
        "the run is in new.db: fi-async report new.db",
    ]
    (tmp_path / "good.jsonl").write_text('{"judged": 1}\n', encoding="utf-8")
    assert main(["import", "good.jsonl", "--as", "jsonl", "-o", "good.db", "--score", "judged", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["templates"] == {"judged": 1}
    assert main(["import", "good.jsonl", "--as", "promptfoo", "-o", "x.db", "--score", "judged"]) == 2
    assert capsys.readouterr().err == "fi-async: --score is of --as jsonl, and this is --as promptfoo\n"
    assert main(["import", "good.jsonl", "--as", "jsonl", "-o", "x.db", "--prompt", "1"]) == 2
    assert main(["import", "good.jsonl", "--as", "openai-evals", "-o", "x.db"]) == 2


def test_memory_does_not_grow_with_the_file(tmp_path):
    path = tmp_path / "results.json"
    graded = {"pass": True, "score": 1, "reason": "r" * 2_000, "componentResults": []}
    with path.open("w", encoding="utf-8") as file:
        file.write('{"config": {"tests": ["' + "x" * 5_000_000 + '"]}, "results": {"results": [')
        for n in range(400):
            row = {"testIdx": n, "vars": {"q": f"{n} " * 1_500}, "success": True, "gradingResult": graded}
            file.write(f"{',' if n else ''}{json.dumps(row)}")
        file.write("]}}")
    tracemalloc.start()
    try:
        import_run(path, tmp_path / "old.db", tool="promptfoo")
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert path.stat().st_size > 6_000_000
    assert peak < 6_000_000


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=6), inner, max_size=3),
    max_leaves=6,
)
NAMES = """
    id results name passed score sample error message status datasource_item datasource_item_id testIdx promptIdx
    success gradingResult componentResults assertion type metric response output vars failureReason template reason
    object data usage prompt tokensUsed
"""
KEYS = st.sampled_from(NAMES.split())
ROWS = st.recursive(
    JSON,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(KEYS | st.text(max_size=4), inner, max_size=6),
    max_leaves=12,
)


@settings(max_examples=25, deadline=None)
@given(
    rows=st.lists(ROWS, max_size=5),
    broken=st.sets(st.integers(0, 4)),
    tool=st.sampled_from(["openai-evals", "promptfoo", "jsonl"]),
)
def test_whatever_rows_hold_each_is_accounted_for(rows, broken, tool):
    good = {
        "openai-evals": {"results": [{"name": "g", "passed": True, "score": 1}]},
        "promptfoo": {"success": True, "score": 1},
        "jsonl": {"template": "g", "score": 1},
    }[tool]
    with TemporaryDirectory() as place:
        check_rows(Path(place), rows, broken, tool, good)


def check_rows(place, rows, broken, tool, good):
    path = place / "rows.jsonl"
    texts = [json.dumps(row)[: 1 if at in broken else None] for at, row in enumerate(rows)]
    path.write_text("".join(f"{text}\n" for text in [*texts, json.dumps(good)]), encoding="utf-8")
    found = import_run(path, place / "old.db", tool=tool)
    with load_run(found.run) as view:
        outcomes = list(outcomes_of(view))
        count = view.count()
    assert found.evaluations == len(outcomes) == count.evaluations == sum(found.templates.values())
    assert Counter(each.template for each in outcomes) == found.templates
    assert found.scored == sum(each.result is not None for each in outcomes)
    assert all((each.result is None) != (each.error is None) for each in outcomes)
    assert len({each.index for each in outcomes}) == found.cases
    assert all(each.score is None or abs(each.score) <= 1e100 for each in outcomes)


@settings(max_examples=100, deadline=None)
@given(value=JSON, chunk=st.integers(1, 9))
def test_a_document_is_read_as_the_library_reads_it_wherever_its_chunks_end(value, chunk):
    class Trickle(io.BytesIO):
        def read(self, _size=-1):
            return super().read(chunk)

    text = json.dumps(value, indent=1)
    assert repr(JsonReader(Trickle(text.encode())).value()) == repr(json.loads(text))
    reader = JsonReader(Trickle(f'{{"a": {text}, "b": [{text}, 1]}}'.encode()))
    keys = []
    for key in reader.members():
        keys.append(key)
        if key == "a":
            reader.skip()
        else:
            assert [repr(reader.value()) for _ in reader.elements()] == [repr(json.loads(text)), "1"]
    assert (keys, reader.peek()) == (["a", "b"], "")


BROKEN = ["", "[", "[1", "[1,", '{"a"', '{"a":', '["', '["\\', '[{"a": [', "[tru]", "[1 2]", "{1: 2}", '["\xff"]']


@pytest.mark.parametrize("text", BROKEN)
def test_a_document_that_is_broken_says_so(text):
    def read(reader):
        if reader.peek() == "{":
            return [reader.value() for _ in reader.members()]
        return [reader.value() for _ in reader.elements()]

    with pytest.raises(StreamError):
        read(JsonReader(io.BytesIO(text.encode("latin-1"))))


def test_what_cannot_be_read_twice_is_no_run_of_nothing(lines, tmp_path):
    os.mkfifo(tmp_path / "pipe.jsonl")
    for name, said in (
        ("pipe.jsonl", "pipe.jsonl: it is no file on a disk, and is read twice: write its contents to one"),
        (".", ".: it is a directory"),
        ("none.jsonl", "none.jsonl: no such file"),
    ):
        with pytest.raises(ConfigurationError) as raised:
            import_run(name, "new.db", tool="jsonl")
        assert str(raised.value) == said
        with pytest.raises(ConfigurationError) as raised:
            import_run("lines.jsonl", "new.db", tool="openai-evals", eval_file=name)
        assert str(raised.value) == said
    assert not (tmp_path / "new.db").exists()


def test_names_of_the_file_make_no_lines_of_their_own(lines, tmp_path, capsys):
    row = {"id": "a\ngate: passed", "template": "t\x1b[31m\ngate: passed", "passed": True}
    rows = "".join(json.dumps(each) + "\n" for each in (row, row))
    (tmp_path / "odd.jsonl").write_text(rows, encoding="utf-8")
    assert main(["import", "odd.jsonl", "--as", "jsonl", "-o", "odd run.db"]) == 0
    assert capsys.readouterr().out.splitlines() == [
        "2 rows are 1 cases and 1 outcomes: 1 scored, 0 failed",
        "rows: 1 duplicate",
        "t\\x1b[31m gate: passed -> t\\x1b[31m gate: passed",
        "odd.jsonl, line 2: a gate: passed once more, word for word: left out",
        "the run is in odd run.db: fi-async report 'odd run.db'",
    ]
    assert main(["status", "odd run.db"]) == 0
    assert "templates   t\\x1b[31m gate: passed" in " ".join(capsys.readouterr().out.split()).replace(
        "templates ", "templates   "
    )
