"""Every way that a case can go, by hand: each action a job yields, and what it ends in."""

from __future__ import annotations

import json
import random
from dataclasses import replace

import pytest

from fi_async import (
    AmbiguousError,
    APIConnectionError,
    APITimeoutError,
    AuthenticationError,
    Case,
    Counts,
    EvaluationError,
    NotFoundError,
    OutcomeStatus,
    PermissionDeniedError,
    ProtocolError,
    RateLimitError,
    ServerError,
    StalledError,
    Timeout,
    ValidationError,
)
from fi_async.engine.attempts import Context, Job, Requeue, Rest, Send
from fi_async.engine.outcomes import DENIED
from fi_async.engine.submissions import Started, accept, fetch, poll, score, start
from fi_async.engine.work import Attempt, Work
from fi_async.pacing.quota import FIRST, OVERDUE, UNASKED
from fi_async.pacing.ticket import Canary, Need
from fi_async.wire import requests, responses
from fi_async.wire.requests import Parameters
from pure.hand import (
    IDS,
    REFUSED,
    accepted,
    begin,
    completed,
    context,
    cut_off,
    failed,
    limited,
    pending,
    refused,
    reply,
    reset,
    scored,
    tell,
    throttled,
    timed_out,
    unreachable,
    work,
    works,
)

GRACE = 5.0  # seconds for the reply to a last poll
SCORED, FAILED, STALLED = OutcomeStatus.SCORED, OutcomeStatus.FAILED, OutcomeStatus.STALLED


def delays(*longest: float) -> list[float]:
    """What the context's seeded generator draws for failures with these longest delays."""
    rng = random.Random(1)
    return [rng.uniform(each / 2, each) for each in longest]


def inputs_of(action: object) -> dict[str, object]:
    assert isinstance(action, Send)
    return json.loads(action.call.body)["inputs"]


# -- one request -------------------------------------------------------------------------------------------------------


def test_a_case_is_scored_in_one_request():
    run, one = context(), work()
    job = score([one], run)
    assert begin(job) == Send(requests.new_eval(one.parameters, [{"output": "text 0"}], is_async=False), None)
    (outcome,) = tell(job, 102.5, scored("Passed"), sent_at=100.0)
    assert (outcome.index, outcome.case.id, outcome.template, outcome.status) == (0, "c0", "tone", SCORED)
    assert (outcome.score, outcome.passed, outcome.error) == (1.0, True, None)
    assert (outcome.attempts, outcome.ambiguous, outcome.possible_duplicates) == (1, 0, 0)
    assert (outcome.eval_id, outcome.backend, outcome.latency_s) == (IDS[0], "cloud", 2.5)
    assert (outcome.result.request_id, outcome.result.reason, outcome.result.runtime) == ("r-1", "why", 5.0)
    assert run.counts == Counts(requests=1)


def test_a_result_has_the_model_and_what_was_filled():
    one = work(model="turing_small", filled={"input": "output"})
    job = score([one], context())
    begin(job)
    (outcome,) = tell(job, 1.0, scored("Passed"))
    assert (outcome.result.model, outcome.result.filled) == ("turing_small", {"input": "output"})


def test_who_evaluated_is_who_was_asked_whatever_the_reply_says():
    job = score([work()], context())
    begin(job)
    item = {"output": 1.0, "output_type": "score", "backend": "local"}
    answer = replace(reply({"status": True, "result": [{"evaluations": [item]}]}), backend="server")
    (outcome,) = tell(job, 1.0, answer)
    assert (outcome.backend, outcome.eval_id) == ("server", None)


def test_rows_of_one_request_are_told_apart_by_their_order():
    three = works(3)
    job = score(three, context())
    assert inputs_of(begin(job)) == {"output": ["text 0", "text 1", "text 2"]}
    outcomes = tell(job, 1.0, scored("Passed", "Failed", "Passed"))
    assert [(each.index, each.passed, each.eval_id) for each in outcomes] == [
        (0, True, IDS[0]),
        (1, False, IDS[1]),
        (2, True, IDS[2]),
    ]


@pytest.mark.parametrize("output", [None])
def test_a_reply_without_an_output_is_a_failure(output):
    job = score([work()], context())
    begin(job)
    (outcome,) = tell(job, 1.0, scored(output))
    assert (outcome.status, outcome.eval_id) == (FAILED, IDS[0])
    assert type(outcome.error) is EvaluationError
    assert outcome.error.message == "the server answered without an output"
    assert (outcome.error.eval_id, outcome.error.request_id, outcome.error.attempts) == (IDS[0], "r-1", 1)


@pytest.mark.parametrize(
    ("what", "kind"),
    [
        (refused(400, errors={"inputs": ["bad"]}), ValidationError),
        (refused(400), ValidationError),
        (refused(404), NotFoundError),
    ],
)
def test_a_refusal_is_an_outcome_at_once(what, kind):
    run = context()
    job = score([work()], run)
    begin(job)
    (outcome,) = tell(job, 1.0, what)
    assert outcome.status is FAILED
    assert type(outcome.error) is kind
    assert (outcome.attempts, outcome.ambiguous, outcome.latency_s) == (1, 0, 0.0)
    assert (outcome.error.attempts, outcome.error.status) == (1, what.status)
    assert run.counts == Counts(requests=1)


@pytest.mark.parametrize(("status", "kind"), [(401, AuthenticationError), (403, PermissionDeniedError)])
@pytest.mark.parametrize("make", [score, accept, start])
@pytest.mark.parametrize("rows", [1, 3])
def test_a_refused_key_pair_leaves_the_job_as_an_exception(make, rows, status, kind):
    job = make(works(rows), context())
    begin(job)
    with pytest.raises(kind) as caught:
        tell(job, 1.0, refused(status))
    assert caught.value.attempts == 1


