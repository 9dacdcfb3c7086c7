from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fi_async import ConfigurationError
from fi_async.reports.compare import compare
from fi_async.reports.pairing import CaseScore, digest, pair, read_baseline, write_baseline
from fi_async.reports.statistics import mcnemar, mean_interval
from runs_of import outcome, outcomes


def names(scores):
    return [each.name for each in scores]


def compared(before, after, **options):
    (found,) = compare(before, after, **options).templates
    return found


def test_verdicts_won_lost_and_tied():
    found = compared(outcomes("PPPFFP-", ids="abcdefg"), outcomes("PFFPF-P", ids="abcdefg"))
    assert (found.pairs, found.before, found.after, found.difference) == (5, 0.6, 0.4, pytest.approx(-0.2))
    assert [each.after.id for each in found.lost] == ["b", "c"]
    assert [each.after.id for each in found.won] == ["d"]
    assert [each.after.id for each in found.unscored] == ["f", "g"]
    assert (found.ties, found.only_before, found.only_after) == (2, 0, 0)
    assert found.p_value == mcnemar(2, 1)
    assert found.interval == mean_interval({0.0: 2, -1.0: 3, 1.0: 2})


def test_scores_are_compared_with_a_tolerance_the_worst_first():
    before, after = outcomes([0.5, 0.5, 0.5, 0.80, 0.1]), outcomes([0.4, 0.1, 0.9, 0.75, 0.1])
    found = compared(before, after, tolerance=0.05)
    assert [each.after.index for each in found.lost] == [1, 0]
    assert [each.after.index for each in found.won] == [2]
    assert found.ties == 2
    assert len(compared(before, after).lost) == 3


def test_where_lower_is_better_higher_is_worse_but_a_verdict_stays_one():
    options = {"lower_is_better": ["groundedness"]}
    assert [each.after.index for each in compared(outcomes([0.1, 0.2]), outcomes([0.2, 0.1]), **options).lost] == [0]
    assert [each.after.index for each in compared(outcomes("PF"), outcomes("FP"), **options).lost] == [0]


def test_by_id_a_case_without_one_has_no_partner():
    found = compared(outcomes("PP"), outcomes("FF"), by="id")
    assert (found.pairs, found.only_before, found.only_after) == (0, 2, 2)


def test_scores_that_did_not_change_tell_nothing_of_those_that_may():
    found = compared(outcomes([0.5, 0.7]), outcomes([0.5, 0.7]))
    assert (found.difference, found.interval) == (0.0, None)


def test_two_runs_without_a_change_leave_room_for_one():
    found = compared(outcomes("P" * 50), outcomes("P" * 50))
    assert (found.difference, found.p_value, found.ties) == (0.0, 1.0, 50)
    assert found.interval.low < 0 < found.interval.high


def test_templates_are_compared_apart():
    before = [*outcomes("P"), *outcomes("P", "tone")]
    after = [*outcomes("P", "bias"), *outcomes("F")]
    found = compare(before, after).templates
    assert [(each.template, each.pairs, each.only_before, each.only_after) for each in found] == [
        ("bias", 0, 0, 1),
        ("groundedness", 1, 0, 0),
        ("tone", 0, 1, 0),
    ]
    assert (found[0].before, found[0].difference, found[0].interval, found[0].p_value) == (None, None, None, None)


def test_an_answer_that_changed_is_still_the_same_case_by_its_id():
    before, after = (
        outcome(0, "P", own_id="a", inputs={"output": "x"}),
        outcome(4, "F", own_id="a", inputs={"output": "y"}),
    )
    assert names(each.after for each in compared([before], [after]).lost) == ["a"]
    found = compare([before], [after], by="inputs")
    assert (found.paired_by, found.templates[0].pairs) == ("inputs", 0)


@pytest.mark.parametrize("ids", ["ab", "aa", ""])
def test_inputs_pair_where_ids_do_not_name_every_case(ids):
    before, after = (
        [CaseScore.of(each) for each in outcomes("PF", ids=ids)],
        [CaseScore.of(each) for each in outcomes("FP")],
    )
    found = pair(before, after)
    assert found.by == "inputs"
    assert [(each.before.index, each.after.index) for each in found.pairs] == [(0, 0), (1, 1)]


def test_equal_cases_are_paired_in_their_order():
    before, after = ([CaseScore.of(outcome(index, "P", inputs={"output": "x"})) for index in range(n)] for n in (3, 2))
    found = pair(before, after)
    assert [(each.before.index, each.after.index) for each in found.pairs] == [(0, 0), (1, 1)]
    assert names(found.only_before) == ["case 2"]


@given(st.lists(st.sampled_from("abc")), st.lists(st.sampled_from("abc")))
def test_every_mark_is_in_one_pair_or_alone(before, after):
    first, second = (
        [CaseScore.of(outcome(index, "P", inputs={"output": text})) for index, text in enumerate(texts)]
        for texts in (before, after)
    )
    found = pair(first, second)
    assert all(each.before.digest == each.after.digest for each in found.pairs)
    assert len(found.pairs) + len(found.only_before) == len(before)
    assert len(found.pairs) + len(found.only_after) == len(after)
    assert {each.digest for each in found.only_before}.isdisjoint(each.digest for each in found.only_after)


def test_digests_are_of_what_was_evaluated():
    assert digest({"a": "1", "b": ["x"]}) == digest({"b": ["x"], "a": "1", "id": 7})
    assert digest({"a": "1"}) != digest({"a": 1})
    assert digest({"a": "\ud83d"}) != digest(None) == digest({})


def test_a_baseline_comes_back_without_its_reasons(tmp_path):
    scores = [CaseScore.of(each) for each in (*outcomes("PF-", ids="aé "), outcome(3, 0.5))]
    path = tmp_path / "base.json"
    write_baseline(path, scores)
    assert read_baseline(path) == [
        type(each)(**{name: getattr(each, name) for name in each.__slots__ if name != "reason"}) for each in scores
    ]
    assert len(path.read_text(encoding="utf-8").splitlines()) == 6
    write_baseline(path, [])
    assert read_baseline(path) == []


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("{", "no baseline: make one with fi-async gate --write-baseline"),
        ("[]", "no baseline: make one with fi-async gate --write-baseline"),
        ('{"version": 1, "scores": [{"status": "odd"}]}', "no baseline: make one with fi-async gate --write-baseline"),
        ('{"version": 2}', "a baseline of version 2, and this is version 1: write it anew"),
    ],
)
def test_what_is_no_baseline(text, said, tmp_path):
    path = tmp_path / "base.json"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(ConfigurationError) as raised:
        read_baseline(path)
    assert str(raised.value) == f"{path}: {said}"
