from __future__ import annotations

import pytest

from fi_async import ConfigurationError
from fi_async.journal.label_records import KeptLabel, KeptLabels, LabelAct, LabelDraw
from fi_async.journal.records import OutcomeRecord
from fi_async.reports.kept_draws import AskedDraw, draw_for
from fi_async.reports.run_labels import NoLabelsError, RunLabels
from made import scored

NONE = KeptLabels()


def run_of(outputs, kept=NONE, template="is_json", first=0):
    records = [scored(index, each, id=f"q{index}", template=template) for index, each in enumerate(outputs, first)]
    return RunLabels("run.db", [OutcomeRecord(f"k{own.outcome.index}", own.outcome, 0.0) for own in records], kept)


VERDICTS = ["Passed", "Passed", "Passed", "Failed"] * 25


def drawn(run, **asked):
    redraw = asked.pop("redraw", False)
    return draw_for(run, "is_json", AskedDraw(**asked), redraw=redraw, at=5.0)


def with_draw(outputs, **asked):
    """A run with a draw, and that draw."""
    draw = drawn(run_of(outputs), **asked)
    return run_of(outputs, KeptLabels((draw,))), draw


def given(draw, count, value=True, by="ana", **facts):
    return tuple(KeptLabel("is_json", each.key, by, LabelAct.GIVEN, value, **facts) for each in draw.cases[:count])


def test_it_is_drawn_once_in_random_order_and_gone_on_with():
    run, draw = with_draw(VERDICTS, sample=40)
    places = [each.position for each in draw.cases]
    assert len(set(places)) == 40
    assert places != sorted(places)
    assert {each.weight for each in draw.cases} == {2.5}
    told = {"draw": "random", "sample": 40, "seed": 0, "threshold": 0.5, "kind": "verdicts", "of": 100}
    assert (draw.how, draw.at) == (told, 5.0)
    for asked in ({}, {"sample": 40}, {"draw": "random", "seed": 0, "threshold": 0.5}):
        assert drawn(run, **asked) is draw
    assert drawn(run, sample=40, redraw=True) == draw
    assert len(drawn(run_of(VERDICTS)).cases) == 50


@pytest.mark.parametrize("by", ["random", "balanced"])
def test_more_cases_are_drawn_to_those_there_are(by):
    run, draw = with_draw(VERDICTS, sample=20, draw=by)
    more = drawn(run, sample=44)
    assert [each.key for each in more.cases[:20]] == [each.key for each in draw.cases]
    assert len({each.key for each in more.cases}) == 44
    assert more.how == {**draw.how, "sample": 44}
    failed = [each for each in more.cases if VERDICTS[each.position] == "Failed"]
    passed = [each for each in more.cases if VERDICTS[each.position] == "Passed"]
    if by == "balanced":
        assert (len(failed), len(passed)) == (22, 22)
        assert ({each.weight for each in failed}, {each.weight for each in passed}) == ({25 / 22}, {75 / 22})
    else:
        assert {each.weight for each in more.cases} == {100 / 44}
    everything = drawn(run_of(VERDICTS, KeptLabels((more,))), sample=500)
    assert (len(everything.cases), {each.weight for each in everything.cases}) == (100, {1.0})


def test_each_further_case_is_as_likely_as_any_other():
    counts = [0] * 10
    for seed in range(1_000):
        run, _ = with_draw(["Passed"] * 10, sample=2, seed=seed)
        more = drawn(run, sample=5)
        for each in more.cases:
            counts[each.position] += 1
    assert sum(counts) == 5_000
    assert all(440 < count < 560 for count in counts)  # 500 with a deviation of 16


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        ({"draw": "balanced"}, "--draw balanced: run.db has a draw of 20 cases of is_json that was made otherwise"),
        ({"seed": 3}, "--seed 3: run.db has a draw"),
        ({"threshold": 0.7}, "--threshold 0.7: run.db has a draw"),
        ({"sample": 10}, "--sample 10: 20 cases are drawn already: label as many of them as you like"),
    ],
)
def test_another_draw_has_to_be_asked_for(asked, said):
    run, _ = with_draw(VERDICTS, sample=20)
    with pytest.raises(ConfigurationError, match=said):
        drawn(run, **asked)
    assert drawn(run, **asked, redraw=True).how["of"] == 100


