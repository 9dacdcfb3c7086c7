"""Which of two workers makes an evaluation, and what the other is told."""

from __future__ import annotations

from concurrent.futures import Future

import pytest

from fi_async import Case, EvalResult, EvaluationError, FiAsyncError, Outcome, OutcomeStatus
from fi_async.integrations.pytest_claims import Claims


class Making:
    """Begins evaluations, and counts them."""

    def __init__(self):
        self.begun = []

    def __call__(self):
        self.begun.append(Future())
        return self.begun[-1]


@pytest.fixture
def workers(tmp_path):
    both = [Claims(tmp_path / "claims.db", name) for name in ("gw0", "gw1")]
    yield both
    for each in both:
        each.close()


def outcome(**given):
    result = EvalResult(name="tone", output=0.5, reason="why", output_type="score", eval_id="e")
    case = Case({"output": "an input"}, "mine")
    facts = {"status": OutcomeStatus.SCORED, "result": result, "possible_duplicates": 1, **given}
    return Outcome(7, case, "tone", **facts)


@pytest.mark.parametrize(
    "made",
    [
        outcome(),
        outcome(origin="replayed"),
        outcome(status=OutcomeStatus.FAILED, result=None, error=EvaluationError("no", eval_id="e", throttled=True)),
    ],
)
def test_one_makes_it_and_the_other_is_told(workers, made, tmp_path):
    first, second = workers
    making = Making()
    mine = first.shared("test 0", making)
    others = second.shared("test 0", making)
    making.begun[0].set_result(made)
    assert mine().result() is made
    told = others().result()
    for name in ("status", "result", "origin", "possible_duplicates"):
        assert getattr(told, name) == getattr(made, name)
    assert vars(told.error or object) == vars(made.error or object)
    assert len(making.begun) == 1
    assert b"an input" not in (tmp_path / "claims.db").read_bytes()


def test_who_runs_a_test_again_makes_it_again(workers):
    first, second = workers
    making = Making()
    first.shared("test 0", making)
    others = second.shared("test 0", making)
    making.begun[0].set_result(outcome())
    others()
    again = second.shared("test 0", making)
    assert again() is making.begun[1]
    assert first.shared("test 1", making)() is making.begun[2]
    assert first.shared("test 1", making)() is making.begun[3]


def test_what_one_could_not_make_the_other_tries(workers):
    first, second = workers
    making = Making()
    first.shared("test 0", making)
    others = second.shared("test 0", making)
    making.begun[0].set_exception(FiAsyncError("the session ended before"))
    assert others() is making.begun[1]


def test_what_a_worker_left_behind_is_made_by_another(workers):
    first, second = workers
    making = Making()
    first.shared("test 0", making)
    first.shared("test 1", making)
    making.begun[1].set_result(outcome())
    left, told = second.shared("test 0", making), second.shared("test 1", making)
    first.release()
    assert left() is making.begun[2]
    assert told().result().score == 0.5


def test_what_ends_after_the_session_is_told_to_nobody(tmp_path):
    making = Making()
    claims = Claims(tmp_path / "claims.db", "gw0")
    claims.shared("test 0", making)
    claims.close()
    making.begun[0].set_result(outcome())
