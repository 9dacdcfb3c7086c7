"""A ticket: settled exactly once, and dropped without a word it is lost."""

from __future__ import annotations

import asyncio
from contextlib import nullcontext

import pytest

from fi_async import Limit
from fi_async.pacing.gate import Gate
from fi_async.pacing.slots import Slots
from fi_async.pacing.ticket import Need, Terms, Ticket

ONE = Need(post=True, rows=1)
ENDS = {
    "answered": lambda ticket: ticket.answered(2.0, 200, None),
    "refused": lambda ticket: ticket.refused(2.0, 1.0, None),
    "unreachable": lambda ticket: ticket.unreachable(2.0),
    "lost": lambda ticket: ticket.lost(2.0),
    "timed out": lambda ticket: ticket.lost(2.0, timed_out=True),
    "returned": lambda ticket: ticket.returned(2.0),
}
ends = pytest.mark.parametrize("end", ENDS.values(), ids=ENDS)


def issued(gate: Gate, terms: Terms, now: float = 1.0) -> Ticket:
    ticket = gate.issue(now, ONE, terms)
    assert ticket is not None
    return ticket


def with_canary(terms: Terms) -> tuple[Gate, Ticket]:
    gate = Gate()
    gate.canaries.stopped(None, 0.0)
    ticket = issued(gate, terms)
    assert ticket.canary is not None
    return gate, ticket


def test_what_a_request_uses_of_each_kind_of_limit():
    requests, evaluations = Limit(1, per=1.0), Limit(1, per=1.0, of="evaluations")
    found = [(need.of(requests), need.of(evaluations), need.evaluates) for need in
             (Need(), Need(rows=3), Need(post=True), Need(post=True, rows=3))]  # fmt: skip
    assert found == [(1, 0, False), (1, 0, False), (1, 0, False), (1, 3, True)]


@ends
def test_each_end_gives_back_the_slot_and_is_the_only_one(end):
    gate, terms = Gate(), Terms(Slots(1))
    ticket = issued(gate, terms)
    assert (gate.out, terms.slots.taken, gate.issue(1.0, ONE, terms)) == (1, 1, None)
    end(ticket)
    assert (gate.out, terms.slots.taken, ticket.is_settled) == (0, 0, True)
    for again in ENDS.values():
        with pytest.raises(AssertionError, match="settled once"):
            again(ticket)
    assert (gate.out, terms.slots.taken) == (0, 0)


@ends
def test_leaving_its_block_changes_nothing_once_it_is_settled(end):
    gate, terms = Gate(), Terms(Slots(1))
    with issued(gate, terms) as ticket:
        end(ticket)
    assert (gate.out, terms.slots.taken) == (0, 0)


@pytest.mark.parametrize("error", [ZeroDivisionError, asyncio.CancelledError, GeneratorExit, None])
def test_one_that_is_dropped_without_a_word_is_lost(error):
    gate, ticket = with_canary(Terms(Slots(1)))
    with nullcontext() if error is None else pytest.raises(error), ticket:
        if error is not None:
            raise error
    assert (gate.out, ticket.slots.taken, ticket.is_settled) == (0, 0, True)
    assert (ticket.canary, gate.quota.is_asking, gate.quota.opens_at()) == (None, False, 1.5)


@pytest.mark.parametrize(
    ("end", "opens"),
    [
        ("refused", 2.0),
        ("unreachable", 2.0),
        ("returned", 2.0),
        ("lost", 2.5),
        ("timed out", 2.5),
    ],
)
def test_a_canary_that_is_not_answered_is_taken_back_and_one_that_never_ran_is_followed_at_once(end, opens):
    gate, ticket = with_canary(Terms())
    ENDS[end](ticket)
    assert (ticket.canary, gate.quota.is_asking, gate.quota.opens_at()) == (None, False, opens)


@pytest.mark.parametrize(("status", "opens"), [(302, 2.0), (400, 2.0), (404, 2.0), (500, 2.5), (503, 2.5)])
def test_a_canary_whose_answer_is_an_error_is_taken_back(status, opens):
    gate, ticket = with_canary(Terms())
    ticket.answered(2.0, status, None)
    assert (ticket.canary, gate.quota.is_asking, gate.quota.opens_at()) == (None, False, opens)


def test_a_canary_that_is_answered_stays_with_whoever_asked():
    gate, ticket = with_canary(Terms())
    ticket.answered(2.0, 200, None)
    assert ticket.canary is not None
    assert gate.quota.is_asking
    gate.canaries.ran(ticket.canary, 0.0)
    assert not gate.quota.is_closed


@ends
def test_one_of_another_loop_harms_nothing(end):
    gate, terms = Gate(), Terms(Slots(1))
    gate.go_by("one")
    gate.canaries.stopped(None, 0.0)
    old = issued(gate, terms)
    gate.go_by("another")
    gate.canaries.stopped(None, 0.0)
    new = issued(gate, Terms())
    assert (gate.out, old.may_leave(9.0)) == (1, True)
    end(old)
    gate.canaries.let_go(old.canary, 2.0)
    assert terms.slots.taken == 0, "the slot is its own"
    assert (gate.out, gate.quota.is_asking, gate.outage.since) == (1, True, None)
    assert gate.opens_at(2.0, Need(), Terms()) == 0.0
    new.answered(2.0, 200, None)
    gate.canaries.ran(new.canary, 0.0)
    assert not gate.quota.is_closed


def test_it_tells_what_it_is_for():
    ticket = issued(Gate(), Terms())
    assert repr(ticket) == "<Ticket Need(post=True, rows=1, tokens=0) since=1.0>"
    ticket.lost(None)
    assert repr(ticket) == "<Ticket Need(post=True, rows=1, tokens=0) since=1.0 settled>"
