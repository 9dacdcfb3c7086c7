"""What votes and samples come to, and when a judge has been asked often enough."""

from __future__ import annotations

import random
from itertools import permutations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import beta

from fi_async import Case, EvalResult, JudgeError, Outcome, OutcomeStatus, UndecidedError
from fi_async.panels.certainty import certainty, fewest, further
from fi_async.panels.combining import sample_of, vote_of
from fi_async.panels.panel import Panel, standing_of
from fi_async.panels.shape import PanelShape, Seat, shapes_of

P, F, LOST = "Passed", "Failed", None
JURORS = ("a", "b", "c", "d")


def one(output: object, *, sample: int = 0, juror: str | None = None, status: str = "failed") -> Outcome:
    facts = {"sample": sample, "juror": juror, "backend": "judge", "attempts": 1, "cost": 0.1}
    if output is None:
        return Outcome(0, Case({}), "t", OutcomeStatus(status), error=JudgeError("no words"), **facts)
    kind = "Pass/Fail" if output in (P, F) else "choices" if isinstance(output, str | list) else "score"
    result = EvalResult(name="t", output=output, output_type=kind, model=juror or "m", reason="so")
    return Outcome(0, Case({}), "t", OutcomeStatus.SCORED, result, **facts)


def jury(*outputs: object, rule: str = "majority") -> Outcome:
    jurors = JURORS[: len(outputs)]
    shape = PanelShape(jurors=jurors, rule=rule, jury="the jury")  # type: ignore[arg-type]  # of a test
    return vote_of([one(each, juror=name) for each, name in zip(outputs, jurors, strict=True)], shape)


def reduced(*outputs: object, reduce: str = "mean", **shape: object) -> Outcome:
    known = PanelShape(len(outputs), len(outputs), reduce=reduce, **shape)  # type: ignore[arg-type]  # of a test
    return sample_of([one(each, sample=n) for n, each in enumerate(outputs)], known)


def told(outcome: Outcome) -> object:
    return outcome.result.output if outcome.result is not None else str(outcome.error)


@pytest.mark.parametrize(
    ("rule", "votes", "said"),
    [
        ("majority", (P, P, F), P),
        ("majority", (F, P, F), F),
        ("majority", (P, P, LOST), P),
        ("majority", (P, LOST, LOST), None),
        ("majority", (P, F, LOST), None),
        ("majority", (P, P, F, F), None),
        ("majority", (P, P, LOST, LOST), None),
        ("majority", ("x", "y", "x"), "x"),
        ("majority", (["x", "y"], ["y", "x"], ["x"]), ["x", "y"]),
        ("majority", ("x", "y", "z"), None),
        ("majority", (0.2, 0.9, 0.4), 0.4),
        ("majority", (0.2, 0.9, LOST), None),
        ("mean", (0.2, 0.9, 0.4), 0.5),
        ("mean", (P, P, F, F), 0.5),
        ("mean", (P, P, LOST), None),
        ("unanimous", (P, P, P), P),
        ("unanimous", (P, P, F), None),
        ("unanimous", (P, P, LOST), None),
        ("unanimous", (0.2, 0.2), None),
    ],
)
def test_what_votes_come_to(rule, votes, said):
    found = jury(*votes, rule=rule)
    assert (None if found.result is None else found.result.output) == pytest.approx(said)
    assert isinstance(found.error, UndecidedError | None)
    assert (found.status is OutcomeStatus.SCORED) is (said is not None)
    assert [each.juror for each in found.votes] == list(JURORS[: len(votes)])


def test_a_jury_says_who_said_what_and_why_a_case_has_no_verdict():
    assert jury(P, F, P).result.reason == "2 Passed (a, c), 1 Failed (b)\na: so\nb: so\nc: so"
    assert str(jury(P, F, LOST).error) == (
        "no majority of 3 jurors: 1 Failed (b), 1 Passed (a), 1 without a verdict (c); c: JudgeError: no words"
    )
    assert "each juror's vote is needed" in str(jury(0.5, LOST).error)
    assert jury(P, P, F).result.model == "the jury"


