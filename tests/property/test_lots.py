"""Whatever workers do with permits, and whoever is lost: never over a limit, and none waits for ever."""

from __future__ import annotations

import math
from collections import Counter, defaultdict

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fi_async._settings import Limit
from fi_async.pacing.gate import Gate
from fi_async.pacing.lots import Lot, LotRequest, SharedWindow, StoreTrouble, grant
from fi_async.pacing.slots import Slots
from fi_async.pacing.ticket import Need, Terms

EPOCH = 1.7e9


class Store:
    """Permits some way off: what is asked arrives, or not, and so does the answer."""

    path = "store"

    def __init__(self, skew):
        self.used = defaultdict(int)
        self.skew, self.now = skew, 0.0

    def gave(self, window):
        """Take note that a window gave some."""


class Link:
    """One worker's way to the store."""

    path = "store"

    def __init__(self, store):
        self.store, self.asked, self.was_answered = store, None, False

    def wall_clock(self):
        return self.store.now + EPOCH + self.store.skew if self.was_answered else None

    def exchange(self, asks, then):
        assert self.asked is None, "one exchange at a time"
        self.asked = asks, then

    def answer(self, now, fate):
        """Let what is under way come to its end."""
        if self.asked is None:
            return
        (asks, then), self.asked = self.asked, None
        if fate == "away":
            then(StoreTrouble("away"), now)
            return
        lots = []
        for ask in asks:
            used = max(0, self.store.used[ask.window] - ask.back)
            granted = grant(used, ask)
            self.store.used[ask.window] = used + granted
            if granted:
                self.store.gave(ask.window)
            lots.append(Lot(granted, used + granted))
        self.was_answered |= fate == "told"
        then(lots if fate == "told" else StoreTrouble("the answer is lost"), now)


class Worker:
    def __init__(self, store, limits):
        self.store, self.limits = store, limits
        self.start()

    def start(self):
        """Begin as a process does that knows nothing; what it held before is lost."""
        self.link = Link(self.store)
        self.gate, self.terms = Gate(permits=self.link, limits=self.limits), Terms(Slots(1000))
        self.gate.go_by(self)

    def leaves(self, now, need, waiting, fates):
        """Return when a request leaves, and its ticket."""
        for _ in range(400):
            self.store.now = now
            opens = self.gate.opens_at(now, need, self.terms)
            assert opens < math.inf, "every answer is in"
            if opens <= now and (ticket := self.gate.issue(now, need, self.terms, waiting)) is not None:
                return now, ticket
            if self.link.asked is not None:
                now += 0.002
                self.link.answer(now, fates.pop() if fates else "told")
            else:
                now = max(now + 1e-3, self.gate.opens_at(now, need, self.terms))
        raise AssertionError("it waits for ever")


STEPS = st.lists(
    st.tuples(
        st.integers(0, 2),
        st.floats(0, 2),
        st.integers(1, 3),
        st.integers(1, 30),
        st.sampled_from(["sent"] * 6 + ["crashed", "rests"]),
        st.lists(st.sampled_from(["told", "told", "away", "lost"]), max_size=2),
        st.tuples(*[st.sampled_from([0.0] * 6 + [0.4, 5.0, 31.0])] * 2),
    ),
    min_size=1,
    max_size=50,
)


@settings(deadline=None, max_examples=60)
@given(
    counts=st.tuples(st.integers(1, 12), st.integers(3, 20)),
    length=st.sampled_from([1.0, 7.5, 10.0, 60.0]),
    skew=st.floats(-0.9, 0.9),
    steps=STEPS,
    transit=st.floats(1e-6, 0.2),
)
def test_no_window_is_overfilled_and_every_request_leaves(counts, length, skew, steps, transit):
    requests, evaluations = counts
    limits = [Limit(requests, per=length), Limit(evaluations, per=2 * length, of="evaluations")]
    sent, started = Counter(), Counter()
    store, now, doubt = Store(skew), 0.0, 0.0
    workers = [Worker(store, limits) for _ in range(3)]
    for who, gap, rows, waiting, what, fates, (late, slow) in steps:
        worker = workers[who]
        asked = now = now + gap
        now, ticket = worker.leaves(now, Need(post=True, rows=rows), waiting, fates)
        # Lost permits are lost for their window, and the last worker's too: then the next has to come.
        assert now <= asked + 6 * length + 15 + 2 * doubt, "windows of both limits, pauses, and the clocks' uncertainty"
        if what == "crashed":
            worker.start()
            continue
        now += late
        if late and not ticket.may_leave(now):
            ticket.returned(now)
            continue
        arrived = now + transit
        sent[math.floor((arrived + EPOCH) / length)] += 1
        started[math.floor((arrived + EPOCH) / (2 * length))] += rows
        now = arrived + transit + slow
        doubt = max(doubt, slow)
        ticket.answered(now, 200, float(math.floor(arrived + EPOCH)))
        if what == "rests":
            worker.gate.rest(now)
            worker.link.answer(now, "told")
    assert max(sent.values(), default=0) <= requests
    assert max(started.values(), default=0) <= evaluations


