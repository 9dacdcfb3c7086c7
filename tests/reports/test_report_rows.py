from __future__ import annotations

import json
import random
import zlib

import pytest

from fi_async import StalledError
from fi_async.reports import report_page
from fi_async.reports.html_page import LONGEST, PackedLines, clipped, pack, telling_keys
from fi_async.reports.report_page import ReportRows
from made import scored, unscored


def lines_of(packed: PackedLines) -> list:
    return [json.loads(line) for line in zlib.decompress(packed.content).decode().splitlines()]


def rows_of(*records) -> ReportRows:
    made = ReportRows()
    for record in records:
        made.add(record, None if record.outcome.result else 4)
    made.order()
    return made


def test_columns_hold_the_numbers_those_without_a_score_first_then_the_lowest():
    made = rows_of(
        scored(0, 0.75, template="b", latency_s=1.2345),
        scored(1, "Failed"),
        scored(2, ["joy", "love"], output_type="choices", template="c"),
        unscored(3, StalledError("late"), "stalled", attempts=2),
        scored(4, 0.25, template="b"),
    )
    assert lines_of(made.columns()) == [
        {
            "index": [3, 1, 4, 0, 2],
            "template": [1, 1, 0, 0, 2],
            "status": [2, 0, 0, 0, 0],
            "score": [None, 0.0, 0.25, 0.75, None],
            "said": [0, 1, 0, 0, 2],
            "latency_ms": [None, None, None, 1234, None],
            "attempts": [2, 1, 1, 1, 1],
            "cause": [4, None, None, None, None],
        }
    ]
    assert list(made.templates) == ["b", "is_json", "c"]
    assert list(made.words) == ["", "Failed", "joy, love"]


def test_a_score_that_is_no_number_is_none():
    assert lines_of(rows_of(scored(0, float("nan")), scored(1, float("inf"))).columns())[0]["score"] == [None, None]


def test_texts():
    made = rows_of(
        unscored(0, StalledError("late", eval_id="e-1"), "stalled", id="q-0", inputs={"text": "é\ud800", "n": [1, 2]}),
        unscored(1, None, "cancelled"),
        scored(2, "Passed", reason="It is.", id="q-2"),
        scored(3, "because", output_type="reason"),
        scored(3, "Passed", template="other"),
    )
    assert lines_of(made.ids(1000)) == [[0, "q-0"], [2, "q-2"]]
    assert lines_of(made.reasons(1000)) == ["late (evaluation e-1)", "", "It is.", "", "because"]
    assert lines_of(made.inputs(1000)) == [
        [0, {"text": "é?", "n": "[1,2]"}],
        [1, {"text": "Paris"}],
        [2, {"text": "Paris"}],
        [3, {"text": "Paris"}],
    ]


def test_reasons_are_without_what_each_of_them_would_say():
    said = "Lexical estimate (local backend, not the platform's judge): 2 of 3 words"
    assert lines_of(rows_of(scored(0, 0.5, reason=said)).reasons(1000)) == ["2 of 3 words"]


@pytest.mark.parametrize(
    ("inputs", "keys"),
    [
        ({"context": "c", "output": "o", "input": "i"}, ["input", "output"]),
        ({"answer": "a", "question": "q", "text": "t"}, ["question", "answer"]),
        ({"text": "t", "keyword": "k"}, ["text"]),
        ({"reference": "r", "hypothesis": "h"}, ["reference"]),
        ({}, []),
        (None, []),
    ],
)
def test_what_was_asked_and_what_was_said_tell_most_of_a_case(inputs, keys):
    assert telling_keys(inputs) == keys


def test_a_case_without_inputs_has_none():
    assert lines_of(rows_of(unscored(0, None, "invalid", inputs=None)).inputs(1000)) == [[0, {}]]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("a" * LONGEST, "a" * LONGEST),
        ("a" * (LONGEST + 2000), "a" * LONGEST + "… (2,000 characters more)"),
    ],
)
def test_long_texts_are_clipped(text, expected):
    assert clipped(text) == expected


def test_texts_stop_where_there_is_no_more_room():
    draw = random.Random(1)
    lines = [json.dumps(f"{draw.getrandbits(400):x}") for _ in range(2000)]
    packed = pack(lines, 20_000)
    assert 14_000 < len(packed.content) < 20_010
    assert (0 < packed.kept < packed.all) is (packed.all == 2000)
    assert lines_of(packed) == [json.loads(line) for line in lines[: packed.kept]]


def test_no_room_holds_nothing():
    packed = pack(['"a"'], 0)
    assert (packed.kept, packed.all, zlib.decompress(packed.content)) == (0, 1, b"")


def test_rows_beyond_the_most_are_dropped_from_the_best(monkeypatch):
    monkeypatch.setattr(report_page, "MOST_ROWS", 2)
    made = rows_of(*(scored(index, output) for index, output in enumerate((0.9, 0.1, 0.5))))
    assert lines_of(made.columns())[0]["score"] == [0.1, 0.5]
    assert len(made) == 2


def test_labels_do_not_grow_with_the_cases(monkeypatch):
    monkeypatch.setattr(report_page, "_MOST_WORDS", 2)
    made = rows_of(*(scored(index, [f"label {index}"], output_type="choices") for index in range(5)))
    assert list(made.words) == ["", "label 0", "(further labels)"]
