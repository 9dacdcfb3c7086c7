from __future__ import annotations

import json

import pytest

from fi_async import Case, Criteria, Evaluator, Judge
from fi_async.cli import main
from fi_async.journal.kept_labels import LabelBook
from fi_async.journal.label_records import LabelAct, LabelDraw
from fi_async.local import LocalBackend
from fi_async.reports.labelling import LONGEST_NOTE, LabelTask, RefusedError, task_of
from labelled_runs import kept_run, labelling_of
from made import info, scored


@pytest.fixture
def run(tmp_path):
    return kept_run(tmp_path / "run.db", ["[1]", "no", "[1]", '{"a": [1, {"b": "é"}]}', "  "])


@pytest.fixture
def book(run):
    with LabelBook(run) as opened:
        yield opened


def act(labelling, **said):
    place = (labelling.state()["case"] or {"place": 0})["place"]
    return labelling.act({"act": "label", "place": place, **said})


def acts(book):
    return [(each.by, each.act, each.value, each.note) for each in book.read().labels]


def test_it_shows_one_case_after_the_other_and_keeps_each_label(run, book):
    labelling = labelling_of(run, book)
    state = labelling.state()
    assert len(labelling) == state["total"] == 3  # equal cases are asked of once, and one could not be evaluated
    assert (state["by"], state["kind"], state["choices"], state["labelled"]) == ("ana", "verdicts", [], 0)
    assert state["question"] == "Validates if content is proper JSON format"
    assert state["case"]["verdict"] is None
    seen = []
    for value in (True, False, True):
        seen.append(labelling.state()["case"]["name"])
        state = act(labelling, value=value, note=" hm " if value else "")
    assert state["case"] is None
    assert labelling.is_done
    assert labelling.count() == (3, 0)
    assert sorted(seen) in (["q0", "q1", "q3"], ["q1", "q2", "q3"])
    assert acts(book) == [("ana", 1, True, "hm"), ("ana", 1, False, ""), ("ana", 1, True, "hm")]


def test_another_command_goes_on_where_the_first_stood(run, book):
    act(labelling_of(run, book), value=True)
    again = labelling_of(run, book)
    assert again.state()["labelled"] == 1
    assert len(book.read().draws) == 1
    ben = labelling_of(run, book, "ben")
    assert (ben.state()["labelled"], ben.state()["case"]["place"]) == (0, 0)


def test_back_takes_back_what_was_said_last_and_shows_it(run, book):
    labelling = labelling_of(run, book)
    act(labelling, value=True)
    labelling.act({"act": "skip", "place": 2})
    assert labelling.count() == (1, 1)
    assert labelling.act({"act": "back"})["case"]["place"] == 1
    assert labelling.act({"act": "back"})["case"]["place"] == 0
    with pytest.raises(RefusedError, match="nothing to take back"):
        labelling.act({"act": "back"})
    assert [each.act for each in book.read().labels] == [
        LabelAct.GIVEN,
        LabelAct.SKIPPED,
        LabelAct.TAKEN_BACK,
        LabelAct.TAKEN_BACK,
    ]


@pytest.mark.parametrize(
    ("said", "why"),
    [
        ({"value": "Passed"}, '"Passed" is no label of is_json'),
        ({"value": 1}, "1 is no label"),
        ({"value": None}, "null is no label"),
        ({"value": True, "place": 3}, "no such case"),
        ({"value": True, "place": -1}, "no such case"),
        ({"value": True, "place": True}, "no such case"),
        ({"value": True, "place": "0"}, "no such case"),
        ({"value": True, "note": 7}, "a note is text"),
        ({"value": True, "note": "x" * (LONGEST_NOTE + 1)}, "of 2,000 characters at most"),
        ({"act": "drop"}, "no such act"),
    ],
)
def test_what_is_no_label_is_refused(said, why, run, book):
    labelling = labelling_of(run, book)
    with pytest.raises(RefusedError, match=why):
        labelling.act({"act": "label", "place": 0, **said})
    with pytest.raises(RefusedError, match="no such act"):
        labelling.act(["label"])
    assert book.read().labels == ()


