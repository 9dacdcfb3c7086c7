"""The gate: closed to everyone until the latest time anyone was told."""

from __future__ import annotations

from fi_async.pacing.rate import Gate


def opens(gate: Gate) -> tuple[float, float]:
    return gate.opens_at(post=False), gate.opens_at(post=True)


def test_a_gate_is_open_at_first():
    assert opens(Gate()) == (0.0, 0.0)


def test_a_hold_closes_it_to_all():
    gate = Gate()
    gate.hold(5.0)
    assert opens(gate) == (5.0, 5.0)


def test_a_hold_of_posts_lets_polls_leave():
    gate = Gate()
    gate.hold(5.0, posts_only=True)
    assert opens(gate) == (0.0, 5.0)


def test_the_latest_time_counts():
    gate = Gate()
    gate.hold(5.0)
    gate.hold(3.0)
    assert opens(gate) == (5.0, 5.0)
    gate.hold(9.0, posts_only=True)
    gate.hold(7.0)
    assert opens(gate) == (7.0, 9.0)


def test_another_clocks_times_are_forgotten_and_its_own_are_kept():
    gate, clock, other = Gate(), object(), object()
    gate.go_by(clock)
    gate.hold(5.0)
    gate.hold(9.0, posts_only=True)
    gate.go_by(clock)
    assert opens(gate) == (5.0, 9.0)
    gate.go_by(other)
    assert opens(gate) == (0.0, 0.0)