@settings(deadline=None, max_examples=60)
@given(
    reserve=st.integers(1, 60),
    took=st.lists(st.tuples(st.integers(0, 2), st.integers(0, 90), st.floats(0, 1)), min_size=1, max_size=40),
)
def test_tokens_that_were_taken_are_used_by_all_as_they_were_settled(reserve, took):
    """What a request took beyond its estimate is told to the others before the next lot; what it left is used again."""
    store, now = Store(0.0), 5.0
    limits = [Limit(300, per=60.0, of="tokens")]
    workers = [Worker(store, limits) for _ in range(3)]
    reserved, settled = Counter(), Counter()
    for who, tokens, gap in took:
        now += gap
        now, ticket = workers[who].leaves(now, Need(post=True, rows=1, tokens=reserve), 3, [])
        window = math.floor((now + EPOCH) / 60.0)
        reserved[window] += max(reserve, tokens)
        settled[window] += tokens
        ticket.answered(now, 200, float(math.floor(now + EPOCH)), tokens)
    for worker in workers:
        worker.gate.rest(now)
        worker.link.answer(now, "told")
        worker.link.answer(now, "told")
    for window, tokens in settled.items():
        told = store.used[SharedWindow("tokens", 60.0, window)]
        assert tokens <= told or now > 60.0 * (window + 1) - EPOCH
        assert tokens <= 300 + 3 * 90, "of each worker one request, whose estimate was too low, may exceed what is left"


class Watched(Store):
    """Knows what was open at once of each worker since a window last gave tokens: by how much it took too little.

    A request is open until the store was told what it took: from its leave to the end of the exchange that tells.
    """

    def __init__(self, workers):
        super().__init__(0.0)
        self.open, self.most = [{} for _ in range(workers)], defaultdict(dict)

    def gave(self, window):
        self.most[window.number] = {who: sum(each.values()) for who, each in enumerate(self.open)}

    def left(self, who, name, window, more):
        self.open[who][name] = more
        self.most[window][who] = max(self.most[window].get(who, 0), sum(self.open[who].values()))


@settings(deadline=None, max_examples=100)
@given(
    reserve=st.integers(1, 60),
    steps=st.lists(
        st.tuples(st.integers(0, 2), st.integers(0, 150), st.floats(0, 1), st.booleans(), st.booleans()),
        min_size=1,
        max_size=60,
    ),
)
def test_a_window_is_exceeded_by_no_more_than_what_is_open_at_once_takes_beyond_its_estimate(reserve, steps):
    store, now = Watched(3), 5.0
    workers = [Worker(store, [Limit(300, per=60.0, of="tokens")]) for _ in range(3)]
    took, out = Counter(), [{} for _ in workers]
    for name, (who, tokens, gap, is_answered, is_told) in enumerate(steps):
        now += gap
        now, ticket = workers[who].leaves(now, Need(post=True, rows=1, tokens=reserve), 3, [])
        window = math.floor((now + EPOCH) / 60.0)
        took[window] += tokens
        out[who][name] = ticket, tokens
        store.left(who, name, window, max(0, tokens - reserve))
        if is_answered:
            for each, spent in out[who].values():
                each.answered(now, 200, float(math.floor(now + EPOCH)), spent)
            out[who].clear()
        if is_told:
            for _ in range(3):
                workers[who].link.answer(now, "told")
        if workers[who].link.asked is None:
            store.open[who] = {each: more for each, more in store.open[who].items() if each in out[who]}
    for window, tokens in took.items():
        assert tokens <= 300 + sum(store.most[window].values())