def test_a_refused_key_pair_leaves_a_poll_as_an_exception():
    job = poll(Work(0, Case({}), Parameters(""), attempt=Attempt(eval_id=IDS[0])), context())
    begin(job)
    with pytest.raises(AuthenticationError):
        tell(job, 1.0, refused(401))


# -- trying again ------------------------------------------------------------------------------------------------------


def test_what_was_never_sent_is_sent_again_after_a_rest():
    run = context()
    job = score([work()], run)
    first = begin(job)
    short, longer = delays(0.5, 1.0)
    assert tell(job, 10.0, REFUSED) == Rest(10.0 + short)
    assert tell(job, 11.0) == Send(first.call, 610.0)
    assert tell(job, 12.0, REFUSED) == Rest(12.0 + longer)
    assert tell(job, 13.0) == Send(first.call, 610.0)
    (outcome,) = tell(job, 14.0, scored("Passed"))
    assert (outcome.status, outcome.attempts, outcome.ambiguous, outcome.possible_duplicates) == (SCORED, 3, 0, 0)
    assert outcome.latency_s == 4.0
    assert run.counts == Counts(requests=3, retries=2)


@pytest.mark.parametrize(
    "what",
    [timed_out(), reset(), refused(500), refused(503), cut_off(), reply("", 502)],
    ids=["timeout", "reset", "500", "503", "cut off", "a proxy's 502"],
)
def test_a_lost_evaluation_is_sent_again_and_counted_on_the_case_and_the_run(what):
    run = context()
    job = score([work()], run)
    begin(job)
    assert tell(job, 10.0, what) == Rest(10.0 + delays(0.5)[0])
    assert isinstance(tell(job, 11.0), Send)
    (outcome,) = tell(job, 12.0, scored("Passed"))
    assert (outcome.status, outcome.attempts, outcome.ambiguous, outcome.possible_duplicates) == (SCORED, 2, 1, 1)
    assert run.counts == Counts(requests=2, retries=1, ambiguous=1, possible_duplicates=1)


@pytest.mark.parametrize(
    "what",
    [
        reply([]),
        scored(),
        scored("Passed", "Passed"),
        scored("high", output_type="score"),
        reply({"status": True, "result": "done"}),
        reply({}, 301, location="https://eu.example.com/sdk/api/v1/new-eval/"),
        reply({}, 307),
    ],
    ids=["no object", "no items", "too many items", "a score that is none", "no list", "301", "307"],
)
@pytest.mark.parametrize("on_ambiguous", ["resubmit", "fail"])
def test_what_says_the_same_every_time_fails_once_and_is_no_ambiguity(what, on_ambiguous):
    run = context(on_ambiguous=on_ambiguous)
    job = score([work()], run)
    begin(job)
    (outcome,) = tell(job, 10.0, what)
    assert (outcome.status, type(outcome.error)) == (FAILED, ProtocolError)
    assert (outcome.attempts, outcome.ambiguous, outcome.possible_duplicates) == (1, 0, 0)
    assert run.counts == Counts(requests=1)


def test_a_row_that_cannot_be_read_fails_alone():
    run = context()
    job = score(works(3), run)
    begin(job)
    first, second, third = tell(job, 10.0, scored(0.5, "high", 0.25, output_type="score"))
    assert [first.score, third.score] == [0.5, 0.25]
    assert (second.status, type(second.error), second.eval_id) == (FAILED, ProtocolError, IDS[1])
    assert run.counts == Counts(requests=1)


def test_a_row_accepted_without_an_id_fails_alone_and_the_others_are_polled():
    run = context()
    job = accept(works(2), run)
    begin(job)
    items = [{"name": "tone"}, {"name": "tone", "eval_id": "job-17"}]
    failed_one, polls = tell(job, 1.0, reply({"status": True, "result": [{"evaluations": items}]}))
    assert (failed_one.status, type(failed_one.error)) == (FAILED, ProtocolError)
    assert isinstance(polls, Job)
    begin(polls)
    assert tell(polls, 2.0).call.path == "/sdk/api/v1/new-eval/?eval_id=job-17"


@pytest.mark.parametrize("max_retries", [0, 1, 4])
def test_after_max_retries_the_last_error_is_the_outcome(max_retries):
    run = context(max_retries=max_retries)
    job = score([work()], run)
    begin(job)
    for attempt in range(max_retries):
        assert isinstance(tell(job, 10.0 * attempt, timed_out()), Rest)
        assert isinstance(tell(job, 10.0 * attempt + 9), Send)
    last = timed_out()
    (outcome,) = tell(job, 100.0, last)
    assert outcome.error is last
    assert outcome.error.attempts == outcome.attempts == max_retries + 1
    assert (outcome.ambiguous, outcome.possible_duplicates) == (max_retries + 1, max_retries)
    assert run.counts == Counts(
        requests=max_retries + 1, retries=max_retries, ambiguous=max_retries + 1, possible_duplicates=max_retries
    )


@pytest.mark.parametrize("what", [timed_out(), reset(), refused(500, "boom"), cut_off()], ids=repr)
def test_fail_forbids_sending_again_and_tells_the_cause(what):
    run = context(on_ambiguous="fail")
    job = score([work()], run)
    begin(job)
    (outcome,) = tell(job, 1.0, what)
    assert outcome.status is FAILED
    assert type(outcome.error) is AmbiguousError
    cause = outcome.error.__cause__
    assert isinstance(cause, (APITimeoutError, APIConnectionError, ServerError, ProtocolError))
    assert cause.message in outcome.error.message
    assert outcome.error.message.endswith('on_ambiguous="fail" forbids sending it again')
    assert (outcome.error.status, outcome.error.server_message) == (cause.status, cause.server_message)
    assert (outcome.error.attempts, outcome.attempts, outcome.ambiguous, outcome.possible_duplicates) == (1, 1, 1, 0)
    assert run.counts == Counts(requests=1, ambiguous=1)


