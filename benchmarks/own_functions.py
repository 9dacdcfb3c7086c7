"""Functions of a user's that keep a processor busy, in pure Python."""

from __future__ import annotations

from fi_async import template


def busy(rounds: int) -> float:
    total = 0
    for number in range(rounds):
        total += number * number % 7
    return float(total)


@template(name="in_one", processes=1)
def in_one(rounds: int) -> float:
    return busy(rounds)


@template(name="in_two", processes=2)
def in_two(rounds: int) -> float:
    return busy(rounds)


@template(name="in_thread")
def in_thread(rounds: int) -> float:
    return busy(rounds)
