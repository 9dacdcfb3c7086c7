"""What several people say: their agreement as statsmodels has it, what most say, and what divides them."""

from __future__ import annotations

import pytest
from statsmodels.stats.inter_rater import cohens_kappa

from fi_async import Case, ConfigurationError, EvalResult, Outcome, OutcomeStatus
from fi_async.reports.agreement import agreement_with
from fi_async.reports.labels import GivenLabel, LabelledCases
from fi_async.reports.raters import RatedCase, between
from fi_async.reports.reliability import krippendorff_alpha

ANA = "PPPPFFPPFPPFPPPPFFPP"
BEN = "PPPFFFPPFPPPPPPPFFPF"
JUDGE = "PPPPFFPFFPPFPPPPFPPP"


def outcome(index, judged):
    output = {"P": "Passed", "F": "Failed"}.get(judged, judged)
    result = EvalResult(name="calm", output=output, output_type="Pass/Fail" if judged in ("P", "F") else "score")
    return Outcome(index, Case({"output": f"text {index}"}), "calm", OutcomeStatus.SCORED, result)


def agreement(judge, weight=1.0, **people):
    """How far the judge agrees with people, of whom a blank says nothing of a case."""
    outcomes = [outcome(index, judged) for index, judged in enumerate(judge)]
    pairs = [
        (outcomes[index], GivenLabel("there", {"P": True, "F": False}.get(said, said), weight, name, f"note {index}"))
        for name, labels in people.items()
        for index, said in enumerate(labels)
        if said not in (" ", None)
    ]
    return agreement_with(LabelledCases(sorted(pairs, key=lambda pair: pair[0].index)), outcomes, "calm")


def kappa(one, other):
    table = [[sum((a, b) == (x, y) for a, b in zip(one, other, strict=True)) for y in "PF"] for x in "PF"]
    return cohens_kappa(table).kappa


def test_two_people():
    found = agreement(JUDGE, ana=ANA, ben=BEN)
    assert (found.between_by, found.between.n) == ("kappa", 20)
    assert found.between.value == pytest.approx(kappa(ANA, BEN))
    assert found.between.interval.low < kappa(ANA, BEN) < found.between.interval.high
    assert {each.name: each.kappa.value for each in found.people} == pytest.approx(
        {"ana": kappa(ANA, JUDGE), "ben": kappa(BEN, JUDGE)}
    )
    same = [place for place in range(20) if ANA[place] == BEN[place]]
    assert (found.labelled, found.divided) == (len(same), 20 - len(same)) == (17, 3)
    assert found.kappa.value == pytest.approx(kappa([ANA[n] for n in same], [JUDGE[n] for n in same]))


def test_cases_on_which_people_are_divided_may_be_either():
    alike = agreement("PF" * 10, ana="PF" * 10)
    few = agreement("PF" * 10, ana="PF" * 10, ben="FF" + "PF" * 9)
    assert (few.divided, few.notes[-1].split(",")[0]) == (1, "people are divided on 1 case")
    only = agreement("PF" * 10, ana=" F" + "PF" * 9)
    assert few.rate.value == pytest.approx(0.95 * only.rate.value + 0.025)
    assert few.rate.interval.low == pytest.approx(0.95 * only.rate.interval.low)
    assert few.rate.interval.high == pytest.approx(0.95 * only.rate.interval.high + 0.05)
    assert few.rate.interval.low < alike.rate.value < few.rate.interval.high
    with pytest.raises(ConfigurationError, match="calm: people are divided on all 2 cases"):
        agreement("PF", ana="PF", ben="FP")


def test_three_people_with_gaps():
    carl = "PP  FFPPFPPFPPPPFFPF"
    found = agreement(JUDGE, ana=ANA, ben=BEN, carl=carl)
    units = [tuple(said for said in case if said != " ") for case in zip(ANA, BEN, carl, strict=True)]
    assert (found.between_by, found.between.n) == ("alpha", 20)
    assert found.between.value == pytest.approx(krippendorff_alpha(units).value)
    assert [each.labelled for each in found.people] == [20, 20, 18]
    assert found.divided == 1  # case 3, which the third left out
    assert found.disagreements[0].note == "ana: note 7; ben: note 7; carl: note 7"


def test_scores_have_their_mean_and_alpha():
    found = agreement([0.1, 0.5, 0.9], ana=[0.0, 0.5, 1.0], ben=[0.2, 0.4, None])
    assert [each.person for each in found.disagreements] == pytest.approx([1.0, 0.45])
    assert (found.between_by, found.divided, found.between.n) == ("alpha", 0, 2)
    units = [(0.0, 0.2), (0.5, 0.4)]
    assert found.between.value == pytest.approx(krippendorff_alpha(units, "interval").value)


def test_people_without_a_common_case():
    found = agreement("PPFF", ana="PP  ", ben="  FF")
    assert (found.between.value, found.between.said) == (None, "no case was labelled by two people")
    assert found.labelled == 4


def test_what_is_told_of_people():
    found = agreement(JUDGE, ana=ANA, ben=BEN)
    told = found.to_dict()
    assert told["between"]["measure"] == "kappa"
    assert told["between"]["value"] == found.between.value
    assert [(each["name"], each["labelled"]) for each in told["people"]] == [("ana", 20), ("ben", 20)]
    shown = str(found)
    assert "calm: 17 labels, 20 cases, by what most of 2 people say" in shown
    lines = [" ".join(line.split()) for line in shown.splitlines()]
    low, high = found.between.interval.low, found.between.interval.high
    assert f"kappa between people {found.between.value:.3f}, {low:.3f} to {high:.3f} (20 cases)" in lines
    assert any(line.startswith(f"kappa, judge and ana {found.people[0].kappa.value:.3f}, ") for line in lines)
    alone = agreement(JUDGE, ana=ANA)
    assert (alone.people, alone.to_dict()["between"]) == ((), None)
    assert "people" not in str(alone)


def test_majority():
    assert RatedCase({"a": True, "b": False, "c": True}, 1.0).majority("verdicts") is True
    assert RatedCase({"a": "x", "b": "y"}, 1.0).majority("choices") is None
    assert RatedCase({"a": "x", "b": "y", "c": "z", "d": "z"}, 1.0).majority("choices") == "z"
    assert between([RatedCase({"a": "x"}, 1.0)], "choices", 0.95).value is None
