"""Damaged files: whatever was done to one, what reads it ends soon, with typed errors, and says what it saved."""

from __future__ import annotations

import asyncio
import json
import random
import sqlite3
import time
from contextlib import closing
from pathlib import Path

import pytest

from fi_async import AsyncEvaluator, RunFile
from fi_async.cli import main
from fi_async.journal import schema
from fi_async.journal.view import open_view

PAGE = 4096
COUNT = 600
LONGEST = 15.0  # seconds of this process; what was seen took minutes, or never ended


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    path = tmp_path_factory.mktemp("whole") / "run.db"

    async def run() -> None:
        cases = [{"text": f"Paris {n} {'x' * (n % 300)}"} for n in range(COUNT)]
        async with AsyncEvaluator.local() as ev:
            await ev.gather(cases, "contains", eval_config={"keyword": "7"}, run=path)

    asyncio.run(run())
    return path.read_bytes()


def damaged(whole: bytes, seed: int) -> bytes:
    """Return the file with bits flipped, cut off, a page overwritten, or pages that stand in another's place."""
    draw, content = random.Random(seed), bytearray(whole)
    pages = len(whole) // PAGE
    match seed % 4:
        case 0:
            for _ in range(draw.choice([1, 5, 50, 500])):
                content[draw.randrange(100, len(content))] ^= 1 << draw.randrange(8)
        case 1:
            del content[draw.randrange(100, len(content)) :]
        case 2:
            start = PAGE * draw.randrange(1, pages)
            size = draw.choice([12, 200, PAGE])
            content[start : start + size] = draw.randbytes(size)
        case _:
            for _ in range(draw.choice([1, 3, 20])):
                one, other = draw.randrange(1, pages), draw.randrange(1, pages)
                content[one * PAGE : (one + 1) * PAGE] = whole[other * PAGE : (other + 1) * PAGE]
    return bytes(content)


@pytest.mark.parametrize("seed", range(24))
def test_what_reads_a_damaged_file_ends_and_says_what_it_saved(seed, whole, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    Path("run.db").write_bytes(damaged(whole, seed))
    for words in (
        "status run.db",
        "gate run.db --coverage 0.5",
        "report run.db",
        "resume run.db",
        "export run.db -o o.jsonl",
    ):
        began = time.process_time()
        code = main(words.split())
        assert time.process_time() - began < LONGEST, words
        said = capsys.readouterr()
        assert code in (0, 2, 3, 5), (words, said)
        assert "unexpected" not in said.err
    lines = [json.loads(line) for line in Path("o.jsonl").read_text().splitlines()] if Path("o.jsonl").exists() else []
    if code == 3 and lines:
        assert f": {len(lines):,} outcomes are whole" in said.err
        assert len(lines) <= COUNT
        # What is handed out is what was there, but for bits in the texts themselves.
        assert all(line["template"] == "contains" for line in lines) or seed % 4 == 0


@pytest.mark.parametrize(
    ("asked", "named"), [({"run": "run.db"}, "run.db"), ({"run": None}, "a run that results are taken from")]
)
def test_an_outcome_that_is_none_is_damage_and_no_verdict(asked, named, whole, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path("run.db").write_bytes(whole)
    with closing(sqlite3.connect("run.db")) as connection:
        connection.execute('UPDATE events SET body = \'{"status": "scored", "result": 7}\' WHERE n = 7 AND kind = 5')
        connection.commit()
    kept = RunFile("run.db") if asked["run"] else RunFile("new.db", reuse="run.db")

    async def run() -> None:
        cases = [{"text": f"Paris {n} {'x' * (n % 300)}"} for n in range(COUNT)]
        async with AsyncEvaluator.local() as ev:
            await ev.gather(cases, "contains", eval_config={"keyword": "7"}, run=kept)

    with pytest.raises(schema.JournalError, match=f"{named}: it is damaged"):
        asyncio.run(run())


def test_a_number_beyond_what_the_file_has_room_for_fills_no_memory(whole, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    Path("run.db").write_bytes(whole)
    with closing(sqlite3.connect("run.db")) as connection:
        connection.execute("UPDATE cases SET n = 1 << 40 WHERE n = 600")
        connection.commit()
    assert main(["status", "run.db"]) == 3
    assert capsys.readouterr().err.endswith(": fi-async export reads what is whole; a new run needs a new name\n")
    assert main(["export", "run.db", "-o", "o.jsonl"]) == 3
    assert capsys.readouterr().err == (
        "fi-async: run.db: it is damaged (rows are out of order): 599 outcomes are whole and in o.jsonl, of 599 cases\n"
    )


def test_reading_takes_no_more_steps_than_a_file_of_its_size_can_need(whole, tmp_path, monkeypatch):
    path = tmp_path / "run.db"
    path.write_bytes(whole)
    with open_view(path) as view:
        assert view.count().scored == len(list(view.records())) == COUNT
    monkeypatch.setattr(schema, "_STEPS_AT_LEAST", 0)
    with open_view(path) as view:  # what is allowed for each byte suffices
        assert view.count().scored == len(list(view.records())) == COUNT
    monkeypatch.setattr(schema, "_STEPS_A_BYTE", 0)
    with pytest.raises(schema.JournalError, match="it is damaged, or no run's file"):
        open_view(path)