def test_fail_sends_again_what_was_never_sent():
    job = score([work()], context(on_ambiguous="fail"))
    begin(job)
    assert isinstance(tell(job, 1.0, REFUSED), Rest)
    assert isinstance(tell(job, 2.0), Send)
    (outcome,) = tell(job, 3.0, scored("Passed"))
    assert (outcome.status, outcome.attempts, outcome.ambiguous) == (SCORED, 2, 0)


def test_a_429_holds_everyone_and_is_no_failure():
    run = context(max_retries=1)
    job = score([work()], run)
    first = begin(job)
    for now in (10.0, 60.0, 110.0):
        assert tell(job, now, throttled(44)) == Requeue()
        assert tell(job, now) == Send(first.call, None)
    assert isinstance(tell(job, 160.0, REFUSED), Rest)
    assert isinstance(tell(job, 161.0), Send)
    (outcome,) = tell(job, 162.0, scored("Passed"))
    assert (outcome.status, outcome.attempts) == (SCORED, 5)
    assert run.counts == Counts(requests=5, retries=1, throttled=3)


def test_a_server_that_is_not_there_holds_everyone_and_is_no_failure():
    run, one = context(max_retries=1), work()
    job = score([one], run)
    first = begin(job)
    for now in (10.0, 15.0, 20.0):
        assert tell(job, now, unreachable()) == Requeue()
        assert tell(job, now) == Send(first.call, None)
    assert one.history.failures == 0
    assert isinstance(tell(job, 160.0, REFUSED), Rest)
    assert isinstance(tell(job, 161.0), Send)
    (outcome,) = tell(job, 162.0, scored("Passed"))
    assert (outcome.status, outcome.attempts, outcome.ambiguous) == (SCORED, 5, 0)
    assert run.counts == Counts(requests=5, retries=1)


@pytest.mark.parametrize(("patience", "since", "ends"), [(300.0, 70.0, True), (300.0, 70.1, False), (5.0, 95.0, True)])
def test_one_that_stays_away_for_longer_than_there_is_patience_fails_at_once(patience, since, ends):
    """That of the call, and at most half a minute where no request ever got through."""
    run = context(max_retries=1)
    run = replace(run, timeout=Timeout(patience=patience))
    run.gate.outage.failed(since, tried=False)
    job = score([work()], run)
    begin(job)
    action = tell(job, 100.0, unreachable())
    assert isinstance(action, Requeue) is not ends
    if ends:
        (outcome,) = action
        assert (outcome.status, outcome.error.unreachable, outcome.ambiguous) == (FAILED, True, 0)


def test_what_failed_before_a_limit_refused_it_counts_after_it_too():
    """A job that takes a refused row over knows how often it has failed; one that is answered has never."""
    run, one = context(max_retries=1), work()
    job = score([one], run)
    begin(job)
    assert isinstance(tell(job, 1.0, REFUSED), Rest)
    assert isinstance(tell(job, 2.0), Send)
    assert tell(job, 3.0, throttled(44)) == Requeue()
    assert one.history.failures == 1
    job.steps.close()
    anew = score([one], run)
    begin(anew)
    (outcome,) = tell(anew, 50.0, REFUSED)
    assert (outcome.status, outcome.attempts) == (FAILED, 3)


def test_an_answer_makes_what_failed_before_forgotten():
    one = work()
    job = accept([one], context(max_retries=1))
    begin(job)
    tell(job, 1.0, REFUSED)
    tell(job, 2.0)
    tell(job, 3.0, throttled(44))
    tell(job, 3.0)
    assert one.history.failures == 1
    tell(job, 50.0, accepted())
    assert one.history.failures == 0


def test_without_retries_a_429_is_the_outcome():
    job = score([work()], context(max_retries=0))
    begin(job)
    (outcome,) = tell(job, 1.0, throttled(44))
    assert type(outcome.error) is RateLimitError
    assert outcome.error.retry_after == 44.0


def test_a_job_without_works_ends_in_what_is_read():
    run = context()
    call = requests.get_evals()
    job = fetch(call, responses.read, run)
    assert job.works == ()
    assert begin(job) == Send(call, None)
    assert isinstance(tell(job, 1.0, timed_out()), Rest)
    assert tell(job, 2.0) == Send(call, None)
    assert tell(job, 3.0, reply({"status": True, "result": [1]})) == [[1]]
    assert run.counts == Counts(requests=2, retries=1)


def test_a_job_without_works_raises_its_last_error():
    job = fetch(requests.get_evals(), responses.read, context(max_retries=1))
    begin(job)
    tell(job, 1.0, timed_out())
    tell(job, 2.0)
    with pytest.raises(APITimeoutError) as caught:
        tell(job, 3.0, timed_out())
    assert caught.value.attempts == 2


def test_a_pipeline_whose_answer_was_lost_is_ambiguous_without_works_too():
    run = context(on_ambiguous="fail")
    job = fetch(requests.evaluate_pipeline("p", "v", []), responses.read, run)
    begin(job)
    with pytest.raises(AmbiguousError) as caught:
        tell(job, 1.0, timed_out())
    assert type(caught.value.__cause__) is APITimeoutError
    assert run.counts == Counts(requests=1, ambiguous=1)


# -- deadlines ---------------------------------------------------------------------------------------------------------


