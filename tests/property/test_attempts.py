"""Jobs driven through arbitrary sequences of events: they end, account for every row, and keep to the policy."""

from __future__ import annotations

import json
import math
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fi_async import AmbiguousError, AuthenticationError, Outcome, OutcomeStatus, PermissionDeniedError
from fi_async.engine.attempts import Context, Job, Requeue, Rest, Send
from fi_async.engine.submissions import accept, score
from fi_async.engine.work import Work
from pure.hand import (
    REFUSED,
    accepted,
    begin,
    completed,
    context,
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
    works,
)

# What may come of a POST of so many rows, and of a poll.
LOST: dict[str, Callable[[], Any]] = {
    "timeout": timed_out,
    "reset": reset,
    "500": lambda: refused(500),
    "503": lambda: refused(503),
    "no object": lambda: reply([]),
    "cut off": lambda: reply({"status": True}),
}
POSTED: dict[str, Callable[[int], Any]] = {
    **{name: lambda _, make=make: make() for name, make in LOST.items()},
    "scored": lambda rows: scored(*["Passed"] * rows),
    "accepted": accepted,
    "refused": lambda _: REFUSED,
    "nobody there": lambda _: unreachable(),
    "429": lambda _: throttled(44),
    "429 without a time": lambda _: throttled(None),
    "bad field": lambda _: refused(400, errors={"inputs": ["bad"]}),
    "bad": lambda _: refused(400, "boom"),
    "too few": lambda rows: scored(*["Passed"] * (rows - 1)),
    "no output": lambda rows: scored(*[None] * rows),
}
POLLED: dict[str, Callable[[], Any]] = {
    **LOST,
    "pending": pending,
    "processing": lambda: pending("processing"),
    "completed": completed,
    "failed": lambda: failed("boom"),
    "limited": limited,
    "429": throttled,
    "refused": lambda: REFUSED,
    "nobody there": unreachable,
    "not found": lambda: refused(400, "Evaluation not found."),
}
events = st.lists(
    st.tuples(
        st.sampled_from(sorted(POSTED)), st.sampled_from(sorted(POLLED)), st.floats(0, 50), st.sampled_from([0, 0, 30])
    ),
    max_size=25,
)


@dataclass
class Drive:
    """Performs what jobs ask for as the engine does, with the events of a script; after its end all goes well.

    A call leaves when the gate is open, and ends by its deadline at the latest. Each job has its own time, as all
    run at once.
    """

    run: Context
    script: list[tuple[str, str, float, float]]
    opens_at: float = 0.0
    ended: list[Outcome] = field(default_factory=list)
    posts: list[tuple[tuple[str, ...], str]] = field(default_factory=list)
    late: list[str] = field(default_factory=list)
    polls: int = 0
    denied_from: float = math.inf
    denied_with: int = 401
    plans_anew: bool = False

    def to_the_end(self, job: Job) -> list[Outcome]:
        jobs = [(job, 100.0)]
        while jobs:
            job, began = jobs.pop(0)
            items, now = self._one(job, began)
            jobs += [(item, now) for item in items if isinstance(item, Job)]
            jobs += [(accept([item], self.run), now) for item in items if isinstance(item, Work)]
            self.ended += [item for item in items if isinstance(item, Outcome)]
        return self.ended

    def _one(self, job: Job, now: float) -> tuple[Sequence[Any], float]:
        action = begin(job)
        while not isinstance(action, list):
            if isinstance(action, Rest):
                now = max(now, action.until)
                action = tell(job, now)
            elif isinstance(action, Requeue):
                self.opens_at = max(self.opens_at, now + 44)
                if self.plans_anew and all(work.attempt.eval_id is None for work in job.works):
                    job.steps.close()
                    return job.works, now
                action = tell(job, now)
            else:
                action, now = self._sent(job, action, now)
        return action, now

    def _sent(self, job: Job, send: Send, now: float) -> tuple[Any, float]:
        posted, polled, took, waited = self.script.pop(0) if self.script else ("well", "completed", 0.5, 0.0)
        is_poll = send.call.method == "GET"
        left = max(now + waited, self.opens_at)
        waited = left - now
        case = self.run.timeout.case
        deadline = (left + case if case else math.inf) if send.deadline is None else send.deadline + waited
        if left >= deadline:
            self.late.append(send.call.method)
        if left + took > deadline:
            posted = polled = "timeout"
        now = max(left, min(left + took, deadline))
        what = self._poll(polled) if is_poll else self._post(posted, json.loads(send.call.body))
        if self.polls + len(self.posts) > self.denied_from:
            what = refused(self.denied_with)
        return tell(job, now, what, sent_at=left, waited=waited), now

    def _poll(self, polled: str) -> Any:
        self.polls += 1
        return POLLED[polled]()

    def _post(self, posted: str, body: dict[str, Any]) -> Any:
        texts = body["inputs"]["output"]
        rows = (texts,) if isinstance(texts, str) else tuple(texts)
        if posted == "well" or (posted == "scored" and body.get("is_async")):
            posted = "accepted" if body.get("is_async") else "scored"
        self.posts.append((rows, posted))
        return POSTED[posted](len(rows))


