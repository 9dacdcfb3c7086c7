from __future__ import annotations

import json
import pickle
from dataclasses import replace
from random import Random

import pytest

from fi_async import Agreement, Case, ConfigurationError, EvalResult, Outcome, OutcomeStatus, Report
from fi_async.reports.agreement import agreement_of
from fi_async.reports.estimators import VerdictCounts, ppi_mean, ppi_rate, rogan_gladen
from fi_async.reports.reliability import krippendorff_alpha
from fi_async.reports.statistics import wilson
from runs_of import outcomes

JUDGED = "PPPPPPPPFF"  # of the cases a to j
PEOPLE = {"a": True, "b": "Passed", "c": "pass", "d": "yes", "e": 1, "f": False, "i": "Failed", "j": "TRUE"}


def report(values=JUDGED, **facts):
    return Report(outcomes(values, **{"ids": "abcdefghij"[: len(values)], **facts}), 0.0)


def test_verdicts_in_numbers():
    found = report().agreement(PEOPLE)
    assert (found.template, found.kind, found.labelled, found.cases, found.estimator) == (
        "groundedness",
        "verdicts",
        8,
        10,
        "PPI++",
    )
    assert found.matrix == {"Passed": {"Passed": 5, "Failed": 1}, "Failed": {"Passed": 1, "Failed": 1}}
    assert (found.tpr.value, found.tpr.interval, found.tpr.n) == (5 / 6, wilson(5, 6), 6)
    assert (found.tnr.value, found.tnr.interval, found.tnr.n) == (1 / 2, wilson(1, 2), 2)
    assert found.kappa.value == pytest.approx((6 / 8 - 40 / 64) / (1 - 40 / 64))
    expected = ppi_rate(VerdictCounts(5, 1, 1, 1), 8, 10)
    assert (found.rate.value, found.rate.interval, found.rate.n) == (expected.value, expected.interval, 8)
    assert found.judged == 0.8
    assert [(each.name, each.judge, each.person, each.reason) for each in found.disagreements] == [
        ("f", "Passed", "Failed", "why 5"),
        ("j", "Failed", "Passed", "why 9"),
    ]
    assert found.notes == ("8 labels are few: the intervals hold, and are wide",)


def test_names_make_no_lines_of_their_own():
    ids = [f"{letter}\ngate: passed" for letter in "abcdefghij"]
    found = report(ids=ids, template="t\ngate: passed").agreement(dict(zip(ids, PEOPLE.values(), strict=False)))
    assert "gate: passed" in str(found)
    assert not [line for line in str(found).splitlines() if line.startswith("gate")]
    chosen = replace(found, matrix={"a\nb": {"a\nb": 1, "c": 2}, "c": {"a\nb": 3, "c": 4}})
    assert "a b" in str(chosen)
    assert "c            3       4" in str(chosen)


def test_it_shows_itself():
    found = report().agreement(PEOPLE)
    text = str(found)
    assert text.startswith(
        "groundedness: 8 labels, 10 cases\n\n"
        "        judge\nperson  Passed  Failed\nPassed       5       1\nFailed       1       1\n"
    )
    assert "TPR                     0.833, 0.436 to 0.970\n" in text
    assert "pass rate by the judge  0.800\n" in text
    assert "  f: judge Passed, person Failed\n" in text
    assert text.endswith("note: 8 labels are few: the intervals hold, and are wide")
    assert json.loads(json.dumps(found.to_dict()))["matrix"]["Passed"] == {"Passed": 5, "Failed": 1}
    assert pickle.loads(pickle.dumps(found)) == found
    page = report(template="<b>").agreement(PEOPLE)._repr_html_()
    assert "&lt;b&gt;" in page
    assert "<b><b>" not in page


def test_a_list_is_in_the_order_of_the_cases():
    by_id = report().agreement(PEOPLE)
    listed = report(ids="").agreement([PEOPLE.get(each) for each in "abcdefghij"])
    assert listed.matrix == by_id.matrix
    assert [each.name for each in listed.disagreements] == ["case 5", "case 9"]