def test_a_cases_time_begins_with_its_first_request():
    job = score([work()], context(case=10.0))
    assert begin(job).deadline is None
    tell(job, 105.0, REFUSED, sent_at=100.0, waited=50.0)
    assert tell(job, 106.0).deadline == 110.0


def test_waiting_for_a_turn_is_not_the_cases_time():
    job = score([work()], context(case=10.0))
    begin(job)
    tell(job, 101.0, REFUSED, sent_at=100.0)
    assert tell(job, 102.0).deadline == 110.0
    tell(job, 147.0, REFUSED, sent_at=146.0, waited=44.0)
    assert tell(job, 148.0).deadline == 154.0


def test_what_a_limit_refused_the_server_never_had_and_the_cases_time_begins_anew():
    job = score([work()], context(case=10.0))
    begin(job)
    tell(job, 101.0, throttled(44), sent_at=100.0)
    assert tell(job, 101.0).deadline is None
    tell(job, 146.0, REFUSED, sent_at=145.0, waited=44.0)
    assert tell(job, 147.0).deadline == 155.0
    (outcome,) = tell(job, 148.0, scored("Passed"))
    assert outcome.latency_s == 48.0


def test_a_case_without_a_bound_has_no_deadline():
    job = score([work()], context(case=None))
    begin(job)
    tell(job, 10_000.0, REFUSED, sent_at=0.0)
    assert tell(job, 10_001.0).deadline is None


@pytest.mark.parametrize("what", [REFUSED, timed_out(), refused(500)], ids=["never sent", "timeout", "500"])
def test_nothing_is_tried_again_after_the_deadline(what):
    run = context(case=10.0)
    job = score([work()], run)
    begin(job)
    (outcome,) = tell(job, 110.0, what, sent_at=100.0)
    assert outcome.status is FAILED
    assert (outcome.attempts, outcome.possible_duplicates) == (1, 0)
    assert (run.counts.retries, run.counts.possible_duplicates) == (0, 0)


@pytest.mark.parametrize("what", [REFUSED, timed_out()], ids=["never sent", "timeout"])
def test_a_try_that_could_begin_only_after_the_deadline_is_not_made(what):
    run = context(case=10.0)
    job = score([work()], run)
    begin(job)
    end = tell(job, 109.9, what, sent_at=100.0)
    assert isinstance(end, list), f"{end} with a deadline of 110"
    assert (end[0].status, end[0].attempts, end[0].possible_duplicates) == (FAILED, 1, 0)
    assert (run.counts.retries, run.counts.possible_duplicates) == (0, 0)


def test_a_limit_met_at_the_deadline_is_waited_out_all_the_same():
    job = score([work()], context(case=10.0))
    begin(job)
    assert tell(job, 110.0, throttled(44), sent_at=100.0) == Requeue()


# -- several rows, of which one is refused -----------------------------------------------------------------------------


def singles(jobs: object) -> list[Job]:
    assert isinstance(jobs, list)
    assert [type(job) for job in jobs] == [Job] * 3
    assert [[work.index for work in job.works] for job in jobs] == [[0], [1], [2]]
    return jobs


def test_a_batch_refused_before_it_ran_goes_on_row_by_row():
    run = context()
    job = score(works(3), run)
    begin(job)
    jobs = singles(tell(job, 1.0, refused(400, errors={"inputs": ["bad"]})))
    assert run.counts == Counts(requests=1)
    outcomes = []
    for number, single in enumerate(jobs):
        assert inputs_of(begin(single)) == {"output": f"text {number}"}
        what = refused(400, errors={"inputs": ["bad"]}) if number == 1 else scored("Passed")
        outcomes += tell(single, 2.0 + number, what)
    assert [each.status for each in outcomes] == [SCORED, FAILED, SCORED]
    assert [(each.attempts, each.ambiguous, each.possible_duplicates) for each in outcomes] == [(2, 0, 0)] * 3
    assert outcomes[1].error.fields == {"inputs": ["bad"]}
    assert run.counts == Counts(requests=4)


def test_the_error_of_a_row_knows_all_its_attempts():
    job = score(works(3), context())
    begin(job)
    single = singles(tell(job, 1.0, refused(400, errors={"inputs": ["bad"]})))[0]
    begin(single)
    (outcome,) = tell(single, 2.0, refused(400, errors={"inputs": ["bad"]}))
    assert outcome.attempts == 2
    assert outcome.error.attempts == 2


def test_a_batch_refused_by_a_row_that_ran_makes_all_its_rows_ambiguous():
    run = context()
    job = score(works(3), run)
    begin(job)
    jobs = singles(tell(job, 1.0, refused(400, "Runtime error: boom")))
    assert run.counts == Counts(requests=1, ambiguous=3, possible_duplicates=3)
    begin(jobs[0])
    (outcome,) = tell(jobs[0], 2.0, scored("Passed"))
    assert (outcome.attempts, outcome.ambiguous, outcome.possible_duplicates) == (2, 1, 1)


def test_a_batch_that_fails_again_and_again_goes_on_row_by_row():
    run = context(max_retries=1)
    job = score(works(3), run)
    begin(job)
    assert isinstance(tell(job, 1.0, refused(500)), Rest)
    assert isinstance(tell(job, 2.0), Send)
    jobs = singles(tell(job, 3.0, refused(500)))
    assert run.counts == Counts(requests=2, retries=1, ambiguous=6, possible_duplicates=6)
    assert [(each.works[0].history.attempts, each.works[0].history.ambiguous) for each in jobs] == [(2, 2)] * 3
    assert [each.works[0].history.possible_duplicates for each in jobs] == [2] * 3


def test_the_words_of_a_row_that_end_in_not_found_refuse_no_other_row():
    job = score(works(3), context())
    begin(job)
    singles(tell(job, 1.0, refused(400, "Code eval input validation failed: Runtime error: key not found")))


