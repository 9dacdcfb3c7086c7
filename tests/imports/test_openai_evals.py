from __future__ import annotations

import json
from pathlib import Path

import pytest

from fi_async import ConfigurationError, import_run
from fi_async.cli import main
from fi_async.reports.run_files import load_run, outcomes_of

FILES = Path(__file__).with_name("files")
ITEMS = FILES / "openai_items.json"
EVAL = FILES / "openai_eval.json"
EXACT = "fi-async run ... --eval equals --map text=output expected_text=ideal"
KEYWORD = """--param 'contains.keyword="DAYS"' contains.case_sensitive=false"""
DAYS = f"fi-async run ... --eval contains --map text=output {KEYWORD}"


def rows_of(run):
    """What a run says of each case: position, template, and the score or the error."""
    with load_run(run) as view:
        return [
            (each.index, each.template, each.score if each.error is None else str(each.error))
            for each in outcomes_of(view)
        ]


@pytest.fixture
def imported(tmp_path):
    def make(content, name="items.json", **options):
        path = tmp_path / name
        path.write_text(content if isinstance(content, str) else json.dumps(content), encoding="utf-8")
        return import_run(path, tmp_path / "old.db", tool="openai-evals", **options)

    return make


def item(number, *results, **facts):
    told = {"object": "eval.run.output_item", "id": f"item-{number}", "datasource_item_id": number}
    return {**told, "datasource_item": {"q": f"{number}"}, "results": list(results), **facts}


def result(passed=True, score=1.0, name="Exact", **facts):
    return {"name": name, "passed": passed, "score": score, **facts}


def test_a_run_of_output_items(tmp_path):
    found = import_run(ITEMS, tmp_path / "old.db", tool="openai-evals", eval_file=EVAL)
    assert (found.rows, found.cases, found.evaluations, found.scored, found.failed) == (3, 3, 15, 8, 7)
    overloaded = "server_error: The model is overloaded."
    slow = "rate_limit_exceeded: Try again in 20 s."
    names = ("equals", "contains", "Tone", "Quality", "Quality.score")
    assert rows_of(found.run) == [
        *zip([0] * 5, names, (1.0, 1.0, 1.0, 1.0, 6.0), strict=True),
        *zip([1] * 5, names, (0.0, 0.0, 0.0, slow, slow), strict=True),
        *zip([2] * 5, names, [overloaded] * 5, strict=True),
    ]
    with load_run(found.run) as view:
        outcomes = list(outcomes_of(view))
        assert (view.info.backend, view.info.source["imported_from"]) == ("imported", "openai-evals")
        assert view.info.templates == names
        assert view.count().is_complete
    first, quality = outcomes[0], outcomes[3]
    assert (first.case.id, first.passed, first.result.output, first.backend) == ("0", True, "Passed", "imported")
    assert first.case.inputs == {
        "question": "When do refunds arrive?",
        "ideal": "In 5 working days.",
        "output": "In 5 working days.",
    }
    assert (quality.result.reason, quality.usage.input_tokens, quality.usage.cached_tokens) == (
        "Short and right.",
        120,
        64,
    )


def test_each_grader_says_what_it_is_called_and_how_to_ask_it_anew(tmp_path):
    found = import_run(ITEMS, tmp_path / "old.db", tool="openai-evals", eval_file=EVAL)
    assert [str(each) for each in found.graders] == [
        f"Exact match (string_check eq) -> equals: {EXACT}",
        f"Says days (string_check ilike) -> contains: {DAYS}",
        "Tone (label_model) -> Tone: a model chose a label: ask anew with a Criteria",
        "Quality (score_model) -> Quality: a model gave a number: ask anew with a Criteria",
    ]