def test_labels_from_elsewhere_correct_by_the_errors_of_the_judge():
    labelled = Report(outcomes("P" * 40 + "F" * 40), 0.0)
    people = [True] * 36 + [False] * 40 + [True] * 4
    found = report().agreement(people, labelled=labelled)
    assert (found.estimator, found.labelled, found.cases) == ("Rogan-Gladen", 80, 10)
    assert found.rate.value == rogan_gladen(VerdictCounts(36, 4, 4, 36), 8, 10).value
    poor = report().agreement([True, False] * 40, labelled=labelled)
    assert poor.rate.value is None
    assert "true pass rate          none: the judge may be no better than chance" in str(poor)


def test_a_rate_that_is_cut_says_what_to_average():
    labelled = Report(outcomes("P" * 40 + "F" * 40), 0.0)
    people = [True] * 36 + [False] * 40 + [True] * 4
    found = Report(outcomes("P" * 10), 0.0).agreement(people, labelled=labelled)
    told = json.loads(json.dumps(found.to_dict()))
    assert (found.rate.value, told["rate"]["unbiased"]) == (1.0, found.rate.unbiased)
    assert found.rate.unbiased > 1.1
    assert found.notes[-1] == (
        f"the labels tell a true pass rate of {found.rate.unbiased:.3f}, and none is beyond 0 and 1: it is"
        " rate.unbiased of --json, for averages over runs"
    )
    assert "unbiased" not in told["kappa"]
    within = report().agreement(people, labelled=labelled)
    assert within.rate.unbiased != within.rate.value
    assert not any("beyond" in note for note in within.notes)


def test_scores_and_verdicts_of_a_judge_that_gives_scores():
    judged = [0.1, 0.4, 0.6, 0.9, 0.7]
    run = Report(outcomes(judged), 0.0)
    by_number = run.agreement([0.2, 0.4, "0.9", 1, None])
    assert (by_number.kind, by_number.matrix, by_number.kappa.value) == ("scores", {}, None)
    expected = ppi_mean([(0.2, 0.1), (0.4, 0.4), (0.9, 0.6), (1.0, 0.9)], judged)
    assert by_number.rate.value == pytest.approx(expected.value)
    assert by_number.rate.interval.high == pytest.approx(expected.interval.high)
    assert by_number.disagreements[0].index == 2
    assert {each.index for each in by_number.disagreements} == {0, 2, 3}
    assert "true mean score" in str(by_number)
    by_verdict = run.agreement([False, False, "Passed", True, True])
    assert (by_verdict.kind, by_verdict.kappa.value) == ("verdicts", 1.0)
    assert run.agreement([False, False, "Passed", True, True], threshold=0.65).matrix["Passed"] == {
        "Passed": 2,
        "Failed": 1,
    }
    assert "labels from elsewhere" not in str(by_number)
    elsewhere = run.agreement([0.2, 0.4, 0.9, 1, None], labelled=run)
    assert elsewhere.rate.said.startswith("scores from elsewhere correct no mean")


def test_one_of_each_is_told_as_one():
    text = str(Report(outcomes("P"), 0.0).agreement([True]))
    assert text.startswith("groundedness: 1 label, 1 case\n")
    assert "note: 1 label is few: the intervals hold, and are wide" in text


def test_choices():
    run = Report(outcomes(["joy", "anger", "joy", "calm"], "mood"), 0.0)
    found = run.agreement(["joy", "anger", "anger", None])
    assert found.matrix == {"anger": {"anger": 1, "joy": 1}, "joy": {"anger": 0, "joy": 1}}
    assert (found.judged, found.rate.said) == (None, "labels that are choices tell no pass rate")
    assert "TPR" not in str(found)
    known = Report(outcomes(["never", "always"], "customer_agent_loop_detection"), 0.0)
    assert known.agreement(["Never", "always"]).kappa.value == 1.0
    with pytest.raises(
        ConfigurationError, match=r"labels\[1\]: customer_agent_loop_detection has no label 'often': there"
    ):
        known.agreement(["never", "often"])


def test_cases_without_a_result_are_left_out_and_said():
    found = Report(outcomes("PF-"), 0.0).agreement([True, False, True])
    assert (found.labelled, found.unscored, found.cases) == (2, 1, 2)
    assert "1 labelled case has no result of the judge, and is left out" in found.notes
    with pytest.raises(ConfigurationError, match="none of the 1 labelled cases has a result"):
        Report(outcomes("PF-"), 0.0).agreement([None, None, True])


def test_what_labels_do_not_show_is_noted():
    assert report("PPFF").agreement([True] * 4).notes[1].startswith("all labels say the same")
    assert report("PPPP").agreement([True, True, True, False]).notes[1].startswith("the judge says the same")


