"""Outcomes in the user's words: where a case stands, and why it has no score."""

from __future__ import annotations

from fi_async._errors import APIConnectionError
from fi_async._models import Outcome
from fi_async.reports import figures
from fi_async.sources.rows import TableCase


def place_of(outcome: Outcome) -> str:
    """Return where a case stands: file and line."""
    return row_of(outcome).place


def row_of(outcome: Outcome) -> TableCase:
    """Return the row that an outcome is about."""
    assert isinstance(outcome.case, TableCase)  # noqa: S101  # the run reads nothing but rows
    return outcome.case


def cause_of(outcome: Outcome) -> figures.Cause:
    """Return the type and the message of why a case has no score, alike for all cases of the same trouble."""
    fault = row_of(outcome).fault
    return figures.cause_of(outcome) if fault is None else ("UnreadableRow", fault)


def never_left(outcome: Outcome) -> bool:
    """Tell whether a case failed because its request could not even be sent."""
    return isinstance(outcome.error, APIConnectionError) and not outcome.error.sent