@pytest.mark.parametrize("make", [score, accept, start])
def test_fail_forbids_going_on_row_by_row_and_tells_the_cause(make):
    run = context(on_ambiguous="fail")
    job = make(works(3), run)
    begin(job)
    outcomes = tell(job, 1.0, refused(400, "Runtime error: boom"))
    assert [each.status for each in outcomes] == [FAILED] * 3
    assert [type(each.error) for each in outcomes] == [AmbiguousError] * 3
    assert [(each.attempts, each.ambiguous, each.possible_duplicates) for each in outcomes] == [(1, 1, 0)] * 3
    assert run.counts == Counts(requests=1, ambiguous=3)
    assert [each.error.server_message for each in outcomes] == ["Runtime error: boom"] * 3
    assert [type(each.error.__cause__) for each in outcomes] == [ValidationError] * 3


def test_fail_allows_going_on_row_by_row_where_nothing_ran():
    job = score(works(3), context(on_ambiguous="fail"))
    begin(job)
    singles(tell(job, 1.0, refused(400, errors={"inputs": ["bad"]})))


@pytest.mark.parametrize("what", [timed_out(), refused(500), cut_off()], ids=["timeout", "500", "cut off"])
def test_fail_makes_a_lost_batch_an_ambiguous_outcome_for_each_row(what):
    run = context(on_ambiguous="fail")
    job = score(works(3), run)
    begin(job)
    outcomes = tell(job, 1.0, what)
    assert [type(each.error) for each in outcomes] == [AmbiguousError] * 3
    assert all(each.error.__cause__ is not None for each in outcomes)
    assert run.counts == Counts(requests=1, ambiguous=3)


def test_a_lost_batch_is_the_outcome_of_each_row_when_retries_are_over():
    job = score(works(3), context(max_retries=0))
    begin(job)
    outcomes = tell(job, 1.0, timed_out())
    assert [(each.status, type(each.error), each.ambiguous) for each in outcomes] == [(FAILED, APITimeoutError, 1)] * 3


@pytest.mark.parametrize("what", [refused(500), refused(400, "Runtime error: boom")], ids=["500", "400"])
def test_without_retries_no_row_that_may_have_run_is_sent_again(what):
    run = context(max_retries=0)
    job = score(works(3), run)
    begin(job)
    ended = tell(job, 1.0, what)
    assert [getattr(each, "status", "another job") for each in ended] == [FAILED] * 3
    assert run.counts.possible_duplicates == 0


def test_a_batch_that_fails_after_its_deadline_is_not_sent_again_row_by_row():
    run = context(case=10.0)
    job = score(works(3), run)
    begin(job)
    ended = tell(job, 111.0, refused(500), sent_at=100.0)
    assert [getattr(each, "status", "another job") for each in ended] == [FAILED] * 3
    assert run.counts.possible_duplicates == 0


# -- accepted, and polled ----------------------------------------------------------------------------------------------


def canary(run: Context, now: float = 200.0) -> Canary:
    """Return the canary that leaves in a ticket, and comes back with an answer."""
    ticket = run.gate.issue(now, Need(post=True, rows=1), run.terms)
    assert ticket is not None
    ticket.answered(now + 0.5, 200, None)
    assert ticket.canary is not None
    return ticket.canary


def polling(run: object, one: Work | None = None, now: float = 100.0) -> Job:
    """A job of `poll` whose evaluation was accepted at this time."""
    job = accept([one or work()], run)
    begin(job)
    (next_job,) = tell(job, now, accepted(), sent_at=now - 1)
    return next_job


def test_accepted_rows_become_a_poll_each():
    run, three = context(), works(3)
    job = accept(three, run)
    assert json.loads(begin(job).call.body) == {
        "eval_name": "tone",
        "inputs": {"output": ["text 0", "text 1", "text 2"]},
        "is_async": True,
    }
    jobs = tell(job, 100.0, accepted(3), sent_at=99.0)
    assert [job.works for job in jobs] == [[each] for each in three]
    assert [each.attempt.eval_id for each in three] == IDS[:3]
    # The first of those accepted at once is asked early, the others when that may have been answered.
    assert [begin(each) for each in jobs] == [Rest(100.25)] * 3
    for number, each in enumerate(jobs):
        assert tell(each, 100.25) == Send(requests.get_eval(IDS[number]), 699.0 + GRACE)
    assert run.counts == Counts(requests=1)


@pytest.mark.parametrize("make", [accept, start])
def test_an_acceptance_without_an_id_fails_and_is_not_sent_again(make):
    job = make([work()], context())
    begin(job)
    item = {"name": "tone", "output_type": "Pass/Fail"}
    (outcome,) = tell(job, 1.0, reply({"status": True, "result": [{"evaluations": [item]}]}))
    assert type(outcome.error) is ProtocolError
    assert "without naming its eval_id" in outcome.error.message
    assert (outcome.attempts, outcome.ambiguous) == (1, 0)


def test_a_started_evaluation_has_an_id_and_what_is_known():
    run = context()
    job = start([work(3, model="turing_small", filled={"input": "output"})], run)
    assert b'"is_async":true' in begin(job).call.body
    (started,) = tell(job, 1.0, accepted())
    assert started == Started(3, "tone", started.result)
    assert (started.result.eval_id, started.result.output, started.error) == (IDS[0], None, None)
    assert (started.result.model, started.result.filled) == ("turing_small", {"input": "output"})