@pytest.mark.parametrize("grader", [0, 1])
def test_what_is_asked_anew_says_the_same(grader, tmp_path, monkeypatch):
    import shlex

    monkeypatch.chdir(tmp_path)
    found = import_run(ITEMS, tmp_path / "old.db", tool="openai-evals", eval_file=EVAL)
    with load_run(found.run) as view:
        template = found.graders[grader].template
        scored = [each for each in outcomes_of(view) if each.template == template and each.result]
    lines = [json.dumps({"id": each.case.id, **each.case.inputs}) for each in scored]
    Path("cases.jsonl").write_text("\n".join(lines), encoding="utf-8")
    words = shlex.split(found.graders[grader].flags)
    assert main(["run", "cases.jsonl", *words, "--backends", "local", "--out", "new.jsonl", "--no-progress"]) == 0
    with load_run(Path("new.jsonl")) as view:
        assert [(each.template, each.passed) for each in outcomes_of(view)] == [
            (template, each.passed) for each in scored
        ]


@pytest.mark.parametrize(
    ("criterion", "template", "said"),
    [
        ({"operation": "ne"}, "Check", "no template of ours asks exactly that"),
        ({"operation": "like", "reference": "{{ item.ideal }}"}, "Check", "no template of ours asks exactly that"),
        ({"operation": "like", "reference": "days"}, "contains", ""),
        ({"input": "Answer: {{ sample.output_text }}"}, "Check", "its input is more than one value"),
        ({"input": "{{ item.a.b }}"}, "Check", "its input is more than one value"),
        ({"reference": "Paris"}, "Check", "no template of ours asks exactly that"),
        ({"reference": 7}, "Check", "its input or its reference is no text"),
        ({"type": "text_similarity"}, "Check", "ours may round, stem or tokenize otherwise"),
        ({"type": "python"}, "Check", "ask anew with a function of yours and @template"),
        ({}, "equals", ""),
    ],
)
def test_only_what_means_the_same_has_the_name_of_a_template(criterion, template, said, imported):
    usual = {"type": "string_check", "operation": "eq", "input": "{{sample.output_text}}", "reference": "{{item.q}}"}
    eval_object = {"testing_criteria": [{"name": "Check", **usual, **criterion}]}
    found = imported({"eval": eval_object, "output_items": [item(0, result(name="Check"))]})
    assert found.graders[0].template == template
    assert found.graders[0].said.startswith(said)


def test_two_graders_of_one_template_keep_apart(imported):
    usual = {"type": "string_check", "operation": "eq", "input": "{{sample.output_text}}", "reference": "{{item.q}}"}
    criteria = [{"name": "A", **usual}, {"name": "B", **usual}]
    items = [item(0, result(name="A"), result(False, 0.0, name="B"))]
    found = imported({"data": items, "testing_criteria": criteria})
    assert rows_of(found.run) == [(0, "equals", 1.0), (0, "B", 0.0)]
    assert found.graders[1].said == "equals is A already"


PAGES = [
    pytest.param(lambda items: json.dumps({"object": "list", "data": items}), "items.json", id="list"),
    pytest.param(lambda items: json.dumps({"object": "list", "data": items}, indent=1), "items.json", id="indented"),
    pytest.param(json.dumps, "items.json", id="array"),
    pytest.param(lambda items: "\n".join(map(json.dumps, items)), "items.jsonl", id="lines"),
    pytest.param(lambda items: "\n".join(map(json.dumps, items)), "items.json", id="lines in .json"),
    pytest.param(
        lambda items: "\n".join(json.dumps({"object": "list", "data": [each]}) for each in items),
        "items.jsonl",
        id="pages",
    ),
    pytest.param(
        lambda items: json.dumps([{"object": "list", "data": [each]} for each in items]),
        "items.json",
        id="array of pages",
    ),
    pytest.param(lambda items: json.dumps({"output_items": {"data": items}}), "items.json", id="run"),
    pytest.param(lambda items: "\ufeff" + json.dumps({"data": items}), "items.json", id="marked"),
]


@pytest.mark.parametrize(("written", "name"), PAGES)
def test_every_form_of_the_list(written, name, imported):
    items = [item(0, result()), item(1, result(False, 0.0)), item(2, result())]
    found = imported(written(items), name)
    assert [each for each in rows_of(found.run) if each[1] == "Exact"] == [
        (0, "Exact", 1.0),
        (1, "Exact", 0.0),
        (2, "Exact", 1.0),
    ]
    assert (found.rows, found.unreadable, found.remarks) == (3, 0, [])