def test_what_people_saw_is_kept(run, book):
    labelling = labelling_of(run, book, shows_verdict=True)
    verdict = labelling.state()["case"]["verdict"]
    assert verdict["said"] in ("Passed", "Failed")
    assert "JSON" in verdict["reason"]
    act(labelling, value=True)
    assert [each.saw_verdict for each in book.read().labels] == [True]


def test_inputs_are_shown_as_they_are(tmp_path):
    told = {
        '{"a":[1],"b":"é"}': ('{\n  "a": [\n    1\n  ],\n  "b": "é"\n}', True),
        '{"a": 1, "a": 2}': ('{"a": 1, "a": 2}', False),  # one of them would be left out
        '["\\u00e9", 1.0]': ('["\\u00e9", 1.0]', False),  # written otherwise
        "[1": ("[1", False),
        "<b>\u2028</b>": ("<b>\u2028</b>", False),
    }
    run = kept_run(tmp_path / "shown.db", list(told))
    with LabelBook(run) as book:
        labelling = labelling_of(run, book)
        for _ in told:
            (shown,) = labelling.state()["case"]["inputs"]
            own = int(labelling.state()["case"]["name"][1:])
            assert (shown["key"], shown["text"], shown["is_json"]) == ("text", *list(told.values())[own])
            json.dumps(act(labelling, value=True))


def test_scores_are_numbers(tmp_path):
    run = kept_run(tmp_path / "scores.db", ["a b", "a a"], "distinct_n")
    with LabelBook(run) as book:
        labelling = labelling_of(run, book, template="distinct_n")
        assert labelling.state()["kind"] == "scores"
        for bad in (True, "0.5", 1e15, -1e15, float("nan"), float("inf"), 10**400):
            with pytest.raises(RefusedError, match="is no label of distinct_n"):
                act(labelling, value=bad)
        act(labelling, value=0.25)
        act(labelling, value=-3)
        assert [each.value for each in book.read().labels] == [0.25, -3]


def test_scores_may_be_labelled_passed_or_failed(tmp_path):
    run = kept_run(tmp_path / "scores.db", ["a b", "a a"], "distinct_n")
    with LabelBook(run) as book:
        assert labelling_of(run, book, template="distinct_n", verdicts=True).state()["kind"] == "verdicts"
        assert labelling_of(run, book, "ben", "distinct_n").state()["kind"] == "verdicts"


def test_choices_are_those_of_the_criteria(tmp_path, capsys):
    run = tmp_path / "choices.db"
    tone = Criteria("tone_of", "How does {{output}} sound?", choices=["calm", "curt", "rude"])
    with Evaluator.local(judge=Judge("m", app=LocalBackend(), api_key="k")) as ev:
        ev.gather([Case({"output": each}) for each in ("so be it", "what now")], tone, run=run)
    with LabelBook(run) as book:
        labelling = labelling_of(run, book, template="tone_of")
        state = labelling.state()
        assert (state["kind"], state["choices"]) == ("choices", ["calm", "curt", "rude"])
        assert state["question"] == "How does [output] sound?"
        with pytest.raises(RefusedError, match='"loud" is no label'):
            act(labelling, value="loud")
        act(labelling, value="curt")
        assert [each.value for each in book.read().labels] == ["curt"]
    (tmp_path / "labels.csv").write_text("index,label\n0,Calm\n1,courteous\n", encoding="utf-8")
    assert main(["label", str(run), "--from", str(tmp_path / "labels.csv"), "--by", "ana"]) == 2
    assert "line 3: tone_of has no label 'courteous': there are calm, curt, rude" in capsys.readouterr().err


def test_what_is_asked_of_templates_of_ones_own():
    own = {"template": "calm", "asks": {"text": "Does {{output}} stay calm?", "choices": ["calm", "angry"]}}
    about = info("calm", questions=(own, {"template": "other"}))
    draw = LabelDraw("calm", (), {"kind": "choices"})
    assert task_of(about, draw, []) == LabelTask("calm", "choices", own["asks"]["text"], ("calm", "angry"))
    seen = [scored(0, ["b"], output_type="choices").outcome, scored(1, ["a"], output_type="choices").outcome]
    assert task_of(info("calm"), draw, seen) == LabelTask("calm", "choices", "", ("a", "b"))
    tone = task_of(info("tone"), LabelDraw("tone", (), {"kind": "choices"}), [])
    assert tone.choices[:3] == ("neutral", "joy", "love")
