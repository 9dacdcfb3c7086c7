from __future__ import annotations

import json
from pathlib import Path

import pytest

from fi_async import ConfigurationError, compare_runs, import_run
from fi_async.reports.run_files import load_run, outcomes_of

CONTAINS = "fi-async run ... --eval contains --map text=output --param contains.keyword=VALUE"
RESULTS = Path(__file__).with_name("files") / "promptfoo.json"


def rows_of(run):
    with load_run(run) as view:
        return [
            (each.case.id, each.template, each.score if each.error is None else str(each.error))
            for each in outcomes_of(view)
        ]


def test_all_results_of_an_eval(tmp_path):
    found = import_run(RESULTS, tmp_path / "all.db", tool="promptfoo")
    limited = "429 Too Many Requests"
    assert rows_of(found.run) == [
        ("test 0, prompt 0", "success", 1.0),
        ("test 0, prompt 0", "success.score", 0.9),
        ("test 0, prompt 0", "contains", 1.0),
        ("test 0, prompt 0", "contains #2", 1.0),
        ("test 0, prompt 0", "llm-rubric", 1.0),
        ("test 0, prompt 0", "llm-rubric.score", 0.8),
        ("test 0, prompt 1", "success", 0.0),
        ("test 0, prompt 1", "success.score", 0.1),
        ("test 0, prompt 1", "contains", 0.0),
        ("test 0, prompt 1", "contains #2", 0.0),
        ("test 0, prompt 1", "llm-rubric", 1.0),
        ("test 0, prompt 1", "llm-rubric.score", 0.3),
        ("test 1, prompt 0", "success", limited),
        ("test 1, prompt 0", "years", limited),
        ("test 1, prompt 0", "success.score", limited),
        ("test 1, prompt 1", "success", 1.0),
        ("test 1, prompt 1", "success.score", 1.0),
        ("test 1, prompt 1", "years", 1.0),
    ]
    assert (found.rows, found.cases, found.failed) == (4, 4, found.evaluations - found.scored)
    assert found.remarks[0].startswith(
        "it has several prompts or providers: 0 (openai:gpt-5-mini, Answer: {{question}}), 1 ("
    )
    with load_run(found.run) as view:
        first = next(iter(outcomes_of(view)))
    assert first.case.inputs == {
        "question": "When do refunds arrive?",
        "output": "In 5 working days.",
        "prompt": "Answer: When do refunds arrive?",
    }
    assert first.result.reason == "All assertions passed"
    assert "SECRET" not in (tmp_path / "all.db").read_bytes().decode("latin-1")


def test_two_providers_become_runs_that_can_be_compared(tmp_path):
    runs = [import_run(RESULTS, tmp_path / f"{n}.db", tool="promptfoo", prompt=n) for n in (0, 1)]
    assert [(each.cases, each.left_out, each.remarks) for each in runs] == [(2, 2, []), (2, 2, [])]
    found = compare_runs([each.run for each in runs], names=["gpt", "claude"])
    assert (found.paired_by, found.difference("claude", "contains").losses) == ("id", 1)
    assert found.difference("claude", "success").unscored == 1


def test_each_assertion_says_what_it_is_called(tmp_path):
    found = import_run(RESULTS, tmp_path / "all.db", tool="promptfoo")
    assert [str(each) for each in found.graders] == [
        "success (all assertions of a row) -> success: promptfoo's verdict over the row",
        f"contains (contains) -> contains: {CONTAINS}",
        "llm-rubric (llm-rubric) -> llm-rubric: no template of ours asks exactly that",
        "years (icontains) -> years: a metric of yours",
    ]


def result(**facts):
    graded = {"pass": True, "score": 1, "reason": "so", "componentResults": []}
    return {"testIdx": 0, "promptIdx": 0, "vars": {}, "success": True, "score": 1, "gradingResult": graded, **facts}


@pytest.fixture
def imported(tmp_path):
    def make(*results, name="results.json", whole=None, **options):
        path = tmp_path / name
        lines = "\n".join(map(json.dumps, results))
        document = json.dumps(whole or {"results": {"version": 3, "results": results}})
        path.write_text(lines if name.endswith("l") else document, encoding="utf-8")
        return import_run(path, tmp_path / "old.db", tool="promptfoo", **options)

    return make


@pytest.mark.parametrize(
    ("facts", "said"),
    [
        ({}, 1.0),
        ({"success": False, "error": "Expected 5", "failureReason": 1}, 0.0),
        ({"success": False, "error": "Expected 5"}, 0.0),
        ({"success": False, "error": "timed out", "failureReason": 2}, "timed out"),
        ({"success": False, "failureReason": 2}, "promptfoo says that it failed, and not why"),
        ({"success": False, "error": "refused", "gradingResult": None}, "refused"),
        ({"success": True, "response": {"error": "cut off"}}, "cut off"),
        ({"success": "yes"}, "its verdict is 'yes', neither true nor false"),
        ({"success": None, "score": None}, "it has neither a verdict nor a score"),
    ],
)
def test_what_failed_is_no_score_and_what_was_refused_by_an_assertion_is(facts, said, imported):
    found = imported(result(), result(testIdx=1, **facts))
    assert {case: value for case, template, value in rows_of(found.run) if template == "success"} == {
        "test 0, prompt 0": 1.0,
        "test 1, prompt 0": said,
    }


def test_lines_and_older_summaries_will_do(imported, tmp_path):
    assert imported(result(), result(testIdx=1), name="results.jsonl").cases == 2
    (tmp_path / "old.db").unlink()
    assert imported(whole={"version": 2, "results": [result()], "table": {"head": {}}}).cases == 1


def test_repeated_tests_are_cases_of_their_own(imported):
    found = imported(result(id="a"), result(id="b"), result(id="b"))
    assert (found.cases, found.repeated, found.duplicates) == (2, 1, 1)


def test_results_that_are_missing_are_told(imported):
    whole = {"results": {"results": [result()], "stats": {"successes": 2, "failures": 1, "errors": 0}}}
    assert imported(whole=whole).remarks == ["its stats count 3 results, and 1 are in it"]


def test_what_is_no_result_of_promptfoo(imported):
    with pytest.raises(ConfigurationError, match="none of 1 rows has a result of promptfoo; the first says: no"):
        imported({"index": 0})


def test_inputs_of_the_same_name_as_the_answer_stay(imported):
    found = imported(result(vars={"output": "mine", "prompt": "mine"}, response={"output": {"a": 1}}))
    with load_run(found.run) as view:
        assert next(iter(outcomes_of(view))).case.inputs == {"output": "mine", "prompt": "mine", "response": {"a": 1}}


def test_a_prompt_that_is_not_there_is_named_as_the_reason(tmp_path):
    with pytest.raises(ConfigurationError) as raised:
        import_run(RESULTS, tmp_path / "new.db", tool="promptfoo", prompt=7)
    assert str(raised.value) == (f"{RESULTS}: none of 4 rows is of the prompt that was asked for; nothing is written")
    assert list(tmp_path.iterdir()) == []
