"""Short rounds of chaos, and that the checker sees what it is for. Long ones: nox -s chaos -- --rounds 60."""

from __future__ import annotations

import asyncio
import json
import os
import secrets
import shutil
import sqlite3
from collections.abc import Callable
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest

from chaos.checker import faults
from chaos.orders import draw
from chaos.rounds import Pass, Played, play

# In CI a change is judged by rounds that do not change; elsewhere each run draws anew, the same in all its workers.
DRAWN = int(os.environ.get("PYTEST_XDIST_TESTRUNUID") or secrets.token_hex(), 16)
FIRST = 4000 if os.environ.get("CI") else DRAWN % 10**8


@pytest.mark.parametrize("seed", range(FIRST, FIRST + 6))
def test_nothing_is_lost_wrong_swapped_or_paid_twice_untold(seed, tmp_path):
    order = draw(seed, short=True)
    assert faults(asyncio.run(play(order, tmp_path))) == [], f"again: nox -s chaos -- --rounds 1 --short --seed {seed}"


@pytest.fixture(scope="module")
def sound(tmp_path_factory) -> Played:
    """A kept round without a fault, and nothing in its way."""
    order = replace(draw(1, short=True), kept=True, door="stream", mischief={}, kills=[], restarts=[], count=50)
    options = {**order.options, "on_ambiguous": "fail", "strategy": "sync", "rows": 1}
    order = replace(order, templates=["is_json"], options=options, switches={})
    played = asyncio.run(play(order, tmp_path_factory.mktemp("sound")))
    assert faults(played) == []
    return played


def with_lines(change: Callable[[list[dict]], None]) -> Callable[[Played], None]:
    def spoil(played: Played) -> None:
        place = played.passes[0].lines
        lines = [json.loads(line) for line in place.read_text().splitlines()]
        change(lines)
        place.write_text("".join(json.dumps(line) + "\n" for line in lines))

    return spoil


def with_file(name: str, statement: str) -> Callable[[Played], None]:
    def spoil(played: Played) -> None:
        with closing(sqlite3.connect(played.place / name)) as db, db:
            db.execute(statement)

    return spoil


def swap(lines: list[dict]) -> None:
    for fact in ("output", "reason", "eval_id"):
        lines[3][fact], lines[4][fact] = lines[4][fact], lines[3][fact]


def ended(played: Played, code: int, words: str = "") -> None:
    played.passes[0] = Pass(played.passes[0].lines, code, words)


def leak(played: Played) -> None:
    (played.place / "pass-0.err").write_text("secret-of-the-chaos")


TWICE = "insert into evaluations select randomblob(16), {} from (select * from evaluations limit 1)".format(
    "owner, template, inputs, params, model, is_async, error_localizer, start, ready, error, made_of"
)
SPOILT = {
    "lost: (": with_lines(lambda lines: lines.pop(7)),
    "twice: ": with_lines(lambda lines: lines.append(lines[7])),
    "swapped: ": with_lines(swap),
    "wrong: ": with_lines(lambda lines: lines[7].update(output="Maybe")),
    "duplicates: ": with_file("server.db", TWICE),
    "sums: ": with_lines(lambda lines: lines[-1]["summary"].update(possible_duplicates=1)),
    "journal: ": with_file("run.db", "delete from events where seq = (select max(seq) from events where kind = 5)"),
    "hang: ": lambda played: ended(played, -1000),
    "crash: ": lambda played: ended(played, 1, "Traceback"),
    "words: ": lambda played: ended(played, 0, "Unclosed connection"),
    "leak: ": leak,
}


@pytest.mark.parametrize("kind", SPOILT)
def test_the_checker_sees(kind, sound: Played, tmp_path):
    shutil.copytree(sound.place, tmp_path, dirs_exist_ok=True)
    spoilt = Played(sound.order, Path(tmp_path))
    spoilt.passes = [replace(each, lines=tmp_path / each.lines.name) for each in sound.passes]
    SPOILT[kind](spoilt)
    found = faults(spoilt)
    assert found
    assert any(each.startswith(kind) for each in found), found