@given(st.lists(st.sampled_from([P, F, LOST, "x", 0.25, 0.75]), min_size=2, max_size=4), st.randoms())
@pytest.mark.parametrize("rule", ["majority", "mean", "unanimous"])
def test_no_verdict_depends_on_the_order_of_the_jurors(rule, outputs, draw):
    jurors = JURORS[: len(outputs)]
    votes = [one(each, juror=name) for each, name in zip(outputs, jurors, strict=True)]
    found = vote_of(votes, PanelShape(jurors=jurors, rule=rule))
    draw.shuffle(votes)
    other = vote_of(votes, PanelShape(jurors=tuple(each.juror for each in votes), rule=rule))
    assert (other.status, told(other), other.cost) == (found.status, told(found), pytest.approx(found.cost))
    if found.result is not None:
        assert other.result.reason == found.result.reason


@given(st.lists(st.sampled_from([P, F, LOST]), min_size=2, max_size=4))
def test_a_verdict_by_majority_is_one_that_no_missing_vote_could_change(outputs):
    found = jury(*outputs)
    whole = {told(jury(*filled)) if jury(*filled).result else None for filled in _filled(outputs)}
    if found.result is not None:
        assert whole == {found.result.output}
    else:
        assert whole != {P}
        assert whole != {F}


def _filled(outputs):
    if LOST not in outputs:
        return [outputs]
    place = outputs.index(LOST)
    return [each for said in (P, F) for each in _filled([*outputs[:place], said, *outputs[place + 1 :]])]


@pytest.mark.parametrize(
    ("reduce", "samples", "said"),
    [
        ("mean", (P, P, F), 2 / 3),
        ("mean", (P, LOST, F), 0.5),
        ("mean", (0.25, 0.75), 0.5),
        ("mean", ("x", "y", "x"), "x"),
        ("majority", (P, P, F), P),
        ("majority", (P, F), None),
        ("majority", (P, LOST), None),
        ("majority", (0.1, 0.2, 0.9), 0.2),
        ("median", (P, P, F), 1.0),
        ("median", (0.1, 0.2, 0.9, LOST), 0.2),
        ("all", (P, P, P), P),
        ("all", (P, F, LOST), F),
        ("all", (P, P, LOST), None),
        ("all", (0.3, 0.9), 0.3),
        ("all", (0.3, LOST), None),
        ("all", ("x", "x"), "x"),
        ("all", ("x", "y"), None),
        ("any", (P, F, LOST), P),
        ("any", (F, F, F), F),
        ("any", (F, F, LOST), None),
        ("any", (0.3, 0.9), 0.9),
    ],
)
def test_what_samples_come_to(reduce, samples, said):
    found = reduced(*samples, reduce=reduce)
    assert (None if found.result is None else found.result.output) == pytest.approx(said)
    assert (found.status is OutcomeStatus.SCORED) is (said is not None)
    assert len(found.samples) == len(samples)
    assert (found.attempts, found.cost) == (len(samples), pytest.approx(0.1 * len(samples)))


@pytest.mark.parametrize("status", ["failed", "stalled", "cancelled", "invalid"])
def test_a_case_of_which_nothing_was_scored_ends_as_its_samples_did(status):
    found = sample_of([one(None, status=status), one(None, sample=1, status=status)], PanelShape(2, 2))
    assert (str(found.status), str(found.error)) == (status, "no words")


def test_a_case_of_which_a_sample_was_not_begun_was_not_done():
    shape = PanelShape(2, 2)
    assert str(sample_of([one(P), one(None, sample=1, status="cancelled")], shape).status) == "cancelled"


def test_a_further_sample_that_was_not_begun_takes_nothing_away():
    shape = PanelShape(2, 3, precision=0.9)
    found = sample_of([one(P), one(F, sample=1), one(None, sample=2, status="cancelled")], shape)
    assert (found.score, len(found.samples)) == (0.5, 2)