@given(st.integers(0, 400), st.integers(1, 300), st.integers(0, 50), st.integers(0, 500))
def test_a_lot_fits_is_of_use_and_shrinks_with_the_window(used, most, need, more):
    ask = LotRequest(SharedWindow("requests", 10.0, 1), most, need, need + more)
    lot = grant(used, ask)
    assert lot == 0 or need <= lot <= need + more
    assert used + lot <= max(most, need) or lot == 0
    if need and used + need <= most:
        assert lot >= need
        assert lot <= max(need, (most - used) // 2)
    if used:
        assert grant(used - 1, ask) >= lot or grant(used - 1, ask) >= need


# One worker, by hand: what it tells the store


def holding(*limits, skew=0.0):
    """Return a worker that holds permits, with its ticket; it has 3 s gone in a window of 10."""
    store = Store(skew)
    worker = Worker(store, list(limits))
    now, ticket = worker.leaves(3.0, Need(post=True, rows=1, tokens=10), 5, [])
    return store, worker, now, ticket


def used(store, of="requests", number=0):
    return store.used[SharedWindow(of, 10.0, round(EPOCH / 10) + number)]


def test_a_worker_that_wakes_after_its_window_asks_for_permits_of_the_next():
    store, worker, now, ticket = holding(Limit(40, per=10.0))
    assert used(store) == 5
    assert ticket.may_leave(now + 1)
    assert not ticket.may_leave(now + 8), "it holds none of that window"
    ticket.returned(now + 8)
    now, _ = worker.leaves(now + 8, Need(), 1, [])
    assert used(store, number=1) == 1
    worker.gate.rest(now)
    worker.link.answer(now, "told")
    assert (used(store), used(store, number=1)) == (1, 1), "what it held of the window before is given back there"


def test_what_was_used_by_a_clock_that_was_wrong_is_told_where_it_was_used():
    store, worker, now, ticket = holding(Limit(6, per=10.0), skew=300.0)
    assert used(store) == 0
    ticket.answered(now, 200, EPOCH + math.floor(now))
    worker.link.answer(now, "told")
    assert used(store) == 1


@pytest.mark.parametrize("fate", ["lost", "away"])
def test_what_was_used_beyond_what_was_taken_is_told_again_where_no_answer_came(fate):
    store, worker, now, ticket = holding(Limit(100, per=10.0, of="tokens"))
    before = used(store, "tokens")
    ticket.answered(now, 200, EPOCH + math.floor(now), 10 + before)
    worker.gate.rest(now)
    worker.link.answer(now, fate)
    worker.leaves(now, Need(post=True, rows=1, tokens=1), 1, [])
    assert used(store, "tokens") >= 10 + before + 1


def test_what_two_limits_count_in_one_window_is_corrected_once():
    store, worker, now, ticket = holding(Limit(100, per=10.0, of="tokens"), Limit(90, per=10.0, of="tokens"))
    ticket.answered(now, 200, EPOCH + math.floor(now), 0)
    worker.gate.rest(now)
    worker.link.answer(now, "told")
    assert used(store, "tokens") == 0
    now, ticket = worker.leaves(now, Need(post=True, rows=1, tokens=10), 1, [])
    ticket.answered(now, 200, EPOCH + math.floor(now), 50)
    worker.gate.rest(now)
    worker.link.answer(now, "told")
    assert used(store, "tokens") == 50


def test_what_permits_do_not_cover_is_told_at_once():
    store, worker, now, ticket = holding(Limit(100, per=10.0, of="tokens"))
    assert used(store, "tokens") == 50
    ticket.answered(now, 200, EPOCH + math.floor(now), 30)
    assert worker.link.asked is None, "the permits that it holds cover it"
    now, ticket = worker.leaves(now, Need(post=True, rows=1, tokens=10), 1, [])
    ticket.answered(now, 200, EPOCH + math.floor(now), 61)
    worker.link.answer(now, "told")
    assert used(store, "tokens") == 30 + 61
    assert worker.link.asked is None


def test_what_permits_do_not_cover_is_told_once_the_exchange_under_way_has_ended():
    store, worker, now, first = holding(Limit(1000, per=10.0, of="tokens"))
    now, second = worker.leaves(now, Need(post=True, rows=1, tokens=10), 1, [])
    first.answered(now, 200, EPOCH + math.floor(now), 210)
    assert [ask.back for ask in worker.link.asked[0]] == [-170]
    second.answered(now, 200, EPOCH + math.floor(now), 110)
    worker.link.answer(now, "told")
    assert used(store, "tokens") == 220
    worker.link.answer(now, "told")
    assert used(store, "tokens") == 320
    assert worker.link.asked is None
