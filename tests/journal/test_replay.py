"""A run's file replays to what its events say one after the other, though most are not read."""

from __future__ import annotations

import json
import sqlite3
from contextlib import closing

from hypothesis import given
from hypothesis import strategies as st

from fi_async.journal import replay, schema
from fi_async.journal.events import EventKind
from fi_async.journal.replay import Past

BODIES = {
    EventKind.ACCEPTED: st.just("an-id"),
    EventKind.REOPENED: st.sampled_from([None, "an-id", '{"attempts":2,"ambiguous":1,"is_open":true,"resend":true}']),
    EventKind.PLACED: st.builds(json.dumps, st.tuples(st.integers(0, 9), st.none())),
    EventKind.ALSO: st.builds(json.dumps, st.tuples(st.integers(0, 9), st.just("c"))),
    EventKind.REFUSED: st.builds(json.dumps, st.tuples(st.integers(0, 9), st.just("c"))),
    EventKind.READ: st.sampled_from(["1", "2"]),
    EventKind.GONE: st.builds(json.dumps, st.tuples(st.integers(0, 9))),
}
EVENTS = st.sampled_from(list(EventKind)).flatmap(
    lambda kind: st.tuples(st.integers(1, 4), st.just(kind), st.floats(0, 9), BODIES.get(kind, st.none()))
)


@given(st.lists(EVENTS, max_size=40))
def test_what_is_left_out_changes_nothing(events):
    expected = Past()
    with closing(sqlite3.connect(":memory:")) as connection:
        connection.executescript(schema._SCHEMA)
        for n in range(1, 5):
            expected.add(n)
            connection.execute("INSERT INTO cases VALUES (?, ?, 'contains', ?, NULL, '{}')", (n, f"{n}", n))
        for n, kind, at, body in events:
            expected.take(n, kind, at, body)
            connection.execute("INSERT INTO events (n, kind, at, body) VALUES (?, ?, ?, ?)", (n, kind, at, body))
        found = replay.read(connection)
    assert found == expected
    assert (found.held, found.done) == (
        sum(not expected.is_removed(n) for n in range(1, 5)) + len(expected.also) + len(expected.refused),
        sum(expected.has_ended(n) and not expected.is_removed(n) for n in range(1, 5))
        + sum(expected.has_ended(n) for n, _ in expected.also)
        + len(expected.refused),
    )