def test_a_poll_goes_on_until_it_is_done():
    run = context()
    job = polling(run, work(model="turing_small", filled={"input": "output"}))
    assert begin(job) == Rest(100.25)
    assert isinstance(tell(job, 100.25), Send)
    assert tell(job, 101.0, pending(), sent_at=100.25) == Rest(101.25)
    assert isinstance(tell(job, 101.25), Send)
    assert tell(job, 104.0, pending("processing"), sent_at=101.25) == Rest(104.25)
    assert isinstance(tell(job, 104.25), Send)
    (outcome,) = tell(job, 105.5, completed(model=None), sent_at=104.25)
    assert (outcome.status, outcome.score, outcome.eval_id) == (SCORED, 1.0, IDS[0])
    assert (outcome.attempts, outcome.latency_s) == (1, 6.5)
    assert (outcome.result.model, outcome.result.filled) == ("turing_small", {"input": "output"})
    assert (outcome.result.eval_id, outcome.result.name) == (IDS[0], "tone")
    assert run.counts == Counts(requests=4, polls=3)


def test_what_the_server_says_of_model_and_id_is_kept():
    job = polling(context(), work(model="turing_small"))
    begin(job)
    tell(job, 100.25)
    (outcome,) = tell(job, 101.0, completed(model="turing_large", eval_id=IDS[0].upper()))
    assert (outcome.result.model, outcome.result.eval_id) == ("turing_large", IDS[0].upper())


def test_anothers_result_is_asked_for_again_and_never_taken():
    run = context()
    job = polling(run)
    begin(job)
    tell(job, 100.25)
    assert isinstance(tell(job, 101.0, completed(eval_id=IDS[7])), Rest)
    assert isinstance(tell(job, 102.0), Send)
    (outcome,) = tell(job, 103.0, completed("Failed"))
    assert (outcome.status, outcome.result.eval_id, outcome.score) == (SCORED, IDS[0], 0.0)
    assert (outcome.attempts, outcome.ambiguous, run.counts.retries) == (1, 0, 1)


@pytest.mark.parametrize(
    "what",
    [completed(name="clean"), completed("high", output_type="score"), reply({"status": True, "result": []})],
    ids=["another template", "a score that is none", "no object"],
)
def test_a_poll_that_says_the_same_every_time_is_asked_once(what):
    run = context()
    job = polling(run)
    begin(job)
    tell(job, 100.25)
    (outcome,) = tell(job, 101.0, what)
    assert (outcome.status, type(outcome.error), outcome.error.eval_id) == (FAILED, ProtocolError, IDS[0])
    assert run.counts.polls == 1


def test_completions_are_learned_from_acceptance_to_result():
    run = context()
    for _ in range(5):
        job = polling(run)
        begin(job)
        tell(job, 100.25)
        tell(job, 106.5, pending(), sent_at=106.25)
        tell(job, 106.85)
        tell(job, 107.0, completed(), sent_at=106.85)
    assert 6.5 < run.completions.typical("tone") < 7.2


def test_a_fixed_interval_is_kept():
    job = polling(context(interval=3.0))
    assert begin(job) == Rest(103.0)
    tell(job, 103.0)
    assert tell(job, 104.0, pending()) == Rest(107.0)


def test_a_failed_evaluation_is_an_outcome_with_the_servers_words():
    run = context()
    job = polling(run)
    begin(job)
    tell(job, 100.25)
    (outcome,) = tell(job, 101.0, failed("No input received for 'text'."))
    assert (outcome.status, type(outcome.error)) == (FAILED, EvaluationError)
    assert outcome.error.server_message == "No input received for 'text'."
    assert (outcome.error.eval_id, outcome.eval_id, outcome.error.attempts) == (IDS[0], IDS[0], 1)


def test_a_verdict_that_is_stored_as_failed_is_scored():
    job = polling(context())
    begin(job)
    tell(job, 100.25)
    record = {"value": "Failed", "output_type": "Pass/Fail", "error_message": None}
    (outcome,) = tell(job, 101.0, reply({"status": True, "result": {"eval_status": "failed", "result": record}}))
    assert (outcome.status, outcome.passed, outcome.result.eval_id) == (SCORED, False, IDS[0])


def test_an_id_that_is_not_known_ends_a_poll():
    job = polling(context())
    begin(job)
    tell(job, 100.25)
    (outcome,) = tell(job, 101.0, refused(400, "Evaluation not found."))
    assert (outcome.status, type(outcome.error), outcome.error.eval_id) == (FAILED, NotFoundError, IDS[0])


def test_lost_polls_are_asked_again_until_the_deadline_and_cost_no_attempt():
    run = context(max_retries=1, case=10.0)
    job = polling(run)
    action = begin(job)
    asked = 0
    now = 100.0
    while not isinstance(action, list):
        if isinstance(action, Rest):
            now = action.until
            action = tell(job, now)
        else:
            asked += 1
            assert action.deadline == 109.0 + GRACE
            action = tell(job, now, [timed_out(), refused(500), cut_off(), REFUSED][asked % 4])
    (outcome,) = action
    assert 105.0 < now <= 109.0
    assert asked > 5
    assert outcome.status is STALLED
    assert type(outcome.error) is StalledError
    assert outcome.error.__cause__ is not None
    assert (outcome.attempts, outcome.ambiguous, outcome.possible_duplicates) == (1, 0, 0)
    assert (outcome.eval_id, outcome.error.eval_id) == (IDS[0], IDS[0])
    assert (run.counts.polls, run.counts.requests, run.counts.ambiguous) == (asked, asked + 1, 0)


def test_a_lost_poll_may_be_followed_by_a_result():
    job = polling(context(max_retries=0))
    begin(job)
    tell(job, 100.25)
    assert tell(job, 101.0, refused(500)) == Rest(101.25)
    tell(job, 101.25)
    (outcome,) = tell(job, 102.0, completed())
    assert outcome.status is SCORED


