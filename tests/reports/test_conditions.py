from __future__ import annotations

import pytest

from fi_async import ConfigurationError
from fi_async.reports.conditions import Condition, parse_condition, require_template
from fi_async.reports.statistics import Interval


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("groundedness>=0.9", Condition("groundedness", None, ">=", 0.9)),
        (" groundedness.pass_rate >= .9 ", Condition("groundedness", "pass_rate", ">=", 0.9)),
        ("toxicity.mean<1e-2", Condition("toxicity", "mean", "<", 0.01)),
        ("my.own eval>-3", Condition("my.own eval", None, ">", -3.0)),
        ("mean<=2", Condition("mean", None, "<=", 2.0)),
        ("tone>=0.99999999", Condition("tone", None, ">=", 0.99999999)),
        ("tone>=0.30000000000000004", Condition("tone", None, ">=", 0.1 + 0.2)),
        ("v>07777777777777777", Condition("v", None, ">", 7777777777777777.0)),
    ],
)
def test_what_can_be_asked_for(text, expected):
    assert parse_condition(text) == expected
    assert parse_condition(str(expected)) == expected


SHAPE = "write it as TEMPLATE>=NUMBER, in quotes, such as --min 'groundedness>=0.9'"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("groundedness", SHAPE),
        ("", SHAPE),
        (">=0.9", SHAPE),
        ("groundedness=0.9", "= is no bound; there are >=, >, <= and <"),
        ("groundedness==0.9", "== is no bound; there are >=, >, <= and <"),
        ("groundedness>=", "'' is no number"),
        ("groundedness>=high", "'high' is no number"),
        ("groundedness>=90%", "'90%' is no number: write 0.9"),
        ("groundedness>=90 %", "'90 %' is no number: write 0.9"),
        ("groundedness>=\u00b2%", "'\u00b2%' is no number"),  # a digit that no number is read from
        ("groundedness>=900%", "'900%' is no number"),
        pytest.param(f"groundedness>={'9' * 400}%", f"'{'9' * 400}%' is no number", id="no share of anything"),
        ("groundedness>=nan", "'nan' is no number"),
        ("groundedness=>0.9", "= is no bound; there are >=, >, <= and <"),
        ("groundedness.pass_rate>=90", "a pass rate is from 0 to 1: write 0.9"),
        ("groundedness.pass_rate>=-1", "a pass rate is from 0 to 1"),
    ],
)
def test_what_cannot(text, said):
    with pytest.raises(ConfigurationError) as raised:
        parse_condition(text)
    assert str(raised.value) == f"--min {text}: {said}"


@pytest.mark.parametrize(
    ("operator", "below", "at", "above"),
    [(">=", False, True, True), (">", False, False, True), ("<=", True, True, False), ("<", True, False, False)],
)
def test_what_holds_is_not_a_matter_of_rounding(operator, below, at, above):
    condition = Condition("groundedness", None, operator, 0.3)
    assert [condition.holds(value) for value in (0.2999, 0.1 + 0.2, 0.3 - 1e-12, 0.3001)] == [below, at, at, above]
    assert condition.lower_is_better is (operator in "<=")


@pytest.mark.parametrize(("reach", "expected"), [((0.1, 0.2), False), ((0.2, 0.3), None), ((0.3, 0.4), True)])
def test_a_condition_is_decided_if_all_in_reach_agrees(reach, expected):
    assert Condition("groundedness", None, ">=", 0.3).holds_throughout(Interval(*reach)) is expected


@pytest.mark.parametrize(
    ("templates", "hint"),
    [
        (["groundedness", "tone"], "did you mean groundedness?"),
        (["tone", "bias"], "there are tone, bias"),
        ([], "there are none"),
    ],
)
def test_a_template_that_the_run_does_not_have(templates, hint):
    with pytest.raises(ConfigurationError) as raised:
        require_template("--min groundednes>=0.9", "groundednes", templates)
    assert str(raised.value) == f"--min groundednes>=0.9: the run has no template 'groundednes'; {hint}"
    require_template("--min", "groundednes", ["groundednes"])
