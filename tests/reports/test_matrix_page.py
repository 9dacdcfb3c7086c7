from __future__ import annotations

import base64
import json
import random
import re
import zlib

import pytest

from fi_async import StalledError, compare_runs
from fi_async.reports import matrix_page
from fi_async.reports.matrix_page import render_matrix
from fi_async.reports.run_files import LoadedRun, outcomes_of
from made import info, scored, unscored

HOSTILE = "</script><script>alert(1)</script><!--"


def page_of(**runs):
    """A page of these records of runs."""
    loaded = [LoadedRun(info(name=name), tuple(records)) for name, records in runs.items()]
    return render_matrix(compare_runs({run.info.name: outcomes_of(run) for run in loaded}), loaded)


def facts_of(page):
    found = re.search(r'id="facts">(.*?)</script>', page, re.DOTALL)
    assert found is not None
    return json.loads(found[1])


def lines_of(page, part):
    found = re.search(rf'id="{part}">(.*?)</script>', page)
    assert found is not None
    return [json.loads(line) for line in zlib.decompress(base64.b64decode(found[1])).decode().splitlines()]


def test_what_a_page_holds_of_the_cases():
    def of(verdict, said, output):
        return scored(0, verdict, id="q-0", reason=said, inputs={"text": "a", "output": output})

    late = unscored(0, StalledError("late"), "stalled", id="q-0", inputs={"text": "a"})
    also = scored(1, 0.25, id="q-1", template="tone", inputs={"text": "b"})
    page = page_of(a=[of("Passed", "so", "x"), also], b=[of("Failed", "not so", "y")], c=[late, also])
    facts = facts_of(page)
    assert (facts["name"], facts["baseline"], facts["paired_by"], facts["comparisons"]) == ("a, b, c", 0, "id", 2)
    assert [run["name"] for run in facts["runs"]] == ["a", "b", "c"]
    assert facts["rows"] == {"templates": ["is_json", "tone"], "all": 2}
    assert facts["means"] == [[[1.0, 1], [0.0, 1], [None, 0]], [[0.25, 1], [None, 0], [0.25, 1]]]
    assert [(each["run"], each["template"], each["said"]) for each in facts["differences"]] == [
        (1, 0, "an interval needs 10 pairs, not 1"),
        (2, 0, "no case has a number in both"),
        (1, 1, "not in this run"),
        (2, 1, "an interval needs 10 pairs, not 1"),
    ]
    assert lines_of(page, "columns") == [
        {
            "index": [0, 1],
            "template": [0, 1],
            "spread": [1.0, 0.0],
            "changes": [" - ", "  ="],
            "said": [[0, 1], [2, 3], [4, 1]],
            "words": ["passed", "0.25", "failed", "not in this run", "no score: stalled"],
        }
    ]
    assert lines_of(page, "ids") == [[0, "q-0"], [1, "q-1"]]
    assert lines_of(page, "reasons") == [["so", "not so", "late"], ["", "", ""]]
    assert lines_of(page, "inputs") == [[0, {"text": "a", "output": ["x", "y", None]}], [1, {"text": "b"}]]


def test_nothing_in_a_case_becomes_markup():
    hostile = scored(0, "Passed", id=HOSTILE, reason=HOSTILE, template=HOSTILE, inputs={HOSTILE: HOSTILE})
    assert HOSTILE not in page_of(**{HOSTILE: [hostile], "b": [hostile]})


@pytest.mark.parametrize("most", [None, 20_000])
def test_it_stays_small_whatever_it_holds(most, monkeypatch):
    """Texts that cannot be deflated; and, the second time, numbers that have no room either."""
    if most is not None:
        monkeypatch.setattr(matrix_page, "_MOST_BYTES_OF_CELLS", most)
    draw = random.Random(1)

    def records():
        return [
            scored(
                index,
                draw.random(),
                id=f"{index}",
                reason=draw.randbytes(750).hex(),
                inputs={"text": draw.randbytes(750).hex()},
            )
            for index in range(1_500)
        ]

    page = page_of(a=records(), b=records())
    assert len(page.encode()) < 5_000_000
    facts = facts_of(page)
    assert facts["rows"]["all"] == 1_500
    assert facts["shown"] == (1_500 if most is None else 750)
    kept, count = facts["kept"]["reasons"]
    assert 0 < kept <= count == facts["shown"]


def test_many_long_names_of_templates_stay_small_too():
    records = [scored(0, 0.5, template=f"{number} {'x' * 2_000}") for number in range(3_000)]
    page = page_of(a=records, b=records)
    assert len(page.encode()) < 5_000_000
    assert (len(facts_of(page)["rows"]["templates"]), facts_of(page)["left_out"]) == (1_000, 2_000)