def test_what_cannot_be_added_to():
    scores = [index / 100 for index in range(100)]
    run, _ = with_draw(scores, sample=20, draw="uncertain")
    with pytest.raises(ConfigurationError, match="cases that were drawn so cannot be added to"):
        drawn(run, sample=30)
    with pytest.raises(ConfigurationError, match=r"--verdicts: run\.db has a draw"):
        drawn(run, verdicts=True)
    with pytest.raises(ConfigurationError, match="those of is_json are verdicts"):
        drawn(run_of(VERDICTS), verdicts=True)
    _, draw = with_draw(VERDICTS, sample=20)
    with pytest.raises(ConfigurationError, match="100 cases had a result when they were drawn, and now 104 have"):
        drawn(run_of([*VERDICTS, *VERDICTS[:4]], KeptLabels((draw,))), sample=30)


def test_labels_are_of_the_last_draw_that_has_any():
    run, first = with_draw(VERDICTS, sample=20)
    second = drawn(run, sample=30, draw="balanced", redraw=True)
    labelled = given(first, 10)
    found = run_of(VERDICTS, KeptLabels((first, second), labelled)).labelled("is_json")
    of_both = {each.key for each in first.cases[:10]} & {each.key for each in second.cases}
    assert of_both
    assert {f"k{outcome.index}" for outcome, _ in found.pairs} == of_both
    assert found.is_weighted
    assert f"{10 - len(of_both)} labelled cases are not of the last draw, and are left out" in found.notes
    only = LabelDraw("is_json", second.cases[:0], {}, 6.0)
    assert len(run_of(VERDICTS, KeptLabels((first, only), labelled)).labelled("is_json").pairs) == 10


def test_what_labels_do_not_tell_is_noted():
    _, draw = with_draw(VERDICTS, sample=20)
    skipped = KeptLabel("is_json", draw.cases[12].key, "ana", LabelAct.SKIPPED)
    labels = (*given(draw, 12, saw_verdict=True), skipped)
    found = run_of([*VERDICTS, "Passed"], KeptLabels((draw,), labels)).labelled("is_json")
    assert found.notes == (
        "7 of 20 drawn cases have no label yet",
        "1 drawn cases were skipped: what is true of them is not known",
        "12 labels were given with the judge's verdict in sight, and lean towards it",
        "the draw was from 100 cases with a result, and now there are 101: --redraw takes all",
    )
    gone = run_of(VERDICTS[:50], KeptLabels((draw,), labels)).labelled("is_json")
    lost = sum(each.position >= 50 for each in draw.cases)
    assert f"{lost} drawn cases are in the run no more" in gone.notes


def test_a_case_that_moved_keeps_its_label():
    _, draw = with_draw(["Passed", "Failed"], sample=2)
    kept = KeptLabels((draw,), given(draw, 2))
    moved = run_of(["Passed", "Failed"], kept)
    records = [OutcomeRecord(f"k{1 - each.outcome.index}", each.outcome, 0.0) for each in moved.records]
    found = RunLabels("run.db", records, kept).labelled("is_json")
    assert [(outcome.index, label.place) for outcome, label in found.pairs] == [
        (0, "run.db, the case 'q0'"),
        (1, "run.db, the case 'q1'"),
    ]


def test_without_labels_it_says_how_to_get_some():
    with pytest.raises(NoLabelsError, match=r"run\.db: no case of is_json has a label: fi-async label run\.db"):
        run_of(VERDICTS).agreement()
    _, draw = with_draw(VERDICTS, sample=20)
    labelled = run_of(VERDICTS, KeptLabels((draw,), given(draw, 5, by="ana")))
    with pytest.raises(ConfigurationError, match=r"no labels of is_json by 'anna'; did you mean ana\?"):
        labelled.agreement(by=["anna"])
    assert labelled.agreement(by=["ana"]).labelled == 5