def test_a_page_that_is_not_the_last_is_told(imported):
    found = imported({"object": "list", "data": [item(0, result())], "has_more": True})
    assert found.remarks == ["its last page says has_more: the run has further items, which are not in this file"]


def test_overlapping_pages_count_each_item_once(imported):
    found = imported([item(0, result()), item(1, result()), item(1, result()), item(1, result(False, 0.0))])
    assert (found.rows, found.cases, found.duplicates, found.repeated) == (4, 3, 1, 1)
    assert found.remarks == [
        "items.json, row 3: 1 once more, word for word: left out",
        "items.json, row 4: 1 again, with another result or other inputs: a case of its own",
    ]


def test_an_item_without_a_grader_s_word_is_no_score(imported):
    odd = [
        item(0, result(None, None)),
        item(1, result("maybe", 0.5)),
        item(2, result(True, "high")),
        item(3, result(True, 10**400)),
        item(4),
        item(5, result(), status="error", sample={"error": "down"}),
        {"object": "eval.run"},
        7,
    ]
    found = imported(odd)
    told = {index: said for index, template, said in rows_of(found.run) if template == "Exact"}
    assert told == {
        0: "it has neither a verdict nor a score",
        1: "its verdict is 'maybe', neither true nor false",
        2: 1.0,
        3: 1.0,
        4: "it has no results (status None)",
        5: "down",
        6: "items.json, row 7: no output item: it has neither results nor a datasource_item",
        7: "items.json, row 8: not a JSON object but a int",
    }
    scores = {index: said for index, template, said in rows_of(found.run) if template == "Exact.score"}
    assert (scores[1], scores[2]) == (0.5, "its score is 'high', which is no number")
    assert scores[3].startswith("its score is 1000")
    assert found.unreadable == 2


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (
            '{"data": [{"results": []}, {"resu',
            "it ends in the middle of a value; 1 rows were read, and nothing is written",
        ),
        ('{"data": [{"results": []}', "it ends too early; 1 rows were read, and nothing is written"),
        ('{"data": [{"results": []} {}]}', "',' or ']' is expected, not '{'; 1 rows were read, and nothing is written"),
        (
            '{"data": []} x',
            "there is something behind the end of the document; 0 rows were read, and nothing is written",
        ),
        ('{"object": "list"}', "there is no array 'data' or 'output_items' or 'output_items.data' in it; 0 rows were"),
        ('{"data": []}', "none of 0 rows has a result of openai-evals; nothing is written"),
        (
            '{"data": [{"results": []}]}',
            "none of 1 rows has a result of openai-evals; the first says: it has no results",
        ),
        ("", "it is empty; 0 rows were read, and nothing is written"),
    ],
)
def test_a_file_that_is_cut_off_or_holds_nothing_leaves_no_run(content, said, imported, tmp_path):
    with pytest.raises(ConfigurationError) as raised:
        imported(content)
    assert str(raised.value).startswith(f"{tmp_path / 'items.json'}: {said}")
    assert [path.name for path in tmp_path.iterdir()] == ["items.json"]


def test_a_last_line_that_is_cut_off_is_refused(imported, tmp_path):
    with pytest.raises(ConfigurationError, match=r"its last line, 2, is cut off \(not valid JSON .*\); 1 rows"):
        imported(json.dumps(item(0, result())) + '\n{"results": [', "items.jsonl")
    assert [path.name for path in tmp_path.iterdir()] == ["items.jsonl"]


def test_an_eval_file_that_is_none(imported, tmp_path):
    for content, said in (("{", "not valid JSON"), ("{}", "no eval object: it has no testing_criteria")):
        (tmp_path / "eval.json").write_text(content, encoding="utf-8")
        with pytest.raises(ConfigurationError, match=said):
            imported([item(0, result())], eval_file=tmp_path / "eval.json")
