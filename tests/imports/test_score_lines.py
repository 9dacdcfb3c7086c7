from __future__ import annotations

import json

import pytest

from fi_async import ConfigurationError, LineColumns, import_run
from fi_async.reports.run_files import load_run, outcomes_of


@pytest.fixture
def imported(tmp_path):
    def make(*lines, **columns):
        path = tmp_path / "lines.jsonl"
        written = [each if isinstance(each, str) else json.dumps(each) for each in lines]
        path.write_text("".join(f"{line}\n" for line in written), encoding="utf-8")
        run = tmp_path / "old.db"
        run.unlink(missing_ok=True)
        found = import_run(path, run, tool="jsonl", columns=LineColumns(**columns) if columns else None)
        with load_run(run) as view:
            return found, list(outcomes_of(view))

    return make


def told(outcomes):
    return [
        (each.index, each.case.id, each.template, each.score if each.error is None else str(each.error))
        for each in outcomes
    ]


def test_a_line_for_each_case_and_template(imported):
    found, outcomes = imported(
        {"id": "a", "template": "tone", "passed": True, "reason": "kind", "question": "q?"},
        {"id": "a", "template": "length", "score": 120, "question": "q?"},
        {"id": "b", "template": "tone", "passed": "Failed", "score": 0.2},
    )
    assert told(outcomes) == [
        (0, "a", "tone", 1.0),
        (0, "a", "length", 120.0),
        (1, "b", "tone", 0.0),
        (1, "b", "tone.score", 0.2),
    ]
    assert (outcomes[0].result.reason, outcomes[0].case.inputs) == ("kind", {"question": "q?"})
    assert (found.cases, found.evaluations, found.templates) == (2, 4, {"tone": 2, "length": 1, "tone.score": 1})


def test_a_line_of_a_further_template_that_is_there_twice_counts_once(imported):
    lines = [{"id": "a", "template": name, "score": 1} for name in ("x", "y", "y", "y", "x", "z")]
    found, outcomes = imported(
        *lines, {"id": "a", "template": "y", "score": 2}, {"id": "b", "template": "y", "score": 1}
    )
    assert told(outcomes) == [
        *[(0, "a", name, 1.0) for name in "xyz"],
        (1, "a", "y", 2.0),
        (2, "b", "y", 1.0),
    ]
    assert (found.rows, found.cases, found.duplicates, found.repeated) == (8, 3, 3, 1)


def test_columns_of_any_name(imported):
    _, outcomes = imported(
        {"case": 7, "quality": 0.5, "why": "so", "text": "t"},
        {"case": 8, "quality": None, "problem": "timeout"},
        score=["quality"],
        id="case",
        reason="why",
        error="problem",
    )
    assert told(outcomes) == [(0, "7", "quality", 0.5), (1, "8", "quality", "timeout")]
    assert (outcomes[0].result.reason, outcomes[0].case.inputs) == ("so", {"text": "t"})
    _, outcomes = imported({"quality": 0.5}, score=["quality"], template="judged")
    assert told(outcomes) == [(0, None, "judged", 0.5)]


def test_a_column_for_each_template(imported):
    _, outcomes = imported(
        {"id": 1, "tone": "pass", "length": 3.5},
        {"id": 2, "tone": False, "length": None},
        {"id": 3, "other": 1},
        passed=["tone", "polite"],
        score=["length"],
    )
    fault = "lines.jsonl, line 3: it has none of the columns tone, polite, length"
    assert told(outcomes) == [
        (0, "1", "tone", 1.0),
        (0, "1", "length", 3.5),
        (1, "2", "tone", 0.0),
        (1, "2", "length", "it has neither a verdict nor a score"),
        (2, None, "tone", fault),
        (2, None, "length", fault),
    ]


def test_an_object_for_each_template(imported):
    _, outcomes = imported(
        {
            "id": "a",
            "inputs": {"output": "o", "score": "an input"},
            "tone": {"passed": True, "reason": "kind"},
            "length": {"score": 7},
            "facts": {"error": "down"},
        },
    )
    assert told(outcomes) == [(0, "a", "tone", 1.0), (0, "a", "length", 7.0), (0, "a", "facts", "down")]
    assert outcomes[0].case.inputs == {"output": "o", "score": "an input"}


def test_what_cannot_be_read_names_its_line_and_counts_under_every_template(imported):
    found, outcomes = imported(
        '{"template": "a", "score": 1}',
        "{",
        "",
        "[1]",
        '{"template": 7, "score": 1}',
        '{"id": [1e999], "score": 1}',
        '{"template": "b", "score": NaN}',
        '{"template": "b", "score": true}',
        '{"template": "b", "score": -3}',
    )
    assert [(each.index, each.template, each.status.value) for each in outcomes] == [
        (0, "a", "scored"),
        *[(index, name, "invalid") for index in (1, 2, 3, 4) for name in ("a", "b")],
        (5, "b", "failed"),
        (6, "b", "failed"),
        (7, "b", "scored"),
    ]
    assert (found.rows, found.unreadable, found.scored, found.failed) == (8, 4, 2, 2)
    assert [text.partition(": ")[0] for text in found.remarks] == [f"lines.jsonl, line {n}" for n in (2, 4, 5, 6)]
    assert str(outcomes[9].error) == "its score is nan, which is no number"


def test_equal_lines_without_an_id_are_cases_of_their_own_and_with_one_they_are_not(imported):
    line = {"template": "a", "score": 1, "text": "x"}
    assert imported(line, line)[0].cases == 2
    found, _ = imported({**line, "id": 1}, {**line, "id": 1}, {**line, "id": 1, "score": 2})
    assert (found.cases, found.duplicates, found.repeated) == (2, 1, 1)


def test_what_is_asked_of_columns_has_to_fit(imported):
    with pytest.raises(ConfigurationError, match="'x' is a column of scores and of verdicts: name it for one of them"):
        LineColumns(score=["x"], passed=["x"])
    with pytest.raises(ConfigurationError, match="more than 1,000 templates: is that which names them right"):
        imported(*({"template": f"{n}", "score": 1} for n in range(1_001)))