@pytest.mark.parametrize("n", [0, 1, 2, 5, 9, 40, 200])
def test_the_certainty_is_that_of_the_beta_distribution(n):
    for lead in range(0, n + 1, 1 + n // 10):
        assert certainty(lead, n) == pytest.approx(beta.sf(0.5, lead + 0.5, n - lead + 0.5), abs=1e-12)


@given(st.integers(0, 12), st.integers(0, 12), st.sampled_from([0.8, 0.9, 0.95, 0.99]))
def test_no_fewer_further_repeats_could_make_a_verdict_certain(lead, rest, precision):
    n, lead = lead + rest, max(lead, rest)
    more = further([True] * lead + [False] * (n - lead), n, precision, 100)
    if more:
        assert certainty(lead, n) < precision <= certainty(lead + more, n + more)
        assert certainty(lead + more - 1, n + more - 1) < precision
    else:
        assert not n or certainty(lead, n) >= precision


def test_no_case_has_more_repeats_than_it_may():
    assert further([True, False], 2, 0.95, 4) == 2
    assert further([True, False], 4, 0.95, 4) == 0
    assert further([], 3, 0.95, 9) == 0  # nothing of it was scored: more would not be either
    assert fewest(0.95) == 3


@given(st.permutations(range(9)), st.data())
def test_a_case_stands_the_same_whatever_the_order_its_votes_come_in(order, data):
    shape = PanelShape(3, 3, jurors=("a", "b", "c"))
    votes = {
        (n // 3, "abc"[n % 3]): one(data.draw(st.sampled_from([P, F, LOST])), sample=n // 3, juror="abc"[n % 3])
        for n in range(9)
    }
    panel = Panel({"t": shape})
    ended = [panel.take(votes[n // 3, "abc"[n % 3]]) for n in order]
    whole = standing_of(shape, votes).outcome
    assert ended[:-1] == [None] * 8
    assert (ended[-1].status, told(ended[-1])) == (whole.status, told(whole))


def test_a_panel_keeps_the_cases_under_way_alone():
    panel = Panel({"t": PanelShape(2, 2)})
    for index in range(1000):
        assert panel.take(Outcome(index, Case({}), "t", OutcomeStatus.FAILED)) is None
        assert panel.take(Outcome(index, Case({}), "t", OutcomeStatus.FAILED, sample=1)) is not None
        assert repr(panel) == "<Panel cases=0 wanted=0>"


def test_every_order_of_three_samples_of_auto_asks_for_as_much():
    asked = set()
    for samples in permutations([P, P, F]):
        panel = Panel({"t": PanelShape(3, 9, precision=0.95)})
        for n, output in enumerate(samples):
            panel.take(one(output, sample=n))
        asked.add(len(panel.wanted))
    assert asked == {3}  # 5 of 6 would be certain


@given(st.text(st.characters(exclude_characters="\x1f"), min_size=1), st.none() | st.text("abc-:", min_size=1))
def test_a_seat_is_read_from_its_name(template, juror):
    for sample in (0, 1, 12):
        assert Seat.of(str(Seat(template, juror, sample))) == Seat(template, juror, sample)
    assert str(Seat(template)) == template


def test_the_shape_of_a_run_is_what_its_file_keeps():
    shape = PanelShape(3, 9, 0.95, "median", ("a", "b"), "mean", "jury")
    asked = [{"template": "t", "panel": shape.as_dict()}, {"template": "plain"}]
    assert shapes_of(asked) == {"t": PanelShape(3, 9, 0.95, "median", ("a", "b"), "mean", "jury")}


def test_chance_decides_nothing():
    rng = random.Random(5)
    outputs = [rng.choice([P, F]) for _ in range(3)]
    assert told(jury(*outputs)) == told(jury(*outputs))