@pytest.mark.parametrize("status", ["pending", "processing"])
def test_what_is_accepted_and_not_done_by_the_deadline_is_stalled(status):
    job = polling(context(case=10.0))
    begin(job)
    tell(job, 100.25)
    (outcome,) = tell(job, 109.0, pending(status))
    assert (outcome.status, type(outcome.error)) == (STALLED, StalledError)
    assert outcome.error.message == f"accepted by the server, and still {status} after 9 s"
    assert outcome.error.__cause__ is None
    assert (outcome.eval_id, outcome.error.eval_id, outcome.latency_s) == (IDS[0], IDS[0], 10.0)


def test_how_long_it_stalled_is_told_by_a_clock_that_began_at_zero_too():
    job = polling(context(case=10.0), now=0.0)
    begin(job)
    tell(job, 0.25)
    (outcome,) = tell(job, 9.0, pending())
    assert outcome.error.message == "accepted by the server, and still pending after 9 s"


def test_the_last_poll_is_at_the_deadline_and_has_time_for_its_reply():
    job = polling(context(case=10.0))
    begin(job)
    tell(job, 100.25)
    assert tell(job, 108.9, pending()) == Rest(109.0)
    assert tell(job, 109.0).deadline == 109.0 + GRACE
    (outcome,) = tell(job, 111.0, completed(), sent_at=109.0)
    assert outcome.status is SCORED


def test_a_429_on_a_poll_does_not_let_the_cases_time_begin_anew():
    job = polling(context(case=10.0))
    begin(job)
    tell(job, 100.25)
    tell(job, 101.0, throttled(44))
    assert tell(job, 101.0).deadline == 109.0 + GRACE


def test_a_poll_without_a_bound_goes_on():
    job = polling(context(case=None))
    begin(job)
    tell(job, 100.25)
    assert tell(job, 1_000_000.0, pending()) == Rest(1_000_001.0)  # to look whether others are known to be done


def test_waiting_for_a_poll_to_leave_extends_the_deadline():
    job = polling(context(case=10.0))
    begin(job)
    assert tell(job, 100.25).deadline == 109.0 + GRACE
    tell(job, 131.0, pending(), sent_at=130.25, waited=30.0)
    assert tell(job, 132.6).deadline == 139.0 + GRACE


def test_a_429_on_a_poll_holds_everyone():
    run = context()
    job = polling(run)
    begin(job)
    tell(job, 100.25)
    assert tell(job, 101.0, throttled(44)) == Requeue()
    assert isinstance(tell(job, 101.0), Send)
    (outcome,) = tell(job, 146.0, completed())
    assert outcome.status is SCORED
    assert run.counts == Counts(requests=3, polls=2, throttled=1)


def test_an_evaluation_that_a_limit_stopped_begins_anew_and_others_wait():
    run = context(case=10.0)
    one = work()
    job = polling(run, one)
    begin(job)
    tell(job, 100.25)
    assert tell(job, 101.0, limited()) == [one]
    assert run.gate.quota.is_closed
    assert (one.attempt.eval_id, one.attempt.accepted_at, one.attempt.deadline, one.history.throttled) == (
        None,
        None,
        None,
        1,
    )
    again = accept([one], run)
    send = begin(again)
    assert send.deadline is None
    assert b'"is_async":true' in send.call.body
    (next_poll,) = tell(again, 201.0, accepted(first=1), sent_at=200.0, waited=99.0)
    assert begin(next_poll) == Rest(201.25)
    assert tell(next_poll, 201.25) == Send(requests.get_eval(IDS[1]), 210.0 + GRACE)
    (outcome,) = tell(next_poll, 202.0, completed(eval_id=IDS[1]))
    assert (outcome.status, outcome.attempts, outcome.possible_duplicates) == (SCORED, 2, 0)
    assert (outcome.eval_id, outcome.latency_s) == (IDS[1], 103.0)
    assert run.counts == Counts(requests=4, polls=2, throttled=1)


def test_a_canary_tells_the_quota_what_became_of_it():
    run, one = context(), work()
    quota = run.gate.quota
    quota.refused(100.0, canary=False, clock=run.gate.clock)
    for now, what, is_closed in ((200.0, limited(), True), (300.0, failed("boom"), False)):
        one.attempt.canary = canary(run, now)
        job = polling(run, one, now + 1)
        begin(job)
        tell(job, now + 1.25)
        tell(job, now + 2, pending())
        assert (quota.is_asking, quota.is_closed) == (True, True)
        tell(job, now + 2.25)
        tell(job, now + 3, what)
        assert (one.attempt.canary, quota.is_asking, quota.is_closed) == (None, False, is_closed)


@pytest.mark.parametrize("what", [refused(404), refused(500), timed_out(), throttled(44), reply([])], ids=repr)
def test_a_canary_whose_request_scores_nothing_is_let_go(what):
    run, one = context(), work()
    quota = run.gate.quota
    quota.refused(100.0, canary=False, clock=run.gate.clock)
    one.attempt.canary = canary(run)
    job = score([one], run)
    begin(job)
    tell(job, 201.0, what)
    assert (one.attempt.canary, quota.is_asking, quota.is_closed) == (None, False, True)
    assert quota.opens_at() == 201.0 + FIRST


def test_a_canary_that_is_scored_opens_the_quota():
    run, one = context(), work()
    run.gate.quota.refused(100.0, canary=False, clock=run.gate.clock)
    one.attempt.canary = canary(run)
    job = score([one], run)
    begin(job)
    tell(job, 201.0, scored("Passed"))
    assert (one.attempt.canary, run.gate.quota.is_closed) == (None, False)


