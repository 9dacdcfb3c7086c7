"""Repeats and juries, driven through the engine: cut off anywhere, gone on with, with faults, and with equal cases.

FI_ASYNC_EXAMPLES says how many runs.
"""

from __future__ import annotations

import os
import tempfile
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import anyio
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from clock import VirtualClockLoop
from fi_async import Jury, Outcome, OutcomeStatus, Report, Timeout
from fi_async.journal.view import open_view
from fi_async.local import ChatFaults
from fi_async.panels.combining import sample_of, vote_of
from fi_async.panels.shape import PanelShape
from judged import client
from voting import CALM, Voter, noisy

EXAMPLES = int(os.environ.get("FI_ASYNC_EXAMPLES", "25"))
NAMES = ("a", "b", "c")


@dataclass
class Plan:
    """What is run, and how it goes wrong."""

    answers: list[int]
    repeats: int | str
    reduce: str
    jurors: int
    rule: str
    faults: ChatFaults
    cuts: list[float]
    seed: int

    def __post_init__(self) -> None:
        if self.repeats == "auto" and self.reduce == "mean":
            self.reduce = "majority"

    @property
    def shape(self) -> PanelShape:
        names = NAMES[: self.jurors] if self.jurors > 1 else ()
        rule: Any = {"jurors": names, "rule": self.rule}
        if self.repeats == "auto":
            return PanelShape(2, 5, 0.9, self.reduce, **rule)
        return PanelShape(self.repeats, self.repeats, None, self.reduce, **rule)


FAULTS = st.sampled_from(
    [
        ChatFaults(),
        ChatFaults(refusal=0.3),
        ChatFaults(status={529: 0.2}, reset_before=0.1),
        ChatFaults(reset_after=0.2),
    ]
)
PLANS = st.builds(
    Plan,
    answers=st.lists(st.integers(0, 5), min_size=1, max_size=6),
    repeats=st.sampled_from([1, 2, 3, "auto"]),
    reduce=st.sampled_from(["mean", "majority", "median"]),
    jurors=st.sampled_from([1, 2, 3]),
    rule=st.sampled_from(["majority", "mean", "unanimous"]),
    faults=FAULTS,
    cuts=st.lists(st.floats(0.05, 4.0), max_size=3),
    seed=st.integers(0, 1000),
)


def whole(outcome: Outcome, shape: PanelShape) -> Outcome:
    """Return what the evaluations of an outcome come to, made anew of these."""
    samples = outcome.samples or (outcome,)
    if shape.jurors:
        samples = [vote_of(each.votes, shape) for each in samples]
    return sample_of(samples, shape) if shape.is_repeated else samples[0]


def told(outcome: Outcome) -> tuple[Any, ...]:
    output = None if outcome.result is None else outcome.result.output
    return outcome.index, outcome.status, output, len(outcome.samples), len(outcome.votes), type(outcome.error)


async def carried_out(plan: Plan, path: Path) -> tuple[list[Report], list[Voter]]:
    voters = [
        Voter(noisy(lambda _: 0.6, plan.seed + n), latency=0.3, faults=plan.faults, seed=plan.seed)
        for n in range(plan.jurors)
    ]
    judges = [each.judge(name, concurrency=3) for each, name in zip(voters, NAMES, strict=False)]
    backend = judges[0] if plan.jurors == 1 else Jury(*judges, rule=plan.rule)  # type: ignore[arg-type]
    cases = [{"output": f"Answer {n}."} for n in plan.answers]
    options: Any = {"repeats": plan.repeats, "reduce": plan.reduce, "precision": 0.9, "max_repeats": 5}
    async with client(backend) as ev:
        reports = [
            await ev.gather(cases, CALM, run=path, timeout=Timeout(call=seconds), **options) for seconds in plan.cuts
        ]
        return [*reports, await ev.gather(cases, CALM, run=path, **options)], voters


@settings(
    max_examples=EXAMPLES, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large]
)
@given(PLANS)
def test_every_case_has_one_outcome_and_every_vote_its_place(plan):
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "r.db"
        reports, voters = anyio.run(carried_out, plan, path, backend_options={"loop_factory": VirtualClockLoop})
        with open_view(path) as view:
            kept = [record.outcome for record in view.records()]
            count, spending = view.count(), view.spending()
    for report in reports:  # those that were cut off, too
        assert [each.index for each in report.outcomes] == list(range(len(plan.answers)))
        for each in report.outcomes:
            if each.status is not OutcomeStatus.CANCELLED:
                assert told(whole(each, plan.shape)) == told(each)
    last = reports[-1]
    assert OutcomeStatus.CANCELLED not in {each.status for each in last.outcomes}
    assert list(map(told, kept)) == list(map(told, last.outcomes))
    assert (count.evaluations, count.done, count.is_complete) == (len(plan.answers), len(plan.answers), True)
    firsts = {plan.answers[each.index]: each for each in reversed(last.outcomes)}
    for answer, first in firsts.items():  # equal cases are evaluated once, and samples are no equal cases
        asked = Counter(vote.juror for vote in first.evaluations())
        assert len(set(asked.values())) == 1
        scored = Counter(vote.juror for vote in first.evaluations() if vote.result is not None)
        given = {name: voter.votes[answer] for name, voter in zip(plan.shape.voters(), voters, strict=True)}
        assert all(given[name] >= votes for name, votes in scored.items())
        if plan.faults == ChatFaults() and not plan.cuts:
            assert given == asked
    if plan.faults == ChatFaults() and not plan.cuts:
        assert spending.dollars == last.summary()["cost"]