makes = pytest.mark.parametrize("make", [score, accept])


def checked(drive: Drive, all_works: list[Work], make: Any) -> list[Outcome]:
    """Drive to the end and check what must hold of every run."""
    outcomes = drive.to_the_end(make(all_works, drive.run))
    assert sorted(outcome.index for outcome in outcomes) == list(range(len(all_works)))
    sent = Counter(row for rows, _ in drive.posts for row in rows)
    for outcome in outcomes:
        assert outcome.attempts == sent[f"text {outcome.index}"] >= 1
        assert 0 <= outcome.possible_duplicates <= outcome.ambiguous <= outcome.attempts
        assert (outcome.status is OutcomeStatus.SCORED) is (outcome.error is None)
        assert (outcome.result is not None) is (outcome.error is None)
        assert outcome.result is None or outcome.result.output is not None
        assert outcome.status is not OutcomeStatus.STALLED or outcome.eval_id is not None
        assert outcome.latency_s is not None
        assert outcome.latency_s >= 0
    counts = drive.run.counts
    assert counts.requests == len(drive.posts) + drive.polls
    assert counts.polls == drive.polls
    assert counts.ambiguous == sum(outcome.ambiguous for outcome in outcomes)
    assert counts.possible_duplicates == sum(outcome.possible_duplicates for outcome in outcomes) <= counts.ambiguous
    return outcomes


@makes
@settings(deadline=None, max_examples=200)
@given(
    script=events, max_retries=st.integers(0, 4), case=st.sampled_from([None, 20.0, 600.0]), plans_anew=st.booleans()
)
def test_one_row_is_tried_at_most_max_retries_times_again_but_for_limits(make, script, max_retries, case, plans_anew):
    drive = Drive(context(max_retries=max_retries, case=case), script, plans_anew=plans_anew)
    checked(drive, works(1), make)
    tried = sum(1 for _, what in drive.posts if not what.startswith("429") and what != "nobody there")
    assert tried <= (max_retries + 1) * (1 + drive.run.gate.canaries.stopped_evaluations)


@makes
@settings(deadline=None, max_examples=200)
@given(
    script=events,
    rows=st.integers(2, 3),
    policy=st.tuples(st.integers(0, 3), st.sampled_from(["resubmit", "fail"])),
    plans_anew=st.booleans(),
)
def test_each_row_of_several_is_accounted_for(make, script, rows, policy, plans_anew):
    run = context(max_retries=policy[0], on_ambiguous=policy[1], case=60.0)
    drive = Drive(run, script, plans_anew=plans_anew)
    checked(drive, works(rows), make)


@makes
@settings(deadline=None, max_examples=200)
@given(script=events, rows=st.integers(1, 3))
def test_with_fail_nothing_is_sent_again_after_it_may_have_run(make, script, rows):
    drive = Drive(context(on_ambiguous="fail"), script)
    outcomes = checked(drive, works(rows), make)
    gone: set[str] = set()
    for texts, what in drive.posts:
        assert not gone & set(texts), "sent again though it may have run"
        if what in LOST or what == "too few" or (what == "bad" and len(texts) > 1):
            gone |= set(texts)
    assert drive.run.counts.possible_duplicates == 0
    for outcome in outcomes:
        assert outcome.possible_duplicates == 0
        assert isinstance(outcome.error, AmbiguousError) is (outcome.ambiguous > 0)
        if isinstance(outcome.error, AmbiguousError):
            assert outcome.error.__cause__ is not None


@makes
@settings(deadline=None, max_examples=100)
@given(script=events, rows=st.integers(1, 3), status=st.sampled_from([401, 403]), place=st.integers(0, 5))
def test_a_refused_key_pair_is_raised_and_never_an_outcome(make, script, rows, status, place):
    drive = Drive(context(case=60.0), script, denied_from=place, denied_with=status)
    refusal = None
    try:
        drive.to_the_end(make(works(rows), drive.run))
    except (AuthenticationError, PermissionDeniedError) as error:
        refusal = error
    sent = drive.polls + len(drive.posts)
    assert (refusal is not None) is (sent > place)
    assert refusal is None or (refusal.status, sent) == (status, place + 1)
    assert refusal is not None or len(drive.ended) == rows


@makes
@settings(deadline=None, max_examples=150)
@given(script=events, rows=st.integers(1, 3))
def test_nothing_is_sent_at_or_after_its_deadline(make, script, rows):
    drive = Drive(context(case=20.0), script)
    drive.to_the_end(make(works(rows), drive.run))
    assert drive.late == []
