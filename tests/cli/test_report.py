from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from fi_async import AsyncEvaluator


@pytest.fixture
def run():
    """Put the file of a run here."""

    async def kept():
        async with AsyncEvaluator.local() as ev:
            await ev.gather([{"text": "[1]"}], "is_json", run="nightly.db")

    asyncio.run(kept())


@pytest.mark.parametrize(
    ("words", "page"),
    [
        ("report nightly.db", "nightly.html"),
        ("report nightly.db -o out.html", "out.html"),
        ("report --out out.html nightly.db", "out.html"),
    ],
)
def test_it_writes_the_page_and_says_where(words, page, run, cli):
    assert cli(words) == (0, f"{page}\n", "")
    assert Path(page).read_text(encoding="utf-8").startswith("<!doctype html>")


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ("report missing.jsonl", "missing.jsonl: no such file"),
        ("report .", ".: a directory, not a file"),
        ("report nightly.db -o .", "--out .: it is a directory"),
        ("report nightly.db -o no/page.html", "--out no/page.html: there is no directory no"),
        ("report nightly.db -o nightly.db", "--out nightly.db: that is the input"),
        ("report", "RUN is missing. See fi-async report --help"),
    ],
)
def test_it_says_what_is_wrong(words, said, run, cli):
    assert cli(words) == (2, "", f"fi-async: {said}\n")