def test_a_template_of_several_is_named():
    both = Report([*outcomes("PF", "one"), *outcomes("FP", "two")], 0.0)
    assert both.agreement([True, False], "one").kappa.value == 1.0
    assert both.agreement([True, False], type("Two", (), {"eval_name": "two"})).kappa.value == -1.0
    with pytest.raises(
        ConfigurationError, match="say which template the labels are of, by template= or --eval: one, two"
    ):
        both.agreement([True, False])
    with pytest.raises(ConfigurationError, match=r"the run has no template 'on'; did you mean one\?"):
        both.agreement([True, False], "on")
    with pytest.raises(ConfigurationError, match="the run has no case"):
        Report([], 0.0).agreement([])


@pytest.mark.parametrize(
    ("labels", "said"),
    [
        ({"k": True}, r"labels\['k'\]: the run has no case with the id 'k': its ids are such as a, b, c"),
        ({"a": "maybe"}, r"labels\['a'\]: the label 'maybe' is no verdict: write Passed or Failed"),
        ({"a": None}, "labels: no case has a label: fill in some"),
        ([True], "labels: a list of 1, and there are 10 cases: give one for each, in order"),
        (7, "labels: give a dict by id, a list in order, or a path, not int"),
        ("none.csv", "none.csv: no such file of labels"),
    ],
)
def test_labels_that_cannot_be_used(labels, said):
    with pytest.raises(ConfigurationError, match=said):
        report().agreement(labels)


def test_numbers_and_words_are_not_mixed():
    several = EvalResult(name="tone", output=["joy", "calm"], output_type="choices")
    with pytest.raises(ConfigurationError, match=r"labels\[1\]: the label 'Passed' is no number, and others are"):
        Report(outcomes([0.1, 0.9]), 0.0).agreement([0.2, "Passed"])
    with pytest.raises(ConfigurationError, match="its results are neither verdicts nor scores nor one choice each"):
        Report([Outcome(0, Case({}), "tone", OutcomeStatus.SCORED, several)], 0.0).agreement(["joy"])
    with pytest.raises(ConfigurationError, match="no case has a result to compare labels with"):
        Report(outcomes("--"), 0.0).agreement([True, None])
    with pytest.raises(ConfigurationError, match=r"confidence must be between 0 and 1, such as 0.95, not 95"):
        report().agreement(PEOPLE, confidence=95)


def test_weighted_labels_tell_the_rate_of_the_run(tmp_path):
    """Of a run in which most pass, as many are labelled of each verdict: unweighted, half of them would pass."""
    rng = Random(2)
    truth = [rng.random() < 0.9 for _ in range(1_000)]
    judged = ["P" if passed != (rng.random() < 0.1) else "F" for passed in truth]
    run = outcomes(judged)
    place = {verdict: [index for index, each in enumerate(judged) if each == verdict] for verdict in "PF"}
    lines = ["index,weight,label"]
    for indices in place.values():
        lines += [f"{index},{len(indices) / 50},{truth[index]}" for index in indices[:50]]
    (tmp_path / "labels.csv").write_text("\n".join(lines))
    found = agreement_of(run, tmp_path / "labels.csv")
    assert found.weighted
    assert found.labelled == 100
    assert sum(found.matrix["Passed"].values()) < 80
    assert found.rate.value == pytest.approx(0.9, abs=0.04)
    assert found.tpr.value == pytest.approx(0.9, abs=0.05)
    assert found.tpr.interval.high - found.tpr.interval.low > 0.02


def test_alpha_and_the_mean_score_are_weighted(tmp_path):
    path = tmp_path / "labels.csv"
    path.write_text("index,weight,label\n0,5,0.2\n1,1,0.4\n2,1,0.9\n3,2,0.8\n")
    judged = [0.1, 0.4, 0.6, 0.9, 0.7]
    found = agreement_of(outcomes(judged), path)
    pairs, weights = [(0.2, 0.1), (0.4, 0.4), (0.9, 0.6), (0.8, 0.9)], [5.0, 1.0, 1.0, 2.0]
    assert found.rate == ppi_mean(pairs, judged, weights=weights)
    assert found.alpha == krippendorff_alpha(pairs, "interval", weights=weights)
    assert found.alpha.value != krippendorff_alpha(pairs, "interval").value


def test_it_is_public():
    assert Agreement.__module__ == "fi_async"
