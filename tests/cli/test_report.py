from __future__ import annotations

from contextlib import nullcontext
from pathlib import Path
from types import SimpleNamespace

import pytest

from fi_async.cli import report
from made import info, scored


@pytest.fixture
def run(monkeypatch):
    """Put the file of a run here."""
    view = SimpleNamespace(info=info(), pending=0, records=lambda: iter([scored(0, "Passed")]))
    monkeypatch.setattr(report, "load", lambda _: nullcontext(view))
    Path("nightly.db").touch()


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
        ("report missing.db", "missing.db: no such file"),
        ("report .", ".: a directory, not a file"),
        ("report nightly.db -o .", "--out .: it is a directory"),
        ("report nightly.db -o no/page.html", "--out no/page.html: there is no directory no"),
        ("report nightly.db -o nightly.db", "--out nightly.db: that is the run"),
        ("report", "RUN is missing. See fi-async report --help"),
    ],
)
def test_it_says_what_is_wrong(words, said, run, cli):
    assert cli(words) == (2, "", f"fi-async: {said}\n")
