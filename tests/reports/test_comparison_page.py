from __future__ import annotations

import base64
import json
import re
import zlib

import pytest

from fi_async import StalledError
from fi_async.reports.compare import compare
from fi_async.reports.comparison_page import render_comparison
from fi_async.reports.run_files import LoadedRun, outcomes_of
from made import info, scored, unscored

HOSTILE = "</script><script>alert(1)</script><!--"


def page_of(before, after, **facts):
    one, other = (
        LoadedRun(info(name=name, **facts), tuple(records)) for name, records in (("a", before), ("b", after))
    )
    return render_comparison(compare(outcomes_of(one), outcomes_of(other)), one, other)


def facts_of(page):
    found = re.search(r'id="facts">(.*?)</script>', page, re.DOTALL)
    assert found is not None
    return json.loads(found[1])


def lines_of(page, part):
    found = re.search(rf'id="{part}">(.*?)</script>', page)
    assert found is not None
    return [json.loads(line) for line in zlib.decompress(base64.b64decode(found[1])).decode().splitlines()]


def test_what_a_page_holds_of_the_changes():
    before = [scored(0, "Passed", id="q-0", reason="so", inputs={"text": "a"}), scored(1, "Passed", id="q-1")]
    after = [scored(0, "Failed", id="q-0", reason="not so", inputs={"text": "b"}), scored(1, "Passed", id="q-1")]
    page = page_of(before, after, started_at=1_760_000_000.0)
    facts = facts_of(page)
    assert (facts["name"], facts["paired_by"], facts["confidence"], facts["shown"]) == ("a → b", "id", 0.95, 1)
    assert [run["name"] for run in facts["runs"]] == ["a", "b"]
    assert facts["runs"][0]["facts"][-1] == ["started", "2025-10-09 08:53:20 UTC"]
    assert {name: facts["templates"][0][name] for name in ("name", "wins", "losses", "ties")} == {
        "name": "is_json",
        "wins": 0,
        "losses": 1,
        "ties": 1,
    }
    assert lines_of(page, "columns") == [
        {
            "index": [0],
            "template": [0],
            "kind": [0],
            "gain": [-1.0],
            "before": [1],
            "after": [2],
            "words": ["", "passed", "failed"],
        }
    ]
    assert lines_of(page, "ids") == [[0, "q-0"]]
    assert lines_of(page, "reasons") == [["so", "not so"]]
    assert lines_of(page, "inputs") == [[0, [{"text": "a"}, {"text": "b"}]]]


def test_the_order_of_the_changes():
    scores = [(0.5, 0.4), (0.1, 0.2), (0.9, 0.1), (0.2, 0.9)]
    before = [scored(index, was, inputs={"text": f"{index}"}) for index, (was, _) in enumerate(scores)]
    after = [scored(index, now, inputs={"text": f"{index}"}) for index, (_, now) in enumerate(scores)]
    late = StalledError("late")
    before += [unscored(4, late, "stalled", inputs={"text": "4"}), scored(5, 0.5, inputs={"text": "5"})]
    after += [scored(4, 0.5, inputs={"text": "4"}), unscored(5, late, "stalled", inputs={"text": "5"})]
    page = page_of(before, after)
    assert lines_of(page, "columns")[0]["index"] == [2, 0, 3, 1, 5, 4]
    assert lines_of(page, "columns")[0]["gain"] == [-0.8, -0.1, 0.7, 0.1, None, None]
    assert lines_of(page, "reasons")[-2:] == [["", "late"], ["late", ""]]
    assert "no score: stalled" in lines_of(page, "columns")[0]["words"]


def test_a_label_has_no_number_to_compare():
    page = page_of([scored(0, 0.5)], [scored(0, ["joy"], output_type="choices")])
    assert lines_of(page, "columns")[0]["words"] == ["", "0.5", "no number"]
    assert lines_of(page, "columns")[0]["kind"] == [2]


def test_what_has_no_score_in_either_run_did_not_change():
    late = unscored(1, StalledError("late"), inputs={"text": "Rome"})
    before, after = ([scored(0, [label], output_type="choices"), late] for label in ("joy", "fear"))
    facts = facts_of(page_of(before, after))
    assert (facts["templates"][0]["unscored"], facts["shown"], facts["rows"]["all"]) == (2, 0, 0)


def test_no_text_becomes_markup():
    hostile = {"template": HOSTILE, "id": HOSTILE, "inputs": {HOSTILE: HOSTILE}, "reason": HOSTILE}
    plain = page_of([scored(0, "Passed")], [scored(0, "Failed")])
    page = page_of([scored(0, "Passed", **hostile)], [scored(0, "Failed", **hostile)], settings={HOSTILE: HOSTILE})
    assert HOSTILE not in page
    assert page.count("<script") == plain.count("<script")
    assert facts_of(page)["templates"][0]["name"] == HOSTILE


def test_many_changes_stay_within_the_page(monkeypatch):
    monkeypatch.setattr("fi_async.reports.html_page._MOST_BYTES", 60_000)
    before, after = (
        [
            scored(index, score, reason=f"{index * 7919:x} " * 20, inputs={"a": f"{index * 104729:x}" * 20})
            for index in range(2000)
        ]
        for score in (0.5, 0.25)
    )
    page = page_of(before, after)
    kept = facts_of(page)["kept"]
    assert len(page) - len(page_of([], [])) < 80_000
    assert kept["reasons"][1] == kept["inputs"][1] == 2000
    assert 0 < kept["inputs"][0] < 2000


@pytest.mark.parametrize("run", ["before", "after"])
def test_an_empty_run_becomes_a_page(run):
    records = {"before": [scored(0, "Passed")], "after": [scored(0, "Passed")], run: []}
    page = page_of(**records)
    assert (facts_of(page)["shown"], facts_of(page)["templates"][0]["pairs"]) == (0, 0)
