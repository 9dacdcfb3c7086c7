from __future__ import annotations

import base64
import hashlib
import json
import random
import re
from importlib.resources import files

import pytest

from fi_async import Case, Evaluator, Report, StalledError
from fi_async.journal.records import RunInfo
from fi_async.reports.html_page import CHARTS
from fi_async.reports.report_page import render_report
from made import info, scored, unscored

HOSTILE = "</script><script>alert(1)</script><!--"


def facts_of(page: str) -> dict:
    found = re.search(r'id="facts">(.*?)</script>', page, re.DOTALL)
    assert found is not None
    return json.loads(found[1])


def test_a_page_names_what_it_needs_and_nothing_else():
    page = render_report(info(), [scored(0, "Passed")])
    policy = re.search(r'Content-Security-Policy" content="([^"]*)"', page)
    assert policy is not None
    inline = re.findall(r"<script>(.*?)</script>", page, re.DOTALL)
    style = re.findall(r"<style>(.*?)</style>", page, re.DOTALL)
    hashes = [
        f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'" for text in (*inline, *style)
    ]
    assert len(hashes) == 3
    assert policy[1] == (
        f"default-src 'none'; script-src {hashes[0]} {hashes[1]}; style-src {hashes[2]};"
        " base-uri 'none'; form-action 'none'"
    )
    assert "sourceMappingURL" not in page
    assert re.findall(r"<(?:link|img|iframe|object|embed)\b|\bsrc=", page.replace(inline[0], "")) == []


def test_no_text_becomes_markup():
    hostile = unscored(0, StalledError(HOSTILE), template=HOSTILE, id=HOSTILE, inputs={HOSTILE: HOSTILE})
    facts = {"model_name": HOSTILE, "settings": {HOSTILE: HOSTILE}, "source": {"file": HOSTILE}}
    plain = render_report(info(), [unscored(0, StalledError("late"))])
    page = render_report(info(HOSTILE, **facts), [hostile])
    assert HOSTILE not in page
    assert page.count("<script") == plain.count("<script")
    assert page.count("<!--") == plain.count("<!--")
    assert facts_of(page)["figures"]["templates"][0]["name"] == HOSTILE


def test_the_title_is_escaped():
    page = render_report(RunInfo("<b>&", (), None, "local", "", 0.0), [])
    assert "<title>&lt;b&gt;&amp; (fi-async report)</title>" in page


def test_the_run_tells_what_is_known_of_it():
    told = info(
        "a",
        "b",
        model_name="turing_small",
        started_at=1_760_000_000.0,
        ended_at=1_760_000_060.5,
        version="0.1.0",
        settings={"concurrency": 8, "params": {"k": 2, "of": ["a", "b"], "none": None}, "nothing": None},
        source={"file": "in.csv", "stamp": [1, 2]},
    )
    assert facts_of(render_report(told, []))["run"] == [
        ["templates", "a, b"],
        ["model", "turing_small"],
        ["backend", "local"],
        ["server", "local"],
        ["started", "2025-10-09 08:53:20 UTC"],
        ["ended", "2025-10-09 08:54:20 UTC"],
        ["fi-async", "0.1.0"],
        ["concurrency", "8"],
        ["params", "k 2, of a, b"],
        ["source: file", "in.csv"],
    ]


def test_a_large_run_stays_within_its_size(monkeypatch):
    monkeypatch.setattr("fi_async.reports.html_page._MOST_BYTES", 120_000)
    draw = random.Random(2)

    def text() -> str:
        return f"{draw.getrandbits(600):x}"

    records = [scored(index, index / 2000, id=text()[:8], reason=text(), inputs={"a": text()}) for index in range(2000)]
    empty = render_report(info(), [])
    page = render_report(info(), records)
    assert len(page) - len(empty) < 125_000
    kept = facts_of(page)["kept"]
    assert kept["ids"] == [2000, 2000]
    assert [kept["reasons"][1], kept["inputs"][1]] == [2000, 2000]
    assert 0 < kept["inputs"][0] < kept["reasons"][0] < 2000


def test_wide_cases_and_long_messages_stay_within_it_too():
    draw = random.Random(3)

    def text(letters):
        return draw.randbytes(letters // 2).hex()

    wide = [scored(index, 0.5, inputs={f"key {key}": text(1_500) for key in range(150)}) for index in range(64)]
    long = [unscored(index, StalledError(text(40_000))) for index in range(200)]
    for records in (wide, long):
        assert len(render_report(info(), records)) < 5_000_000


def test_without_scripts_it_says_so_and_promises_nothing():
    markup = render_report(info(), []).partition('<script type="application/json"')[0]
    assert "This page is drawn by the scripts in it." in markup
    assert "Unpacking" not in markup


def test_a_report_becomes_a_page(tmp_path):
    ev = Evaluator.local()
    report = ev.gather([Case({"text": "[1]"}, "q-1"), {"text": ""}], "is_json")
    report.to_html(tmp_path / "answers.html")
    page = (tmp_path / "answers.html").read_text(encoding="utf-8")
    facts = facts_of(page)
    assert (facts["name"], facts["figures"]["evaluations"], facts["figures"]["timeline"]) == ("answers", 2, None)
    assert dict(facts["run"])["requests"] == "1"
    assert "started" not in dict(facts["run"])


def test_an_empty_report_becomes_a_page(tmp_path):
    Report((), 0.0).to_html(str(tmp_path / "empty.html"))
    assert facts_of((tmp_path / "empty.html").read_text(encoding="utf-8"))["figures"]["evaluations"] == 0


@pytest.mark.parametrize("name", [CHARTS, CHARTS.replace(".min.js", ".LICENSE.md")])
def test_the_charts_are_shipped_with_their_licence(name):
    text = files("fi_async.reports").joinpath("assets", name).read_text(encoding="utf-8")
    assert "MIT License" in text[:200]