def test_a_canary_that_a_limit_stopped_opens_nothing_without_retries_either():
    run, one = context(max_retries=0), work()
    run.gate.quota.refused(100.0, canary=False, clock=run.gate.clock)
    one.attempt.canary = canary(run)
    job = polling(run, one, 200.0)
    begin(job)
    tell(job, 200.25)
    (outcome,) = tell(job, 201.0, limited())
    assert (outcome.status, run.gate.quota.is_closed, run.gate.canaries.stopped_evaluations) == (FAILED, True, 1)


def test_the_canary_of_an_evaluation_that_is_started_is_kept_for_whoever_asks_for_it():
    run, one = context(), work()
    run.gate.quota.refused(100.0, canary=False, clock=run.gate.clock)
    one.attempt.canary = out = canary(run)
    job = start([one], run)
    begin(job)
    tell(job, 201.0, accepted())
    assert one.attempt.canary is None
    assert run.gate.quota.opens_at() == 201.0 + UNASKED
    assert run.gate.canaries.claim(IDS[0], 210.0) is out
    assert run.gate.quota.opens_at() == 210.0 + OVERDUE


def test_each_poll_of_a_canary_lets_it_be_waited_for_as_long_again():
    run, one = context(), work()
    run.gate.quota.refused(100.0, canary=False, clock=run.gate.clock)
    one.attempt.canary = canary(run)
    job = polling(run, one, 201.0)
    begin(job)
    tell(job, 201.25)
    tell(job, 250.0, pending())
    assert run.gate.quota.opens_at() == 250.0 + OVERDUE


GENERIC = "Unable to run standalone evaluation. Please try again."


def test_a_500_that_says_nothing_is_asked_again_asynchronously():
    run = context()
    job = score(works(2), run)
    begin(job)
    again = tell(job, 1.0, refused(500, GENERIC))
    assert [[each.index for each in job.works] for job in again] == [[0], [1]]
    assert all(b'"is_async":true' in begin(job).call.body for job in again)
    assert run.counts == Counts(requests=1, ambiguous=2, possible_duplicates=2)


@pytest.mark.parametrize("policy", [{"on_ambiguous": "fail"}, {"max_retries": 0}], ids=str)
def test_a_500_that_says_nothing_is_final_where_nothing_may_be_sent_again(policy):
    job = score([work()], context(**policy))
    begin(job)
    (outcome,) = tell(job, 1.0, refused(500, GENERIC))
    assert (outcome.status, outcome.possible_duplicates) == (FAILED, 0)


def test_without_retries_an_evaluation_that_a_limit_stopped_has_failed():
    job = polling(context(max_retries=0))
    begin(job)
    tell(job, 100.25)
    (outcome,) = tell(job, 101.0, limited())
    assert (outcome.status, outcome.error.throttled) == (FAILED, True)


# -- polled by id ------------------------------------------------------------------------------------------------------


def by_id() -> Work:
    return Work(0, Case({}, id="mine"), Parameters(""), attempt=Attempt(eval_id=IDS[0]))


def test_an_id_alone_is_asked_for_at_once():
    run = context(case=10.0)
    job = poll(by_id(), run)
    assert begin(job) == Send(requests.get_eval(IDS[0]), None)
    assert tell(job, 100.0, pending()) == Rest(100.25)
    assert tell(job, 100.25) == Send(requests.get_eval(IDS[0]), 110.0 + GRACE)
    (outcome,) = tell(job, 101.0, completed(0.5, "score"))
    assert (outcome.status, outcome.score, outcome.attempts, outcome.latency_s) == (SCORED, 0.5, 0, 1.0)
    assert outcome.result.filled == {}


def test_an_id_whose_inputs_are_not_known_cannot_begin_anew():
    job = poll(by_id(), context())
    begin(job)
    (outcome,) = tell(job, 1.0, limited())
    assert (outcome.status, outcome.error.throttled, outcome.error.eval_id) == (FAILED, True, IDS[0])
    assert outcome.error.attempts is None


@pytest.mark.parametrize("eval_id", ["job-17", "a/b?c", "", "\ud800"])
def test_whatever_id_a_server_gave_is_asked_for(eval_id):
    one = by_id()
    one.attempt.eval_id = eval_id
    assert begin(poll(one, context())).call == requests.get_eval(eval_id)


# -- what is kept ------------------------------------------------------------------------------------------------------


def chain(error: BaseException | None) -> list[BaseException]:
    found = []
    while error is not None:
        found.append(error)
        error = error.__cause__ or error.__context__
    return found


@pytest.mark.parametrize("on_ambiguous", ["resubmit", "fail"])
@pytest.mark.parametrize(
    "what", [timed_out(), refused(500), reply([]), refused(400)], ids=["timeout", "500", "[]", "400"]
)
def test_the_error_of_an_outcome_holds_no_frames(what, on_ambiguous):
    job = score([work()], context(max_retries=0, on_ambiguous=on_ambiguous))
    begin(job)
    (outcome,) = tell(job, 1.0, what)
    assert [each.__traceback__ for each in chain(outcome.error)] == [None] * len(chain(outcome.error))


def test_the_error_of_a_stalled_outcome_holds_no_frames():
    job = polling(context(case=10.0, max_retries=0))
    begin(job)
    tell(job, 100.25)
    (outcome,) = tell(job, 109.0, timed_out())
    assert [type(each) for each in chain(outcome.error)] == [StalledError, APITimeoutError]
    assert all(each.__traceback__ is None for each in chain(outcome.error))


def test_jobs_are_told_apart_though_they_are_alike():
    run = context()
    assert len({score([work()], run), score([work()], run)}) == 2


def test_the_refusals_that_end_a_run_are_those_of_the_key_pair():
    assert set(DENIED) == {AuthenticationError, PermissionDeniedError}
